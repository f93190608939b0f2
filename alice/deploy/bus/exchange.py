"""Questions and answers on a line: frames sent, frames that came back, and what each of those was.

A frame that came is one of: the echo of what was sent, which a half-duplex adapter hears; an answer to the question
that is open; *late*, an answer to an earlier question; or *foreign*, an answer that nobody asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from alice.deploy.clock import Clock

from .frames import Frame, Framing, Scanner
from .lines import Line

Key = tuple[int, int]
"""Whom a question went to, and what was asked: servo id and command, or servo id and number of bytes."""
REMEMBERED = 0.5
"""How long an answer that did not come is still expected to turn up [s]."""


class Exchange:
    """Sends frames and hears frames.

    Args:
        line: The line.
        clock: Clock of the line.
        framing: The protocol.
        allowed: What may be sent, by :meth:`name_of`; everything else is refused here, for all callers.
    """

    def __init__(self, line: Line, clock: Clock, framing: Framing, allowed: frozenset[tuple[int, ...]]):
        self.line, self.clock, self.framing = line, clock, framing
        self._allowed = allowed
        self._scanner = Scanner(framing)
        self.sent_by = clock.now()
        """When the last byte that was sent has gone over the line [s]: what is sent waits for what was sent before."""
        self._sent: deque[bytes] = deque(maxlen=32)
        """Frames whose echo may come."""
        self._ready: deque[tuple[Frame, float]] = deque()
        """Frames that were heard together with one that ended a wait."""
        self._owed: dict[Key, tuple[float, float]] = {}
        """Questions that an answer is still due to: when it was asked, and when it is given up [s]."""
        self.counters = dict.fromkeys(
            ("sent", "received", "timeouts", "damaged", "foreign", "late", "echoes", "retries"), 0
        )

    def name_of(self, frame: bytes) -> tuple[int, ...]:
        """Return what decides whether a frame may be sent: its code, and the address where it writes to one."""
        code_at = self.framing.length_at + 1
        code = frame[code_at]
        return (code, frame[code_at + 1]) if code in (3, 4, 0x83) and self.framing.header == b"\xff\xff" else (code,)

    def send(self, frames: Iterable[bytes]) -> None:
        """Send frames in one go.

        Raises:
            ValueError: If one of them is not allowed: it would write what survives the power switch.
            BusError: If the line is lost.
        """
        frames = list(frames)
        for frame in frames:
            if self.name_of(frame) not in self._allowed:
                raise ValueError(f"frame {frame.hex(' ')} is none that a driver may send")
        self._sent.extend(frames)
        data = b"".join(frames)
        self.sent_by = max(self.clock.now(), self.sent_by) + self.byte_time(len(data))
        self.counters["sent"] += len(frames)
        self.line.write(data)

    def frames(self, until: float) -> Iterator[tuple[Frame, float]]:
        """Yield frames that are no echo, each with the time of its last byte [s], until that moment has come."""
        while True:
            while self._ready:
                yield self._ready.popleft()
            data = self.line.read(until)
            now = self.clock.now()
            for frame in self._scanner.feed(data):
                if frame.raw in self._sent:
                    self._sent.remove(frame.raw)
                    self.counters["echoes"] += 1
                else:
                    self.counters["received"] += 1
                    self._ready.append((frame, now))
            self.counters["damaged"] = self._scanner.damaged
            if not data and now >= until:
                return

    def drain(self, key_of) -> None:
        """Hear what has come by itself: late and foreign answers, and the end of a frame that was given up.

        Args:
            key_of: From a frame to what it answers.
        """
        for frame, _ in self.frames(self.clock.now()):
            self.unexpected(key_of(frame))
        self._scanner.clear()
        self.counters["damaged"] = self._scanner.damaged

    def unexpected(self, key: Key) -> None:
        """Count an answer to a question that is not open."""
        is_late = self._owed.pop(key, (0.0, 0.0))[1] > self.clock.now()
        self.counters["late" if is_late else "foreign"] += 1

    def gave_up(self, key: Key, asked: float) -> None:
        """Remember that a question was not answered in time."""
        self.counters["timeouts"] += 1
        stamp, until = self._owed.get(key, (0.0, 0.0))
        now = self.clock.now()
        self._owed[key] = (stamp, until) if until > now else (asked, now + REMEMBERED)

    def stamp(self, key: Key, asked: float, at: float) -> float:
        """Return the time that an answer is certainly not older than [s].

        Where an earlier question is still open, this may be the answer to that one: protocols without a number on each
        question cannot tell. The one to the later question is due then.
        """
        stamp, until = self._owed.get(key, (0.0, 0.0))
        if until <= self.clock.now():
            self._owed.pop(key, None)
            return at
        self._owed[key] = asked, until
        return stamp

    def byte_time(self, count: int) -> float:
        """Return how long some bytes take on the line [s]."""
        return 10.0 * count / self.line.baud if self.line.baud else 0.0
