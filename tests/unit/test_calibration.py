"""Counts and joints of one arm: the file, the two ways, and what is refused in one line."""

import json
from dataclasses import replace

import numpy as np
import pytest

from alice import arms
from alice.deploy import calibration
from alice.deploy.calibration import CalibrationError

ARMS = list(arms.ARMS.values())
by_arm = pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)


def data_of(arm):
    """Return the content of a nominal file that passed its check."""
    return {**json.loads(calibration.nominal(arm).to_json()), "verified": True}


def text_with(kind, servo=None, **changes):
    data = {**data_of(kind), **changes}
    if servo:
        index, fields = servo
        data["servos"][index].update(fields)
    return json.dumps(data)


@by_arm
def test_home_goes_to_counts_and_back_within_half_a_count(arm):
    made = calibration.nominal(arm)
    counts = made.counts(np.array([arm.home]))
    assert counts.shape == (1, len(arm.servo_ids)) and counts.dtype.kind == "i"
    back = made.joints(counts)
    assert back.shape == (1, len(arm.joints))
    turned = np.abs(back - arm.home)[0]
    assert turned[arm.arm_columns].max() <= 0.5001 / arm.joints[0].servo.counts_per_radian
    assert turned[arm.gripper_columns].max() < 1e-3


def test_the_xarm_counts_as_its_page_says():
    # docs/jetson.md: counts = 500 + sign · 238.73 · rad, servo 1: 500 - 9615.4 · m, the elbow the other way round.
    arm = arms.named("xarm1s")
    counts = calibration.nominal(arm).counts([0.1, 0.2, 0.3, -0.4, 0.5, 0.01, 0.01])
    assert counts.tolist() == [524, 548, 428, 405, 619, 404]


@by_arm
def test_a_gain_turns_further_for_fewer_counts_and_a_sign_turns_the_other_way(arm):
    made = calibration.nominal(arm)
    first = made.servos[0]

    def apart(servo):
        one = replace(made, servos=(servo, *made.servos[1:]))
        counts = one.counts([[0.0, *arm.home[1:]], [0.5, *arm.home[1:]]])
        return counts[1, 0] - counts[0, 0]

    plain = apart(first)
    assert apart(replace(first, servo_gain=1.05)) == pytest.approx(plain / 1.05, abs=1)
    assert apart(replace(first, sign=-first.sign)) == -plain


@by_arm
def test_measured_closed_and_open_counts_are_where_the_gripper_is(arm):
    text = text_with(arm)
    data = json.loads(text)
    gripper = data["servos"][-1]
    shift = 30 * arm.joints[-1].counts_sign
    gripper["closed_counts"] += shift
    gripper["open_counts"] += 2 * shift
    made = calibration.from_json(json.dumps(data), arm)
    for at, count in ((arm.gripper.closed, "closed_counts"), (arm.gripper.opened, "open_counts")):
        pose = [*arm.home[arm.arm_columns], *at]
        assert made.counts(pose)[-1] == pytest.approx(gripper[count], abs=0.51)


@by_arm
def test_a_file_is_read_as_it_was_written(arm, tmp_path):
    camera = calibration.CameraCalibration(640, 480, (400.0, 401.0), (320.0, 240.0), position=(0.0, 0.01, 0.02))
    made = replace(calibration.nominal(arm), camera=camera, verified=True, name="mine")
    made.write(tmp_path / "mine.json")
    assert calibration.read(tmp_path / "mine.json", arm) == made


@by_arm
def test_limits_are_within_table_stops_and_counts(arm):
    made = calibration.nominal(arm)
    low, high = made.limits
    assert (low >= np.array(arm.lower)).all() and (high <= np.array(arm.upper)).all()
    first = made.servos[0]
    middle = first.zero_counts
    narrow = replace(made, servos=(replace(first, stops_counts=(middle - 100, middle + 100)), *made.servos[1:]))
    reach = 100 / arm.joints[0].servo.counts_per_radian
    assert narrow.limits[0][0] == pytest.approx(-reach) and narrow.limits[1][0] == pytest.approx(reach)
    assert abs(narrow.counts([3.0, *arm.home[1:]])[0] - middle) == 100


WRONG = {
    "no json": (lambda arm: "{", "damaged or no calibration"),
    "a list": (lambda arm: "[]", "damaged or no calibration"),
    "nan": (lambda arm: text_with(arm, shoulder_height=float("nan")), "NaN is no number"),
    "another schema": (lambda arm: text_with(arm, schema=99), "schema 99"),
    "another arm": (lambda arm: text_with(arm, arm="other"), "of the arm 'other'"),
    "a servo is missing": (lambda arm: text_with(arm, servos=data_of(arm)["servos"][1:]), "its servos are"),
    "swapped servos": (
        lambda arm: text_with(arm, servos=[*data_of(arm)["servos"][:2][::-1], *data_of(arm)["servos"][2:]]),
        "its servos are",
    ),
    "an unknown field": (lambda arm: text_with(arm, colour="red"), "of another form"),
    "a word for a zero": (lambda arm: text_with(arm, (0, {"zero_counts": "many"})), "zero_counts is 'many'"),
    "a zero outside": (lambda arm: text_with(arm, (0, {"zero_counts": 9000})), "zero_counts is 9000"),
    "a zero that leaves no range": (lambda arm: text_with(arm, (0, {"zero_counts": 40})), "leaves"),
    "no sign": (lambda arm: text_with(arm, (1, {"sign": 0})), "sign is 0"),
    "a gain": (lambda arm: text_with(arm, (1, {"servo_gain": 2.0})), "servo_gain is 2.0"),
    "stops the wrong way": (lambda arm: text_with(arm, (1, {"stops_counts": [900, 100]})), "the lower first"),
    "a missed stop": (lambda arm: text_with(arm, (1, {"stops_counts": [490, 510]})), "leaves|not between"),
    "a gripper without span": (lambda arm: text_with(arm, (-1, {"open_counts": 501, "closed_counts": 500})), "turns"),
    "a shoulder 2 cm up": (
        lambda arm: text_with(arm, shoulder_height=arm.chain.shoulder[1] + 0.02),
        "make up for 3 mm",
    ),
    "yes for verified": (lambda arm: text_with(arm, verified="yes"), "need true or false"),
    "a camera without a lens": (
        lambda arm: text_with(arm, camera={"width": 640, "height": 480, "focal": [1, 1], "centre": [1, 1]}),
        "focal",
    ),
}


@by_arm
@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_meant_is_told_in_one_line(case, arm):
    make, expected = WRONG[case]
    with pytest.raises(CalibrationError, match=expected) as told:
        calibration.from_json(make(arm), arm)
    assert "\n" not in str(told.value) and len(str(told.value)) < 500


@by_arm
def test_an_unverified_file_is_refused_unless_nothing_moves(arm, tmp_path):
    calibration.nominal(arm).write(tmp_path / "new.json")
    with pytest.raises(CalibrationError, match=r"'new.json' is not verified"):
        calibration.read(tmp_path / "new.json", arm)
    assert calibration.read(tmp_path / "new.json", arm, must_be_verified=False).arm == arm.name


def test_a_shoulder_two_millimetres_up_is_made_up_for():
    arm = ARMS[0]
    text = text_with(arm, shoulder_height=arm.chain.shoulder[1] + 0.002)
    assert calibration.from_json(text, arm).lift == pytest.approx(0.002)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read_is_told(content, tmp_path):
    path = tmp_path / "mine.json"
    if content:
        path.write_bytes(content)
    with pytest.raises(CalibrationError, match=r"'mine.json' cannot be read"):
        calibration.read(path, ARMS[0])
