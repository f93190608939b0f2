"""Frames of the three protocols: built, and found again in whatever bytes arrive. Standard library only.

Whoever speaks and whoever listens use the same form, so the emulated arm reads requests with what the drivers read
replies with; ``tests/unit/test_frames.py`` holds both to byte strings of the protocols' own texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BROADCAST = 254
"""The id that every servo listens to and none answers as (LX and STS)."""


@dataclass(frozen=True)
class Framing:
    """How a protocol wraps what it says: header, id, length, code, parameters, checksum. LSC has no id and no checksum.

    The checksum is the complement of the low byte of the sum of all that stands between header and checksum.
    """

    header: bytes
    has_id: bool
    is_checked: bool
    extra: int
    """How many bytes a frame is longer than its length byte says."""
    lengths: tuple[int, int]
    """Smallest and largest number that a length byte may be."""

    @property
    def length_at(self) -> int:
        """Where the length byte stands."""
        return len(self.header) + self.has_id

    def build(self, code: int, parameters: Iterable[int] = (), servo_id: int | None = None) -> bytes:
        """Return a frame.

        Args:
            code: Command of LX and LSC, instruction or error bits of STS.
            parameters: Bytes.
            servo_id: Whom it is for or from; None where the protocol has no ids.
        """
        body = bytes([code, *parameters])
        length = len(body) + self.length_at + 1 + self.is_checked - self.extra
        inner = bytes([*([servo_id] if self.has_id else []), length, *body])
        return self.header + inner + (bytes([~sum(inner) & 0xFF]) if self.is_checked else b"")


LX = Framing(b"\x55\x55", has_id=True, is_checked=True, extra=3, lengths=(3, 7))
"""Hiwonder LX bus, both ways. Nothing that is said on it is longer than 7; what says so is damaged."""
STS = Framing(b"\xff\xff", has_id=True, is_checked=True, extra=4, lengths=(2, 250))
"""Feetech STS, both ways."""
LSC = Framing(b"\x55\x55", has_id=False, is_checked=False, extra=2, lengths=(2, 62))
"""Controller board of the xArm 1S, both ways; a report of USB-HID has 64 bytes."""


@dataclass(frozen=True)
class Frame:
    """One whole frame."""

    raw: bytes
    code: int
    parameters: bytes
    servo_id: int | None = None


class Scanner:
    """Finds whole frames in a stream of bytes, whatever lies between them.

    After a frame that cannot be one it goes on with the next byte, so what is intact behind damage is found.

    Args:
        framing: The protocol.
    """

    def __init__(self, framing: Framing):
        self._framing, self._held = framing, bytearray()
        self._length_at, self._start = framing.length_at, len(framing.header)
        self.damaged = 0
        """Frames that began and were none: a length that cannot be, a wrong checksum, a stretch of other bytes."""
        self._in_rubbish = False

    @property
    def is_within(self) -> bool:
        """Whether the beginning of a frame waits for its end."""
        return bool(self._held)

    def clear(self) -> None:
        """Forget the beginning of a frame."""
        self.damaged += bool(self._held)
        self._held.clear()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole with these bytes."""
        self._held += data
        found = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> Frame | None:
        """Return the next frame and drop what is before it; None if there is no whole one."""
        framing, held = self._framing, self._held
        while True:
            start = held.find(framing.header)
            if start < 0:
                start = len(held) - held.endswith(framing.header[:1])
            self._drop(start)
            if len(held) <= self._length_at:
                return None
            length = held[self._length_at]
            is_id = not framing.has_id or held[self._start] <= BROADCAST
            if not is_id or not framing.lengths[0] <= length <= framing.lengths[1]:
                self._drop(1)
                continue
            total = length + framing.extra
            if len(held) < total:
                return None
            if not self._is_sound(total):
                self._drop(1)
                continue
            return self._take(total)

    def _is_sound(self, total: int) -> bool:
        inner = self._held[self._start : total - 1]
        return not self._framing.is_checked or (~sum(inner) & 0xFF) == self._held[total - 1]

    def _drop(self, count: int) -> None:
        """Drop bytes that belong to no frame; a stretch of them counts once."""
        if count:
            del self._held[:count]
            self.damaged += not self._in_rubbish
            self._in_rubbish = True

    def _take(self, total: int) -> Frame:
        framing, raw = self._framing, bytes(self._held[:total])
        del self._held[:total]
        self._in_rubbish = False
        code_at, end = self._length_at + 1, total - framing.is_checked
        return Frame(raw, raw[code_at], raw[code_at + 1 : end], raw[self._start] if framing.has_id else None)


def word(value: int) -> bytes:
    """Return a number from 0 to 65535 as two bytes, low one first."""
    return value.to_bytes(2, "little")


def unsigned(data: bytes) -> int:
    """Return the number in some bytes, low one first."""
    return int.from_bytes(data, "little")


def signed(data: bytes) -> int:
    """Return the number in some bytes, low one first, in two's complement."""
    return int.from_bytes(data, "little", signed=True)


def sign_at(value: int, bit: int) -> int:
    """Return a number whose sign is a bit of its own, as Feetech has it."""
    size = value & ((1 << bit) - 1)
    return -size if value >> bit & 1 else size


def to_sign_at(value: int, bit: int) -> int:
    """Return a number with its sign in a bit of its own, the reverse of :func:`sign_at`."""
    return abs(value) | ((value < 0) << bit)


def refuse_move(servo_id: int, goal: int, duration: float, counts: tuple[int, int], longest: float) -> None:
    """Raise :class:`ValueError` for a move that no servo takes.

    Args:
        servo_id: The servo.
        goal: Where to [counts].
        duration: How long it takes [s].
        counts: Lowest and highest goal.
        longest: Longest duration [s].
    """
    if not counts[0] <= goal <= counts[1]:
        raise ValueError(f"servo {servo_id}: goal {goal} is outside of {counts[0]} to {counts[1]} counts")
    if not 0.0 <= duration <= longest:
        raise ValueError(f"a move of {duration:g} s is none, need 0 to {longest:g} s")
