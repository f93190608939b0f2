"""The operator at the terminal: keys without Enter, and signals. Standard library only."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from types import FrameType

STOP_KEYS = " q\x1b"
"""Space, q and Escape stop the arm."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Console:
    """The terminal that a run was started from, while it is entered as a context.

    Keys come one by one and are not shown; signals ask to stop and end nothing themselves.
    """

    def __init__(self):
        self.stops = 0
        """How often a stop was asked for."""
        self.by_signal = 0
        """The last signal that asked; 0 if none did."""
        self._input: int | None = None
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Console:
        for number in SIGNALS:
            self._undo.callback(signal.signal, number, signal.signal(number, self._asked))
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._input = sys.stdin.fileno()
            self._listen_to_keys()
        return self

    def __exit__(self, *_) -> None:
        self._undo.close()

    def _listen_to_keys(self) -> None:
        """Let the terminal hand over keys at once, until the context ends."""
        if not os.isatty(self._input):
            return
        import termios
        import tty

        before = termios.tcgetattr(self._input)
        self._undo.callback(termios.tcsetattr, self._input, termios.TCSADRAIN, before)
        tty.setcbreak(self._input)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.stops += 1
        self.by_signal = number

    def keys(self) -> str:
        """Return the keys that were pressed since the last call; those to stop are counted and left out."""
        pressed = ""
        while self._input is not None and select.select([self._input], [], [], 0.0)[0]:
            try:
                data = os.read(self._input, 1024)
            except OSError:  # the terminal was closed
                data = b""
            if not data:
                self._input = None
            pressed += data.decode(errors="replace")
        self.stops += any(key in STOP_KEYS for key in pressed)
        return "".join(key for key in pressed if key not in STOP_KEYS)
