"""A door in a process of its own: signals are handed on to it, and it does not outlive who started it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

from alice.learning.stop import SIGNALS
from alice.runs import lock, provenance

SET_PARENT_DEATH_SIGNAL = 1
"""From Linux's prctl.h."""


def begin(command: Sequence[str], held: lock.Lock, **options) -> subprocess.Popen:
    """Start a process that the kernel asks to save and leave, by SIGTERM, when whoever started it is gone.

    Args:
        command: The program and its words.
        held: Folders that the process holds, too: a start that finds them held finds one of the two at work.
        options: As of :class:`subprocess.Popen`.
    """
    tell_kernel = end_with_parent(signal.SIGTERM)
    return subprocess.Popen(command, pass_fds=held.descriptors, preexec_fn=tell_kernel, **options)


def end_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return what a fork of this process calls first, for the kernel to end it by a signal when this one is gone.

    Other kernels than Linux do not do that.

    Args:
        number: The signal.
    """
    library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    parent = os.getpid()

    def tell_kernel() -> None:
        if library:
            library.prctl(SET_PARENT_DEATH_SIGNAL, number)
            if os.getppid() != parent:  # it was killed before the kernel had been told
                os._exit(128 + number)

    return tell_kernel


def run(door: str, words: list[str], held: lock.Lock) -> int:
    """Run a door of this checkout; see :func:`wait` and :func:`begin`.

    Args:
        door: Name of the script, without its suffix.
        words: Its arguments.
        held: Folders that the door holds, too.
    """
    return wait(begin([sys.executable, str(provenance.ROOT / "scripts" / f"{door}.py"), *words], held))


def wait(process: subprocess.Popen) -> int:
    """Wait for a process, hand on to it what asks this one to stop, and return its exit code.

    Returns:
        128 and the signal's number after a signal, as shells have it.
    """
    asked: list[int] = []

    def hand_on(number, frame):
        asked.append(number)
        # The interrupt of a terminal reaches the door by itself, and a second one would not let it save.
        process.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, hand_on)
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 + asked[0] if asked else exit_code(code)


def exit_code(code: int) -> int:
    """Return a process's code as shells have it, where Python has a negative one after a signal."""
    return 128 - code if code < 0 else code
