"""From time-stamped reports of ball and dish to the places that a policy is told. NumPy only.

The rule is that of the reports in training (:mod:`alice.mdp.reports`): told is the mean of the reports since a thing
was last seen to move (:mod:`alice.transfer.told`); while the pinch flag by the reported joints is on, the ball is where
the gripper holds it; afterwards the last told place stands until the next report.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alice import arms
from alice.arms import kinematics
from alice.contract import Contract
from alice.deploy import readings
from alice.transfer import outcome
from alice.transfer.told import after_report
from alice.transfer.unread import stand_in


class BallTracker:
    """Keeps what has been reported of ball and dish of N arms.

    Call :meth:`begin` where an episode begins, :meth:`report` whenever a report arrives, and in every control step
    :meth:`places`, whose result goes to :meth:`alice.deploy.observation.Controller.inputs`.

    Args:
        contract: The policy's contract.
        count: Number of arms N.
        reads_back: Whether joint positions are read; as the policy was trained if None. If not, commands are given for
            them (:mod:`alice.transfer.unread`).
    """

    def __init__(self, contract: Contract, count: int = 1, reads_back: bool | None = None):
        self._arm, self._count = arms.named(contract.arm.name), count
        self._reads_back = contract.reads_back if reads_back is None else reads_back
        self._ball, self._dish = np.full((2, count, 3), np.nan, np.float32)
        self._ball_at, self._dish_at, self._held_at = np.full((3, count), -np.inf)
        self._ball_count, self._dish_count = np.zeros((2, count), np.float32)
        self.is_held = np.zeros(count, bool)
        """Whether the ball is told to be where the gripper is, (N,) bool."""

    def begin(self, which: Any = slice(None)) -> None:
        """Forget what was reported: an episode begins, and needs a report of its own.

        Args:
            which: Arms, indices or mask of length N.
        """
        self._ball[which] = self._dish[which] = np.nan
        self._ball_at[which] = self._dish_at[which] = self._held_at[which] = -np.inf
        self._ball_count[which] = self._dish_count[which] = 0.0
        self.is_held[which] = False

    def report(self, taken_at: Any, ball_pos: Any = None, dish_pos: Any = None, which: Any = slice(None)) -> None:
        """Take in a report. One that describes an earlier moment than the last says nothing new and is passed over.

        So does a report of the ball from before the last control step in which it was told to be held.

        Args:
            taken_at: The moment that it describes (of the camera's exposure, not of the arrival), by the clock of
                :meth:`places`, a number or (K,) [s].
            ball_pos: Centre of the ball, base frame, (K, 3) [m]; None where it was not seen.
            dish_pos: Centre of the dish on the table, likewise.
            which: The K arms that it is about, indices or mask of length N.

        Raises:
            ReadingError: If a place cannot be meant. Nothing has changed then.
            ValueError: If something has another shape, or the time is no number.
        """
        rows = np.arange(self._count)[which]
        taken_at = np.broadcast_to(np.asarray(taken_at, float), rows.shape)
        if not np.isfinite(taken_at).all():
            raise ValueError(f"taken_at={taken_at.tolist()} is no time; give seconds")
        ball, dish = (
            readings.places(place, name, len(rows)) for place, name in ((ball_pos, "ball"), (dish_pos, "dish"))
        )
        if ball is not None:
            is_news = (taken_at > self._ball_at[rows]) & (taken_at > self._held_at[rows])
            self._take_in(self._ball, self._ball_count, rows[is_news], ball[is_news])
            self._ball_at[rows[is_news]] = taken_at[is_news]
        if dish is not None:
            is_news = taken_at > self._dish_at[rows]
            self._take_in(self._dish, self._dish_count, rows[is_news], dish[is_news])
            self._dish_at[rows[is_news]] = taken_at[is_news]

    @staticmethod
    def _take_in(told: np.ndarray, count: np.ndarray, rows: np.ndarray, report: np.ndarray) -> None:
        """Move what is told of the arms ``rows`` by a report of each, (K, 3) [m]."""
        told[rows], count[rows] = after_report(told[rows], count[rows], report)

    def places(
        self, now: float, joint_pos: Any, targets: Any, ball_radius: Any
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return where ball and dish are told to be in this control step, (N, 3) [m] each; None for a dish never seen.

        Args:
            now: Time by the clock of :meth:`report` [s].
            joint_pos: Joint positions as the servos report them, (N, J) [rad, m].
            targets: Joint targets (:attr:`alice.deploy.observation.Controller.targets`), (N, J) [rad, m].
            ball_radius: (N,) [m].

        Raises:
            ReadingError: If a ball was never reported, or a number cannot be meant. Nothing has changed then.
            ValueError: If something has another shape.
        """
        joint_pos = readings.joints(self._arm, joint_pos, "joint_pos", self._count)
        targets = readings.joints(self._arm, targets, "targets", self._count)
        radius = readings.radii(ball_radius, "ball_radius", self._count)
        if np.isnan(self._ball).any():
            row = int(np.argwhere(np.isnan(self._ball))[0, 0])
            raise readings.ReadingError(
                f"ball: {readings.of_arm(row, self._count)}nothing was reported in this episode; wait for a report"
                " before the first step"
            )
        grip = kinematics.grip_point(self._arm, joint_pos, radius)
        # A ball that was held in the last control step has moved with the hand.
        distance = np.linalg.norm(np.where(self.is_held[:, None], grip, self._ball) - grip, axis=-1)
        if not self._reads_back:
            joint_pos = stand_in(self._arm, joint_pos, distance, radius)
        gap, gap_target = (self._arm.gripper.gap(at[:, self._arm.gripper_columns]) for at in (joint_pos, targets))
        self.is_held = outcome.is_pinched(distance, gap, gap_target, radius, self._arm.gripper.gap_error)
        self._ball[self.is_held], self._ball_count[self.is_held] = grip[self.is_held], 0.0
        self._held_at[self.is_held] = now
        return self._ball.copy(), None if np.isnan(self._dish).any() else self._dish.copy()

    def age(self, now: float) -> np.ndarray:
        """Return how old the last report of the ball is, (N,) [s]; infinite where there was none."""
        return now - self._ball_at
