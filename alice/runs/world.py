"""The world of a policy's training, beside the one that it is played or audited in."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from alice.assets import POLICIES_DIR
from alice.cli.usage import UsageError
from alice.runs import overrides, records

LONGEST = 80
"""Longest override that a note shows whole [characters]."""


def add_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag that gives a policy the world of its training."""
    parser.add_argument(
        "--as_trained", action="store_true", help="apply the overrides that the policy was trained with, too"
    )


def settle(checkpoint: Path, words: list[str], as_trained: bool | None) -> list[str]:
    """Give a policy the world of its training, or say that it has another one.

    Args:
        checkpoint: File of the policy.
        words: The ``name=value`` overrides; they win.
        as_trained: Whether the overrides of the training are applied; None for a door without the flag.

    Returns:
        All overrides.

    Raises:
        UsageError: If nobody knows what the policy was trained with.
    """
    if as_trained is None:
        return words
    record = records.of_checkpoint(checkpoint)
    if as_trained:
        if record is None:
            raise UsageError(
                f"--as_trained: nothing beside {checkpoint.name} says what it was trained with; give a run of"
                " scripts/train.py, 'released', or the overrides"
            )
        return overrides.merge(records.world_words(record), words)
    if record and checkpoint.parent != POLICIES_DIR and (missing := records.differences(record, words)):
        short = [word if len(word) <= LONGEST else f"{word.partition('=')[0]}=…" for word in missing]
        told = f"alice: note: trained with {' '.join(short)}, now without"
        print(f"{told}; --as_trained applies what a policy was trained with", file=sys.stderr)
    return words
