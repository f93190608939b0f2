"""Frames of an arm's hand, and rotations between their forms. NumPy only."""

from __future__ import annotations

import numpy as np

from alice.arms import AXES, Arm
from alice.arms.arm import quaternion


def hand_pose(arm: Arm, joint_pos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the frame of the hand link in the base frame.

    Args:
        arm: The arm.
        joint_pos: Joint positions, with at least the arm joints, (A,) [rad].

    Returns:
        Rotation (3, 3) and origin (3,) [m].
    """
    turn, place = np.eye(3), np.zeros(3)
    for joint, angle in zip(arm.arm_joints, joint_pos[arm.arm_columns], strict=True):
        place = place + turn @ np.array(joint.offset)
        turn = turn @ matrix(angle * np.array(AXES[joint.axis]))
    return turn, place


def matrix(vector: np.ndarray) -> np.ndarray:
    """Return the rotation matrix (3, 3) of a rotation vector (3,) [rad]."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = np.asarray(vector, float) / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def vector(turn: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) [rad] of a rotation matrix (3, 3)."""
    x, y, z, w = to_quaternion(turn)
    sine = float(np.sqrt(x * x + y * y + z * z))
    return 2.0 * np.arctan2(sine, w) / max(sine, 1e-15) * np.array([x, y, z])


def to_quaternion(turn: np.ndarray) -> tuple[float, float, float, float]:
    """Return the quaternion (x, y, z, w) of a rotation matrix (3, 3)."""
    return quaternion(*(tuple(map(float, column)) for column in np.asarray(turn).T))


def of_quaternion(turn) -> np.ndarray:
    """Return the rotation matrix (3, 3) of a quaternion (x, y, z, w)."""
    x, y, z, w = turn
    sine = float(np.sqrt(x * x + y * y + z * z))
    return matrix(2.0 * np.arctan2(sine, w) / max(sine, 1e-15) * np.array([x, y, z]))


def angle_between(one: np.ndarray, other: np.ndarray) -> float:
    """Return the angle of the rotation from one rotation matrix to another [rad]."""
    return float(np.linalg.norm(vector(np.asarray(one).T @ np.asarray(other))))
