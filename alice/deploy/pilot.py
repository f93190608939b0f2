"""Asks a policy: where ball and dish are, what the arm reported, where the policy wants it. NumPy only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from alice.deploy.guard import Guard
from alice.deploy.observation import Controller
from alice.deploy.readings import ReadingError
from alice.deploy.runtime import PolicyError
from alice.deploy.states import State
from alice.deploy.tracking import BallTracker
from alice.transfer.past import Past
from alice.transfer.unread import LAG


class Plan(Protocol):
    """What the arm shall do besides staying safe; asked once in a control step."""

    ball: tuple[float, float, float] | None
    """Where the ball lies, x, y and its radius [m]; None if the policy need not know."""
    dish: tuple[float, float] | None
    """Where the dish stands, x and y [m]."""

    def wants(self, now: float, state: State, keys: str) -> str:
        """Return ``go``, ``over``, ``finished`` or nothing.

        Args:
            now: Time by the loop's clock [s].
            state: What the arm is doing.
            keys: What the operator has pressed.
        """


class Tracker(Protocol):
    """Who says where ball and dish are; :class:`alice.deploy.tracking.BallTracker` has the arguments in full."""

    def begin(self, which: Any = slice(None)) -> None:
        """Begin an episode."""

    def report(self, taken_at: Any, ball_pos: Any = None, dish_pos: Any = None, which: Any = slice(None)) -> None:
        """Take in where they were seen."""

    def places(
        self, now: float, joint_pos: Any, targets: Any, ball_radius: Any
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return where ball and dish are told to be, (1, 3) [m] each."""


class Pilot:
    """One policy on one arm. J joints.

    Args:
        policy: From :func:`alice.deploy.policy.load`.
        plan: Where ball and dish are.
        guard: The arm's limits.
        lift: How much higher over the table the arm stands than its table has it [m].
        tracker: Who says where ball and dish are; one that is told by the plan where an episode begins, and knows the
            rest from the gripper, if None.
        reads_back: Whether joint positions are read. If not, commands stand for them (:mod:`alice.transfer.unread`).
    """

    def __init__(
        self,
        policy: Callable[[dict[str, np.ndarray]], np.ndarray],
        plan: Plan,
        guard: Guard,
        lift: float,
        tracker: Tracker | None = None,
        reads_back: bool = True,
    ):
        self._policy, self._plan, self._guard, self._lift = policy, plan, guard, lift
        self._controller = Controller(policy.contract, reads_back=reads_back)
        self._tracker = tracker or BallTracker(policy.contract, reads_back=reads_back)
        period = 1.0 / policy.contract.arm.control_rate_hz
        self._commands = None if reads_back else Past(self._controller.targets, period)
        self.refusals = 0
        """Times in a row that there was no action."""
        self.refusal = ""
        """Why."""
        self.said: dict[str, Any] = {}
        """What went in and came out last, by the columns of a black box."""

    def begin(self, now: float, last: np.ndarray, is_new: bool = True) -> None:
        """Begin an episode, or go on with it after it was held.

        Args:
            now: Time [s].
            last: Last command, (J,) [rad, m].
            is_new: Whether ball and dish lie where the plan says.
        """
        self._controller.begin([0], [np.clip(last, self._guard.lower, self._guard.upper)])
        if self._commands is not None:
            self._commands.begin([0], last)
        self.refusals = 0
        if is_new:
            ball, dish = self._places()
            self._tracker.begin()
            self._tracker.report(now, ball, dish)

    def _places(self) -> tuple[list | None, list | None]:
        """Return where the plan has ball and dish, (1, 3) each; policies know the arm at its table's height."""
        ball, dish = self._plan.ball, self._plan.dish
        return (
            None if ball is None else [[ball[0], ball[1], ball[2] - self._lift]],
            None if dish is None else [[*dish, -self._lift]],
        )

    def wanted(
        self,
        now: float,
        joints: np.ndarray,
        last: np.ndarray,
        pictures: np.ndarray | None,
        picture_age: float | None = None,
    ) -> np.ndarray | None:
        """Return the policy's joint targets, (J,) [rad, m]; None, and counted, where it gives none.

        Args:
            now: Time [s].
            joints: Where the arm is, (J,) [rad, m]; not looked at without read-back.
            last: Last command, (J,) [rad, m].
            pictures: Newest picture, (1, H, W, 3) uint8.
            picture_age: How long before the joints were read it was taken [s].
        """
        controller, ball, radius = self._controller, self._plan.ball, None
        controller.targets[0] = last
        if self._commands is not None:
            self._commands = self._commands.after(controller.targets)
            joints = self._commands.at(np.float32([LAG]))[0]
        self.said = {}
        try:
            place, dish = self._places()
            if ball is not None:
                radius = [ball[2]]
                place, dish = self._tracker.places(now, joints[None], controller.targets, radius)
            age = None if picture_age is None else [picture_age]
            inputs = controller.inputs(joints[None], place, dish, radius, pictures, age)
            action = self._policy(inputs)
            wanted = controller.targets_after(action)[0]
        except (ReadingError, PolicyError, ValueError) as problem:
            self.refusals, self.refusal = self.refusals + 1, str(problem)
            return None
        vectors = [value[0].ravel() for value in inputs.values() if value.dtype == np.float32]
        self.said = {"inputs": np.concatenate(vectors) if vectors else None, "action": action[0]}
        self.said |= {name: None if at is None else at[0] for name, at in (("ball", place), ("dish", dish))}
        if controller.refused[0]:
            self.refusals, self.refusal = self.refusals + 1, "the policy's action is not finite"
            return None
        self.refusals = 0
        return wanted
