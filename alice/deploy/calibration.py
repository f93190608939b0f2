"""What one single arm is, as measured: a JSON file that says what the counts of its servos mean. NumPy only.

    {"schema": 1, "arm": "…", "name": "…", "verified": true, "made_at": "…", "shoulder_height": 0.065,
     "servos": [{"id": 6, "joint": "base_joint", "sign": 1, "zero_counts": 503.5, "stops_counts": [12, 991],
                 "servo_gain": 1.0}, …,
                {"id": 1, "joint": "gripper", "closed_counts": 588, "open_counts": 310, "stops_counts": null}],
     "camera": null}

A servo of an arm joint has its count at joint angle zero and its sign; the gripper's has its counts with the pads
together and at the widest opening that is commanded, which say its zero, sign and span. ``servo_gain`` is that of
:mod:`alice.arms.quantities`. Stops are counts, null where nobody has swept them.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from alice import arms
from alice.arms import Arm
from alice.cli import files

SCHEMA = 1
"""Version of the file's form; raised when a field changes its name or meaning."""
GRIPPER = "gripper"
"""What the servo of the gripper moves, in the place of a joint's name."""
GAIN = (0.9, 1.1)
"""Widest range of a servo's gain that is believed; LX servos were seen within 1.5 %."""
SPAN = (0.6, 1.6)
"""Widest range of the gripper's span over its table's that is believed."""
SHOULDER_SLACK = 0.003
"""Most that kinematics make up for between the measured shoulder height and the table's [m]."""
FURTHEST_MOUNT = 0.3
"""Furthest place of a camera in the hand's frame that is believed [m]."""


class CalibrationError(ValueError):
    """A calibration that cannot be used. The message is one line."""


@dataclass(frozen=True)
class ServoCalibration:
    """One servo as measured."""

    id: int
    joint: str
    """Name of the joint that it moves, or :data:`GRIPPER`."""
    sign: int | None = None
    """Whether counts grow with the joint (1) or against it (-1); None for the gripper."""
    zero_counts: float | None = None
    """Count at joint angle zero; None for the gripper."""
    servo_gain: float = 1.0
    """True change of the link's angle for a commanded change of one."""
    closed_counts: float | None = None
    """Count with the pads together; the gripper's alone."""
    open_counts: float | None = None
    """Count at the widest opening that is commanded; the gripper's alone."""
    stops_counts: tuple[float, float] | None = None
    """Counts of both stops, the lower first."""


@dataclass(frozen=True)
class CameraCalibration:
    """The wrist camera as measured, with the convention of a contract's picture (:mod:`alice.contract`)."""

    width: int
    """[pixels]."""
    height: int
    """[pixels]."""
    focal: tuple[float, float]
    """Focal lengths along the picture's right and down [pixels]."""
    centre: tuple[float, float]
    """Place of the optical axis in the picture [pixels]."""
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """As OpenCV has it: k1, k2, p1, p2, k3."""
    position: tuple[float, float, float] | None = None
    """Optical centre in the hand's frame [m]; None where only the lens was measured."""
    rotation: tuple[float, float, float, float] | None = None
    """Orientation in the hand's frame, picture right, down and forward to x, y and z, (x, y, z, w)."""


@dataclass(frozen=True)
class Calibration:
    """One arm as measured. Joints J come in the order of the arm's joint vector, servos S as in ``arm.servo_ids``."""

    arm: str
    """Name of its kind, in :data:`alice.arms.ARMS`."""
    servos: tuple[ServoCalibration, ...]
    name: str = ""
    """What its owner calls it."""
    made_at: str = ""
    """When it was measured, in words."""
    verified: bool = False
    """Whether a check against marks outside of the arm has passed."""
    shoulder_height: float | None = None
    """Table to shoulder axis [m]; None stands for the table of the arm."""
    camera: CameraCalibration | None = None
    schema: int = SCHEMA

    @cached_property
    def kind(self) -> Arm:
        """The arm's table."""
        return arms.named(self.arm)

    @property
    def servo_ids(self) -> tuple[int, ...]:
        """Ids in the order of counts."""
        return self.kind.servo_ids

    @property
    def lift(self) -> float:
        """How much higher over the table this arm stands than its table has it [m]."""
        return 0.0 if self.shoulder_height is None else self.shoulder_height - self.kind.chain.shoulder[1]

    @cached_property
    def lines(self) -> tuple[np.ndarray, np.ndarray]:
        """Count at servo angle zero, and counts for each radian with their sign, (S,) each."""
        pairs = [_line(servo, self.kind) for servo in self.servos]
        return np.array([zero for zero, _ in pairs]), np.array([slope for _, slope in pairs])

    @cached_property
    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Joint limits of this arm, (J,) each [rad, m]: within its table, its measured stops and its servos' counts."""
        bounds = np.array([_bounds(servo, self.kind) for servo in self.servos]).T
        ends = np.sort([self._joints_of(row) for row in bounds], axis=0)
        return np.maximum(self.kind.lower, ends[0]), np.minimum(self.kind.upper, ends[1])

    def joints(self, counts: Any) -> np.ndarray:
        """Return joint positions (..., J) [rad, m] of counts (..., S)."""
        return self._joints_of(np.asarray(counts, float))

    def counts(self, joints: Any) -> np.ndarray:
        """Return whole counts (..., S) of joint positions (..., J) [rad, m], within what may be commanded."""
        joints, (zeros, slopes) = np.asarray(joints, float), self.lines
        columns, gripper = self.kind.arm_columns, self.kind.gripper_columns
        angles = np.concatenate((joints[..., columns], self.kind.gripper.servo_angle(joints[..., gripper])), axis=-1)
        low, high = np.array([_bounds(servo, self.kind) for servo in self.servos]).T
        return np.clip(np.rint(zeros + slopes * angles), np.ceil(low), np.floor(high)).astype(int)

    def _joints_of(self, counts: np.ndarray) -> np.ndarray:
        zeros, slopes = self.lines
        angles = (counts - zeros) / slopes
        return np.concatenate((angles[..., :-1], self.kind.gripper.from_servo(angles[..., -1:])), axis=-1)

    def to_json(self) -> str:
        """Return it as the text of its file."""
        data = asdict(self)
        data["servos"] = [{key: item for key, item in servo.items() if _is_said(key, item)} for servo in data["servos"]]
        return json.dumps(data, indent=2, allow_nan=False) + "\n"

    def write(self, path: str | Path) -> None:
        """Write its file, whole or not at all."""
        files.write_text(path, self.to_json())


def _is_said(key: str, item: Any) -> bool:
    """Whether a field of a servo stands in its file: stops always, what the kind of servo does not have never."""
    return item is not None or key == "stops_counts"


def _line(servo: ServoCalibration, arm: Arm) -> tuple[float, float]:
    """Return a servo's count at angle zero and its counts for each radian."""
    if servo.joint != GRIPPER:
        return servo.zero_counts, servo.sign * _joint(servo, arm).servo.counts_per_radian / servo.servo_gain
    closed, opened = _gripper_angles(arm)
    slope = (servo.open_counts - servo.closed_counts) / (opened - closed)
    return servo.closed_counts - slope * closed, slope


def _bounds(servo: ServoCalibration, arm: Arm) -> tuple[float, float]:
    """Return the lowest and highest count that a servo may be sent to."""
    low, high = _joint(servo, arm).servo.counts
    return (
        (low, high)
        if servo.stops_counts is None
        else (max(low, servo.stops_counts[0]), min(high, servo.stops_counts[1]))
    )


def _joint(servo: ServoCalibration, arm: Arm) -> arms.Joint:
    """Return the joint that a servo moves, one of them if it is the gripper's."""
    return next(joint for joint in arm.joints if joint.servo_id == servo.id)


def _gripper_angles(arm: Arm) -> tuple[float, float]:
    """Return the angle of the gripper's servo with the pads together and at the widest opening [rad]."""
    closed, opened = (arm.gripper.servo_angle(np.array(at)) for at in (arm.gripper.closed, arm.gripper.opened))
    return float(closed[0]), float(opened[0])


def nominal(arm: Arm, name: str = "nominal") -> Calibration:
    """Return the calibration of an arm that is as its table has it; it is not verified.

    Args:
        arm: The kind of arm.
        name: What to call it.
    """
    servos = []
    for joint in arm.arm_joints:
        zero = float(joint.servo.centre_counts)
        servos.append(ServoCalibration(joint.servo_id, joint.name, joint.counts_sign, zero))
    joint = arm.gripper_joints[0]
    closed, opened = (
        joint.servo.centre_counts + joint.counts_sign * joint.servo.counts_per_radian * angle
        for angle in _gripper_angles(arm)
    )
    servos.append(ServoCalibration(joint.servo_id, GRIPPER, closed_counts=closed, open_counts=opened))
    return Calibration(arm.name, tuple(servos), name, shoulder_height=arm.chain.shoulder[1])


##
# Reading
##


def read(path: str | Path, arm: Arm, must_be_verified: bool = True) -> Calibration:
    """Read an arm's calibration file.

    Args:
        path: The file.
        arm: The kind of arm that is driven.
        must_be_verified: Whether one that no check has passed is refused.

    Raises:
        CalibrationError: If it cannot be read, is another arm's, holds what cannot be meant, or is not verified.
    """
    name = Path(path).name
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise CalibrationError(f"calibration {name!r} cannot be read ({reason}); give the arm's .json file") from error
    try:
        found = from_json(text, arm)
    except CalibrationError as error:
        raise CalibrationError(f"calibration {name!r}: {error}") from error
    if must_be_verified and not found.verified:
        raise CalibrationError(
            f"calibration {name!r} is not verified: nobody has held it against marks outside of the arm, and command"
            " against read-back hides a wrong zero; check the arm first, or look without moving (--mode dry)"
        )
    return found


def from_json(text: str, arm: Arm) -> Calibration:
    """Return the calibration that a text holds.

    Args:
        text: Content of the file.
        arm: The kind of arm that is driven.

    Raises:
        CalibrationError: If it is damaged, of another schema or arm, or holds what cannot be meant.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
        schema, kind = data["schema"], data["arm"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CalibrationError(
            f"damaged or no calibration ({' '.join(str(error).split())[:80]}); make it again"
        ) from error
    if schema != SCHEMA:
        raise CalibrationError(f"schema {schema!r}, this version reads {SCHEMA}; make it again")
    if kind != arm.name:
        raise CalibrationError(f"it is of the arm {kind!r}, this is {arm.name!r}; give this arm's file")
    try:
        servos = tuple(_servo_of(item) for item in data["servos"])
        camera = None if data.get("camera") is None else _camera_of(data["camera"])
        found = Calibration(**{**data, "servos": servos, "camera": camera})
        problem = next(_problems(found, arm), None)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise CalibrationError(f"of another form ({' '.join(str(error).split())[:120]}); make it again") from error
    if problem:
        raise CalibrationError(problem)
    return found


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _servo_of(data: dict[str, Any]) -> ServoCalibration:
    stops = data.get("stops_counts")
    return ServoCalibration(**{**data, "stops_counts": None if stops is None else tuple(stops)})


def _camera_of(data: dict[str, Any]) -> CameraCalibration:
    return CameraCalibration(**{key: tuple(item) if isinstance(item, list) else item for key, item in data.items()})


def _problems(found: Calibration, arm: Arm):
    """Yield what in a calibration cannot be meant, one sentence each."""
    expected = [(joint.servo_id, joint.name) for joint in arm.arm_joints]
    expected.append((arm.gripper_joints[0].servo_id, GRIPPER))
    theirs = [(servo.id, servo.joint) for servo in found.servos]
    if theirs != expected:
        yield f"its servos are {theirs}, {arm.source} has {expected}; make it again"
        return
    if type(found.verified) is not bool:
        yield f"verified is {found.verified!r}, need true or false"
    for servo in found.servos:
        yield from _about_servo(servo, arm)
    height, table = found.shoulder_height, arm.chain.shoulder[1]
    if height is not None and not (_is_number(height) and abs(height - table) <= SHOULDER_SLACK):
        yield (
            f"shoulder_height is {height} m, {arm.source} has {table:g} m and kinematics make up for"
            f" {SHOULDER_SLACK * 1e3:g} mm; measure again, or put the arm on a base of that height"
        )
    if found.camera is not None:
        yield from _about_camera(found.camera)
    lost = _lost(found, arm)
    if lost:
        yield lost


def _about_servo(servo: ServoCalibration, arm: Arm):
    """Yield what of one servo cannot be meant."""
    what, low, high = f"servo {servo.id} ({servo.joint})", *_joint(servo, arm).servo.counts
    if servo.joint == GRIPPER:
        named = {"closed_counts": servo.closed_counts, "open_counts": servo.open_counts}
    else:
        named = {"zero_counts": servo.zero_counts}
        if servo.sign not in (1, -1):
            yield f"{what}: sign is {servo.sign!r}, need 1 or -1"
    for name, value in named.items():
        if not _is_number(value) or not low <= value <= high:
            yield f"{what}: {name} is {value!r}, its counts go from {low} to {high}; measure it again"
    if not _is_number(servo.servo_gain) or not GAIN[0] <= servo.servo_gain <= GAIN[1]:
        yield f"{what}: servo_gain is {servo.servo_gain!r}, need {GAIN[0]} to {GAIN[1]}"
    stops = servo.stops_counts
    if stops is not None and not (len(stops) == 2 and all(map(_is_number, stops)) and stops[0] < stops[1]):
        yield f"{what}: stops_counts are {stops}, need two numbers, the lower first, or null"
        return
    if stops is not None and not all(stops[0] <= value <= stops[1] for value in named.values()):
        yield f"{what}: {', '.join(named)} are not between its stops {stops}; a sweep missed a stop or wrapped"
    if servo.joint == GRIPPER:
        joint, (closed, opened) = _joint(servo, arm), _gripper_angles(arm)
        span = joint.counts_sign * (servo.open_counts - servo.closed_counts)
        share = span / ((opened - closed) * joint.servo.counts_per_radian)
        if not SPAN[0] <= share <= SPAN[1]:
            yield (
                f"{what}: from closed to open it turns {share:.2f} of what {arm.source} has, need {SPAN[0]} to"
                f" {SPAN[1]}; measure closed and open again"
            )


def _about_camera(camera: CameraCalibration):
    """Yield what of a camera cannot be meant."""
    if not (_is_number(camera.width, camera.height) and camera.width >= 1 and camera.height >= 1):
        yield f"camera: {camera.width} x {camera.height} pixels are no picture"
    elif len(camera.focal) != 2 or not _is_number(*camera.focal) or min(camera.focal) < 0.2 * camera.width:
        yield f"camera: focal is {camera.focal} pixels, need two of at least {0.2 * camera.width:g}"
    if len(camera.centre) != 2 or not _is_number(*camera.centre):
        yield f"camera: centre is {camera.centre}, need two numbers"
    if len(camera.distortion) != 5 or not _is_number(*camera.distortion):
        yield f"camera: distortion is {camera.distortion}, need k1, k2, p1, p2, k3"
    if camera.position is not None and not (
        len(camera.position) == 3 and _is_number(*camera.position) and max(map(abs, camera.position)) <= FURTHEST_MOUNT
    ):
        yield f"camera: position is {camera.position} m, need three of at most {FURTHEST_MOUNT} m"
    turn = camera.rotation
    if turn is not None and not (len(turn) == 4 and _is_number(*turn) and abs(math.hypot(*turn) - 1.0) < 1e-3):
        yield f"camera: rotation is {turn}, need a quaternion (x, y, z, w) of length 1"


def _lost(found: Calibration, arm: Arm) -> str | None:
    """Return which joint loses so much of its range, or its home, that counts or stops cannot be meant."""
    low, high = found.limits
    for column, joint in enumerate(arm.joints):
        least, most = joint.lower + joint.reading_margin, joint.upper - joint.reading_margin
        if joint in arm.gripper_joints:
            least, most = sorted((arm.gripper.closed[0], arm.gripper.opened[0]))
            slack = 0.2 * (most - least)
            least, most = least + slack, most - slack
        if low[column] > least or high[column] < most or not low[column] <= arm.home[column] <= high[column]:
            return (
                f"servo {joint.servo_id} leaves {joint.name} {low[column]:.3g} to {high[column]:.3g} {joint.unit} of"
                f" {joint.lower:.3g} to {joint.upper:.3g}; its zero is wrong, a stop was missed, or it counts past the"
                " end of its range: measure it again"
            )
    return None


def _is_number(*values: Any) -> bool:
    """Whether all values are finite numbers."""
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in values)


def verified(calibration: Calibration) -> Calibration:
    """Return a calibration that a check has passed; only that check calls this."""
    return replace(calibration, verified=True)
