"""Which processor cores this process may use, and how it keeps to some of them."""

from __future__ import annotations

import os


def cores() -> list[int]:
    """Return the numbers of the processor cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def pin(chosen: list[int]) -> None:
    """Keep this process on some cores, where there are any and the system can do that."""
    if chosen and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, chosen)
