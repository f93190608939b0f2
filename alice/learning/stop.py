"""Why and how a training stops before its end: signals that save first, and reasons why it cannot go on."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name))
"""Save and leave: Ctrl-C, a shutdown, a terminal that was closed, a cluster that needs the machine soon."""
HANGUP = getattr(signal, "SIGHUP", None)


class TrainingStopped(KeyboardInterrupt):
    """Ends a training before an environment step, when all is saved; :class:`Stop` knows why.

    A ``KeyboardInterrupt``, because Isaac Lab's entry point ends cleanly on that.
    """


class Stop:
    """Why a training has to stop, if it has to."""

    def __init__(self):
        self.signal: int | None = None
        """Number of the signal that asked for it, one of :data:`SIGNALS`."""
        self.refusal: str | None = None
        """Why it cannot begin or go on."""
        self.has_begun = False
        """Whether it took its first step."""
        self._is_interrupted = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals while the context is open; a second SIGINT interrupts at once."""
        with _taking(SIGNALS, self._ask):
            yield

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Leave at once and in order on a signal while the context is open: nothing is there to be saved yet.

        SIGINT raises ``KeyboardInterrupt`` anyway.
        """
        with _taking(SIGNALS[1:], _leave):
            yield

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._is_interrupted:
            raise KeyboardInterrupt
        self._is_interrupted |= number == signal.SIGINT
        if number == HANGUP:
            leave_terminal()
        if self.signal is None:
            self.signal = number
            print("alice: stopping and saving", file=sys.stderr, flush=True)


def leave_terminal() -> None:
    """Let what is printed from now on go nowhere if it went to a terminal or a pipe: who read it may be gone.

    A line that cannot be written would end a training that has not saved yet.
    """
    for number in (1, 2):
        kind = os.fstat(number).st_mode
        if stat.S_ISCHR(kind) or stat.S_ISFIFO(kind):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


@contextmanager
def _taking(numbers: tuple[int, ...], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a function handle signals while the context is open.

    A SIGHUP that is ignored stays so: ``nohup`` means that a closed terminal stops nothing. Only a main thread may do
    this; in others nothing happens.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        taken = [number for number in numbers if number != HANGUP or signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, handler) for number in taken}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
