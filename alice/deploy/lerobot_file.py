"""LeRobot's calibration file of an arm that it knows: read, compared with ours, and written. NumPy only.

    {"shoulder_pan": {"id": 1, "drive_mode": 0, "homing_offset": -1470, "range_min": 758, "range_max": 3292}, …}

LeRobot counts degrees from the middle between ``range_min`` and ``range_max``, 360 of them to 4,095 counts, and we from
where the arm's table has zero: the two differ by an angle for each joint. Offset and range also stand in registers of
the servos that survive the power switch; where they are not those of its file, LeRobot calls the arm uncalibrated and
writes its own over them. What is written here is therefore what a file of LeRobot's or the registers had, never ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from alice.arms import Arm
from alice.cli import files
from alice.deploy.calibration import GRIPPER, Calibration, CalibrationError, ServoCalibration, from_json

LARGEST_OFFSET = 2047
"""The register has eleven bits and a sign."""
WIDTH = (0.8, 1.2)
"""Width of a sweep over that between the table's stops which is believed; two of 16 published files have 360°."""


@dataclass(frozen=True)
class Motor:
    """What LeRobot knows of one servo."""

    id: int
    drive_mode: int
    homing_offset: int
    """What the servo takes off its encoder [counts]."""
    range_min: int
    range_max: int

    @property
    def middle(self) -> float:
        """Count of LeRobot's zero degrees."""
        return (self.range_min + self.range_max) / 2


def read(path: str | Path, arm: Arm) -> dict[str, Motor]:
    """Read LeRobot's calibration file of an arm, by the name of the joint.

    Raises:
        CalibrationError: If it cannot be read, is another robot's, or holds what no calibration gives.
    """
    name = Path(path).name
    zeros_of(arm)
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        motors = {joint: Motor(**fields) for joint, fields in data.items()}
        wrong = [field for motor in motors.values() for field in asdict(motor).values() if type(field) is not int]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        text = " ".join(str(error).split())[:80]
        raise CalibrationError(f"{name!r} is no calibration file of LeRobot ({text}); give the one it wrote") from error
    expected = {joint.name: joint.servo_id for joint in arm.joints}
    found = {joint: motor.id for joint, motor in motors.items()}
    if found != expected or wrong:
        raise CalibrationError(f"{name!r} has the motors {found}, {arm.title} has {expected}; give that of this arm")
    problem = next((text for joint in arm.joints for text in _problems(motors[joint.name], joint)), None)
    if problem:
        raise CalibrationError(f"{name!r}: {problem}; run lerobot-calibrate again")
    return {joint.name: motors[joint.name] for joint in arm.joints}


def _problems(motor: Motor, joint):
    """Yield what no calibration gives."""
    low, high = joint.servo.counts
    if not low <= motor.range_min < motor.range_max <= high:
        yield f"{joint.name}: its range is {motor.range_min} to {motor.range_max}, counts go from {low} to {high}"
    elif abs(motor.homing_offset) > LARGEST_OFFSET or motor.drive_mode not in (0, 1):
        yield f"{joint.name}: homing_offset {motor.homing_offset}, drive_mode {motor.drive_mode} are none"
    elif joint.stops is not None:
        width = (motor.range_max - motor.range_min) / joint.servo.counts_per_radian
        share = width / (joint.stops[1] - joint.stops[0])
        if not WIDTH[0] <= share <= WIDTH[1]:
            yield (
                f"{joint.name}: it was swept by {math.degrees(width):.0f}°, its stops are"
                f" {math.degrees(joint.stops[1] - joint.stops[0]):.0f}° apart: a stop was missed, or the count wrapped"
            )


def zeros_of(arm: Arm) -> Mapping[str, float]:
    """Return the angle of each arm joint where LeRobot's degrees are zero, as the arm's table has it [rad].

    Raises:
        CalibrationError: If LeRobot does not know the arm.
    """
    if arm.lerobot is None or arm.joints[0].servo.bus != "sts":
        raise CalibrationError(f"LeRobot has no calibration file of {arm.title}: its own drivers do not speak to it")
    return dict(zip((joint.name for joint in arm.arm_joints), arm.lerobot.zeros, strict=True))


def offsets(made: Calibration, motors: Mapping[str, Motor]) -> dict[str, float]:
    """Return the angle of each arm joint where LeRobot's degrees are zero, as measured [rad].

    LeRobot's degrees plus this angle are ours, but for the servo's gain and LeRobot's 4,095 counts for a turn.
    """
    zeros, slopes = made.lines
    return {
        servo.joint: float((motors[servo.joint].middle - zero) / slope)
        for servo, zero, slope in zip(made.servos, zeros, slopes, strict=True)
        if servo.joint != GRIPPER
    }


def calibration(arm: Arm, motors: Mapping[str, Motor], name: str = "") -> Calibration:
    """Return a calibration of ours that stands on LeRobot's alone: zeros by the arm's table, nothing verified.

    Args:
        arm: The arm.
        motors: LeRobot's file.
        name: What its owner calls the arm.

    Raises:
        CalibrationError: If LeRobot does not know the arm, or the file leaves a joint too little.
    """
    table, servos = zeros_of(arm), []
    for joint in arm.arm_joints:
        motor = motors[joint.name]
        zero = motor.middle - joint.counts_sign * joint.servo.counts_per_radian * table[joint.name]
        stops = (motor.range_min, motor.range_max) if joint.stops is not None else None
        servos.append(ServoCalibration(joint.servo_id, joint.name, joint.counts_sign, zero, stops_counts=stops))
    return from_json(Calibration(arm.name, (*servos, _gripper(arm, motors)), name).to_json(), arm)


def _gripper(arm: Arm, motors: Mapping[str, Motor]) -> ServoCalibration:
    """Return the gripper's servo: LeRobot's range begins where it is closed."""
    joint = arm.gripper_joints[0]
    motor, gripper = motors[joint.name], arm.gripper
    angles = [float(gripper.servo_angle(np.array(at))[0]) for at in (gripper.closed, gripper.opened)]
    closed = motor.range_min if joint.counts_sign > 0 else motor.range_max
    opened = closed + joint.counts_sign * joint.servo.counts_per_radian * (angles[1] - angles[0])
    return ServoCalibration(joint.servo_id, GRIPPER, closed_counts=closed, open_counts=opened)


def write(path: str | Path, motors: Mapping[str, Motor]) -> None:
    """Write a calibration file of LeRobot, as it writes it itself."""
    files.write_text(path, json.dumps({joint: asdict(motor) for joint, motor in motors.items()}, indent=4))


def differences(motors: Mapping[str, Motor], registers: Mapping[int, tuple[int, int, int]]) -> list[str]:
    """Return where servos do not have what a file of LeRobot says: there it would write over them.

    Args:
        motors: The file.
        registers: Homing offset, lowest and highest position of each servo, by id.
    """
    found = []
    for joint, motor in motors.items():
        theirs = registers.get(motor.id)
        ours = (motor.homing_offset, motor.range_min, motor.range_max)
        if theirs is None:
            found.append(f"{joint}: servo {motor.id} did not answer")
        elif theirs != ours:
            found.append(f"{joint}: the servo has {theirs}, the file {ours}")
    return found


def of_registers(arm: Arm, registers: Mapping[int, tuple[int, int, int]]) -> dict[str, Motor]:
    """Return what LeRobot's file of an arm must hold so that it leaves the servos as they are.

    Args:
        arm: The arm.
        registers: As in :func:`differences`.

    Raises:
        CalibrationError: If a servo is missing.
    """
    zeros_of(arm)
    missing = [joint.servo_id for joint in arm.joints if joint.servo_id not in registers]
    if missing:
        raise CalibrationError(f"servos {missing} did not answer; see to their cables")
    rows = {joint.name: (joint.servo_id, *registers[joint.servo_id]) for joint in arm.joints}
    return {name: Motor(servo_id, 0, offset, low, high) for name, (servo_id, offset, low, high) in rows.items()}
