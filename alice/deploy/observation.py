"""From what an arm reports to what a policy sees, and from its actions to joint targets. NumPy only.

Everything is batched: N is 1 on a robot and the number of environments in a closed-loop audit. J is the number of
joints, A of actions.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from alice import arms
from alice.arms import kinematics
from alice.contract import Contract, ImageInput, Term, VectorInput
from alice.deploy import readings
from alice.deploy.pictures import FrameStack
from alice.transfer import outcome
from alice.transfer.past import Past
from alice.transfer.unread import stand_in

logger = logging.getLogger(__name__)


class Controller:
    """Keeps what a policy's inputs and actions need from one control step to the next.

    Call :meth:`begin` where an episode begins, then in every control step :meth:`inputs` and :meth:`targets_after`.

    Args:
        contract: The policy's contract.
        count: Number of arms N.
        reads_back: Whether joint positions are read; as the policy was trained if None. If not, commands are given for
            them (:mod:`alice.transfer.unread`).
    """

    def __init__(self, contract: Contract, count: int = 1, reads_back: bool | None = None):
        self._contract, self._count = contract, count
        self._reads_back = contract.reads_back if reads_back is None else reads_back
        self._arm = arms.named(contract.arm.name)
        self._reported = np.zeros((count, len(self._arm.joints)), np.float32)
        terms = {term.name for item in contract.inputs if isinstance(item, VectorInput) for term in item.terms}
        sees_past = "picture_joint_pos" in terms
        self._past = Past(self._reported, 1.0 / contract.arm.control_rate_hz) if sees_past else None
        self._is_fresh = np.ones((count, 1), bool)
        self._action = np.zeros((count, len(contract.action.names)), np.float32)
        self._lower = np.asarray(contract.arm.joint_lower, np.float32)
        self._upper = np.asarray(contract.arm.joint_upper, np.float32)
        self._closed = np.asarray(contract.action.gripper_closed, np.float32)
        self._opened = np.asarray(contract.action.gripper_open, np.float32)
        self._stacks = {item.name: FrameStack(item, count) for item in contract.inputs if isinstance(item, ImageInput)}
        self.targets = np.tile(np.asarray(contract.arm.home, np.float32), (count, 1))
        """Joint targets, (N, J) [rad, m]."""
        self.refused = np.zeros(count, int)
        """Control steps in a row in which the policy gave what is no action and the targets stayed, (N,)."""

    def begin(self, which: Any, targets: Any) -> None:
        """Begin an episode.

        Args:
            which: Arms, indices or mask of length N.
            targets: Joint targets that these arms stand at, (K, J) [rad, m].

        Raises:
            ReadingError: If a target is none that an arm can have.
            ValueError: If there are no such arms, or the targets have another shape.
        """
        try:
            rows = np.arange(self._count)[np.asarray(which)]
        except IndexError as error:
            raise ValueError(f"which={which!r} are none of {self._count} arms; give indices or a mask") from error
        self.targets[rows] = readings.joints(self._arm, targets, "targets", np.size(rows))
        self._action[rows] = 0.0
        self._is_fresh[rows] = True
        self.refused[rows] = 0

    def inputs(
        self,
        joint_pos: Any,
        ball_pos: Any = None,
        dish_pos: Any = None,
        ball_radius: Any = None,
        pictures: Any = None,
        picture_age: Any = None,
    ) -> dict[str, np.ndarray]:
        """Return the network's inputs by name, as the contract has them. What the policy does not see may be left out.

        Args:
            joint_pos: Joint positions as the servos report them, (N, J) [rad, m].
            ball_pos: Ball centres, base frame, (N, 3) [m]; from reports: :class:`alice.deploy.tracking.BallTracker`.
            dish_pos: Dish centres on the table, base frame, (N, 3) [m]; likewise.
            ball_radius: (N,) [m].
            pictures: Newest pictures of the wrist cameras, (N, H, W, 3) uint8.
            picture_age: How long before ``joint_pos`` they were taken, (N,) [s].

        Raises:
            ReadingError: If a number cannot be meant: not finite, outside of the joint's limits, another unit. Nothing
                has changed then; hold the targets and call again with the next reading.
            ValueError: If something is left out that the policy sees, or has another shape. Likewise.
        """
        joint_pos = readings.joints(self._arm, joint_pos, "joint_pos", self._count)
        ball_pos = readings.places(ball_pos, "ball_pos", self._count)
        dish_pos = readings.places(dish_pos, "dish_pos", self._count)
        radius = readings.radii(ball_radius, "ball_radius", self._count)
        age = readings.ages(picture_age, "picture_age", self._count)
        if not self._reads_back and ball_pos is not None and radius is not None:
            grip = kinematics.grip_point(self._arm, joint_pos, radius)
            joint_pos = stand_in(self._arm, joint_pos, np.linalg.norm(ball_pos - grip, axis=-1), radius)
        past = None if self._past is None else self._past.after(joint_pos, self._is_fresh)
        known = {
            **self._about_arm(joint_pos),
            "picture_joint_pos": None if past is None or age is None else past.at(age),
            "dish_place": None if dish_pos is None else dish_pos[:, :2],
            **self._about_ball(joint_pos, ball_pos, dish_pos, radius),
        }
        self._require(known, pictures)
        made = {}
        for item in self._contract.inputs:
            if isinstance(item, ImageInput):
                made[item.name] = self._stacks[item.name].push(pictures, self._is_fresh[:, 0])
            else:
                made[item.name] = np.concatenate([_finished(known[term.name], term) for term in item.terms], axis=-1)
        self._past = past
        self._reported = joint_pos.copy()
        self._is_fresh[:] = False
        return made

    def _require(self, known: dict[str, np.ndarray | None], pictures: Any) -> None:
        """Raise :class:`ValueError` if the policy sees what is not known."""
        for item in self._contract.inputs:
            if isinstance(item, ImageInput):
                if pictures is None:
                    raise ValueError(f"the policy sees {item.name}: give the pictures of the wrist camera")
                continue
            for term in item.terms:
                if known.get(term.name) is None and term.name == "picture_joint_pos":
                    raise ValueError(f"the policy sees {term.name}: give picture_age")
                if known.get(term.name) is None:
                    raise ValueError(f"the policy sees {term.name}: give ball_pos, dish_pos and ball_radius")

    def _about_arm(self, joint_pos: np.ndarray) -> dict[str, np.ndarray]:
        """Return the terms that need the arm alone."""
        change = (joint_pos - self._reported) * np.float32(self._contract.arm.control_rate_hz)
        return {
            "joint_pos": joint_pos,
            "joint_vel": np.where(self._is_fresh, np.float32(0.0), change),
            "tool_pos": kinematics.forward(self._arm, joint_pos)[0],
            "gripper_gap": self._gap(joint_pos)[:, None],
            "joint_targets": self.targets,
            "last_action": self._action,
        }

    def _about_ball(
        self, joint_pos: np.ndarray, ball_pos: np.ndarray | None, dish_pos: np.ndarray | None, radius: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Return the terms that need the ball, as far as it is known."""
        if ball_pos is None:
            return {}
        found = {"ball_pos": ball_pos, "tool_to_ball": ball_pos - kinematics.forward(self._arm, joint_pos)[0]}
        if dish_pos is not None:
            found["ball_to_dish"] = dish_pos - ball_pos
        if dish_pos is not None and radius is not None:
            apart = np.linalg.norm((dish_pos - ball_pos)[:, :2], axis=-1)
            found["dish_flag"] = outcome.is_over_dish(apart, ball_pos[:, 2] - radius - dish_pos[:, 2])[:, None]
        if radius is not None:
            distance = np.linalg.norm(ball_pos - kinematics.grip_point(self._arm, joint_pos, radius), axis=-1)
            found["pinch_flag"] = self._is_pinched(distance, self._gap(joint_pos), radius)[:, None]
        return found

    def _gap(self, joint_pos: np.ndarray) -> np.ndarray:
        """Return the gap between the pads, (N,) [m]."""
        return self._arm.gripper.gap(joint_pos[:, self._arm.gripper_columns])

    def _is_pinched(self, distance: np.ndarray, gap: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """Return the pinch flag, (N,) bool."""
        return outcome.is_pinched(distance, gap, self._gap(self.targets), radius, self._arm.gripper.gap_error)

    def targets_after(self, actions: Any) -> np.ndarray:
        """Move the joint targets by one control step and return them, (N, J) [rad, m].

        An arm whose action is not finite keeps its targets; it is told in the log and counted in :attr:`refused`.

        Args:
            actions: The network's output, (N, A).

        Raises:
            ValueError: If the shape is another one; the targets have not moved then.
        """
        actions = readings.array(actions, "actions", self._action.shape)
        is_good = np.isfinite(actions).all(axis=-1)
        self.refused = np.where(is_good, 0, self.refused + 1)
        for row in np.flatnonzero(~is_good):
            column = int(np.argmin(np.isfinite(actions[row])))
            name, value = self._contract.action.names[column], actions[row, column]
            logger.warning("arm %d: the policy gave %s for %s; the last targets stay", row, value, name)
        action = self._contract.action
        self._action[is_good] = np.clip(actions[is_good], -1.0, 1.0)
        moved = self.targets.copy()
        columns, gripper = self._arm.arm_columns, self._arm.gripper_columns
        moved[:, columns] += np.float32(action.arm_scale) * self._action[:, columns]
        opening = np.float32(0.5) * (self._action[:, columns.stop :] + 1.0)
        goal, slew = self._closed + opening * (self._opened - self._closed), np.float32(action.gripper_slew)
        moved[:, gripper] += np.clip(goal - moved[:, gripper], -slew, slew)
        self.targets[is_good] = np.clip(moved, self._lower, self._upper)[is_good]
        return self.targets.copy()


def _finished(values: np.ndarray, term: Term) -> np.ndarray:
    """Return a term's numbers, cut and scaled, float32."""
    if term.clip is not None:
        values = np.clip(values, *term.clip)
    return (values * term.scale).astype(np.float32)
