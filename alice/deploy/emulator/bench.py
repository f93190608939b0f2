"""What hangs on the servos of an emulated arm where no simulator does: links with weight, and drives with limits.

Plain on purpose: a link follows its motor no faster than the servo turns at its supply, sags under its weight by the
drive's stiffness, sinks where the weight is more than the servo holds or nothing holds it, and stops at its stops. No
contacts: fingers close on nothing, links pass through the table. Angles are those of the servos, (N, S), in the order
of ``arm.servo_ids``.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from alice.arms import AXES, Arm

from .world import World

GRAVITY = 9.81
BACK_DRIVE = 0.05
"""Share of its stall torque that it takes to turn a servo without torque from outside (guess)."""
SINKING = 0.4
"""Speed of a joint that nothing holds, where its weight is its stall torque [rad/s] (guess: gears brake)."""
PUSH_TIME = 0.2
"""Time in which a hand has pushed a link all the way [s]."""
OVER_STOP = 0.1
"""How far behind a joint's limit its stop is [rad], where the arm's table knows none; the pads of a gripper meet where
its limit is."""


class Links(Protocol):
    """Links that servos drive: those of :class:`Bench`, or somebody else's, such as a simulator's."""

    angles: np.ndarray
    """True angles, (N, S) [rad]."""
    load: np.ndarray
    """Torque that each servo drives with over its stall torque, (N, S) in [-1, 1]."""

    def step(self, motors: np.ndarray, is_loaded: np.ndarray, supply: np.ndarray, seconds: float) -> None:
        """Let time pass.

        Args:
            motors: Where the links are driven to, (N, S) [rad].
            is_loaded: Which servos drive, (N, S).
            supply: Supply over the nominal one, (N, 1).
            seconds: How long.
        """


class GivenLinks:
    """Links that somebody else moves: a simulator reads where they are driven to and says where they are.

    Args:
        angles: Where they are, (N, S) [rad].
    """

    def __init__(self, angles: np.ndarray):
        self.angles = np.array(angles, float)
        self.load = np.zeros_like(self.angles)

    def step(self, motors: np.ndarray, is_loaded: np.ndarray, supply: np.ndarray, seconds: float) -> None:
        """Do nothing: somebody else does."""


class Bench:
    """The links of N arms on a bench.

    Args:
        arm: The kind of arm.
        world: What is off about them.
        angles: Where they stand, (N, S) [rad].
    """

    def __init__(self, arm: Arm, world: World, angles: np.ndarray):
        joints = [next(joint for joint in arm.joints if joint.servo_id == servo_id) for servo_id in arm.servo_ids]
        self._arm, self._mass = arm, world.of("link_mass")
        self._stall = np.array([joint.servo.stall_torque for joint in joints])
        self._speed = np.array([joint.servo.no_load_speed for joint in joints])
        self._cap = world.of("torque_cap") * self._stall
        self._stiffness = world.of("drive_stiffness") * np.array([_stiffness(joint) for joint in joints])
        ends = [np.array(arm.lower, float), np.array(arm.upper, float)]
        ends = np.sort(servo_angles(arm, np.stack(ends)), axis=0)
        known = [joint.stops or (joint.lower - OVER_STOP, joint.upper + OVER_STOP) for joint in arm.arm_joints]
        self.lower = np.array([*(stop for stop, _ in known), ends[0, -1]])
        """Lower stop of each servo's link, (S,) [rad]."""
        self.upper = np.array([*(stop for _, stop in known), ends[1, -1]])
        """Upper stop, (S,) [rad]."""
        self.held = np.full(angles.shape, np.nan)
        """Where a hand holds links that no servo drives, (N, S) [rad]; NaN where it does not."""
        self.angles = np.array(angles, float)
        self.load = np.zeros_like(self.angles)
        self.pushed = np.zeros_like(self.angles)
        """How far a hand wants links from where they would be, (N, S) [rad]."""
        self._push = np.zeros_like(self.angles)
        self.is_stuck = np.zeros(self.angles.shape, bool)
        """Whose gears are stuck, (N, S)."""
        self._weight, self._weighed = self.weight(), 0.0

    def step(self, motors: np.ndarray, is_loaded: np.ndarray, supply: np.ndarray, seconds: float) -> None:
        """Let time pass; steps of some milliseconds."""
        self._weighed += seconds
        if self._weighed > 0.045:
            self._weight, self._weighed = self.weight(), 0.0
        reach = np.abs(self.pushed) / PUSH_TIME * seconds + 0.5 * seconds
        self._push += np.clip(self.pushed - self._push, -reach, reach)
        cap = self._cap * supply
        is_held = is_loaded & (np.abs(self._weight) < cap)
        goal = motors + self._weight / self._stiffness + self._push
        furthest = self._speed * np.minimum(supply, 1.0) * seconds
        driven = np.clip(goal - self.angles, -furthest, furthest)
        drag = np.where(is_loaded, cap, BACK_DRIVE * self._stall)
        excess = np.sign(self._weight) * np.maximum(np.abs(self._weight) - drag, 0.0)
        sinking = excess / self._stall * SINKING * seconds + np.clip(self._push, -furthest, furthest) * (~is_loaded)
        moved = np.where(self.is_stuck, 0.0, np.where(is_held, driven, sinking))
        free = np.where(is_loaded | np.isnan(self.held), self.angles + moved, self.held)
        self.angles = np.clip(free, self.lower, self.upper)
        torque = np.clip(self._stiffness * (motors - self.angles), -cap, cap)
        self.load = np.where(is_loaded, torque / self._stall, 0.0)

    def weight(self) -> np.ndarray:
        """Return the torque of gravity about each servo's axis, in the direction of its angle, (N, S) [N·m]."""
        joint_pos = joint_positions(self._arm, self.angles)
        rows = [self._weight_of(row) for row in joint_pos]
        return np.array(rows) * self._mass

    def _weight_of(self, joint_pos: np.ndarray) -> np.ndarray:
        """Return the torques of one arm, (S,): each link's mass halfway between its joint and the next."""
        frames = {"base": (np.eye(3), np.zeros(3))}
        axes, origins = [], []
        for joint, position in zip(self._arm.joints, joint_pos, strict=True):
            turn, origin = frames[joint.parent]
            origin = origin + turn @ np.array(joint.offset)
            axis = turn @ np.array(AXES[joint.axis])
            axes.append(axis)
            origins.append(origin)
            if joint.kind == "revolute":
                frames[joint.child] = (_rotation(axis, position) @ turn, origin)
            else:
                frames[joint.child] = (turn, origin + position * axis)
        centres, masses = [], []
        for index, joint in enumerate(self._arm.joints):
            ends = [origins[k] for k, other in enumerate(self._arm.joints) if other.parent == joint.child]
            end = np.mean(ends, axis=0) if ends else origins[index]
            centres.append((origins[index] + end) / 2)
            masses.append(self._arm.link_masses[joint.child])
        torques = np.zeros(len(self._arm.servo_ids))
        for index in range(len(self._arm.arm_joints)):
            arms = np.array(centres[index:]) - origins[index]
            # The axis times the cross product of lever and weight, which points down
            levers = GRAVITY * (arms[:, 0] * axes[index][1] - arms[:, 1] * axes[index][0])
            torques[index] = float(np.dot(levers, masses[index:]))
        return torques


def servo_angles(arm: Arm, joint_pos: np.ndarray) -> np.ndarray:
    """Return the angles of the servos (..., S) [rad] at joint positions (..., J) [rad, m]."""
    columns, gripper = arm.arm_columns, arm.gripper_columns
    return np.concatenate((joint_pos[..., columns], arm.gripper.servo_angle(joint_pos[..., gripper])), axis=-1)


def joint_positions(arm: Arm, angles: np.ndarray) -> np.ndarray:
    """Return joint positions (..., J) [rad, m] at angles of the servos (..., S) [rad]."""
    fingers = arm.gripper.from_servo(angles[..., -1:])
    return np.concatenate((angles[..., :-1], fingers), axis=-1)


def _stiffness(joint) -> float:
    """Return the drive's torque per error of the servo [N·m/rad]; where a joint slides, as if it were an arm's."""
    return joint.stiffness if joint.kind == "revolute" else joint.servo.stall_torque / np.radians(4.0)


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
