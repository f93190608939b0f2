"""What no arm can have reported is refused by name; what a policy must not give moves nothing."""

import math
from dataclasses import replace

import pytest

np = pytest.importorskip("numpy")

from made_up import contract_of, image, vector  # noqa: E402

from alice.arms import XARM1S, xarm1s  # noqa: E402
from alice.contract import action_of, spec_of  # noqa: E402
from alice.deploy.observation import Controller  # noqa: E402
from alice.deploy.readings import ReadingError  # noqa: E402

HOME = list(XARM1S.home)
BALL, DISH, RADIUS = [[0.2, 0.0, 0.015]], [[0.15, 0.1, 0.0]], [0.015]
SEEN = ("joint_pos", "joint_vel", "ball_to_dish", "pinch_flag", "last_action")
TIME_OUT = (-2048 - xarm1s.CENTRE_COUNTS) / xarm1s.COUNTS_PER_RADIAN
FINGER_TIME_OUT = (xarm1s.GRIPPER_CLOSED_COUNTS + 2048) / xarm1s.COUNTS_PER_RADIAN * xarm1s.FINGER_PER_RADIAN


def make(count: int = 1, **contract) -> Controller:
    return Controller(replace(contract_of(vector("x", *SEEN)), **contract), count)


def reported(**joints: float) -> list[list[float]]:
    """Return one row of joint positions, home but for some."""
    return [[joints.get(name.removesuffix("_joint"), XARM1S.home_by_name[name]) for name in XARM1S.names]]


##
# Readings
##


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (reported(elbow=math.nan), "elbow_joint is nan rad"),
        (reported(wrist_roll=math.inf), "wrist_roll_joint is inf rad"),
        (reported(base=TIME_OUT), r"base_joint is -10\.67\d+ rad.*read servo 6 again.*a time-out is no reading"),
        (reported(elbow=54.4), r"elbow_joint is 54\.4 rad, its limits are -2\.094 to 2\.094 rad and 0\.31 rad either"),
        (reported(shoulder=1.9), r"shoulder_joint is 1\.9 rad, its limits are -1\.571 to 1\.571 rad"),
        (reported(left_finger=20.0), r"left_finger_joint is 20 m, its limits are 0 to 0\.025 m and 0\.025 m either"),
        (reported(base=1e39), "base_joint is inf rad"),
        (reported(right_finger=FINGER_TIME_OUT), r"right_finger_joint is 0\.26\d+ m.*read servo 1 again"),
    ],
)
def test_a_reading_that_cannot_be_is_refused_by_name(row, expected):
    controller = make()
    first = controller.inputs(reported(base=0.1), BALL, DISH, RADIUS)["x"]
    with pytest.raises(ReadingError, match=expected) as caught:
        controller.inputs(row, BALL, DISH, RADIUS)
    assert "\n" not in str(caught.value) and "hold the last targets" in str(caught.value)
    # Nothing has changed: the next speed is the difference to the last good reading.
    after = controller.inputs(reported(base=0.15), BALL, DISH, RADIUS)["x"]
    assert after[0, 7] == pytest.approx(0.05 * 20, rel=1e-4) and first[0, 7] == 0.0
    with pytest.raises(ReadingError, match=expected):
        controller.begin([0], row)
    assert controller.targets.tolist() == [pytest.approx(HOME)]


def test_what_an_uncalibrated_servo_reports_passes():
    beyond = [joint.upper for joint in XARM1S.joints]
    beyond[:5] = [value + 72 / xarm1s.COUNTS_PER_RADIAN for value in beyond[:5]]
    beyond[5:] = [-240 / xarm1s.COUNTS_PER_RADIAN * xarm1s.FINGER_PER_RADIAN] * 2
    assert make().inputs([beyond], BALL, DISH, RADIUS)["x"].shape == (1, 24)


def test_the_arm_is_named_where_there_are_several():
    rows = [HOME, HOME, reported(base=math.nan)[0]]
    with pytest.raises(ReadingError, match=r"joint_pos: arm 2, base_joint is nan"):
        make(3).inputs(rows, BALL * 3, DISH * 3, RADIUS * 3)


@pytest.mark.parametrize(
    ("ball", "dish", "radius", "expected"),
    [
        ([[200.0, 0.0, 15.0]], DISH, RADIUS, "ball_pos: x is 200 m, more than 1 m from the base.*give metres"),
        ([[0.2, math.nan, 0.0]], DISH, RADIUS, "ball_pos: y is nan m"),
        (BALL, [[0.1, 0.1, -math.inf]], RADIUS, "dish_pos: z is -inf m"),
        (BALL, DISH, [15.0], "ball_radius: 15 m is no ball's radius, need 0 to 0.1 m"),
        (BALL, DISH, [math.nan], "ball_radius: nan m"),
        (BALL, DISH, [0.0], "ball_radius: 0 m"),
    ],
)
def test_places_in_another_unit_are_refused(ball, dish, radius, expected):
    with pytest.raises(ReadingError, match=expected):
        make().inputs([HOME], ball, dish, radius)


SHAPES = {
    "a flat list of joints": ((HOME, BALL, DISH, RADIUS), r"joint_pos has the shape \(7,\), need \(1, 7\): one row"),
    "counts of six servos": (([[500] * 6], BALL, DISH, RADIUS), r"joint_pos has the shape \(1, 6\), need \(1, 7\)"),
    "a flat ball": (([HOME], BALL[0], DISH, RADIUS), r"ball_pos has the shape \(3,\), need \(1, 3\)"),
    "a flat dish": (([HOME], BALL, (0.1, 0.1), RADIUS), r"dish_pos has the shape \(2,\), need \(1, 3\)"),
    "one radius": (([HOME], BALL, DISH, 0.015), r"ball_radius has the shape \(\), need \(1,\)"),
    "ragged": (([HOME, [1]], BALL, DISH, RADIUS), "joint_pos cannot be read as numbers; give an array of shape"),
    "a text": (("home", BALL, DISH, RADIUS), "joint_pos cannot be read as numbers"),
    "two arms": (([HOME, HOME], BALL, DISH, RADIUS), r"joint_pos has the shape \(2, 7\), need \(1, 7\)"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_other_shapes_are_one_line(name):
    arguments, expected = SHAPES[name]
    with pytest.raises(ValueError, match=expected) as caught:
        make().inputs(*arguments)
    assert "\n" not in str(caught.value)


def test_lists_are_as_good_as_arrays():
    found = make().inputs([HOME], BALL, DISH, RADIUS)["x"]
    arrays = (np.array(value) for value in ([HOME], BALL, DISH, RADIUS))
    assert (found == make().inputs(*arrays)["x"]).all()
    assert make().targets_after([[0.0] * 6]).shape == (1, 7)


def test_arms_that_are_not_there_cannot_begin():
    with pytest.raises(ValueError, match=r"which=\[3\] are none of 2 arms"):
        make(2).begin([3], [HOME])
    with pytest.raises(ValueError, match=r"targets has the shape \(1, 7\), need \(2, 7\)"):
        make(2).begin([True, True], [HOME])


def test_pictures_of_other_arms_change_nothing():
    controller = make(2, inputs=(image(8, 6),))
    first = np.full((2, 6, 8, 3), 7, np.uint8)
    controller.inputs([HOME] * 2, pictures=first)
    with pytest.raises(ValueError, match="1 pictures for 2 arms; give one for each"):
        controller.inputs([HOME] * 2, pictures=first[:1])
    made = controller.inputs([HOME] * 2, pictures=np.full((2, 6, 8, 3), 9, np.uint8))["image"]
    assert made[:, ::3, 0, 0].tolist() == [[7, 9], [7, 9]]


##
# Actions
##


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_bad_action_keeps_the_last_targets_and_is_told(bad, caplog):
    controller = make(2)
    controller.targets_after([[0.5] * 6, [0.5] * 6])
    before, action = controller.targets.copy(), [0.0, 0.0, bad, 0.0, 0.0, 0.0]
    after = controller.targets_after([action, [0.5] * 6])
    assert (after[0] == before[0]).all() and (after[1, :5] > before[1, :5]).all()
    assert controller.refused.tolist() == [1, 0]
    assert "arm 0: the policy gave" in caplog.text and "for elbow_joint; the last targets stay" in caplog.text
    shown = controller.inputs([HOME] * 2, BALL * 2, DISH * 2, RADIUS * 2)["x"]
    assert shown[:, -6:].tolist() == [[0.5] * 6] * 2, "the last action that counted"
    controller.targets_after([action, action])
    assert controller.refused.tolist() == [2, 1]
    assert np.isfinite(controller.targets_after([[0.1] * 6] * 2)).all()
    assert controller.refused.tolist() == [0, 0]


def test_actions_of_another_shape_move_nothing():
    controller = make()
    before = controller.targets.copy()
    for actions in ([0.0] * 6, [[0.0] * 7], [[0.0] * 6] * 2):
        with pytest.raises(ValueError, match=r"actions has the shape .*, need \(1, 6\)"):
            controller.targets_after(actions)
    assert (controller.targets == before).all()


##
# Numbers of the contract
##


def test_rate_scale_slew_limits_and_home_are_those_of_the_contract():
    narrow = replace(
        spec_of(XARM1S),
        control_rate_hz=12.5,
        joint_upper=(0.25, *XARM1S.upper[1:]),
        home=(0.2, *XARM1S.home[1:]),
    )
    action = replace(action_of(XARM1S), arm_scale=0.04, gripper_slew=0.001, gripper_open=(0.02, 0.02))
    controller = make(arm=narrow, action=action)
    assert controller.targets[0, 0] == pytest.approx(0.2)
    controller.inputs([HOME], BALL, DISH, RADIUS)
    speeds = controller.inputs(reported(base=0.02), BALL, DISH, RADIUS)["x"]
    assert speeds[0, 7] == pytest.approx(0.02 * 12.5, rel=1e-4)
    moved = controller.targets_after([[1.0, 1.0, 0.0, 0.0, 0.0, -1.0]])[0]
    assert moved[:2] == pytest.approx([0.24, HOME[1] + 0.04], abs=1e-6)
    assert moved[5:] == pytest.approx([0.019, 0.019], abs=1e-6)
    assert controller.targets_after([[1.0] * 6])[0, 0] == pytest.approx(0.25)
    for _ in range(9):
        moved = controller.targets_after([[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])[0]
    assert moved[5:] == pytest.approx([0.02, 0.02], abs=1e-6)
