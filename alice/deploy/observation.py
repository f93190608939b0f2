"""From what an arm reports to what a policy sees, and from its actions to joint targets. NumPy only.

Everything is batched: N is 1 on a robot and the number of environments in a closed-loop audit.
"""

from __future__ import annotations

import numpy as np

from alice import outcome, robot
from alice.contract import Contract, Term


def forward_kinematics(joint_pos: np.ndarray) -> np.ndarray:
    """Return the tool point for joint positions.

    Args:
        joint_pos: (N, 7) [rad, m].

    Returns:
        Tool points in the base frame, (N, 3) [m].
    """
    base, shoulder, elbow, wrist = joint_pos[:, :4].T
    pitch_2 = shoulder + elbow
    pitch_3 = pitch_2 + wrist
    reach = (
        robot.SHOULDER_OFFSET
        + robot.UPPER_ARM * np.sin(shoulder)
        + robot.FOREARM * np.sin(pitch_2)
        + robot.PITCH_TO_TOOL * np.sin(pitch_3)
    )
    height = (
        robot.SHOULDER_HEIGHT
        + robot.UPPER_ARM * np.cos(shoulder)
        + robot.FOREARM * np.cos(pitch_2)
        + robot.PITCH_TO_TOOL * np.cos(pitch_3)
    )
    return np.stack((reach * np.cos(base), reach * np.sin(base), height), axis=-1)


class Controller:
    """Keeps what a policy's inputs and actions need from one control step to the next.

    Call :meth:`begin` where an episode begins, then in every control step :meth:`inputs` and :meth:`targets_after`.

    Args:
        contract: The policy's contract.
        count: Number of arms N.
    """

    def __init__(self, contract: Contract, count: int = 1):
        self._contract = contract
        self._reported = np.zeros((count, 7), np.float32)
        self._is_fresh = np.ones((count, 1), bool)
        self._action = np.zeros((count, len(contract.action.names)), np.float32)
        self._lower = np.asarray(contract.arm.joint_lower, np.float32)
        self._upper = np.asarray(contract.arm.joint_upper, np.float32)
        self.targets = np.tile(np.asarray(contract.arm.home, np.float32), (count, 1))
        """Joint targets, (N, 7) [rad, m]."""

    def begin(self, which: np.ndarray, targets: np.ndarray) -> None:
        """Begin an episode.

        Args:
            which: Arms, indices or mask of length N.
            targets: Joint targets that these arms stand at, (K, 7) [rad, m].
        """
        self.targets[which] = targets
        self._action[which] = 0.0
        self._is_fresh[which] = True

    def inputs(
        self, joint_pos: np.ndarray, ball_pos: np.ndarray, dish_pos: np.ndarray, ball_radius: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the network's inputs by name, (N, size) float32 each.

        Args:
            joint_pos: Joint positions as the servos report them, (N, 7) [rad, m].
            ball_pos: Ball centres, base frame, (N, 3) [m].
            dish_pos: Dish centres on the table, base frame, (N, 3) [m].
            ball_radius: (N,) [m].
        """
        joint_pos = np.asarray(joint_pos, np.float32)
        tool_pos = forward_kinematics(joint_pos)
        gap = joint_pos[:, 5] + joint_pos[:, 6]
        change = (joint_pos - self._reported) * self._contract.arm.control_rate_hz
        known = {
            "joint_pos": joint_pos,
            "joint_vel": np.where(self._is_fresh, 0.0, change),
            "tool_pos": tool_pos,
            "ball_pos": ball_pos,
            "tool_to_ball": ball_pos - tool_pos,
            "ball_to_dish": dish_pos - ball_pos,
            "gripper_gap": gap[:, None],
            "pinch_flag": self._is_pinched(np.linalg.norm(tool_pos - ball_pos, axis=-1), gap, ball_radius)[:, None],
            "joint_targets": self.targets,
            "last_action": self._action,
        }
        self._reported = joint_pos.copy()
        self._is_fresh[:] = False
        return {
            item.name: np.concatenate([_finished(known[term.name], term) for term in item.terms], axis=-1)
            for item in self._contract.inputs
        }

    def _is_pinched(self, distance: np.ndarray, gap: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """Return the pinch flag, (N,) bool; the rule is that of :func:`alice.geometry.is_pinched`."""
        tightest, widest = outcome.PINCH_GAP
        fits = (gap > 2.0 * radius + tightest) & (gap < 2.0 * radius + widest)
        told = self.targets[:, 5] + self.targets[:, 6] < gap - outcome.PINCH_CLOSING
        return (distance < outcome.PINCH_DISTANCE) & fits & told

    def targets_after(self, actions: np.ndarray) -> np.ndarray:
        """Move the joint targets by one control step and return them, (N, 7) [rad, m].

        Args:
            actions: The network's output, (N, 6).
        """
        action = self._contract.action
        self._action = np.clip(np.asarray(actions, np.float32), -1.0, 1.0)
        self.targets[:, :5] += np.float32(action.arm_scale) * self._action[:, :5]
        opening = np.float32(0.5) * (self._action[:, 5:] + 1.0) * np.float32(action.finger_travel)
        slew = np.float32(action.finger_slew)
        self.targets[:, 5:] += np.clip(opening - self.targets[:, 5:], -slew, slew)
        np.clip(self.targets, self._lower, self._upper, out=self.targets)
        return self.targets.copy()


def _finished(values: np.ndarray, term: Term) -> np.ndarray:
    """Return a term's numbers, cut and scaled, float32."""
    if term.clip is not None:
        values = np.clip(values, *term.clip)
    return (values * term.scale).astype(np.float32)
