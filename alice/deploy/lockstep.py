"""Many arms at once in simulated time: a loop, a bus and emulated servos for each, whose links somebody else moves.

In every control step an arm's loop (:class:`alice.deploy.loop.Loop`) reads positions over its bus, asks the policy,
lets the safety cut what the policy wants, and sends goals in counts; the emulated servos take them out of the bytes.
What comes out is where the drives are to pull to, what goes in where the links have got. NumPy only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alice.arms import Arm
from alice.deploy import calibration as calibrations
from alice.deploy.emulator import EmulatedArms, World
from alice.deploy.emulator.camera import grained
from alice.deploy.guard import TABLE_DEPTH, Guard
from alice.deploy.loop import Loop
from alice.deploy.states import State

SETTLED = 10
"""Control steps for which all arms stand ready before they go: longer than a servo's delay."""
PATIENCE = 120
"""Control steps in which an arm must be ready; one that is not then never goes."""


@dataclass
class Options:
    """How arms are wired."""

    protocol: str | None = None
    """What the bus speaks; the servos' own by default."""
    table_depth: float = TABLE_DEPTH
    """How far below the table the tip may be sent [m]."""
    told_once: bool = False
    """Whether a policy that sees nothing is told of the ball where the episode begins and never again."""


@dataclass
class Counts:
    """What loops and safety did in the control steps of episodes."""

    steps: int = 0
    hindered: Counter[str] = field(default_factory=Counter)
    """Commands that the ``table`` or the ``self`` guard kept back."""
    episodes_hindered: Counter[str] = field(default_factory=Counter)
    """Episodes with such a command."""
    events: Counter[str] = field(default_factory=Counter)
    """Episodes that were interrupted, by the first event."""
    left_out: int = 0
    """Control steps that were left out, because the one before took too long."""

    def add(self, other: Counts) -> None:
        """Add those of other episodes."""
        self.steps += other.steps
        self.left_out += other.left_out
        for name in ("hindered", "episodes_hindered", "events"):
            getattr(self, name).update(getattr(other, name))


@dataclass
class Scene:
    """What there is to know and to see of the world of N arms in a control step."""

    ball: np.ndarray
    """Where the ball is told to be, base frame, (N, 3) [m]."""
    dish: np.ndarray
    """Likewise the dish on the table, (N, 3) [m]."""
    pictures: np.ndarray | None = None
    """(N, H, W, 3) uint8."""
    picture_age: np.ndarray | None = None
    """How old each picture is by its time stamp, (N,) [s]; None if they are new."""


class Lockstep:
    """N arms that run one policy.

    An episode begins as a run does: checks, home, ready. The world stands still meanwhile, and home is where the
    episode begins.

    Args:
        arm: The kind of arm.
        world: What is off about them.
        policy: From :func:`alice.deploy.policy.load`.
        joint_pos: Where they stand, (N, J) [rad, m].
        homes: Where they were told to be, and go home to, (N, J) [rad, m].
        scene: What there is to see where the episode begins.
        radius: Of each ball, (N,) [m].
        options: How they are wired.
        seed: Of jitter and noise.

    Raises:
        PortError: If the arm does not speak the protocol.
    """

    def __init__(
        self,
        arm: Arm,
        world: World,
        policy: Callable[[dict[str, np.ndarray]], np.ndarray],
        joint_pos: np.ndarray,
        homes: np.ndarray,
        scene: Scene,
        radius: np.ndarray,
        options: Options,
        seed: int = 0,
    ):
        self.emulated = EmulatedArms(arm, world, options.protocol, seed)
        buses, self.scene, self.counts = self.emulated.buses(), scene, Counts()
        self.emulated.place(np.arange(world.count), joint_pos, homes)
        self.now = max(clock.now() for clock in self.emulated.clocks)
        """Beginning of the coming control step [s]."""
        known, contract = calibrations.nominal(arm), policy.contract
        self.plans, self.loops = [], []
        for row, bus in enumerate(buses):
            guard = Guard(known, contract, options.table_depth)
            ball = (*map(float, scene.ball[row, :2]), float(radius[row])) if scene.pictures is None else None
            plan = Episode(ball, tuple(map(float, scene.dish[row, :2])))
            eye = None if scene.pictures is None else Sight(self, row)
            told = None if options.told_once else Told(self, row)
            clock, silent = self.emulated.clocks[row], lambda line: None
            loop = Loop(bus, clock, policy, known, plan, Nobody(), eye, tell=silent, guard=guard, tracker=told)
            loop.safety.home = np.clip(homes[row], guard.lower, guard.upper)
            self.plans.append(plan)
            self.loops.append(loop)
        self._has_begun = False
        self._hindered = [Counter() for _ in buses]
        self._get_ready()

    @property
    def commands(self) -> np.ndarray:
        """What the arms were told last, (N, J) [rad, m]; home where they were told nothing."""
        lasts = [(loop.safety.last, loop.safety.home) for loop in self.loops]
        return np.array([home if last is None else last for last, home in lasts])

    def _get_ready(self) -> None:
        """Let all arms get ready and stay so for a moment, while the world stands still."""
        everyone, settled = np.ones(len(self.loops), bool), 0
        for _ in range(PATIENCE):
            self.step(everyone)
            is_ready = [loop.safety.state is State.READY for loop in self.loops]
            settled = settled + 1 if all(is_ready) else 0
            if settled == SETTLED:
                break
        for plan, loop, ready in zip(self.plans, self.loops, is_ready, strict=True):
            plan.may_go = True
            if not ready:
                self.counts.events[f"not ready: {_in_words(loop.safety.reason)}"] += 1
        self._seen = [len(loop.box.events) for loop in self.loops]
        self._has_begun = True

    def step(self, which: np.ndarray) -> np.ndarray:
        """Do a control step of some arms, (N,) bool; return where the drives pull to by its end, (N, J) [rad, m].

        Tell :attr:`scene` what there is to see before, and where the links have got afterwards
        (:meth:`alice.deploy.emulator.EmulatedArms.set_joint_pos`).
        """
        self.emulated.begin_step(self.now)
        period = self.loops[0].period
        for row in np.flatnonzero(which):
            loop, clock = self.loops[row], self.emulated.clocks[row]
            if clock.now() >= self.now + period:
                loop.miss()
                self.counts.left_out += 1
            elif not loop.is_over:
                loop.step(self.now)
            if self._has_begun:
                self.counts.steps += 1
                self._hindered[row].update([loop.safety.hindered] if loop.safety.hindered else [])
        self.now += period
        return self.emulated.end_step(self.now)

    def close(self, rows: np.ndarray) -> None:
        """Count what happened in the episodes of some arms, which have ended.

        Args:
            rows: Indices, (K,).
        """
        for row in rows:
            self.counts.hindered.update(self._hindered[row])
            self.counts.episodes_hindered.update(self._hindered[row].keys())
            events = self.loops[row].box.events[self._seen[row] :]
            first = next((event for event in events if event["event"] != "go"), None)
            if first:
                self.counts.events[f"{first['event']}: {_in_words(first['reason'])}"] += 1


@dataclass
class Episode:
    """What one arm shall do (:class:`alice.deploy.pilot.Plan`): wait until all are ready, then one transfer."""

    ball: tuple[float, float, float] | None
    dish: tuple[float, float]
    may_go: bool = False

    def wants(self, now: float, state: State, keys: str) -> str:
        """Return ``go`` when it may."""
        return "go" if self.may_go and state is State.READY else ""


class Nobody:
    """The operator beside a simulated arm."""

    stops = 0

    def keys(self) -> str:
        """Return that nothing was pressed."""
        return ""


class Told:
    """Is told in every control step where ball and dish of one arm are (:class:`alice.deploy.pilot.Tracker`)."""

    def __init__(self, all_arms: Lockstep, row: int):
        self._all, self._row = all_arms, row

    def begin(self, which: Any = slice(None)) -> None:
        """Do nothing: it is always told."""

    def report(self, taken_at: Any, ball_pos: Any = None, dish_pos: Any = None, which: Any = slice(None)) -> None:
        """Do nothing: it knows better."""

    def places(self, now: float, joint_pos: Any, targets: Any, ball_radius: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return both, (1, 3) [m] each."""
        rows = slice(self._row, self._row + 1)
        return self._all.scene.ball[rows], self._all.scene.dish[rows]


class Sight:
    """The wrist camera of one simulated arm (:class:`alice.deploy.watching.Eye`), with a camera's grain."""

    def __init__(self, all_arms: Lockstep, row: int):
        self._all, self._row, self._number = all_arms, row, 0

    def read(self) -> tuple[np.ndarray, float]:
        """Return the newest picture and when it was taken [s]."""
        self._number += 1
        scene = self._all.scene
        age = 0.0 if scene.picture_age is None else float(scene.picture_age[self._row])
        # The world stands still while positions are read, which takes time on the bus.
        taken_at = (self._all.now + self._all.emulated.clocks[self._row].now()) / 2.0 - age
        return grained(scene.pictures[self._row], self._number), taken_at

    def close(self) -> None:
        """Do nothing."""


def _in_words(text: str) -> str:
    """Return a reason without what differs from episode to episode."""
    return " ".join(word for word in text.split() if not any(letter.isdigit() for letter in word))
