"""What a run is for: one transfer, or trials that are counted. Where the ball lies is drawn, not chosen. NumPy only.

The protocol: the dish stands where ``--dish`` says for all trials. Before each one the operator is told where to put
the ball and presses Enter; after it y or n says whether the ball lies in the dish, let go, with the arm clear of it, or
r that the trial does not count because something outside disturbed it (how many did not is told). A trial that the
safety ends is a failure. Nothing is looked at in between: where the ball goes follows from the seed alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alice.arms import Arm, kinematics
from alice.cli import files
from alice.contract import Contract
from alice.deploy.calibration import Calibration
from alice.deploy.states import State

SECONDS = 8.0
"""Length of a trial [s], that of an audit's episodes."""
APART = 0.09
"""Least distance of ball and dish [m]: the dish's rim, the widest ball, and a hand between them."""
BEFORE, BEHIND, BESIDE = 0.07, 0.12, 0.12
"""The rectangle that balls are drawn from, from the tool point at home: towards the base, away, to each side [m]."""
Z = 1.959964
"""95 % of a normal distribution lie within so many standard deviations."""


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a success rate; 0 to 1 where nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    rate, share = successes / trials, Z * Z / trials
    centre, half = rate + share / 2.0, Z * math.sqrt(rate * (1.0 - rate) / trials + share / (4.0 * trials))
    return max(0.0, (centre - half) / (1.0 + share)), min(1.0, (centre + half) / (1.0 + share))


def draw_balls(arm: Arm, dish: tuple[float, float], count: int, seed: int) -> list[tuple[float, float]]:
    """Return where the ball lies in each trial, x and y [m], in whole millimetres.

    Args:
        arm: The arm.
        dish: Where the dish stands [m].
        count: Number of trials.
        seed: All follows from it.
    """
    generator = np.random.default_rng(seed)
    tool, _ = kinematics.forward(arm, np.array(arm.home))
    low = np.array([tool[0] - BEFORE, tool[1] - BESIDE])
    high = np.array([tool[0] + BEHIND, tool[1] + BESIDE])
    found: list[tuple[float, float]] = []
    while len(found) < count:
        place = np.round(generator.uniform(low, high), 3)
        if np.hypot(*(place - dish)) >= APART:
            found.append((float(place[0]), float(place[1])))
    return found


@dataclass
class OneTransfer:
    """One transfer, then the end.

    Args:
        ball: See :class:`alice.deploy.pilot.Plan`.
        dish: Likewise.
        seconds: How long [s]; with 0 the policy is not asked at all: home, and down.
    """

    ball: tuple[float, float, float] | None
    dish: tuple[float, float] | None
    seconds: float = SECONDS
    _began: float | None = None

    def end(self, reason: str) -> None:
        """Do nothing: nothing is counted."""

    def wants(self, now: float, state: State, keys: str) -> str:
        """Return what is wanted now; see :class:`alice.deploy.pilot.Plan`."""
        if state is State.READY:
            if self._began is not None or self.seconds == 0.0:
                return "finished"
            self._began = now
            return "go"
        is_over = state is State.RUNNING and now - self._began >= self.seconds
        return "over" if is_over else ""


@dataclass
class Trials:
    """Trials that are counted, one after the other.

    Args:
        places: Where the ball lies in each, x and y [m].
        dish: Where the dish stands [m].
        radius: Of the ball [m]; None if the policy sees it.
        ask: Tells the operator a line.
        seconds: How long each is [s].
        path: Where results are written after each; None to write none.
        about: What belongs to the results.
    """

    places: list[tuple[float, float]]
    dish: tuple[float, float]
    radius: float | None
    ask: Callable[[str], None]
    seconds: float = SECONDS
    path: Path | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        self.rows: list[dict[str, Any]] = []
        """What was tried, with ``success`` true, false, or null for what does not count."""
        self._asked, self._began = "", 0.0
        self._is_running = False

    @property
    def _number(self) -> int:
        """How many trials count."""
        return sum(row["success"] is not None for row in self.rows)

    @property
    def ball(self) -> tuple[float, float, float] | None:
        """Where the ball lies now; None if the policy sees it."""
        if self.radius is None:
            return None
        return (*self.places[min(self._number, len(self.places) - 1)], self.radius)

    def wants(self, now: float, state: State, keys: str) -> str:
        """Return what is wanted now; see :class:`alice.deploy.pilot.Plan`."""
        if state is State.RUNNING and not self._is_running:
            self._is_running, self._began = True, now
        if state is State.RUNNING:
            return "over" if now - self._began >= self.seconds else ""
        if state is not State.READY:
            return ""
        return self._verdict(keys) if self._is_running else self._placement(keys)

    def _placement(self, keys: str) -> str:
        """Tell where to put the ball, and begin when it is there."""
        if self._number == len(self.places):
            return "finished"
        x, y = self.places[self._number]
        question = f"trial {self._number + 1} of {len(self.places)}: put the ball at x {x:+.3f}, y {y:+.3f} m; Enter"
        if self._asked != question:
            self.ask(question)
            self._asked = question
            return ""
        return "go" if "\n" in keys or "\r" in keys else ""

    def _verdict(self, keys: str) -> str:
        """Ask how it went."""
        question = "does the ball lie in the dish, let go? y, n, or r if the trial does not count"
        if self._asked != question:
            self.ask(question)
            self._asked = question
            return ""
        answer = next((key for key in keys.lower() if key in "ynr"), "")
        if answer:
            self._keep({"y": True, "n": False, "r": None}[answer], "")
        return ""

    def end(self, reason: str) -> None:
        """Count a trial that was ended from outside as a failure; call it when the run has ended.

        Args:
            reason: Why it ended.
        """
        if self._is_running:
            self._keep(False, reason)

    def _keep(self, success: bool | None, stopped: str) -> None:
        x, y = self.places[self._number]
        self.rows.append({"ball": [x, y], "dish": list(self.dish), "success": success, "stopped": stopped})
        self._is_running, self._asked = False, ""
        low, high = self.results()["interval_95"]
        self.ask(f"{self.results()['successes']} of {self._number} so far, 95 % interval {low:.0%} to {high:.0%}")
        if self.path is not None:
            files.write_text(self.path, json.dumps(self.results(), indent=1) + "\n")

    def results(self) -> dict[str, Any]:
        """Return what was counted."""
        successes = sum(row["success"] is True for row in self.rows)
        return {
            **self.about,
            "planned": len(self.places),
            "trials": self._number,
            "successes": successes,
            "rate": successes / self._number if self._number else None,
            "interval_95": list(wilson(successes, self._number)),
            "left_out": len(self.rows) - self._number,
            "seconds": self.seconds,
            "rows": self.rows,
        }


def plan(
    args: Any,
    calibration: Calibration,
    promised: Contract,
    ball: tuple[float, ...] | None,
    dish: tuple[float, ...] | None,
    path: Path,
    ask: Callable[[str], None],
) -> OneTransfer | Trials:
    """Return what the command line of ``run_arm.py`` asks for.

    Args:
        args: The command line.
        calibration: The arm.
        promised: Contract of the policy.
        ball: Its ``--ball``.
        dish: Its ``--dish``, or where it was taught.
        path: Where results of trials go.
        ask: Tells the operator a line.
    """
    if not args.trials:
        return OneTransfer(ball, dish, args.seconds)
    about = {"arm": calibration.arm, "calibration": calibration.name, "policy": Path(args.policy).name}
    about |= {"task": promised.task, "checkpoint_sha256": promised.checkpoint_sha256, "port": args.port}
    about["seed"] = args.seed
    places = draw_balls(calibration.kind, dish, args.trials, args.seed)
    return Trials(places, dish, None if ball is None else ball[2], ask, args.seconds, path, about)
