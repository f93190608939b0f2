"""Driver of the xArm 1S's own controller board (LSC protocol), over USB-HID or its serial port (9600 baud).

The board is slow: it asks its servos one after the other, a position read was seen to take up to 450 ms over USB and
takes 36 ms of wire on the serial port. So nobody waits for one: :meth:`LscBus.positions` asks when no question is open
and returns what has come since, goals go out in between. A position may be as old as its question, and says so.

Frames have no checksum. An answer is taken by its length, its command, the ids that it must name, the range that a
servo can be in, and the furthest that it can have gone since its last answer; one that jumps further is taken when
the next says the same. PyPI's ``xarm`` 0.0.4 has a wrong scale, waits 50 ms and raises IndexError on what comes later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alice.deploy.clock import Clock

from .exchange import Exchange, Key
from .frames import LSC, Frame, refuse_move, signed, unsigned, word
from .interface import Health, Position
from .lines import Line
from .lx import COUNTS, LONGEST, OVERRUN

BAUD = 9600
MOVE, BATTERY, OFF, POSITIONS = 3, 15, 20, 21
ALLOWED = frozenset({(MOVE,), (BATTERY,), (OFF,), (POSITIONS,)})
"""All commands that this driver sends. Not among them is 27, which writes settings of all servos at once."""
PATIENCE = 0.6
"""How long a question to the board is left open [s]; 450 ms were seen."""
SLACK = 30
"""How far a position may jump beside what the servo's speed allows [counts]: noise, and the answers' uneven ages."""
NO_ANSWER = 0xFF00
"""What the board says for a servo that it does not reach."""


class LscBus:
    """The servos behind an LSC board (:class:`alice.deploy.bus.interface.Bus`).

    Args:
        line: The line.
        clock: Clock of the line.
        fastest: Largest speed of a servo [counts/s].
        protocol: ``lsc-hid`` or ``lsc-serial``.
    """

    reads_back = False

    def __init__(self, line: Line, clock: Clock, fastest: float, protocol: str = "lsc-serial"):
        self.protocol = protocol
        self._exchange = Exchange(line, clock, LSC, ALLOWED)
        self._clock, self._fastest = clock, fastest
        self._open: dict[int, tuple[float, tuple[int, ...]]] = {}
        """Questions by command: when they were asked [s] and for which servos."""
        self._taken: dict[int, Position] = {}
        """The last position of each servo that was believed."""
        self._doubted: dict[int, Position] = {}
        """A position that jumped, until the next one agrees with it."""
        self._news: dict[int, Position] = {}
        self._battery: tuple[float, float] | None = None
        self._goals: dict[int, int] = {}

    @property
    def counters(self) -> Mapping[str, int]:
        """What went over the line."""
        return self._exchange.counters

    def positions(self, servo_ids: Iterable[int], budget: float) -> dict[int, Position]:
        """Return the positions that have come since the last call; often there are none.

        They may answer a question that an earlier call has asked.
        """
        wanted = tuple(servo_ids)
        deadline = self._clock.now() + budget
        self._hear(self._clock.now())
        self._ask(POSITIONS, wanted)
        if POSITIONS in self._open and not set(wanted) <= self._news.keys():
            self._hear(deadline, POSITIONS)
        return {servo_id: self._news.pop(servo_id) for servo_id in wanted if servo_id in self._news}

    def move(self, goals: Mapping[int, int], duration: float, budget: float) -> None:
        """Let servos go to goals [counts] so that they arrive after ``duration`` [s], all in one frame.

        Raises:
            ValueError: If a goal or the duration is none that a servo takes.
        """
        for servo_id, goal in goals.items():
            refuse_move(servo_id, goal, duration, COUNTS, LONGEST)
        self._goals.update(goals)
        triples = b"".join(bytes([servo_id]) + word(int(goal)) for servo_id, goal in goals.items())
        if goals:
            self._exchange.send([LSC.build(MOVE, (len(goals), *word(round(1000.0 * duration)), *triples))])

    def hold(self, servo_ids: Iterable[int], budget: float) -> None:
        """Let servos stay where they are, with torque: at the goals that they were given last.

        Where they are is known too late to be of use here; goals that come at every control step are a step away at
        most. One that was given none is asked where it is.
        """
        servo_ids = list(servo_ids)
        unknown = [servo_id for servo_id in servo_ids if servo_id not in self._goals]
        if unknown:
            for servo_id, position in self.positions(unknown, budget).items():
                self._goals[servo_id] = min(max(position.counts, COUNTS[0]), COUNTS[1])
        held = {servo_id: self._goals[servo_id] for servo_id in servo_ids if servo_id in self._goals}
        self.move(held, 0.1, budget)

    def torque(self, servo_ids: Iterable[int], is_on: bool, budget: float) -> None:
        """Switch the torque of servos; one that is switched on stays where it is, as soon as that is known."""
        servo_ids = list(servo_ids)
        if is_on:
            self.hold(servo_ids, budget)
            return
        for servo_id in servo_ids:
            self._goals.pop(servo_id, None)
        self._exchange.send([LSC.build(OFF, (len(servo_ids), *servo_ids))])

    def health(self, servo_ids: Iterable[int], budget: float) -> dict[int, Health]:
        """Return the supply, the same for all servos, as far as it has come; the board tells no temperature."""
        deadline = self._clock.now() + budget
        self._hear(self._clock.now())
        self._ask(BATTERY, ())
        if BATTERY in self._open and self._battery is None:
            self._hear(deadline, BATTERY)
        if self._battery is None:
            return {}
        (voltage, at), self._battery = self._battery, None
        return {servo_id: Health(at=at, voltage=voltage) for servo_id in servo_ids}

    def close(self) -> None:
        """Give the port back."""
        self._exchange.line.close()

    def _ask(self, what: int, servo_ids: tuple[int, ...]) -> None:
        """Ask, if no such question is open, and give up one that is open for too long."""
        now = self._clock.now()
        if what in self._open:
            asked, _ = self._open[what]
            if now - asked < PATIENCE:
                return
            del self._open[what]
            self._exchange.gave_up((0, what), asked)
            self._exchange.counters["retries"] += 1
        self._open[what] = now, servo_ids
        self._exchange.send([LSC.build(what, (len(servo_ids), *servo_ids) if servo_ids else ())])

    def _hear(self, until: float, awaited: int | None = None) -> None:
        """Take what comes until a moment [s], or until an answer to a question is taken."""
        for frame, _ in self._exchange.frames(until):
            is_taken = False
            if frame.code in self._open:
                asked, servo_ids = self._open[frame.code]
                is_taken = self._take(frame, asked, servo_ids)
            if not is_taken:
                self._exchange.unexpected(_key(frame))
            elif frame.code == awaited:
                return

    def _take(self, frame: Frame, asked: float, servo_ids: tuple[int, ...]) -> bool:
        """Take an answer if it can be one to the question that is open; whether it was."""
        data = frame.parameters
        stamp = self._exchange.stamp(_key(frame), asked, asked)
        if frame.code == BATTERY:
            if len(data) != 2:
                return False
            self._battery = unsigned(data) / 1000.0, stamp
        elif not self._take_positions(data, stamp, servo_ids):
            return False
        del self._open[frame.code]
        return True

    def _take_positions(self, data: bytes, stamp: float, servo_ids: tuple[int, ...]) -> bool:
        """Take the positions of an answer of the right form; whether it has it."""
        rows = [data[place : place + 3] for place in range(1, len(data), 3)]
        if len(data) != 1 + 3 * len(servo_ids) or data[0] != len(servo_ids):
            return False
        if tuple(row[0] for row in rows) != servo_ids:
            return False
        found = {row[0]: signed(row[1:]) for row in rows if unsigned(row[1:]) != NO_ANSWER}
        if any(not COUNTS[0] - OVERRUN <= counts <= COUNTS[1] + OVERRUN for counts in found.values()):
            return False
        for servo_id, counts in found.items():
            self._believe(servo_id, Position(counts, stamp))
        return True

    def _believe(self, servo_id: int, position: Position) -> None:
        """Take a position that the servo can have reached, or that was said twice."""
        doubted = self._doubted.pop(servo_id, None)
        before = self._taken.get(servo_id)
        if all(other is None or not self._is_near(position, other) for other in (before, doubted)) and before:
            self._doubted[servo_id] = position
            self._exchange.counters["damaged"] += 1
            return
        self._taken[servo_id] = self._news[servo_id] = position

    def _is_near(self, position: Position, other: Position) -> bool:
        """Whether a servo can have come from one position to the other."""
        furthest = SLACK + self._fastest * max(0.0, position.at - other.at)
        return abs(position.counts - other.counts) <= furthest


def _key(frame: Frame) -> Key:
    return 0, frame.code
