"""What a person's hands say: keys of a terminal, or a gamepad of Linux. Standard library only."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from alice.cli.usage import UsageError

KEYS = {"w": (1, 0, 0), "s": (-1, 0, 0), "a": (0, 1, 0), "d": (0, -1, 0), "r": (0, 0, 1), "f": (0, 0, -1)}
"""Keys that move the tool, and where to: forward, left and up of the base."""
HELP = {
    "keyboard": "w/s forward and back, a/d left and right, r/f up and down, space closes and opens, x discards, Ctrl-C"
    " ends",
    "gamepad": "left stick forward and sideways, right stick up and down, first button closes and opens, second one"
    " discards, Ctrl-C ends",
}
LINGER = 3
"""Control steps that a pressed key counts: a terminal tells no release."""
EVENT = struct.Struct("IhBB")
"""An event of Linux's joystick device: time [ms], value, kind, number."""
BUTTON, AXIS, AT_OPENING = 1, 2, 0x80
"""Kinds of such events; what has :data:`AT_OPENING` set tells the state at the beginning."""
DEAD_ZONE = 0.15
"""Deflection of a stick that counts as none."""


@dataclass(frozen=True)
class Wish:
    """What a person wants in one control step."""

    move: tuple[float, float, float]
    """Where the tool shall go, forward, left and up, -1 to 1 of full speed each."""
    is_closed: bool
    discard: bool = False


class Hands(Protocol):
    """A device."""

    def begin(self) -> None:
        """Forget what was pressed; the gripper is open."""

    def read(self) -> Wish:
        """Return what is wanted now."""


class Keyboard:
    """Keys that come in from a terminal in which every key counts at once.

    Args:
        terminal: Its file descriptor.
    """

    def __init__(self, terminal: int):
        self._terminal = terminal
        self._left = dict.fromkeys(KEYS, 0)
        self._is_closed = False

    def begin(self) -> None:
        """Forget what was pressed; the gripper is open."""
        _waiting(self._terminal)
        self._left, self._is_closed = dict.fromkeys(KEYS, 0), False

    def read(self) -> Wish:
        """Return what is wanted now."""
        discard = False
        for key in _waiting(self._terminal).decode(errors="ignore").lower():
            discard |= key == "x"
            self._is_closed ^= key == " "
            if key in KEYS:
                self._left[key] = LINGER
        pressed = [KEYS[key] for key, left in self._left.items() if left]
        self._left = {key: max(0, left - 1) for key, left in self._left.items()}
        move = tuple(float(sum(values)) for values in zip(*pressed, strict=True)) if pressed else (0.0, 0.0, 0.0)
        return Wish(move, self._is_closed, discard)


class Gamepad:
    """Sticks and buttons of a joystick device of Linux.

    Args:
        device: Its file descriptor.
    """

    def __init__(self, device: int):
        self._device = device
        self._axes: dict[int, float] = {}
        self._is_closed = self._discard = False

    def begin(self) -> None:
        """Forget what was pressed; the gripper is open."""
        self.read()
        self._is_closed = False

    def read(self) -> Wish:
        """Return what is wanted now."""
        self._discard = False
        for _, value, kind, number in EVENT.iter_unpack(_waiting(self._device)):
            if kind & ~AT_OPENING == AXIS:
                share = value / 32767
                self._axes[number] = 0.0 if abs(share) < DEAD_ZONE else max(-1.0, share)
            elif kind == BUTTON and value:
                self._is_closed ^= number == 0
                self._discard |= number == 1
        sideways, forward, up = (-self._axes.get(number, 0.0) for number in (0, 1, 4))
        return Wish((forward, sideways, up), self._is_closed, self._discard)


def _waiting(source: int) -> bytes:
    """Return what has come in and was not read yet: whole events of a gamepad, keys of a terminal."""
    data = b""
    while select.select([source], [], [], 0.0)[0]:
        chunk = os.read(source, 512 * EVENT.size)
        if not chunk:
            break
        data += chunk
    return data


@contextlib.contextmanager
def opened(name: str) -> Iterator[Hands]:
    """Open a device for as long as the context lasts.

    Args:
        name: ``keyboard`` or ``gamepad``.

    Raises:
        UsageError: If there is none.
    """
    if name == "keyboard":
        if not sys.stdin.isatty():
            raise UsageError("--by keyboard: standard input is no terminal; start it in one")
        import termios  # Windows has none
        import tty

        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        try:
            tty.setcbreak(terminal)
            yield Keyboard(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        return
    device = os.open(_joystick(), os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield Gamepad(device)
    finally:
        os.close(device)


def _joystick(folder: str = "/dev/input") -> Path:
    """Return the first joystick device."""
    found = sorted(Path(folder).glob("js*"))
    if not found:
        raise UsageError(f"--by gamepad: there is no {folder}/js*; plug one in, or take --by keyboard")
    return found[0]
