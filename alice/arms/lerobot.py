"""How LeRobot counts an arm: names and units of joint values in its datasets, policies and robot plugins.

Arm joints are degrees, the gripper is 0 (its closed stop) to 100 (its open stop), linear in the angle of its servo.
V is the number of these values, one for each servo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .namespace import namespace

if TYPE_CHECKING:
    from .arm import Arm

NAMES = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
"""LeRobot's names of a yaw joint, three pitch joints, the roll and the gripper."""
FEATURES = tuple(f"{name}.pos" for name in NAMES)
"""Names of their positions, the order of every vector of V values."""


@dataclass(frozen=True)
class LeRobotKind:
    """What LeRobot calls a kind of arm, and where it counts from."""

    robot_type: str
    """Name of its robot class."""
    zeros: tuple[float, ...]
    """Angle of each arm joint where LeRobot's degrees are zero [rad]."""


def values_of(arm: Arm, joints: Any) -> Any:
    """Return LeRobot's values of joint positions.

    Args:
        arm: The arm.
        joints: Joint positions, (..., J) [rad, m], NumPy or PyTorch.

    Returns:
        In the order of :data:`FEATURES`, (..., V) [degrees, 0 to 100].
    """
    xp = namespace(joints)
    angles = joints[..., arm.arm_columns] - _zeros(arm, joints)
    closed, opened = _stops(arm, joints)
    servo = arm.gripper.servo_angle(joints[..., arm.gripper_columns])
    return xp.concatenate((angles * (180.0 / math.pi), 100.0 * (servo - closed) / (opened - closed)), -1)


def joints_of(arm: Arm, values: Any) -> Any:
    """Return the joint positions of LeRobot's values, the reverse of :func:`values_of`; limits are not looked at."""
    xp = namespace(values)
    closed, opened = _stops(arm, values)
    servo = closed + 0.01 * values[..., arm.arm_columns.stop :] * (opened - closed)
    angles = values[..., arm.arm_columns] * (math.pi / 180.0) + _zeros(arm, values)
    return xp.concatenate((angles, arm.gripper.from_servo(servo)), -1)


def _zeros(arm: Arm, like: Any) -> Any:
    """Return where each arm joint is counted from, (V - 1,) [rad]."""
    return _array(arm.lerobot.zeros, like)


def _stops(arm: Arm, like: Any) -> tuple[Any, Any]:
    """Return the servo angle of the gripper at its closed and its open stop, (1,) [rad] each."""
    bounds = ([getattr(joint, name) for joint in arm.gripper_joints] for name in ("lower", "upper"))
    return tuple(arm.gripper.servo_angle(_array(bound, like)) for bound in bounds)


def _array(numbers: Any, like: Any) -> Any:
    """Return numbers as an array of another's kind, type and device."""
    if hasattr(like, "new_tensor"):
        return like.new_tensor(numbers)
    return namespace(like).asarray(numbers, dtype=like.dtype)
