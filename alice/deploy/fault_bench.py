"""What happens when something breaks in the middle of a transfer: every fault on an emulated arm, in simulated time.

A scripted transfer goes through policy interface, loop, safety, driver, bytes and emulator; the fault comes while the
arm carries. For each fault: which state follows, how long after the fault, and how long after the first sign of it that
the loop could see: a position that did not come in time, a temperature or voltage out of bounds, a joint off its
course, a picture that is none, a command that was late. NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from alice.arms import Arm, kinematics
from alice.contract import Contract, VectorInput, action_of, camera_of, spec_of, terms_of
from alice.deploy import calibration as calibrations
from alice.deploy.bus.interface import BusError
from alice.deploy.bus.opening import EMULATED, bus_on, protocol_of
from alice.deploy.clock import SteppedClock
from alice.deploy.emulator import EmulatedArm, EmulatedCamera
from alice.deploy.loop import Loop
from alice.deploy.states import State
from alice.deploy.trials import OneTransfer

AFTER = 2.02
"""When the fault comes, from the beginning of the transfer [s]: the arm carries, and no control step begins."""
SECONDS = 7.0
"""Length of the transfer [s]."""
LIFT = 0.06
"""How high the ball is carried [m]."""


class ScriptedTransfer:
    """Stands in for a policy: fetches a ball and lets it go over a dish, by kinematics, whatever it sees.

    Args:
        arm: The arm.
        ball: Centre of the ball [m].
        dish: Centre of the dish [m].
        radius: Of the ball [m].
    """

    def __init__(self, arm: Arm, ball: tuple[float, ...], dish: tuple[float, ...], radius: float):
        known = terms_of(arm)
        vector = VectorInput("policy", tuple(known[name] for name in ("joint_pos", "joint_targets")))
        picture = camera_of(arm.camera, "image", arm.camera.width, arm.camera.height, 1)
        self.contract = Contract(
            "scripted transfer", "", None, "", (vector, picture), action_of(arm), spec_of(arm), reads_back=True
        )
        self._arm, self._poses, self._at = arm, list(_poses(arm, ball, dish, radius)), 0
        self.trouble: Callable[[], float] = lambda: 0.0
        """Called with every action; what it returns is added to it."""

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the next action, (1, A)."""
        targets = inputs["policy"][0, -len(self._arm.joints) :].astype(float)
        pose, opening = self._poses[self._at]
        columns = self._arm.arm_columns
        missing = (pose - targets[columns]) / self.contract.action.arm_scale
        if np.abs(missing).max() < 0.05 and self._at < len(self._poses) - 1:
            self._at += 1
        action = np.append(np.clip(0.5 * missing, -0.6, 0.6), opening)
        return (action[None] + self.trouble()).astype(np.float32)


def _poses(arm: Arm, ball: Any, dish: Any, radius: float) -> Iterator[tuple[np.ndarray, float]]:
    """Yield arm joints and gripper action of each stage."""
    roll = arm.home[arm.roll_column]
    for point, opening in (
        ((ball[0], ball[1], radius + LIFT), 1.0),
        ((ball[0], ball[1], radius), 1.0),
        ((ball[0], ball[1], radius + LIFT), -1.0),
        ((dish[0], dish[1], radius + LIFT), -1.0),
        ((dish[0], dish[1], radius + LIFT), 1.0),
    ):
        target = np.array([point])
        pitch = kinematics.steepest_pitch(arm, target)
        yield kinematics.inverse(arm, target, pitch, roll)[0][0], opening


@dataclass(frozen=True)
class Case:
    """One fault."""

    name: str
    words: dict[str, Any] | None = None
    """Of :meth:`alice.deploy.emulator.EmulatedArm.inject`; None where it is not the emulator's."""
    trouble: str = ""
    """What else breaks: ``nan``, ``slow``, ``nap``, ``stop``, ``stop twice``."""


def cases(arm: Arm) -> list[Case]:
    """Return all faults for an arm."""
    base, shoulder, elbow, *_, gripper = arm.servo_ids
    cool = arm.joints[0].servo
    low = cool.supply[0]
    return [
        Case("no answers any more", {"fault": "drop"}),
        Case("no answers for 0.3 s", {"fault": "drop", "for": 0.3}),
        Case("every fifth answer is lost", {"fault": "drop", "share": 0.2}),
        Case("every second answer is lost", {"fault": "drop", "share": 0.5}),
        Case("one servo does not answer", {"fault": "drop", "servo": elbow}),
        Case("answers 5 ms late", {"fault": "late", "by": 0.005}),
        Case("answers 60 ms late", {"fault": "late", "by": 0.06}),
        Case("every answer is garbled", {"fault": "garble"}),
        Case("one answer in ten is garbled", {"fault": "garble", "share": 0.1}),
        Case("the adapter begins to echo", {"fault": "echo"}),
        Case("answers of a foreign servo", {"fault": "foreign"}),
        Case("answers in two pieces, 4 ms", {"fault": "split"}),
        Case("answers in two pieces, 60 ms", {"fault": "split", "gap": 0.06}),
        Case("the shoulder's servo is dead", {"fault": "dead", "servo": shoulder}),
        Case("the gripper's servo is dead", {"fault": "dead", "servo": gripper}),
        Case("all servos are dead for 0.2 s", {"fault": "dead", "for": 0.2}),
        Case("the elbow's servo overheats", {"fault": "overheat", "servo": elbow, "to": cool.hottest + 4.0}),
        Case("the gripper's servo overheats", {"fault": "overheat", "servo": gripper, "to": cool.hottest + 25.0}),
        Case("the base's gear is stuck", {"fault": "stuck", "servo": base}),
        Case("the shoulder's gear is stuck", {"fault": "stuck", "servo": shoulder}),
        Case("a hand pushes the base", {"fault": "push", "servo": base, "by": 0.5}),
        Case("a hand pushes the shoulder for 0.5 s", {"fault": "push", "servo": shoulder, "by": 0.5, "for": 0.5}),
        Case("the supply breaks down", {"fault": "brown_out", "to": 0.6 * low}),
        Case("the supply is a little low", {"fault": "brown_out", "to": low - 0.4}),
        Case("the supply is low for 60 ms", {"fault": "brown_out", "to": low - 0.4, "for": 0.06}),
        Case("the adapter is pulled out", {"fault": "unplug"}),
        Case("the camera freezes", {"fault": "camera_freeze"}),
        Case("the camera freezes, stamps go on", {"fault": "camera_freeze", "stamped": 1}),
        Case("the camera is covered", {"fault": "camera_blank"}),
        Case("the camera vanishes", {"fault": "camera_vanish"}),
        Case("the camera vanishes for 0.3 s", {"fault": "camera_vanish", "for": 0.3}),
        Case("the policy gives no number", trouble="nan"),
        Case("the policy needs 60 ms each time", trouble="slow"),
        Case("the computer sleeps for 0.4 s", trouble="nap"),
        Case("the operator stops", trouble="stop"),
        Case("the operator stops twice", trouble="stop twice"),
    ]


@dataclass(frozen=True)
class Found:
    """What a fault led to."""

    case: Case
    state: str
    """First state that is not RUNNING after it; RUNNING if it goes on."""
    after_fault: float
    """[s]; NaN if it goes on."""
    after_sign: float
    """[s]; likewise."""
    largest_step: float
    """Largest step of a command over its limit."""
    event: str
    exit_code: int
    line: str


class _Spy:
    """A bus that remembers when the first sign of a fault was to be seen.

    Args:
        bus: The bus.
        clock: Its clock.
        arm: Its arm.
    """

    def __init__(self, bus: Any, clock: SteppedClock, arm: Arm):
        self._bus, self._clock, self._servo = bus, clock, arm.joints[0].servo
        self.signs: dict[str, float] = {}
        """Since when each kind of sign has been there [s]; one that goes away is forgotten."""
        self.since = np.inf

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def seen(self, kind: str, is_there: bool = True) -> None:
        """Remember whether a kind of sign is there."""
        if not is_there:
            self.signs.pop(kind, None)
        elif self._clock.now() >= self.since:
            self.signs.setdefault(kind, self._clock.now())

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except BusError:
            self.seen("port")
            raise

    def positions(self, servo_ids: Any, budget: float) -> Any:
        """Ask, and look whether all answered."""
        asked = tuple(servo_ids)
        found = self._guarded(lambda: self._bus.positions(asked, budget))
        for servo_id in asked:
            self.seen(f"position {servo_id}", servo_id not in found)
        return found

    def move(self, goals: Any, duration: float, budget: float) -> None:
        """Tell."""
        self._guarded(lambda: self._bus.move(goals, duration, budget))

    def health(self, servo_ids: Any, budget: float) -> Any:
        """Ask, and look whether all is well."""
        found = self._guarded(lambda: self._bus.health(servo_ids, budget))
        low, high = self._servo.supply
        self.seen("unheard", not found)
        for servo_id, said in found.items():
            is_hot = said.temperature is not None and said.temperature > self._servo.hottest
            is_off = said.voltage is not None and not low <= said.voltage <= high
            self.seen(f"health {servo_id}", is_hot or is_off or bool(said.faults))
        return found


class _Operator:
    stops = 0

    def keys(self) -> str:
        return ""


class _Bench:
    """One run with one fault.

    Args:
        arm: The arm.
        case: The fault.
    """

    def __init__(self, arm: Arm, case: Case):
        self._case, self._clock = case, SteppedClock()
        self._emulated = EmulatedArm(arm, clock=self._clock)
        protocol = protocol_of(arm, EMULATED, None)
        bus = bus_on(arm, self._emulated.wire(), self._clock, protocol)
        self._spy = _Spy(bus, self._clock, arm)
        tool, _ = kinematics.forward(arm, np.array(arm.home))
        self._policy = ScriptedTransfer(arm, (tool[0] + 0.03, 0.09), (tool[0] - 0.01, -0.09), 0.015)
        self._policy.trouble = self._trouble
        camera = EmulatedCamera(
            self._clock, arm.camera.width, arm.camera.height, faults=self._emulated.faults, latency=0.02
        )
        self._operator, plan = _Operator(), OneTransfer(None, None, SECONDS)
        self._loop = Loop(
            self._spy,
            self._clock,
            self._policy,
            calibrations.nominal(arm),
            plan,
            self._operator,
            camera,
            tell=lambda line: None,
        )
        self._began = self._given = np.inf
        self._picture_at: float | None = None
        self._sign = np.nan
        self._advance, self._loop._advance = self._loop._advance, self._watched

    def _trouble(self) -> float:
        """Break what is not the emulator's."""
        now = self._clock.now()
        is_on, kind = now >= self._given, self._case.trouble
        if not is_on or not kind:
            return 0.0
        if kind == "slow" or (kind == "nap" and now < self._given + 0.1):
            self._clock.advance(0.06 if kind == "slow" else 0.4)
        if kind in ("slow", "nap", "nan"):
            self._spy.seen(kind)
        return np.nan if kind == "nan" else 0.0

    def _watched(self, now: float, look: Any) -> None:
        """Look at what the loop has seen, for signs, and give the fault when it is time."""
        safety = self._loop.safety
        if safety.state is State.RUNNING and np.isinf(self._began):
            self._began, self._given = now, now + AFTER
            self._spy.since = self._given
            if self._case.words:
                fault = dict(self._case.words)
                self._emulated.inject(fault.pop("fault"), at=self._given, **fault)
        if self._case.trouble.startswith("stop") and now >= self._given:
            self._operator.stops = 2 if now > self._given + 0.4 and self._case.trouble == "stop twice" else 1
            self._spy.seen("stop")
        was = safety.state
        picture_at = self._loop._row.get("picture_at")
        self._spy.seen("picture", picture_at == self._picture_at)
        self._picture_at = picture_at
        self._spy.seen("course", bool(safety._off_course(look)) or safety._strikes > 0)
        self._advance(now, look)
        if np.isnan(self._sign) and now >= self._given and safety.state is not was and safety.event.name != "over":
            self._sign = min([now, *self._spy.signs.values()])

    def run(self) -> Found:
        """Run to the end."""
        ended = self._loop.run()
        columns, begin = self._loop.box.columns(), self._given
        commands = columns["command"][np.isfinite(columns["command"]).all(axis=1)]
        largest = float((np.abs(np.diff(commands, axis=0)) / self._loop.safety.guard.step).max())
        later = [event for event in self._loop.box.events if event["time"] >= begin and event["event"] != "over"]
        first = later[0] if later else {"time": np.nan, "state": "running", "reason": ""}
        is_end = first["state"] == "running" or (ended.exit_code == 0 and first["event"] in ("at home", "finished"))
        state = "running" if is_end else first["state"]
        time = first["time"] if state != "running" else np.nan
        line = "it goes on" if ended.exit_code == 0 else ended.reason
        return Found(self._case, state, time - begin, time - self._sign, largest, ended.event, ended.exit_code, line)


def run(arm: Arm, case: Case) -> Found:
    """Run one fault on one arm."""
    return _Bench(arm, case).run()


def table(found: list[Found], title: str) -> str:
    """Return what was found as a table for a page."""
    head = "Fault | State | After the fault [ms] | After its first sign [ms] | Largest step | Exit | Line"
    lines = [f"\n{title}:\n", f"| {head} |", "|" + "---|" * 7]
    for row in found:
        times = ["" if np.isnan(value) else f"{1e3 * value:.0f}" for value in (row.after_fault, row.after_sign)]
        lines.append(
            f"| {row.case.name} | {row.state} | {times[0]} | {times[1]} | {row.largest_step:.2f} | {row.exit_code} |"
            f" {row.line} |"
        )
    return "\n".join(lines) + "\n"
