"""The robot side: what it makes of readings and actions is what the training side makes of them."""

from dataclasses import replace

import pytest

np = pytest.importorskip("numpy")

from made_up import contract_of, image, vector  # noqa: E402

from alice.arms import XARM1S  # noqa: E402
from alice.contract import VectorInput, from_json, terms_of  # noqa: E402
from alice.deploy.observation import Controller  # noqa: E402
from alice.deploy.pictures import fit_picture  # noqa: E402
from alice.deploy.readings import ReadingError  # noqa: E402

HOME = np.array([list(XARM1S.home)], np.float32)
BALL, DISH, RADIUS = np.array([[0.2, 0.0, 0.015]]), np.array([[0.15, 0.1, 0.0]]), np.array([0.015])


def make(*names: str, count: int = 1) -> Controller:
    """Return a controller whose policy sees some terms as the input ``x``."""
    return Controller(contract_of(vector("x", *names)), count)


def test_the_tool_point_is_where_the_joint_table_puts_it(tool_point):
    generator = np.random.default_rng(3)
    joints = generator.uniform(-1.2, 1.2, (50, 7)).astype(np.float32)
    joints[:, 5:] = 0.01
    expected = [tool_point(dict(zip(XARM1S.names, row, strict=True))) for row in joints.tolist()]
    np.testing.assert_allclose(make("tool_pos", count=50).inputs(joints)["x"], expected, atol=1e-6)


def test_terms_come_in_the_order_of_the_contract():
    vector = make("ball_pos", "ball_to_dish", "joint_targets").inputs(HOME, BALL, DISH, RADIUS)["x"]
    assert vector.dtype == np.float32 and vector.shape == (1, 13)
    np.testing.assert_allclose(vector[0, :6], [0.2, 0.0, 0.015, -0.05, 0.1, -0.015], atol=1e-7)
    np.testing.assert_allclose(vector[0, 6:], HOME[0])


def test_speed_is_the_difference_of_two_readings_and_zero_at_the_start():
    controller = make("joint_vel", count=2)
    first, second = np.repeat(HOME, 2, 0), np.repeat(HOME + 0.01, 2, 0)
    ball, dish, radius = BALL.repeat(2, 0), DISH.repeat(2, 0), RADIUS.repeat(2)
    assert not controller.inputs(first, ball, dish, radius)["x"].any()
    np.testing.assert_allclose(controller.inputs(second, ball, dish, radius)["x"], 0.2, rtol=1e-4)
    controller.begin(np.array([False, True]), HOME)
    speeds = controller.inputs(first, ball, dish, radius)["x"]
    np.testing.assert_allclose(speeds[0], -0.2, rtol=1e-4)
    assert not speeds[1].any()


def test_numbers_are_cut_and_scaled_as_the_contract_says():
    term = replace(terms_of(XARM1S)["ball_pos"], clip=(-0.1, 0.1), scale=2.0)
    controller = Controller(contract_of(VectorInput("x", (term,))))
    np.testing.assert_allclose(controller.inputs(HOME, BALL, DISH, RADIUS)["x"], [[0.2, 0.0, 0.03]], atol=1e-7)


def test_the_pinch_flag_is_that_of_training():
    torch = pytest.importorskip("torch")
    from alice.transfer import geometry

    generator = np.random.default_rng(5)
    count = 4000
    joints = np.repeat(HOME, count, 0)
    joints[:, 5:] = generator.uniform(0.010, 0.020, (count, 2))
    controller = make("pinch_flag", count=count)
    controller.targets[:, 5:] = generator.uniform(0.005, 0.020, (count, 2))
    tool = make("tool_pos", count=count).inputs(joints)["x"]
    ball = tool + generator.normal(0.0, 0.008, (count, 3))
    radius = generator.uniform(0.012, 0.018, count)
    found = controller.inputs(joints, ball, np.repeat(DISH, count, 0), radius)["x"][:, 0]
    expected = geometry.is_pinched(
        torch.from_numpy(np.linalg.norm(tool - ball, axis=-1)),
        torch.from_numpy(joints[:, 5] + joints[:, 6]),
        torch.from_numpy(controller.targets[:, 5] + controller.targets[:, 6]),
        torch.from_numpy(radius),
    ).numpy()
    assert 0.05 < expected.mean() < 0.95
    assert (found == expected).mean() > 0.999  # rounding at a threshold


def test_the_dish_flag_is_that_of_training(make_env):
    torch = pytest.importorskip("torch")
    from alice.mdp import observations
    from alice.transfer.state import transfer_state

    generator = np.random.default_rng(6)
    count = 2000
    env, everyone = make_env(count), torch.arange(count)
    dish = generator.uniform((0.1, -0.1, -0.003), (0.3, 0.1, 0.003), (count, 3)).astype(np.float32)
    ball = (dish + generator.uniform((-0.05, -0.05, 0.01), (0.05, 0.05, 0.15), (count, 3))).astype(np.float32)
    env.put(ball=torch.from_numpy(ball))
    transfer_state(env).begin_episode(everyone, torch.from_numpy(dish), everyone >= 0)
    env.end_reset(everyone)
    radius = transfer_state(env).ball_radius.numpy()
    found = make("dish_flag", count=count).inputs(np.repeat(HOME, count, 0), ball, dish, radius)["x"][:, 0]
    expected = observations.dish_flag(env)[:, 0].numpy()
    assert 0.05 < expected.mean() < 0.95
    assert (found == expected).mean() > 0.999  # rounding at a threshold


def test_targets_move_by_the_scaled_action_and_the_gripper_slews():
    controller = make("last_action")
    after = controller.targets_after(np.array([[1.0, -0.5, 0.0, 0.0, 9.0, -1.0]]))
    np.testing.assert_allclose((after - HOME)[0], [0.1, -0.05, 0.0, 0.0, 0.1, -0.003, -0.003], atol=1e-6)
    np.testing.assert_allclose(controller.inputs(HOME, BALL, DISH, RADIUS)["x"], [[1.0, -0.5, 0.0, 0.0, 1.0, -1.0]])
    for _ in range(50):
        after = controller.targets_after(np.array([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]))
    np.testing.assert_allclose(after[0], [joint.upper for joint in XARM1S.joints], rtol=1e-6)


def test_targets_that_were_returned_do_not_change_later():
    controller = make("last_action")
    first = controller.targets_after(np.zeros((1, 6)))
    kept = first.copy()
    controller.targets_after(np.ones((1, 6)))
    assert (first == kept).all()


##
# Pictures
##


def _seeing(frames: int = 3, count: int = 2) -> Controller:
    """Return a controller whose policy sees its joints, the dish and pictures of 8x6."""
    return Controller(contract_of(vector("x", "joint_pos", "dish_place"), image(8, 6, frames)), count)


def _grey(*values: int, width: int = 8, height: int = 6) -> np.ndarray:
    """Return one picture of a single brightness for each value, (N, H, W, 3)."""
    return np.stack([np.full((height, width, 3), value, np.uint8) for value in values])


def _shown(controller: Controller, *values: int) -> list[list[int]]:
    """Return the brightness of each frame that each arm's policy is shown."""
    count = len(values)
    made = controller.inputs(HOME.repeat(count, 0), dish_pos=DISH.repeat(count, 0), pictures=_grey(*values))["image"]
    assert made.dtype == np.uint8 and made.shape == (count, 9, 6, 8)
    return made[:, ::3, 0, 0].tolist()


def test_frames_come_oldest_first_and_an_episode_begins_with_its_first_picture():
    controller = _seeing()
    assert _shown(controller, 10, 20) == [[10, 10, 10], [20, 20, 20]]
    assert _shown(controller, 11, 21) == [[10, 10, 11], [20, 20, 21]]
    controller.begin(np.array([False, True]), HOME)
    assert _shown(controller, 12, 50) == [[10, 11, 12], [50, 50, 50]]
    assert _shown(controller, 13, 51) == [[11, 12, 13], [50, 50, 51]]


def test_channels_stay_red_green_blue():
    picture = np.zeros((1, 6, 8, 3), np.uint8)
    picture[..., 0], picture[..., 2] = 200, 50
    made = _seeing(frames=1, count=1).inputs(HOME, dish_pos=DISH, pictures=picture)["image"]
    assert made[0, :, 3, 3].tolist() == [200, 0, 50]


def test_what_the_policy_sees_must_be_given_and_nothing_else():
    with pytest.raises(ValueError, match="the policy sees image: give the pictures"):
        _seeing(count=1).inputs(HOME, dish_pos=DISH)
    with pytest.raises(ValueError, match="the policy sees ball_to_dish: give ball_pos"):
        make("joint_pos", "ball_to_dish").inputs(HOME)
    assert make("joint_pos").inputs(HOME)["x"].shape == (1, 7)


def test_a_larger_picture_is_cut_about_its_centre_and_averaged():
    picture = np.zeros((1, 480, 848, 3), np.uint8)
    picture[:, :, 104:744] = 80  # the middle 4:3
    picture[:, :, 424:744] = 160
    small = fit_picture(picture, 64, 48)
    assert small.shape == (1, 48, 64, 3)
    assert (small[:, :, :32] == 80).all() and (small[:, :, 32:] == 160).all()


def test_averages_weigh_pixels_on_a_border_by_their_share():
    picture = np.repeat(np.array([0, 90, 240], np.uint8)[None, None, :, None], 3, 3).repeat(2, 1)
    # Two stretches of one and a half pixels: 0 and half of 90, half of 90 and 240.
    np.testing.assert_array_equal(fit_picture(picture, 2, 1)[0, 0, :, 0], [30, 190])


def test_the_mean_stays_and_the_right_size_is_left_alone():
    generator = np.random.default_rng(2)
    picture = generator.integers(0, 256, (2, 96, 128, 3), np.uint8)
    assert abs(fit_picture(picture, 60, 45).mean() - picture.mean()) < 0.3
    assert fit_picture(picture, 128, 96) is picture


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [((1, 20, 30, 3), "uint8", "30x20 are smaller"), ((1, 90, 90, 4), "uint8", "need"), ((1, 90, 90, 3), "f", "need")],
)
def test_other_pictures_are_refused(shape, dtype, expected):
    with pytest.raises(ValueError, match=expected):
        fit_picture(np.zeros(shape, dtype), 64, 48)


##
# Another arm: other lengths, other signs, one jaw
##

SIDE = np.array([[0.3, -0.5, 0.7, 1.2, 0.6, 0.195]], np.float32)
"""The made-up arm with its jaw on a ball of 15 mm radius, turned to the right and rolled."""


def test_what_a_policy_of_another_arm_sees(crane, tool_point, opening):
    sees = ("joint_pos", "tool_pos", "gripper_gap", "pinch_flag", "tool_to_ball", "ball_to_dish", "joint_targets")
    made = contract_of(vector("x", *sees, arm=crane), arm=crane)
    controller = Controller(from_json(made.to_json()))
    assert controller.targets == pytest.approx(np.array([[0.0, -0.6, 0.8, 1.0, 0.0, 0.5]]))
    angles = dict(zip(crane.names, SIDE[0].tolist(), strict=True))
    tool, opens = np.array(tool_point(angles, crane)), np.array(opening(angles, crane))
    ball = tool + (0.015 - 0.0079) * opens  # leans on the fixed face
    squeezing = SIDE.copy()
    squeezing[0, 5] -= 0.1
    for place, targets, is_pinched in (
        (ball, squeezing, 1.0),
        (ball, SIDE, 0.0),  # not told to close
        (ball - 0.016 * opens, squeezing, 0.0),  # on the other side of the fixed jaw
        (tool - 0.0079 * opens, squeezing, 0.0),  # where it would be between two fingers
    ):
        controller.begin([0], targets)
        row = controller.inputs(SIDE, [place], DISH, RADIUS)["x"][0]
        np.testing.assert_allclose(row[:6], SIDE[0])
        np.testing.assert_allclose(row[6:9], tool, atol=1e-6)
        assert row[9] == pytest.approx(0.030, abs=2e-4) and row[10] == is_pinched
        np.testing.assert_allclose(row[11:14], place - tool, atol=1e-6)
        np.testing.assert_allclose(row[14:17], DISH[0] - place, atol=1e-6)
        np.testing.assert_allclose(row[17:], targets[0])


def test_what_a_policy_of_another_arm_commands(crane):
    controller = Controller(contract_of(vector("x", "last_action", arm=crane), arm=crane))
    home = controller.targets.copy()
    after = controller.targets_after([[1.0, -0.5, 0.0, 9.0, 0.0, -1.0]])
    np.testing.assert_allclose((after - home)[0], [0.075, -0.0375, 0.0, 0.075, 0.0, -0.15], atol=1e-6)
    for _ in range(60):
        after = controller.targets_after(np.ones((1, 6)))
    # The jaw goes to its widest commanded opening, the others to their limits.
    np.testing.assert_allclose(after[0], [2.0, 1.8, 1.7, 1.7, 2.8, 0.7], rtol=1e-6)


def test_readings_of_another_arm_are_refused_by_its_own_joints(crane):
    controller = Controller(contract_of(vector("x", "joint_pos", arm=crane), arm=crane))
    with pytest.raises(ValueError, match=r"joint_pos has the shape \(1, 7\), need \(1, 6\)"):
        controller.inputs(HOME)
    row = SIDE.copy()
    row[0, 5] = 2.0
    with pytest.raises(ReadingError, match=r"jaw is 2 rad, its limits are -0\.197 to 1\.7 rad and 0\.2 rad.*servo 6"):
        controller.inputs(row)
