"""The stages of the curriculum as data, and the rule that moves between them. Standard library only.

A stage says what is paid for, where episodes begin, how far ball and dish are spread, and how much of the domain
randomization is on. Whether the policy is ready for the next one is judged by finished *home* episodes alone, by the
stage rates of the audit (:data:`alice.transfer.outcome.STAGES`): easier starts must not promote.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from alice.transfer import outcome
from alice.transfer.timing import CONTROL_RATE_HZ

LOST_COST = 1.0
"""What a lost ball costs, once."""
FIRST_LOST_COST = 0.2
"""What it costs until balls are reached. A hand that cannot grasp yet knocks away what it comes near to, and one jaw
against a fixed one does so more than two fingers do: at the whole cost the SO-101 first learned to keep away."""


@dataclass(frozen=True)
class Stage:
    """One stage of the curriculum."""

    name: str
    measured: tuple[str, ...]
    """What decides: the share of episodes that passed any of these :data:`alice.transfer.outcome.STAGES`."""
    promote_at: float
    """Rate over a full window from which the next stage begins, in [0, 1]; never reached in the last stage."""
    demote_below: float
    """Rate of the *previous* stage's measure under which that stage comes back, in [0, 1]."""
    weights: Mapping[str, float]
    """Reward of the whole part, per reward term."""
    costs: Mapping[str, float]
    """Cost per second and unit, per reward term."""
    starts: Mapping[str, float]
    """Share of the episodes per start kind (:data:`alice.mdp.events.START_KINDS`)."""
    spread: float
    """Side of the rectangle that ball and dish are drawn from, as a share of the workspace's, in (0, 1]."""
    randomization: float
    """Share of the domain randomization's ranges that is on, in [0, 1]."""
    noise_cost: float = 0.0
    """What a nat of the entropy of the actions costs in PPO's loss; its own ``entropy_coef`` pays for it."""
    patience: float = math.inf
    """Home episodes after which the next stage begins whatever the rate: a world may be too hard for ``promote_at``."""
    lost_cost: float = LOST_COST
    """What a lost ball costs, once."""
    asks_calm: bool = False
    """Whether success asks for a calm arm, as that of an audit does. Asked for from the start it is out of reach even
    where episodes begin at the dish; these then last until time is up, and teach the hand to keep away from balls."""

    @property
    def terms(self) -> dict[str, float]:
        """Weight of each reward term as Isaac Lab takes it, in reward per second."""
        once = {**self.weights, "ball_lost": -self.lost_cost}
        return {name: weight * CONTROL_RATE_HZ for name, weight in once.items()} | {
            name: -cost for name, cost in self.costs.items()
        }


WINDOW = 512
"""Number of home episodes that a decision rests on; none of them began before the stage did."""

EARLY_WEIGHTS = {"reach": 5.0, "grasp": 2.0, "lift": 2.0, "transport": 3.0, "release": 2.0, "rest": 0.0, "success": 2.0}
"""Reward of the whole part, per reward term, until the ball is usually carried."""
LATE_WEIGHTS = {**EARLY_WEIGHTS, "release": 4.0, "rest": 4.0, "success": 5.0}
"""The same from then on. With these from the start, the easy episodes that begin in the dish teach the hand to keep
away from balls before it has ever reached one: reaching then fell from 20 % to 12 % within 600,000 steps."""

EARLY_COSTS = {"unrest": 0.0, "jerk": 0.01, "work": 0.01}
"""What an arm that moves badly costs, until the ball is usually carried: per second, and for the work of a calm
transfer, which the task knows of its arm. A term whose weight is 0 would be left out, and so would a jerk's memory of
past targets. Rest pays nothing and its lack costs nothing before: a hand that does nothing is best off where the ball
is at the dish already, and with both from the start the SO-101 never learned to reach."""
LATE_COSTS = {**EARLY_COSTS, "unrest": 0.3}
"""The same while letting go and coming to rest are learned."""
LATE_NOISE_COST = 0.012
"""What a nat of entropy costs from then on: nothing is left to be found, and without noise an arm comes to rest."""
MANNERS_COSTS = {**LATE_COSTS, "jerk": 6.0, "work": 3.0}
"""The same from then on. Noise costs as much as what the policy means; there is still some of it."""
POLISH_COSTS = {**LATE_COSTS, "jerk": 12.0, "work": 8.0}
"""The same once little noise is left. With these a slower, smoother way pays more than the seconds that it takes."""

MIXED_STARTS = {"home": 0.5, "pregrasp": 0.15, "in_hand": 0.15, "above_dish": 0.1, "in_dish": 0.1}
"""Share of the training episodes per start kind."""
_LETTING_GO = {"home": 0.4, "pregrasp": 0.1, "in_hand": 0.1, "above_dish": 0.2, "in_dish": 0.2}
_MOSTLY_HELD = {**MIXED_STARTS, "pregrasp": 0.2, "in_dish": 0.05}

_REST = Stage(
    name="rest",
    measured=("success",),
    promote_at=0.75,
    patience=10_000,
    demote_below=0.2,
    weights=LATE_WEIGHTS,
    costs=LATE_COSTS,
    starts=_LETTING_GO,
    spread=1.0,
    randomization=1.0,
    noise_cost=LATE_NOISE_COST,
    asks_calm=True,
)

STAGES: tuple[Stage, ...] = (
    Stage(
        name="reach",
        measured=("reached",),
        promote_at=0.6,
        demote_below=0.0,
        weights=EARLY_WEIGHTS,
        costs=EARLY_COSTS,
        starts=_MOSTLY_HELD,
        spread=0.7,
        randomization=0.0,
        lost_cost=FIRST_LOST_COST,
    ),
    Stage(
        name="grasp",
        measured=("pinched",),
        promote_at=0.6,
        demote_below=0.3,
        weights=EARLY_WEIGHTS,
        costs=EARLY_COSTS,
        starts=_MOSTLY_HELD,
        spread=0.85,
        randomization=0.0,
    ),
    Stage(
        name="lift",
        measured=("lifted", "carried"),
        promote_at=0.5,
        demote_below=0.3,
        weights=EARLY_WEIGHTS,
        costs=EARLY_COSTS,
        starts=MIXED_STARTS,
        spread=1.0,
        randomization=0.25,
    ),
    # Letting go is learned in the last stage, where it pays; a policy that waits for it here may carry for ever.
    Stage(
        name="transport",
        measured=("carried",),
        promote_at=0.75,
        demote_below=0.2,
        weights=EARLY_WEIGHTS,
        costs=EARLY_COSTS,
        starts=MIXED_STARTS,
        spread=1.0,
        randomization=0.5,
    ),
    # Until nearly every ball is let go there is much to find, which needs noise and a learning rate that goes with it.
    Stage(
        name="release",
        measured=("released",),
        promote_at=0.85,
        patience=10_000,  # about 1.2 M steps
        demote_below=0.2,
        weights={**LATE_WEIGHTS, "rest": 0.0},
        costs=EARLY_COSTS,
        starts=_LETTING_GO,
        spread=1.0,
        randomization=1.0,
    ),
    _REST,
    # Smooth and gentle, once there is something to lose by it.
    replace(_REST, name="manners", promote_at=0.9, patience=20_000, costs=MANNERS_COSTS),
    replace(_REST, name="polish", promote_at=1.01, patience=math.inf, demote_below=0.3, costs=POLISH_COSTS),
)
"""The stages in their order. What they pay is progress, never rent, so later parts may be paid from the start."""

NAMES: tuple[str, ...] = tuple(stage.name for stage in STAGES)
PHASES: tuple[str, ...] = ("auto", *NAMES)
"""What ``--phase`` takes: ``auto`` moves through the stages, a name stays at one."""
PHASE_PATH = "env.curriculum.stage.params.phase"
"""What ``--phase`` overrides."""


class Curriculum:
    """The stage of a training, moved by the results of its home episodes.

    Args:
        phase: One of :data:`PHASES`.
        window: Number of episodes that a decision rests on.
        stages: The stages.

    Raises:
        ValueError: If the phase is unknown.
    """

    def __init__(self, phase: str = "auto", window: int = WINDOW, stages: tuple[Stage, ...] = STAGES):
        names = [stage.name for stage in stages]
        if phase != "auto" and phase not in names:
            raise ValueError(f"phase {phase!r} is unknown, use one of {['auto', *names]}")
        self.stages = stages
        self.is_fixed = phase != "auto"
        self.index = names.index(phase) if self.is_fixed else 0
        self._window: deque[tuple[bool, ...]] = deque(maxlen=window)
        self._judged = 0

    @property
    def stage(self) -> Stage:
        """The stage now."""
        return self.stages[self.index]

    @property
    def fill(self) -> float:
        """How full the window is, in [0, 1]."""
        return len(self._window) / self._window.maxlen

    def rate(self, measured: tuple[str, ...]) -> float:
        """Return the share of the window's episodes that passed any of some stages of the job; 0 while it is empty."""
        places = [outcome.STAGES.index(name) for name in measured]
        count = sum(any(passed[place] for place in places) for passed in self._window)
        return count / max(len(self._window), 1)

    def add(self, episodes: Iterable[tuple[bool, ...]]) -> bool:
        """Take the results of finished home episodes and move by at most one stage.

        Args:
            episodes: Which of :data:`alice.transfer.outcome.STAGES` each episode passed, oldest first. All of them
                began in the stage that is on now.

        Returns:
            Whether the stage has changed; the window is then empty.
        """
        for passed in episodes:
            self._window.append(passed)
            self._judged += 1
        if self.is_fixed or len(self._window) < self._window.maxlen:
            return False
        is_ready = self.rate(self.stage.measured) >= self.stage.promote_at or self._judged >= self.stage.patience
        move = 0
        if self.index > 0 and self.rate(self.stages[self.index - 1].measured) < self.stage.demote_below:
            move = -1
        elif self.index + 1 < len(self.stages) and is_ready:
            move = 1
        if move:
            self.index += move
            self._window.clear()
            self._judged = 0
        return bool(move)

    def state_dict(self) -> dict[str, Any]:
        """Return stage, window and the number of home episodes that the stage has judged."""
        window = [list(passed) for passed in self._window]
        return {"stage": self.stage.name, "window": window, "judged": self._judged}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned; of a fixed phase, only if it is of that stage.

        Raises:
            ValueError: If the stage is unknown.
        """
        names = [stage.name for stage in self.stages]
        if state["stage"] not in names:
            raise ValueError(f"stage {state['stage']!r} of the checkpoint is unknown, this version has {names}")
        if self.is_fixed and state["stage"] != self.stage.name:
            return
        self.index = names.index(state["stage"])
        self._window.clear()
        self._window.extend(tuple(passed) for passed in state["window"])
        self._judged = state.get("judged", 0)  # unknown to checkpoints older than patience


def select_phase(words: list[str], phase: str | None) -> list[str]:
    """Return the ``name=value`` overrides that put the curriculum at a phase.

    Args:
        words: Overrides so far; those of another phase are dropped.
        phase: One of :data:`PHASES`, None to leave the words as they are.
    """
    if phase is None:
        return words
    return [*(word for word in words if word.partition("=")[0] != PHASE_PATH), f"{PHASE_PATH}={phase}"]
