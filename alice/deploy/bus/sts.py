"""Driver of Feetech's STS servos on a half-duplex TTL line (1 Mbit/s), as on the SO-101.

Why not ``feetech-servo-sdk`` 1.0.0: its time-outs are 34 ms at least, counted by ``time.time`` (which runs backwards
when the machine's clock is set), and it polls without a pause until they end; a sync read ends at the first servo that
does not answer; it does not know an echo; it clears nothing before it asks (``clearPort`` flushes the output), so a
late answer is taken for the next; and no clock can be given to it. LeRobot, which uses it, patches its time-outs.

Goal *time* acts in PWM mode only, so a duration becomes a goal *velocity*. Everything is asked by sync read: the
request goes to everybody (id 254), so that no answer can be taken for an echo or an echo for an answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from alice.deploy.clock import Clock

from .exchange import Exchange, Key
from .frames import BROADCAST, STS, Frame, sign_at, to_sign_at, unsigned, word
from .interface import Health, Position
from .lines import Line, PortError

BAUD = 1_000_000
SYNC_READ, SYNC_WRITE = 0x82, 0x83
PHASE, GAIN_P, MODE = 18, 21, 33
TORQUE, GOAL, PRESENT = 40, 42, 56
ALLOWED = frozenset({(SYNC_READ,), (SYNC_WRITE, TORQUE), (SYNC_WRITE, GOAL)})
"""All that this driver sends: reads, and writes that begin at torque enable (1 byte) and at the goal (position, time,
velocity). Registers below 40 survive the power switch and are never written, nor is the lock in front of them."""
SETTINGS = (PHASE, MODE - PHASE + 1)
"""First register and number of those that are looked at once: phase, gains, mode."""
LIMITS = (9, 24)
"""Lowest and highest position, ..., homing offset: where LeRobot keeps its calibration."""
STATE = (PRESENT, 15)
"""Position, velocity, load, voltage, temperature, ..., status, moving, ..., current."""
COUNTS = (0, 4095)
FAULTS = {1: "voltage", 2: "encoder", 4: "over-temperature", 8: "over-current", 32: "overload"}
FURTHEST = COUNTS[1] + 2048
"""Largest position that is believed [counts], either way: a turn, and the largest homing offset."""
TRIES = 3
FRESH = 0.2
"""How long a reading stands for where a servo is [s]."""
LAG, SAG = 2.0, 40
"""How far behind its goal a servo may be that has missed nothing: so many steps of the goal, and so many counts."""
FADING = 0.5
"""Share of its last velocity that a servo keeps at least: a goal that comes early, or stands still, must not take away
the speed that what is left of the way before needs."""
SLOWEST, SETTLING = 40.0, 100.0
"""Slowest velocity of a move, and that of a servo that is told to stay [counts/s]."""
FASTEST_GAPS = 0.001
"""What the servo and the adapter need beside the bytes on the wire [s]: less is not worth asking."""


class StsBus:
    """The servos of an STS line (:class:`alice.deploy.bus.interface.Bus`).

    Args:
        line: The line.
        clock: Clock of the line.
    """

    protocol = "sts"
    reads_back = True

    def __init__(self, line: Line, clock: Clock):
        self._exchange = Exchange(line, clock, STS, ALLOWED)
        self._clock = clock
        self._usual = 0.002
        """What a sync read usually takes until its last answer is there [s]."""
        self._units: dict[int, float] = {}
        """Counts per second of one unit of goal velocity."""
        self._seen: dict[int, Position] = {}
        self._goals: dict[int, int] = {}
        """Goals that servos were given last [counts]."""
        self._held: set[int] = set()
        self._speeds: dict[int, float] = {}
        """Velocities that servos were given last [counts/s]."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What went over the line."""
        return self._exchange.counters

    def check(self, servo_ids: Iterable[int], gain: tuple[float, float] | None, budget: float) -> None:
        """Read how servos are set up, and refuse those that would not do what is asked of them.

        P is refused and not written: it lies among the registers that survive the power switch, and whether the lock
        keeps a write from lasting is up to the servo's firmware.

        Args:
            servo_ids: The servos.
            gain: Lowest and highest P that will do; None if any will.
            budget: Time for it [s].

        Raises:
            PortError: If one does not answer, is not in position mode, or has another P.
        """
        servo_ids = list(servo_ids)
        found = self._read(servo_ids, SETTINGS, budget)
        missing = [servo_id for servo_id in servo_ids if servo_id not in found]
        if missing:
            raise PortError(
                f"servos {', '.join(map(str, missing))} do not answer; see to their supply and cables, and that the"
                " adapter is that of this arm"
            )
        for servo_id, (data, _, _) in found.items():
            if data[MODE - PHASE] != 0:
                raise PortError(f"servo {servo_id} is in mode {data[MODE - PHASE]}, need 0 (position); set it up again")
            if gain is not None and not gain[0] <= data[GAIN_P - PHASE] <= gain[1]:
                raise PortError(
                    f"servo {servo_id} has P = {data[GAIN_P - PHASE]} (register 21), need {_span(gain)}, which is what"
                    " the policy was trained for; set it with LeRobot or Feetech's tool"
                )
            # Bit 2 of the phase is the unit of velocity: 0.0146 rpm, which is one count per second, or 50 times that.
            self._units[servo_id] = 1.0 if data[0] & 4 else 50.0

    def positions(self, servo_ids: Iterable[int], budget: float) -> dict[int, Position]:
        """Return the positions of the servos that answered in time, all asked at once."""
        answers = self._read(servo_ids, (PRESENT, 2), budget)
        found = {servo_id: Position(sign_at(unsigned(data), 15), at) for servo_id, (data, _, at) in answers.items()}
        self._seen.update(found)
        return found

    def move(self, goals: Mapping[int, int], duration: float, budget: float) -> None:
        """Let servos go to goals [counts] so that they arrive after ``duration`` [s], all in one frame.

        The velocity is that from the goal before, so that goals at even times make an even motion. A servo that is
        further behind than its lag explains, because it has missed a goal, is made to catch up.

        Raises:
            ValueError: If a goal or the duration is none that a servo takes.
            PortError: If the unit of velocity is not known yet and servos do not answer.
        """
        self._learn_units(goals, budget / 2)
        for servo_id, goal in goals.items():
            if not COUNTS[0] <= goal <= COUNTS[1]:
                raise ValueError(f"servo {servo_id}: goal {goal} is outside of {COUNTS[0]} to {COUNTS[1]} counts")
        if not 0.0 <= duration < math.inf:
            raise ValueError(f"a move of {duration:g} s is none")
        unknown = [servo_id for servo_id in goals if servo_id not in self._goals]
        if unknown:
            self.positions(unknown, budget / 2)
        self._held -= goals.keys()
        self._write_goals({servo_id: (goal, self._speed(servo_id, goal, duration)) for servo_id, goal in goals.items()})

    def hold(self, servo_ids: Iterable[int], budget: float) -> None:
        """Let servos stay where they are, with torque.

        Where one is must be known first: a servo that is switched on goes to its last goal, wherever that is. One that
        does not answer and was not heard for 0.2 s is left as it is. Told again, servos are told the same place.
        """
        servo_ids = list(servo_ids)
        self._learn_units(servo_ids, budget / 2)
        new = [servo_id for servo_id in servo_ids if servo_id not in self._held]
        if new:
            self.positions(new, budget)
            oldest = self._clock.now() - FRESH
            for servo_id in new:
                if servo_id in self._seen and self._seen[servo_id].at >= oldest:
                    self._goals[servo_id] = min(max(self._seen[servo_id].counts, COUNTS[0]), COUNTS[1])
                    self._held.add(servo_id)
        held = [servo_id for servo_id in servo_ids if servo_id in self._held]
        self._speeds.update(dict.fromkeys(held, SETTLING))
        self._write_goals({servo_id: (self._goals[servo_id], self._in_units(servo_id, SETTLING)) for servo_id in held})
        self._write(TORQUE, dict.fromkeys(held, b"\x01"))

    def torque(self, servo_ids: Iterable[int], is_on: bool, budget: float) -> None:
        """Switch the torque of servos; one that is switched on stays where it is."""
        servo_ids = list(servo_ids)
        if is_on:
            self.hold(servo_ids, budget)
            return
        self._held -= set(servo_ids)
        for servo_id in servo_ids:
            self._goals.pop(servo_id, None)
        self._write(TORQUE, dict.fromkeys(servo_ids, b"\x00"))

    def health(self, servo_ids: Iterable[int], budget: float) -> dict[int, Health]:
        """Return supply, temperature, load and error bits, all servos asked at once: 0.3 ms each on the wire."""
        found = {}
        for servo_id, (data, error, at) in self._read(servo_ids, STATE, budget).items():
            found[servo_id] = Health(
                at=at,
                voltage=data[6] / 10.0,
                temperature=float(data[7]),
                load=sign_at(unsigned(data[4:6]), 10) / 1000.0,
                faults=tuple(fault for bit, fault in FAULTS.items() if (data[9] | error) & bit),
            )
        return found

    def limits(self, servo_ids: Iterable[int], budget: float) -> dict[int, tuple[int, int, int]]:
        """Return homing offset, lowest and highest position of servos [counts], as their registers have them."""
        rows = {servo_id: data for servo_id, (data, _, _) in self._read(servo_ids, LIMITS, budget).items()}
        return {
            servo_id: (sign_at(unsigned(data[22:24]), 11), unsigned(data[0:2]), unsigned(data[2:4]))
            for servo_id, data in rows.items()
        }

    def close(self) -> None:
        """Give the port back."""
        self._exchange.line.close()

    def _learn_units(self, servo_ids: Iterable[int], budget: float) -> None:
        unknown = [servo_id for servo_id in servo_ids if servo_id not in self._units]
        if unknown:
            self.check(unknown, None, budget)

    def _speed(self, servo_id: int, goal: int, duration: float) -> int:
        """Return the goal velocity that brings a servo to its goal in time [units]."""
        distance, seen = 0.0, self._seen.get(servo_id)
        if seen is not None and seen.at >= self._clock.now() - FRESH:
            distance = abs(goal - seen.counts)
        if servo_id in self._goals:
            step = abs(goal - self._goals[servo_id])
            distance = max(step, distance - LAG * step - SAG)
        speed = max(distance / max(duration, 0.001), FADING * self._speeds.get(servo_id, 0.0), SLOWEST)
        self._speeds[servo_id] = speed
        return self._in_units(servo_id, speed)

    def _in_units(self, servo_id: int, speed: float) -> int:
        """Return a velocity [counts/s] in units of the servo, at least 1: 0 would be without a limit."""
        return min(max(1, math.ceil(speed / self._units[servo_id] - 1e-9)), 0x7FFF)

    def _write_goals(self, goals: Mapping[int, tuple[int, int]]) -> None:
        """Write goals [counts] and velocities [units] of servos."""
        self._goals.update({servo_id: goal for servo_id, (goal, _) in goals.items()})
        rows = {servo_id: word(to_sign_at(int(goal), 15)) + word(0) + word(v) for servo_id, (goal, v) in goals.items()}
        self._write(GOAL, rows)

    def _write(self, address: int, rows: Mapping[int, bytes]) -> None:
        if rows:
            size = len(next(iter(rows.values())))
            body = b"".join(bytes([servo_id]) + data for servo_id, data in rows.items())
            self._exchange.send([STS.build(SYNC_WRITE, (address, size, *body), BROADCAST)])

    def _read(
        self, servo_ids: Iterable[int], what: tuple[int, int], budget: float
    ) -> dict[int, tuple[bytes, int, float]]:
        """Return bytes, error bits and time of the servos' answers to a sync read, as far as they came in time.

        Args:
            servo_ids: The servos.
            what: First register and number of bytes.
            budget: Time for all tries [s].
        """
        deadline, servo_ids = self._clock.now() + budget, list(servo_ids)
        answers: dict[int, tuple[bytes, int, float]] = {}
        for attempt in range(TRIES):
            missing = [servo_id for servo_id in servo_ids if servo_id not in answers]
            left = deadline - max(self._clock.now(), self._exchange.sent_by)
            least = self._exchange.byte_time(8 + len(missing) * (7 + what[1])) + FASTEST_GAPS
            if not missing or left < least:
                break
            self._exchange.counters["retries"] += attempt > 0
            wait = min(left, max(left / (TRIES - attempt), 3.0 * self._usual, least))
            self._sync_read(missing, what, wait, deadline, answers)
        return answers

    def _sync_read(
        self, servo_ids: list[int], what: tuple[int, int], wait: float, deadline: float, answers: dict
    ) -> None:
        """Ask servos once, and add the answers that come in time to those that are there."""
        exchange, (address, size) = self._exchange, what
        exchange.drain(_key)
        asked = max(self._clock.now(), exchange.sent_by)
        exchange.send([STS.build(SYNC_READ, (address, size, *servo_ids), BROADCAST)])
        open_ones = set(servo_ids)
        for frame, at in exchange.frames(min(exchange.sent_by + wait, deadline)):
            key = _key(frame)
            if frame.servo_id in open_ones and key[1] == size and _can_be(frame, address):
                answers[frame.servo_id] = frame.parameters, frame.code, exchange.stamp(key, asked, at)
                open_ones.remove(frame.servo_id)
                if not open_ones:
                    self._usual += 0.1 * (at - asked - self._usual)
                    return
            else:
                exchange.unexpected(key)
        for servo_id in open_ones:
            exchange.gave_up((servo_id, size), asked)


def _key(frame: Frame) -> Key:
    return frame.servo_id, len(frame.parameters)


def _can_be(frame: Frame, address: int) -> bool:
    """Whether a servo can have answered this: a checksum lets one in 256 damaged answers pass."""
    if frame.code & ~sum(FAULTS):
        return False
    return address != PRESENT or abs(sign_at(unsigned(frame.parameters[:2]), 15)) <= FURTHEST


def _span(gain: tuple[float, float]) -> str:
    low, high = math.ceil(gain[0]), math.floor(gain[1])
    return f"{low}" if low == high else f"{low} to {high}"
