"""LeRobot's calibration file: read, compared with ours, written so that LeRobot leaves the servos as they are."""

import json
import math
from dataclasses import asdict, replace

import pytest

from alice import arms
from alice.deploy import calibration, lerobot_file
from alice.deploy.bus.frames import to_sign_at, word
from alice.deploy.bus.opening import bus_on
from alice.deploy.calibration import CalibrationError
from alice.deploy.clock import SteppedClock
from alice.deploy.emulator import EmulatedArm
from alice.deploy.lerobot_file import Motor

ARM = next(arm for arm in arms.ARMS.values() if arm.joints[0].servo.bus == "sts")
OTHER = next(arm for arm in arms.ARMS.values() if arm.joints[0].servo.bus != "sts")


def motors(arm=ARM):
    """Return a file as LeRobot makes it of an arm whose stops are where the CAD has them and whose zero is at 2,047."""
    found = {}
    for number, joint in enumerate(arm.joints):
        low, high = joint.stops or (-math.pi, math.pi)
        if joint in arm.gripper_joints:
            low, high = joint.lower, 2.0
        middle = 2047 + 40 * (number - 2)
        ends = [round(middle + stop * joint.servo.counts_per_radian) for stop in (low, high)]
        ends = [0, 4095] if not joint.stops and joint not in arm.gripper_joints else ends
        found[joint.name] = Motor(joint.servo_id, 0, -1470 + number, *ends)
    return found


def written(tmp_path, data):
    path = tmp_path / "arm.json"
    path.write_text(json.dumps(data))
    return path


def test_a_file_comes_back_as_lerobot_wrote_it(tmp_path):
    lerobot_file.write(tmp_path / "arm.json", motors())
    data = json.loads((tmp_path / "arm.json").read_text())
    assert list(data) == ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
    assert list(data["gripper"]) == ["id", "drive_mode", "homing_offset", "range_min", "range_max"]
    assert lerobot_file.read(tmp_path / "arm.json", ARM) == motors()


def test_lerobots_zero_is_ours_by_an_angle_of_each_joint(tmp_path):
    made = lerobot_file.calibration(ARM, motors(), "mine")
    assert not made.verified
    # The elbow's stops are -104 and +90 degrees: their middle is -6.9 degrees by our zero, and LeRobot's 0.
    found = {name: math.degrees(angle) for name, angle in lerobot_file.offsets(made, motors()).items()}
    assert found["elbow_flex"] == pytest.approx(-6.9, abs=0.1)
    assert found["shoulder_pan"] == pytest.approx(4.1, abs=0.1)
    assert found["wrist_roll"] == pytest.approx(-2.8, abs=0.1)
    elbow = motors()["elbow_flex"]
    at_zero = made.joints([2047] * 5 + [2000])
    middle = made.joints([*([2047] * 2), elbow.middle, 2047, 2047, 2000])
    assert math.degrees(middle[2]) == pytest.approx(-6.9, abs=0.1) and at_zero.shape == (6,)


def test_measured_zeros_say_how_far_lerobots_are_off():
    made = calibration.nominal(ARM)
    elbow = made.servos[2]
    moved = replace(made, servos=(*made.servos[:2], replace(elbow, zero_counts=2048 + 100.0), *made.servos[3:]))
    difference = (
        lerobot_file.offsets(moved, motors())["elbow_flex"] - lerobot_file.offsets(made, motors())["elbow_flex"]
    )
    assert difference == pytest.approx(-100 * math.tau / 4096)


def test_what_lerobot_would_write_over_is_told_and_what_we_write_is_what_the_servos_have():
    clock = SteppedClock()
    emulated = EmulatedArm(ARM, clock=clock)
    bus = bus_on(ARM, emulated.wire(), clock, "sts")
    for motor in motors().values():
        table = emulated.firmware._tables[motor.id]
        table[9:11], table[11:13] = word(motor.range_min), word(motor.range_max)
        table[31:33] = word(to_sign_at(motor.homing_offset, 11))
    registers = bus.limits(ARM.servo_ids, 0.5)
    assert registers[3] == (-1468, motors()["elbow_flex"].range_min, motors()["elbow_flex"].range_max)
    assert lerobot_file.differences(motors(), registers) == []
    assert lerobot_file.of_registers(ARM, registers) == motors()
    other = {**motors(), "elbow_flex": replace(motors()["elbow_flex"], range_min=900)}
    (line,) = lerobot_file.differences(other, registers)
    assert line.startswith("elbow_flex: the servo has (-1468,")
    assert "did not answer" in lerobot_file.differences(motors(), {})[0]
    assert emulated.refused == []
    with pytest.raises(CalibrationError, match="did not answer"):
        lerobot_file.of_registers(ARM, {1: (0, 0, 4095)})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data.pop("gripper"), "has the motors"),
        (lambda data: data["elbow_flex"].update(id=4), "has the motors"),
        (lambda data: data["elbow_flex"].update(range_min=0, range_max=4095), "360°, its stops are 194° apart"),
        (lambda data: data["elbow_flex"].update(range_min=33040), "its range is 33040"),
        (lambda data: data["elbow_flex"].update(homing_offset=-2100), "homing_offset -2100"),
        (lambda data: data["elbow_flex"].update(range_min=1.5), "has the motors"),
        (lambda data: data["elbow_flex"].update(speed=1), "no calibration file of LeRobot"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_line(change, told, tmp_path):
    data = {name: asdict(motor) for name, motor in motors().items()}
    change(data)
    with pytest.raises(CalibrationError, match=told) as caught:
        lerobot_file.read(written(tmp_path, data), ARM)
    assert "\n" not in str(caught.value)


def test_an_arm_that_lerobot_does_not_know_is_told(tmp_path):
    with pytest.raises(CalibrationError, match="LeRobot has no calibration file"):
        lerobot_file.read(written(tmp_path, {}), OTHER)
