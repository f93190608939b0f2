"""A door in a process of its own: signals are handed on to it, and it does not outlive who started it."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys

from alice.learning.stop import SIGNALS
from alice.runs import lock, provenance

SET_PARENT_DEATH_SIGNAL = 1
"""From Linux's prctl.h."""


def run(door: str, words: list[str], held: lock.Lock) -> int:
    """Run a door and return its exit code, 128 and the signal's number after a signal, as shells have it.

    Args:
        door: Name of the script, without its suffix.
        words: Its arguments.
        held: Folders that the door holds, too: a start that finds them held finds one of the two at work.
    """
    command = [sys.executable, str(provenance.ROOT / "scripts" / f"{door}.py"), *words]
    library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None

    def end_with_parent():  # by a SIGTERM, which saves, also if this process is killed
        if library:
            library.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)

    process = subprocess.Popen(command, pass_fds=held.descriptors, preexec_fn=end_with_parent)
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
    if asked:
        return 128 + asked[0]
    return 128 - code if code < 0 else code
