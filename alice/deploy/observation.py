"""From what an arm reports to what a policy sees, and from its actions to joint targets. NumPy only.

Everything is batched: N is 1 on a robot and the number of environments in a closed-loop audit.
"""

from __future__ import annotations

import numpy as np

from alice import outcome, robot
from alice.contract import Contract, ImageInput, Term


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


def fit_picture(pictures: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return pictures of the size that a policy takes: cut to its aspect ratio about the centre, then area averages.

    Args:
        pictures: (N, H, W, 3) uint8, at least as large as asked for.
        width: [pixels].
        height: [pixels].

    Returns:
        (N, height, width, 3) uint8.

    Raises:
        ValueError: If the pictures are smaller, or no RGB pictures.
    """
    if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8:
        raise ValueError(f"pictures of shape {pictures.shape} and type {pictures.dtype}, need (N, H, W, 3) of uint8")
    tall, wide = pictures.shape[1:3]
    if (tall, wide) == (height, width):
        return pictures
    if tall < height or wide < width:
        raise ValueError(f"pictures of {wide}x{tall} are smaller than the policy's {width}x{height}; use a larger mode")
    kept_wide, kept_tall = min(wide, tall * width // height), min(tall, wide * height // width)
    left, top = (wide - kept_wide) // 2, (tall - kept_tall) // 2
    values = pictures[:, top : top + kept_tall, left : left + kept_wide].astype(np.float32)
    values = _averages(_averages(values, 1, height), 2, width)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _averages(values: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Return the averages of ``count`` equal stretches of an axis; a pixel on a border counts for both by its share."""
    length = values.shape[axis]
    sums = np.concatenate((np.zeros_like(values.take([0], axis)), values.cumsum(axis, dtype=np.float64)), axis)
    borders = np.arange(count + 1) * (length / count)
    below = np.minimum(borders.astype(int), length - 1)
    share = (borders - below).reshape([-1 if k == axis else 1 for k in range(values.ndim)])
    at_borders = sums.take(below, axis) * (1.0 - share) + sums.take(below + 1, axis) * share
    return np.diff(at_borders, axis=axis) * (count / length)


class FrameStack:
    """The last pictures of N arms, oldest first; at the start of an episode all are its first one.

    Args:
        item: The contract's input.
        count: Number of arms N.
    """

    def __init__(self, item: ImageInput, count: int):
        self._item = item
        self._frames = np.zeros((count, item.frames, 3, item.height, item.width), np.uint8)

    def push(self, pictures: np.ndarray, is_fresh: np.ndarray) -> np.ndarray:
        """Take the newest pictures and return the network's input, (N, 3 K, height, width) uint8.

        Args:
            pictures: (N, H, W, 3) uint8, see :func:`fit_picture`.
            is_fresh: Whether an episode begins, (N,) bool.
        """
        newest = fit_picture(pictures, self._item.width, self._item.height).transpose(0, 3, 1, 2)
        self._frames[:, :-1] = self._frames[:, 1:]
        self._frames[:, -1] = newest
        self._frames[is_fresh] = newest[is_fresh][:, None]
        return self._frames.reshape(len(newest), *self._item.shape).copy()


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
        self._stacks = {item.name: FrameStack(item, count) for item in contract.inputs if isinstance(item, ImageInput)}
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
        self,
        joint_pos: np.ndarray,
        ball_pos: np.ndarray | None = None,
        dish_pos: np.ndarray | None = None,
        ball_radius: np.ndarray | None = None,
        pictures: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """Return the network's inputs by name, as the contract has them. What the policy does not see may be left out.

        Args:
            joint_pos: Joint positions as the servos report them, (N, 7) [rad, m].
            ball_pos: Ball centres, base frame, (N, 3) [m].
            dish_pos: Dish centres on the table, base frame, (N, 3) [m].
            ball_radius: (N,) [m].
            pictures: Newest pictures of the wrist cameras, (N, H, W, 3) uint8.

        Raises:
            ValueError: If something is left out that the policy sees.
        """
        joint_pos = np.asarray(joint_pos, np.float32)
        change = (joint_pos - self._reported) * self._contract.arm.control_rate_hz
        known = {
            "joint_pos": joint_pos,
            "joint_vel": np.where(self._is_fresh, 0.0, change),
            "tool_pos": forward_kinematics(joint_pos),
            "gripper_gap": (joint_pos[:, 5] + joint_pos[:, 6])[:, None],
            "joint_targets": self.targets,
            "last_action": self._action,
            "dish_place": None if dish_pos is None else dish_pos[:, :2],
            **self._about_ball(joint_pos, ball_pos, dish_pos, ball_radius),
        }
        made = {}
        for item in self._contract.inputs:
            if isinstance(item, ImageInput):
                if pictures is None:
                    raise ValueError(f"the policy sees {item.name}: give the pictures of the wrist camera")
                made[item.name] = self._stacks[item.name].push(pictures, self._is_fresh[:, 0])
                continue
            for term in item.terms:
                if known.get(term.name) is None:
                    raise ValueError(f"the policy sees {term.name}: give ball_pos, dish_pos and ball_radius")
            made[item.name] = np.concatenate([_finished(known[term.name], term) for term in item.terms], axis=-1)
        self._reported = joint_pos.copy()
        self._is_fresh[:] = False
        return made

    def _about_ball(
        self, joint_pos: np.ndarray, ball_pos: np.ndarray | None, dish_pos: np.ndarray | None, radius: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Return the terms that need the ball, as far as it is known."""
        if ball_pos is None:
            return {}
        tool_pos, gap = forward_kinematics(joint_pos), joint_pos[:, 5] + joint_pos[:, 6]
        found = {"ball_pos": ball_pos, "tool_to_ball": ball_pos - tool_pos}
        if dish_pos is not None:
            found["ball_to_dish"] = dish_pos - ball_pos
        if radius is not None:
            distance = np.linalg.norm(found["tool_to_ball"], axis=-1)
            found["pinch_flag"] = self._is_pinched(distance, gap, radius)[:, None]
        return found

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
