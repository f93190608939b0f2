"""What an arm weighs about its axes, and how much room a pose has: for whole grids of poses at once. NumPy only."""

from __future__ import annotations

import numpy as np

from alice.arms import AXES, Arm, kinematics

GRAVITY = 9.81
"""[m/s²]"""


def weight(arm: Arm, joint_pos: np.ndarray) -> np.ndarray:
    """Return the torque of gravity about each servo's axis, in the direction of its angle.

    Each link's mass of the arm's table lies halfway between its joint and the next, as on the emulated bench
    (:mod:`alice.deploy.emulator.bench`). The gripper's servo carries nothing.

    Args:
        arm: The arm.
        joint_pos: Joint positions, (..., J) [rad, m].

    Returns:
        (..., S) [N·m].
    """
    joint_pos = np.asarray(joint_pos, float)
    shape = joint_pos.shape[:-1]
    eye, zero = np.broadcast_to(np.eye(3), (*shape, 3, 3)), np.zeros((*shape, 3))
    frames, axes, origins = {"base": (eye, zero)}, [], []
    for column, joint in enumerate(arm.joints):
        turn, origin = frames[joint.parent]
        origin = origin + turn @ np.array(joint.offset)
        axis = turn @ np.array(AXES[joint.axis])
        axes.append(axis)
        origins.append(origin)
        position = joint_pos[..., column]
        if joint.kind == "revolute":
            frames[joint.child] = (_rotation(axis, position) @ turn, origin)
        else:
            frames[joint.child] = (turn, origin + position[..., None] * axis)
    centres = []
    for index, joint in enumerate(arm.joints):
        ends = [origins[k] for k, other in enumerate(arm.joints) if other.parent == joint.child]
        centres.append((origins[index] + (sum(ends) / len(ends) if ends else origins[index])) / 2)
    masses = np.array([arm.link_masses[joint.child] for joint in arm.joints])
    torques = np.zeros((*shape, len(arm.servo_ids)))
    for index in range(len(arm.arm_joints)):
        lever = np.stack(centres[index:], axis=-2) - origins[index][..., None, :]
        axis = axes[index][..., None, :]
        each = lever[..., 0] * axis[..., 1] - lever[..., 1] * axis[..., 0]
        torques[..., index] = GRAVITY * each @ masses[index:]
    return torques


def _rotation(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return rotation matrices (..., 3, 3) about unit vectors (..., 3) by angles (...) [rad]."""
    x, y, z = np.moveaxis(axis, -1, 0)
    o = np.zeros_like(x)
    cross = np.stack((np.stack((o, -z, y), -1), np.stack((z, o, -x), -1), np.stack((-y, x, o), -1)), -2)
    sin, cos = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return np.eye(3) + sin * cross + (1.0 - cos) * cross @ cross


def room(arm: Arm, joint_pos: np.ndarray) -> np.ndarray:
    """Return how far elbow, wrist, tool and tip are at least from the table, and from the arm's own base [m], (...).

    Args:
        arm: The arm.
        joint_pos: Joint positions, (..., J) [rad, m].
    """
    points = kinematics.skeleton(arm, np.asarray(joint_pos, float))
    shoulder, elbow, far = points[..., 0, :], points[..., 1, :], points[..., 2:, :]
    height = np.min(points[..., 1:, 2], axis=-1)
    foot = shoulder * np.array([0.0, 0.0, 0.0])
    base = _distance(far, foot[..., None, :], shoulder[..., None, :]).min(axis=-1)
    upper = _distance(far[..., 1:, :], shoulder[..., None, :], elbow[..., None, :]).min(axis=-1)
    return np.minimum(height, np.minimum(base, upper))


def _distance(point: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the distance of points from lines between two others, (..., 3) each [m]."""
    along = end - begin
    share = ((point - begin) * along).sum(-1) / (along * along).sum(-1)
    return np.linalg.norm(point - begin - np.clip(share, 0.0, 1.0)[..., None] * along, axis=-1)
