"""The wire between a host and an emulated arm: bytes with their times, and what faults make of answers.

It waits for nothing: bytes are given to it with the time that the host sends them, and taken from it when they have
arrived. A byte takes ten bits; a frame is heard when its last byte is there, an answer comes when its last byte is.
What two would send at once is sent one after the other: a collision damages no byte here.
"""

from __future__ import annotations

import heapq
import itertools
import math

import numpy as np

from alice.deploy.bus.frames import Frame, Scanner
from alice.deploy.bus.interface import BusError
from alice.deploy.bus.lines import HidLine
from alice.deploy.clock import Clock

from .faults import Faults
from .firmware import Firmware


class Wire:
    """One arm's wire.

    Args:
        firmware: What hears and answers.
        baud: Bits per second; 0 for USB, where bytes take no time.
        faults: The arm's faults.
        answer_time: Time from the last byte of a question to the first of its answer [s].
        is_echoing: Whether the adapter hears what it sends.
        generator: Draws what faults damage.
    """

    def __init__(
        self,
        firmware: Firmware,
        baud: int,
        faults: Faults,
        answer_time: float,
        is_echoing: bool,
        generator: np.random.Generator,
    ):
        self.baud, self.faults = baud, faults
        self._firmware, self._answer_time, self._is_echoing = firmware, float(answer_time), is_echoing
        self._generator = generator
        self._scanner = Scanner(firmware.framing)
        self._sending_until = self._answering_until = -math.inf
        self._coming: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()

    @property
    def is_unplugged(self) -> bool:
        """Whether the adapter has been pulled out."""
        return self.faults.on("unplug", self.faults.now()) is not None

    def send(self, data: bytes, now: float) -> None:
        """Take bytes that the host sends at a moment [s], or when those before have gone."""
        began = max(now, self._sending_until)
        self._sending_until = began + self._time_of(len(data))
        place = 0
        for frame in self._scanner.feed(data):
            found = data.find(frame.raw, place)
            place = found + len(frame.raw) if found >= 0 else max(place, 1)
            heard = began + self._time_of(place)
            if self._is_echoing or self.faults.on("echo", heard) is not None:
                self._arrive(heard, frame.raw)
            self._answer(frame, heard)

    def take(self, now: float) -> bytes:
        """Return the bytes that have arrived at the host by a moment [s]."""
        taken = b""
        while self._coming and self._coming[0][0] <= now + 1e-9:
            taken += heapq.heappop(self._coming)[2]
        return taken

    def take_one(self, now: float) -> bytes:
        """Return the bytes that arrived together first; nothing if none have by a moment [s]."""
        if self._coming and self._coming[0][0] <= now + 1e-9:
            return heapq.heappop(self._coming)[2]
        return b""

    @property
    def due(self) -> float | None:
        """When the next bytes arrive [s]; None if none are on their way."""
        return self._coming[0][0] if self._coming else None

    def _answer(self, frame: Frame, heard: float) -> None:
        for servo_id, raw, after in self._firmware.hear(frame, heard):
            begin = max(heard + after + self._answer_time, self._answering_until)
            for pause, piece in self._befallen(servo_id, raw, begin):
                begin += pause
                begin += self._time_of(len(piece))
                self._arrive(begin, piece)
            self._answering_until = begin if self.faults.on("late", heard) is None else self._answering_until

    def _befallen(self, servo_id: int | None, raw: bytes, at: float) -> list[tuple[float, bytes]]:
        """Return what faults make of an answer: pieces, each with the pause before it [s]."""
        hits = {name: self._strikes(name, servo_id, at) for name in ("drop", "late", "garble", "foreign", "split")}
        if hits["drop"]:
            return []
        pause = hits["late"].numbers["by"] if hits["late"] else 0.0
        pieces = []
        if hits["foreign"]:
            pieces.append((0.0, self._foreign(raw, int(hits["foreign"].numbers["from"]))))
        if hits["garble"]:
            raw = self._garbled(raw, int(hits["garble"].numbers["bytes"]))
        if hits["split"] and self.baud:  # a report of USB comes whole or not at all
            half = len(raw) // 2
            return [*pieces, (pause, raw[:half]), (hits["split"].numbers["gap"], raw[half:])]
        return [*pieces, (pause, raw)]

    def _strikes(self, name: str, servo_id: int | None, at: float):
        """Return a fault if it befalls this answer."""
        fault = self.faults.on(name, at, servo_id)
        if fault is None or self._generator.random() >= fault.share:
            return None
        fault.left -= 1
        return fault

    def _garbled(self, raw: bytes, count: int) -> bytes:
        damaged = bytearray(raw)
        for place in self._generator.choice(len(raw), min(count, len(raw)), replace=False):
            damaged[place] ^= 1 << int(self._generator.integers(8))
        return bytes(damaged)

    def _foreign(self, raw: bytes, servo_id: int) -> bytes:
        """Return an answer like another one that nobody asked for."""
        framing = self._firmware.framing
        (frame,) = Scanner(framing).feed(raw)
        if framing.has_id:
            return framing.build(frame.code, frame.parameters, servo_id)
        return framing.build((frame.code + 1) & 0xFF, frame.parameters)

    def _arrive(self, at: float, data: bytes) -> None:
        heapq.heappush(self._coming, (at, next(self._order), data))

    def _time_of(self, count: int) -> float:
        return 10.0 * count / self.baud if self.baud else 0.0


class MemoryLine:
    """What a driver opens instead of a serial port (:class:`alice.deploy.bus.lines.Line`), in the same process.

    Args:
        wire: The wire.
        clock: The clock of both sides: the machine's, or one that is stepped.
    """

    def __init__(self, wire: Wire, clock: Clock):
        self._wire, self._clock = wire, clock
        self.baud = wire.baud

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._see_plug()
        self._wire.send(data, self._clock.now())

    def read(self, until: float) -> bytes:
        """Return what has arrived; nothing if none came until that moment."""
        while True:
            self._see_plug()
            data = self._wire.take(self._clock.now())
            due = self._wire.due
            if data or self._clock.now() >= until:
                return data
            self._clock.sleep_until(until if due is None else min(until, due))

    def close(self) -> None:
        """Do nothing: the wire is the arm's."""

    def _see_plug(self) -> None:
        if self._wire.is_unplugged:
            raise BusError("the emulated adapter has been pulled out")


class HidDevice:
    """What stands in for ``hid.device`` of hidapi, with an emulated board behind it.

    Args:
        wire: The wire.
        clock: The clock that its time-outs go by.
    """

    REPORT = 64

    def __init__(self, wire: Wire, clock: Clock):
        self._wire, self._clock, self._blocks = wire, clock, True

    def write(self, report: bytes) -> int:
        """Send one report: its id, which is 0, and one frame; hidapi pads it."""
        self._see_plug()
        if not report or report[0] != 0:
            return -1
        self._wire.send(bytes(report[1:]), self._clock.now())
        return self.REPORT + 1

    def read(self, max_length: int, timeout_ms: int = 0) -> list[int]:
        """Return one report, padded with zeros; an empty list if none came in time."""
        until = self._clock.now() + timeout_ms / 1000.0
        while True:
            self._see_plug()
            data = self._wire.take_one(self._clock.now())
            if data:
                return list(data.ljust(self.REPORT, b"\x00")[:max_length])
            if self._clock.now() >= until:
                return []
            due = self._wire.due
            self._clock.sleep_until(until if due is None else min(until, due))

    def set_nonblocking(self, is_on: int) -> None:
        """Do nothing: reads never block here."""

    def close(self) -> None:
        """Do nothing."""

    def _see_plug(self) -> None:
        if self._wire.is_unplugged:
            raise OSError("read error")


def line_of(wire: Wire, clock: Clock, protocol: str) -> MemoryLine | HidLine:
    """Return what a driver opens: a line in memory, or USB-HID by its stand-in."""
    return HidLine(HidDevice(wire, clock), clock) if protocol == "lsc-hid" else MemoryLine(wire, clock)
