"""Driver of Hiwonder's LX servos on a half-duplex TTL line (115200 baud).

Why not ``lewanlib`` 0.1.1 (MIT), which speaks this protocol soundly: it waits by ``serial``'s own time-out, which is
one for each connection and not what is left of a control period; it sleeps 10 ms between retries; it takes off an echo
by counting bytes, so an adapter without one costs a whole time-out per frame; an answer of another servo ends the
question as an exception; it offers ids, limits and offsets to be written; and it has no clock to be given. What is left
after these is its frame codec of thirty lines, which :mod:`.frames` is for all three protocols.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alice.deploy.clock import Clock

from .exchange import Exchange, Key
from .frames import BROADCAST, LX, Frame, refuse_move, signed, unsigned, word
from .interface import Health, Position
from .lines import Line

BAUD = 115200
MOVE, PREPARE, START, STOP = 1, 7, 11, 12
TEMPERATURE, VOLTAGE, POSITION, LOAD, ERRORS = 26, 27, 28, 31, 36
ALLOWED = frozenset((code,) for code in (MOVE, PREPARE, START, STOP, TEMPERATURE, VOLTAGE, POSITION, LOAD, ERRORS))
"""All commands that this driver sends. None of them changes what a servo keeps without power."""
SIZES = {TEMPERATURE: 1, VOLTAGE: 2, POSITION: 2, ERRORS: 1}
"""Bytes of each answer."""
FAULTS = {1: "over-temperature", 2: "over-voltage", 4: "stalled"}
LONGEST = 30.0
"""Longest duration of a move [s]."""
COUNTS = (0, 1000)
"""Lowest and highest goal."""
OVERRUN = 60
"""How far outside of its goals a servo may report itself [counts]; 41 were seen."""
SHORTEST_WAIT = 0.0015
"""What a question and its answer take on the wire, and a little [s]: less is not worth asking."""
TRIES = 3
"""How often a servo is asked within one budget."""


class LxBus:
    """The servos of an LX line (:class:`alice.deploy.bus.interface.Bus`).

    Args:
        line: The line.
        clock: Clock of the line.
    """

    protocol = "lx"
    reads_back = True

    def __init__(self, line: Line, clock: Clock):
        self._exchange = Exchange(line, clock, LX, ALLOWED)
        self._clock = clock
        self._usual = 0.002
        """What a question usually takes until its answer is there [s]."""
        self._held: dict[int, int] = {}
        """Servos that were told to stay, and where [counts]."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What went over the line."""
        return self._exchange.counters

    def positions(self, servo_ids: Iterable[int], budget: float) -> dict[int, Position]:
        """Return the positions of the servos that answered in time; they may leave 0 to 1000 and be negative."""
        answers = self._ask([(servo_id, POSITION) for servo_id in servo_ids], budget)
        return {servo_id: Position(signed(data), at) for (servo_id, _), (data, at) in answers.items()}

    def move(self, goals: Mapping[int, int], duration: float, budget: float) -> None:
        """Let servos go to goals [counts] so that they arrive after ``duration`` [s]: prepared, then started together.

        Raises:
            ValueError: If a goal or the duration is none that a servo takes.
        """
        frames = [_move(PREPARE, servo_id, goal, duration) for servo_id, goal in goals.items()]
        for servo_id in goals:
            self._held.pop(servo_id, None)
        if frames:
            self._exchange.send([*frames, LX.build(START, (), BROADCAST)])

    def hold(self, servo_ids: Iterable[int], budget: float) -> None:
        """Let servos stay where they are, with torque.

        They are stopped at once, then told to go where they are, which also loads one that was unloaded. Told again,
        they are told the same place: a servo that sags under its load does not creep.
        """
        servo_ids = list(servo_ids)
        new = [servo_id for servo_id in servo_ids if servo_id not in self._held]
        if new:
            self._exchange.send(LX.build(STOP, (), servo_id) for servo_id in new)
            for servo_id, position in self.positions(new, budget).items():
                self._held[servo_id] = min(max(position.counts, COUNTS[0]), COUNTS[1])
        held = [_move(MOVE, servo_id, self._held[servo_id], 0.0) for servo_id in servo_ids if servo_id in self._held]
        if held:
            self._exchange.send(held)

    def torque(self, servo_ids: Iterable[int], is_on: bool, budget: float) -> None:
        """Switch the torque of servos; one that is switched on stays where it is."""
        servo_ids = list(servo_ids)
        if is_on:
            self.hold(servo_ids, budget)
            return
        for servo_id in servo_ids:
            self._held.pop(servo_id, None)
        self._exchange.send(LX.build(LOAD, (0,), servo_id) for servo_id in servo_ids)

    def health(self, servo_ids: Iterable[int], budget: float) -> dict[int, Health]:
        """Return supply, temperature and error bits; three questions to each servo, some 2 ms each."""
        asked = [(servo_id, what) for servo_id in servo_ids for what in (TEMPERATURE, VOLTAGE, ERRORS)]
        found: dict[int, dict] = {}
        for (servo_id, what), (data, at) in self._ask(asked, budget).items():
            known = found.setdefault(servo_id, {})
            known["at"] = at
            if what == TEMPERATURE:
                known["temperature"] = float(data[0])
            elif what == VOLTAGE:
                known["voltage"] = unsigned(data) / 1000.0
            else:
                known["faults"] = tuple(fault for bit, fault in FAULTS.items() if data[0] & bit)
        return {servo_id: Health(**known) for servo_id, known in found.items()}

    def close(self) -> None:
        """Give the port back."""
        self._exchange.line.close()

    def _ask(self, keys: list[Key], budget: float) -> dict[Key, tuple[bytes, float]]:
        """Return the answers to questions, and when they were given, as far as they came within a budget [s].

        Each waits for its share of what is left of the budget, or three times what answers usually take if that is
        longer; those that were not answered are asked again.
        """
        deadline = self._clock.now() + budget
        answers: dict[Key, tuple[bytes, float]] = {}
        for attempt in range(TRIES):
            missing = [key for key in keys if key not in answers]
            for index, key in enumerate(missing):
                left = deadline - max(self._clock.now(), self._exchange.sent_by)
                if left < SHORTEST_WAIT:
                    return answers
                wait = min(left, max(left / (len(missing) - index), 3.0 * self._usual))
                self._exchange.counters["retries"] += attempt > 0
                answer = self._question(key, wait, deadline)
                if answer is not None:
                    answers[key] = answer
        return answers

    def _question(self, key: Key, wait: float, deadline: float) -> tuple[bytes, float] | None:
        """Return one answer and the time that it is not older than; None if it did not come."""
        exchange, (servo_id, code) = self._exchange, key
        exchange.drain(_key)
        asked = max(self._clock.now(), exchange.sent_by)
        exchange.send([LX.build(code, (), servo_id)])
        for frame, at in exchange.frames(min(exchange.sent_by + wait, deadline)):
            if _key(frame) == key and _can_be(frame):
                self._usual += 0.1 * (at - asked - self._usual)
                return frame.parameters, exchange.stamp(key, asked, at)
            exchange.unexpected(_key(frame))
        exchange.gave_up(key, asked)
        return None


def _key(frame: Frame) -> Key:
    return frame.servo_id, frame.code


def _can_be(frame: Frame) -> bool:
    """Whether a servo can have answered this: a checksum lets one in 256 damaged answers pass."""
    if len(frame.parameters) != SIZES[frame.code]:
        return False
    return frame.code != POSITION or COUNTS[0] - OVERRUN <= signed(frame.parameters) <= COUNTS[1] + OVERRUN


def _move(code: int, servo_id: int, goal: int, duration: float) -> bytes:
    """Return the frame of a move; raise :class:`ValueError` for one that the protocol has no number for."""
    refuse_move(servo_id, goal, duration, COUNTS, LONGEST)
    return LX.build(code, (*word(int(goal)), *word(round(1000.0 * duration))), servo_id)
