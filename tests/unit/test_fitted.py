"""The servo file: what it holds comes back, what cannot be meant is one line, and its ranges reach the servo model."""

import json
import math

import pytest

from alice.arms import SO101, XARM1S, fitted
from alice.arms.fitted import Fit, FittedServos


def _file(**changes) -> FittedServos:
    quantities = {
        "servo_delay": {"bus": Fit(0.04, 0.001)},
        "servo_backlash": {key: Fit(0.02, 0.001) for key in XARM1S.action_names},
        "drive_stiffness": {key: Fit(refused="nothing pulls") for key in XARM1S.action_names},
    }
    return FittedServos(**{"arm": XARM1S.name, "quantities": quantities, **changes})


def _written(path, **changes):
    path.write_text(_file(**changes).to_json(), encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path):
    found = fitted.read(_written(tmp_path / "servo.json", name="mine", plant="bench"), XARM1S)
    assert found.quantities == _file().quantities
    assert (found.name, found.plant) == ("mine", "bench")


def test_a_range_is_uniform_with_the_standard_error_as_its_deviation():
    low, high = _file().span("servo_backlash", "elbow_joint")
    assert (low + high) / 2 == pytest.approx(0.02)
    assert (high - low) / math.sqrt(12) == pytest.approx(0.001)


def test_what_was_refused_or_never_asked_has_no_range():
    assert _file().span("drive_stiffness", "elbow_joint") is None
    assert _file().span("servo_gain", "elbow_joint") is None


def test_a_range_does_not_leave_what_can_be():
    near = _file(quantities={"servo_delay": {"bus": Fit(0.001, 0.004)}})
    low, high = near.span("servo_delay", "bus")
    assert low == 0.0 < high


SPOILED = {
    "other arm": (lambda d: d.update(arm="so101"), "is of the arm 'so101', this is 'xarm1s'"),
    "other schema": (lambda d: d.update(schema=7), "schema 7"),
    "no schema": (lambda d: d.pop("schema"), "is no servo file"),
    "no plant": (lambda d: d.pop("plant"), "plant is None"),
    "unknown quantity": (lambda d: d["quantities"].update(servo_temper={"unit": "s", "of": {}}), "'servo_temper'"),
    "camera": (lambda d: d["quantities"].update(camera_position={"unit": "m", "of": {}}), "'camera_position'"),
    "other unit": (lambda d: d["quantities"]["servo_delay"].update(unit="ms"), "is in 'ms', need 's'"),
    "unknown joint": (lambda d: d["quantities"]["servo_backlash"]["of"].update(tail={"value": 1}), "has no 'tail'"),
    "text": (lambda d: d["quantities"]["servo_delay"]["of"]["bus"].update(value="40"), "must be numbers"),
    "no error": (lambda d: d["quantities"]["servo_delay"]["of"]["bus"].pop("standard_error"), "must be numbers"),
    "out of range": (lambda d: d["quantities"]["servo_delay"]["of"]["bus"].update(value=40.0), "is 40 s, need 0 to"),
    "both": (lambda d: d["quantities"]["servo_delay"]["of"]["bus"].update(refused="no"), "both refused and given"),
    "a list": (lambda d: d["quantities"].update(servo_gain=[1]), "servo_gain is damaged"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_file_that_cannot_be_meant_is_told_in_one_line(name, tmp_path):
    spoil, expected = SPOILED[name]
    data = json.loads(_file().to_json())
    spoil(data)
    (tmp_path / "servo.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(fitted.FittedError) as told:
        fitted.read(tmp_path / "servo.json", XARM1S)
    assert expected in str(told.value) and "servo.json" in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 1}', '{"schema": NaN}', "\ud800"])
def test_what_is_no_servo_file_is_told_in_one_line(text, tmp_path):
    (tmp_path / "servo.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(fitted.FittedError) as told:
        fitted.read(tmp_path / "servo.json", SO101)
    assert "\n" not in str(told.value)
