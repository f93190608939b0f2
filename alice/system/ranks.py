"""What a launcher such as torchrun leaves in the environment of its processes."""

from __future__ import annotations

import os
import sys

RANKS = ("WORLD_SIZE", "RANK", "LOCAL_RANK")
"""Variables that say which process this is, and of how many."""


def rank() -> int:
    """Return the number of this process in a distributed training, 0 in any other."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """Return how many processes a distributed training has, 1 for any other."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def forget_ranks(is_distributed: bool) -> None:
    """Drop what a launcher has left in the environment: RSL-RL would wait for processes that are not there.

    Args:
        is_distributed: Whether ``--distributed`` was given; then everything stays as it is.
    """
    found = [name for name in RANKS if not is_distributed and os.environ.pop(name, None) is not None]
    if found:
        told = f"alice: note: {', '.join(found)} of the environment counts with train.py --distributed alone"
        print(f"{told}, ignored", file=sys.stderr)
