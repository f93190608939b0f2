"""Who leads the arm: a person at a terminal. An emulated one is :class:`alice.deploy.emulator.hand.EmulatedHand`."""

from __future__ import annotations

import select
import sys
from typing import Protocol

from .tasks import Task


class Person(Protocol):
    """Somebody who does by hand what he is asked to."""

    def tell(self, line: str) -> None:
        """Let him read a line."""

    def begin(self, task: Task) -> None:
        """Ask him to do something."""

    def reply(self) -> str | None:
        """Return None while he is at it, and what he says then: ``""`` for done. Time may pass."""


class Terminal:
    """A person at a terminal, who ends each task with Enter; ``skip`` leaves one out, ``quit`` stops."""

    def tell(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)

    def begin(self, task: Task) -> None:
        """Print what is to be done."""
        print(f"  {task.words}", flush=True)

    def reply(self) -> str | None:
        """Return the line that was typed, None if none was yet; an end of the input is ``quit``."""
        ready, _, _ = select.select([sys.stdin], [], [], 0.0)
        if not ready:
            return None
        line = sys.stdin.readline()
        return line.strip().lower() if line else "quit"
