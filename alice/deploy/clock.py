"""Time as driver, loop, safety and emulator are given it: the machine's, or one that only moves when it is told to."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A clock that never runs backwards."""

    def now(self) -> float:
        """Return the time since an arbitrary moment [s]."""

    def sleep_until(self, moment: float) -> None:
        """Return at ``moment`` [s], at once if that has passed."""


class MachineClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Return the time since an arbitrary moment [s]."""
        return time.monotonic()

    def sleep_until(self, moment: float) -> None:
        """Return at ``moment`` [s], at once if that has passed."""
        time.sleep(max(0.0, moment - time.monotonic()))


class SteppedClock:
    """A clock for simulated time: it moves when somebody sleeps, and when it is advanced.

    Args:
        now: Time that it begins at [s].
    """

    def __init__(self, now: float = 0.0):
        self._now = now

    def now(self) -> float:
        """Return the simulated time [s]."""
        return self._now

    def sleep_until(self, moment: float) -> None:
        """Let the time be ``moment`` [s], or leave it if that has passed."""
        self._now = max(self._now, moment)

    def advance(self, seconds: float) -> None:
        """Let time pass [s].

        Raises:
            ValueError: If it would run backwards.
        """
        if seconds < 0.0:
            raise ValueError(f"a clock cannot be advanced by {seconds} s; give 0 or more")
        self._now += seconds
