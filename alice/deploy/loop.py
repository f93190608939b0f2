"""The control loop of one arm: looks, decides, tells, at the rate of the policy's contract, on any clock. NumPy only.

A control step begins at a multiple of the period, counted from the first one and never from the last. Positions are
read then; the command is due :data:`LEAD` of a period later, so that what reading and thinking take does not move it;
servos are told to be there one period after that. What is left of the period goes to temperatures and voltages. A
command that is more than :data:`LATE` behind is counted, as is every step that had to be left out.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from alice.contract import Contract, ImageInput
from alice.deploy.black_box import BlackBox
from alice.deploy.bus.interface import Bus, BusError
from alice.deploy.calibration import Calibration
from alice.deploy.clock import Clock
from alice.deploy.guard import Guard
from alice.deploy.pilot import Pilot, Plan, Tracker
from alice.deploy.punctuality import Punctuality
from alice.deploy.safety import Look, Safety
from alice.deploy.sensing import Encoders, Vitals
from alice.deploy.states import ENDS, Bounds, Order, State
from alice.deploy.watching import Eye, Watch

LEAD = 0.5
"""When a command is due, share of the period after its beginning."""
READING = 0.4
"""Budget for positions, share of the period."""
TELLING = 0.1
"""Budget for a command, share of the period."""
HEALTH = 0.3
"""Budget for temperatures and voltages, share of the period."""
LATE = 0.010
"""By how much a command may be late [s]."""
RECENT = 10
"""Commands among which late ones are counted."""
SLOW_READING_AGE = 2.0
"""Age limit of positions on a bus that does not read back in time [s]."""
RELEASES = 3
"""How often torque is switched off: an LX servo acknowledges nothing."""


class Operator(Protocol):
    """Who stands beside the arm."""

    stops: int
    """How often a stop was asked for, by key or signal."""

    def keys(self) -> str:
        """Return the keys that were pressed since the last call, those to stop left out."""


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    state: State
    event: str
    reason: str
    exit_code: int
    steps: int
    late: int
    """Commands that were late or left out."""


class Loop:
    """Drives one arm.

    Args:
        bus: Its servos.
        clock: Clock of bus, camera and loop.
        policy: From :func:`alice.deploy.policy.load`.
        calibration: The arm.
        plan: What it shall do.
        operator: Who may stop it.
        camera: For a policy that sees pictures.
        is_dry: Whether nothing is written to the servos: readings, inputs and commands are computed and taken down.
        about: For the black box.
        tell: Called with a line for the operator at every change.
        lead: See :data:`LEAD`.
        straight: See :class:`alice.deploy.watching.Watch`.
        guard: Limits of commands; those of arm and contract if None.
        tracker: Who says where ball and dish are; see :class:`alice.deploy.pilot.Pilot`.
    """

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        policy: Callable[[dict[str, np.ndarray]], np.ndarray],
        calibration: Calibration,
        plan: Plan,
        operator: Operator,
        camera: Eye | None = None,
        is_dry: bool = False,
        about: dict[str, Any] | None = None,
        tell: Callable[[str], None] = print,
        lead: float = LEAD,
        straight: Callable[[np.ndarray], np.ndarray] = lambda picture: picture,
        guard: Guard | None = None,
        tracker: Tracker | None = None,
    ):
        contract: Contract = policy.contract
        self._bus, self._clock, self._calibration = bus, clock, calibration
        self._plan, self._operator, self._is_dry, self._tell = plan, operator, is_dry, tell
        self._arm, self.period = calibration.kind, 1.0 / contract.arm.control_rate_hz
        self._lead = lead * self.period
        self._encoders, self._vitals = Encoders(calibration), Vitals(calibration, bus.protocol)
        self._reads_back = bus.reads_back and contract.reads_back
        self._watch = Watch(camera, contract, straight)
        guard = guard or Guard(calibration, contract)
        self._pilot = Pilot(policy, plan, guard, calibration.lift, tracker, self._reads_back)
        self.safety = Safety(guard, np.array(contract.arm.home), self._bounds(contract))
        self.box = BlackBox(self._about(contract, about or {}), self._sizes(contract), 1.0 / self.period)
        self.punctuality = Punctuality()
        self._lost, self._told, self._number = "", "", -1
        self._misses: deque[bool] = deque(maxlen=RECENT)
        self._steps = self._late = self._releases = 0
        self._was = State.CHECKING
        self._row: dict[str, Any] = {}

    def _bounds(self, contract: Contract) -> Bounds:
        """Return when something counts as wrong, on this bus and for what the policy was trained for."""
        bounds = replace(Bounds(), reading_age=2.5 * self.period, picture_age=3.0 * self.period)
        if not self._bus.reads_back:
            bounds = replace(bounds, reading_age=SLOW_READING_AGE, memory=SLOW_READING_AGE)
        _, latest = contract.trained_for.get("image_latency", (0.0, 0.0))
        _, stamp = contract.trained_for.get("image_stamp", (0.0, 0.0))
        return replace(bounds, picture_age=max(bounds.picture_age, (2.0 + latest) * self.period + stamp))

    def _about(self, contract: Contract, about: dict[str, Any]) -> dict[str, Any]:
        vectors = [item for item in contract.inputs if not isinstance(item, ImageInput)]
        return {
            "arm": self._arm.name,
            "calibration": self._calibration.name,
            "task": contract.task,
            "checkpoint_sha256": contract.checkpoint_sha256,
            "bus": self._bus.protocol,
            "reads_back": self._reads_back,
            "mode": "dry" if self._is_dry else "run",
            "period": self.period,
            "joints": self._arm.names,
            "servos": self._encoders.ids,
            "actions": contract.action.names,
            "inputs": [[item.name, term.name, term.size * term.history] for item in vectors for term in item.terms],
            **about,
        }

    def _sizes(self, contract: Contract) -> dict[str, int]:
        servos, joints = len(self._encoders.ids), len(self._arm.joints)
        sizes = dict.fromkeys(("counts", "read_at", "sent", "temperature", "voltage", "load"), servos)
        sizes |= dict.fromkeys(("joints", "wanted", "command"), joints)
        sizes["inputs"] = sum(item.size for item in contract.inputs if not isinstance(item, ImageInput))
        return {**sizes, "action": len(contract.action.names), "ball": 3, "dish": 3}

    ##
    # The loop
    ##

    @property
    def late(self) -> int:
        """Commands so far that were late or left out."""
        return self._late

    @property
    def is_over(self) -> bool:
        """Whether the arm is off or lost, and has been told so."""
        return self.safety.state in ENDS and not self._releases

    def run(self) -> Ended:
        """Drive the arm until it is off, lost or, in a dry run, the operator stops."""
        start = self._clock.now()
        step = 0
        while not self.is_over:
            self._clock.sleep_until(start + step * self.period)
            self.step(start + step * self.period)
            following = max(step + 1, math.floor((self._clock.now() - start) / self.period))
            self.miss(following - step - 1)
            step = following
            if self._is_dry and self._operator.stops:
                break
        safety = self.safety
        name = safety.ended_by.name if safety.ended_by else "dry run"
        reason = safety.end_reason or "the operator has seen enough"
        return Ended(safety.state, name, reason, safety.exit_code, self._steps, self._late)

    def miss(self, skipped: int = 1) -> None:
        """Count control steps that were left out, because the one before took too long."""
        self._late += skipped
        self._misses.extend([True] * min(skipped, RECENT))

    def step(self, begin: float) -> None:
        """Do the control step that begins at a moment [s]; whoever drives many arms in lockstep calls it."""
        self._row = {"time": begin}
        look = self._look()
        now = self._clock.now()
        if self._is_dry:
            wanted, command = self._try_out(now, look)
        else:
            self._advance(now, look)
            wanted = self._wanted(now, look) if self.safety.state is State.RUNNING else None
            command = self.safety.command(now, look, wanted)
        due = begin + self._lead
        self._clock.sleep_until(due)
        if not self._is_dry:
            self._order(command)
        self._count(due, command)
        self._ask_health()
        self._keep(wanted, command)

    def _look(self) -> Look:
        """Read what can be read and return what was seen."""
        encoders, vitals = self._encoders, self._vitals
        found = self._call(lambda: self._bus.positions(encoders.oldest_first, READING * self.period))
        encoders.take(found or {})
        now = self._clock.now()
        joints, keys = encoders.joints, self._operator.keys()
        shot = self._watch.look(joints, now)
        missing = self._missing(now)
        look = Look(
            joints=joints,
            read_at=float(encoders.at.min()),
            reading_age=now - float(encoders.at.min()),
            unread=f"servo {encoders.oldest_first[0]}",
            outside=encoders.outside,
            health_age=vitals.age(now),
            unheard=vitals.unheard,
            hot=vitals.trouble("hot"),
            bad_voltage=vitals.trouble("voltage"),
            fault=vitals.trouble("fault"),
            picture_age=self._watch.age(now),
            misses=sum(self._misses),
            refusals=self._pilot.refusals,
            refusal=self._pilot.refusal,
            stops=self._operator.stops,
            lost=self._lost,
            is_checked=not missing,
            unchecked=missing,
            wants=self._plan.wants(now, self.safety.state, keys),
        )
        if shot is not None:
            self._number = self.box.picture(shot.picture) if shot.is_news else self._number
            self._row |= {"picture": self._number, "picture_at": shot.at}
        return look

    def _missing(self, now: float) -> str:
        """Return what keeps the arm from being moved; empty if nothing does."""
        encoders, vitals = self._encoders, self._vitals
        if encoders.outside:
            return encoders.outside
        if encoders.joints is None:
            silent = [str(i) for i, counts in zip(encoders.ids, encoders.counts, strict=True) if np.isnan(counts)]
            return f"no position from servo {', '.join(silent)}: see power, wires and ids"
        if vitals.age(now) > self.safety.bounds.health_age:
            return "not every servo has told its temperature and voltage: see power and wires"
        room, what = self.safety.guard.room(encoders.joints)
        if room < -0.03:
            return f"by its readings the arm is {-room * 1e3:.0f} mm inside of the {what}: its calibration is wrong"
        return "" if (age := self._watch.age(now)) is None or age < 1.0 else "the camera gives no picture"

    def _advance(self, now: float, look: Look) -> None:
        """Let the state machine decide, and tell and take down what changed."""
        before, safety = self.safety.state, self.safety
        state = safety.advance(now, look)
        if state is before:
            return
        self.box.happened(now, state, safety.event.name, safety.reason)
        self._tell(f"{state.value}: {safety.reason}")
        if before is State.CHECKING and state is State.HOMING:
            self._call(lambda: self._bus.hold(self._encoders.ids, READING * self.period))
        if state is State.OFF:
            self._releases = 0 if before is State.CHECKING else RELEASES

    def _wanted(self, now: float, look: Look) -> np.ndarray | None:
        """Return the policy's targets, (J,) [rad, m]; None where it has none."""
        pilot, last = self._pilot, self.safety.last
        if self._was is not State.RUNNING:
            pilot.begin(now, last, is_new=self._was is not State.HOLDING)
        return pilot.wanted(now, look.joints, last, self._watch.pictures, self._watch.age(self._read_at(now)))

    def _read_at(self, now: float) -> float:
        """Return when the joints were where the policy is told that they are, in the mean [s]."""
        return float(self._encoders.at.mean()) if self._reads_back else now

    def _try_out(self, now: float, look: Look) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return what the policy wants and the command of a run, for an arm that stands as this one does; a dry run."""
        safety, missing = self.safety, look.unchecked
        if missing != self._told:
            self._tell(f"dry: {missing or 'every check is passed'}")
            self._told = missing
        if look.lost:
            self._advance(now, look)
        if look.joints is None or look.lost:
            return None, None
        if safety.last is None:
            self._pilot.begin(now, look.joints)
        safety.last = look.joints.copy()
        age = self._watch.age(self._read_at(now))
        wanted = self._pilot.wanted(now, look.joints, look.joints, self._watch.pictures, age)
        if wanted is None:
            return None, None
        return wanted, safety.guard.allowed(look.joints, wanted, safety.guard.step)[0]

    ##
    # Servos
    ##

    def _order(self, command: np.ndarray | None) -> None:
        """Tell the servos what the state says."""
        if self.safety.order is Order.RELEASE and self._releases:
            self._releases -= 1
            self._call(lambda: self._bus.torque(self._encoders.ids, False, READING * self.period))
        elif command is not None:
            counts = self._calibration.counts(command)
            goals = dict(zip(self._encoders.ids, counts.tolist(), strict=True))
            self._call(lambda: self._bus.move(goals, self.period, TELLING * self.period))
            self._row["sent"] = counts

    def _count(self, due: float, command: np.ndarray | None) -> None:
        """Count whether the command was late."""
        sent_at = self._clock.now()
        is_late = sent_at > due + LATE
        self._misses.append(is_late)
        if command is not None:
            self.punctuality.add(due, sent_at)
        self._late += is_late
        self._steps += 1
        self._row |= {"due": due, "sent_at": sent_at if command is not None else None}

    def _ask_health(self) -> None:
        """Ask servos how they are."""
        if self.safety.state is not State.LOST:
            asked = self._vitals.next_ids()
            self._vitals.take(self._call(lambda: self._bus.health(asked, HEALTH * self.period)) or {})

    def _call(self, call: Callable[[], Any]) -> Any:
        """Return what the bus returns; None, and remembered, where the port is lost."""
        if self._lost:
            self._releases = 0
            return None
        try:
            return call()
        except BusError as error:
            self._lost = " ".join(str(error).split()) or "the port is gone"
            return None

    def _keep(self, wanted: np.ndarray | None, command: np.ndarray | None) -> None:
        """Take down what this control step was, and remember its state."""
        encoders, vitals = self._encoders, self._vitals
        state = State.RUNNING if self._is_dry else self.safety.state
        self.box.step(
            **self._row,
            **(self._pilot.said if state is State.RUNNING else {}),
            state=tuple(State).index(state),
            counts=encoders.counts,
            read_at=encoders.at,
            joints=encoders.joints,
            wanted=wanted,
            command=command,
            temperature=vitals.temperature,
            voltage=vitals.voltage,
            load=vitals.load,
        )
        self._was = state
