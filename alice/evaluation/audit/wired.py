"""Lets an exported policy act in a simulation over the wire: each arm has a loop, a bus and servos of its own.

In every control step of an arm its loop (:class:`alice.deploy.loop.Loop`) reads the positions over its bus, asks the
policy, lets the safety cut what the policy wants, and sends goals in counts; the emulated servos take them out of the
bytes, and the simulator's drives pull to where the servos are. Time is simulated, one clock an arm, all in lockstep.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alice import arms
from alice.arms import quantities
from alice.cli.usage import UsageError
from alice.deploy import calibration as calibrations
from alice.deploy.bus.interface import BusError
from alice.deploy.bus.opening import EMULATED, protocol_of
from alice.deploy.emulator import EmulatedArms, world
from alice.deploy.emulator.camera import grained
from alice.deploy.guard import TABLE_DEPTH, Guard
from alice.deploy.loop import Loop
from alice.deploy.policy import OnnxPolicy, PolicyError
from alice.deploy.states import State
from alice.evaluation.audit.deployed import newest_pictures, simulated_otherwise
from alice.evaluation.wire import WiredArms
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

SETTLED = 10
"""Control steps for which all arms stand ready before they go: longer than a servo's delay."""
PATIENCE = 120
"""Control steps in which an arm must be ready; one that is not then has failed its episode."""


@dataclass
class Options:
    """How the policy is wired."""

    protocol: str | None = None
    """What the bus speaks; the servos' own by default."""
    table_depth: float = TABLE_DEPTH
    """How far below the table the tip may be sent [m]."""
    told_once: bool = False
    """Whether a policy that sees nothing is told of the ball where the episode begins and never again."""


@dataclass
class Counts:
    """What loops and safety did in the control steps of running episodes."""

    steps: int = 0
    hindered: Counter[str] = field(default_factory=Counter)
    """Commands that the ``table`` or the ``self`` guard kept back."""
    episodes_hindered: Counter[str] = field(default_factory=Counter)
    """The same in episodes that had one."""
    events: Counter[str] = field(default_factory=Counter)
    """Episodes that were interrupted, by the first event."""
    late: int = 0
    """Control steps left out, because the one before took too long."""


class Told:
    """Where ball and dish of one arm are told to be: what a policy in this simulation is told in every control step."""

    def __init__(self, row: int):
        self._row = row
        self.now: tuple[np.ndarray, np.ndarray] | None = None
        """Ball and dish of all arms, (N, 3) [m]."""

    def begin(self, which: Any = slice(None)) -> None:
        """Do nothing: it is always told."""

    def report(self, taken_at: Any, ball_pos: Any = None, dish_pos: Any = None, which: Any = slice(None)) -> None:
        """Do nothing: it knows better."""

    def places(self, now: float, joint_pos: Any, targets: Any, ball_radius: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return both, (1, 3) [m] each."""
        ball, dish = (place[self._row : self._row + 1] for place in self.now)
        return ball, dish


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


class Sight:
    """The wrist camera of one simulated arm (:class:`alice.deploy.watching.Eye`), with a camera's grain."""

    def __init__(self, row: int):
        self._row, self._number = row, 0
        self.now: tuple[np.ndarray, float] | None = None
        """Pictures of all arms, (N, H, W, 3) uint8, and when they were taken [s]."""

    def read(self) -> tuple[np.ndarray, float]:
        """Return the newest picture and when it was taken [s]."""
        self._number += 1
        return grained(self.now[0][self._row], self._number), self.now[1]

    def close(self) -> None:
        """Do nothing."""


class WiredPolicy:
    """Loops of N arms in the place of a network (:func:`alice.evaluation.audit.audit.run_audit`).

    An episode begins as a run does: checks, home, ready; the world stands still meanwhile, and home is where the
    episode begins. Servos are those that the simulation has drawn; where it has ideal ones, the emulated are ideal.

    Args:
        env: Environment of the policy's task.
        path: ONNX file.
        options: How it is wired.

    Raises:
        UsageError: If the file cannot be used, or the simulation is not what its contract says.
    """

    def __init__(self, env: ManagerBasedRLEnv, path: Path, options: Options | None = None):
        try:
            self._policy = OnnxPolicy(path)
            contract = self._policy.contract
            if found := simulated_otherwise(contract, env.cfg):
                raise UsageError(f"--checkpoint {path.name}: not what its contract says: {'; '.join(found)}")
        except PolicyError as error:
            raise UsageError(f"--checkpoint: {error}") from error
        self._env, self._arm, self._options = env, arms.of(env), options or Options()
        self._image = next((item.name for item in contract.inputs if hasattr(item, "width")), None)
        self._term = env.action_manager.get_term("joints")
        try:
            self.protocol = protocol_of(self._arm, EMULATED, self._options.protocol)
        except BusError as error:
            raise UsageError(str(error)) from error
        """What the bus speaks."""
        self._round = 0
        self._is_begun = False
        self.counts = Counts()
        """Over all rounds."""

    def reset(self, dones: torch.Tensor) -> None:
        """Let arms whose episode has ended rest; all of them begin anew where all have ended."""
        done = dones.bool().cpu().numpy()
        if done.all():
            self._is_begun = False
        elif done.any():
            self._close(np.flatnonzero(done))
            self._is_running &= ~done

    def __call__(self, obs: Any) -> torch.Tensor:
        """Do a control step of all arms and return the actions to step with, (N, A)."""
        if self._is_begun:
            self._wired.tell(np.array([], int))
        else:
            self._begin(obs)
        self._see(obs)
        driven = self._step(self._is_running)
        resting = self._term.targets.cpu().numpy()
        commands = [
            resting[row] if loop.safety.last is None else loop.safety.last for row, loop in enumerate(self._loops)
        ]
        row = self._is_running[:, None]
        return self._wired.pull(np.where(row, driven, resting), np.where(row, np.array(commands), resting))

    ##
    # Episodes
    ##

    def _begin(self, obs: Any) -> None:
        """Make arms with the servos that were drawn, and let all of them get ready."""
        env, count = self._env, self._env.num_envs
        made = world.nominal(self._arm, count, **_servos_of(self._term))
        self._emulated = EmulatedArms(self._arm, made, self.protocol, seed=self._round)
        self._round += 1
        self._wired, buses = WiredArms(env, self._emulated.plant), self._emulated.buses()
        self._now = max(clock.now() for clock in self._emulated.clocks)
        self._told, self._sights = [Told(row) for row in range(count)], [Sight(row) for row in range(count)]
        calibration = calibrations.nominal(self._arm)
        places, radius = self._places(), transfer_state(env).ball_radius.cpu().numpy()
        homes = self._term.targets.cpu().numpy().astype(float)
        self._plans, self._loops = [], []
        for row, bus in enumerate(buses):
            ball = (float(places[0][row, 0]), float(places[0][row, 1]), float(radius[row]))
            plan = Episode(None if self._image else ball, tuple(places[1][row, :2].tolist()))
            loop = self._loop(row, bus, plan, calibration)
            loop.safety.home = np.clip(homes[row], loop.safety.guard.lower, loop.safety.guard.upper)
            self._plans.append(plan)
            self._loops.append(loop)
        self._get_ready(obs)

    def _loop(self, row: int, bus: Any, plan: Episode, calibration: calibrations.Calibration) -> Loop:
        """Return the loop of one arm."""
        contract, options = self._policy.contract, self._options
        return Loop(
            bus,
            self._emulated.clocks[row],
            self._policy,
            calibration,
            plan,
            Nobody(),
            self._sights[row] if self._image else None,
            tell=lambda line: None,
            guard=Guard(calibration, contract, options.table_depth),
            tracker=None if options.told_once else self._told[row],
        )

    def _get_ready(self, obs: Any) -> None:
        """Let all arms get ready and stay so for a moment, while the world stands still."""
        everyone = np.ones(self._env.num_envs, bool)
        settled = 0
        for _ in range(PATIENCE):
            self._see(obs)
            self._step(everyone)
            is_ready = np.array([loop.safety.state is State.READY for loop in self._loops])
            settled = settled + 1 if is_ready.all() else 0
            if settled == SETTLED:
                break
        for row in np.flatnonzero(~is_ready):
            self.counts.events[f"not ready: {self._loops[row].safety.reason}"] += 1
        for plan in self._plans:
            plan.may_go = True
        self._is_running, self._is_begun = everyone, True
        self._hindered = [Counter() for _ in self._loops]
        self._begins = [len(loop.box.events) for loop in self._loops]

    def _close(self, rows: np.ndarray) -> None:
        """Count what happened in episodes that have ended."""
        for row in rows:
            if not self._is_running[row]:
                continue
            self.counts.hindered.update(self._hindered[row])
            self.counts.episodes_hindered.update(self._hindered[row].keys())
            events = self._loops[row].box.events[self._begins[row] :]
            first = next((event for event in events if event["event"] != "go"), None)
            if first:
                self.counts.events[f"{first['event']}: {_without_numbers(first['reason'])}"] += 1

    ##
    # Control steps
    ##

    def _see(self, obs: Any) -> None:
        """Let every arm be told, and see, what there is to see now."""
        places = self._places()
        for told in self._told:
            told.now = places
        if self._image:
            pictures = newest_pictures(self._env, obs, self._image)
            for sight in self._sights:
                sight.now = pictures, self._now

    def _step(self, which: np.ndarray) -> np.ndarray:
        """Do a control step of some arms, (N,) bool; return where the drives pull to by its end, (N, J) [rad, m]."""
        self._emulated.begin_step(self._now)
        for row in np.flatnonzero(which):
            loop = self._loops[row]
            if self._emulated.clocks[row].now() >= self._now + loop.period:
                loop.miss()
                self.counts.late += 1
            elif not loop.is_over:
                loop.step(self._now)
            if self._is_begun:
                self.counts.steps += 1
                self._hindered[row].update([loop.safety.hindered] if loop.safety.hindered else [])
        self._now += self._env.step_dt
        return self._emulated.end_step(self._now)

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where ball and dish are told to be, (N, 3) float32 [m] each."""
        told = transfer_state(self._env).now.told
        return told.ball_pos.cpu().numpy(), told.dish_pos.cpu().numpy()


def _servos_of(term: Any) -> dict[str, np.ndarray]:
    """Return what an action term has drawn for its servos, (N, S) each by the names of a world; nothing if ideal."""
    servos = term.servos
    if servos is None:
        return {}
    return {f"servo_{name}": getattr(servos, name).cpu().numpy().astype(float) for name in quantities.of_servo()}


def _without_numbers(text: str) -> str:
    """Return a reason without what differs from episode to episode."""
    return " ".join(word for word in text.split() if not any(letter.isdigit() for letter in word))
