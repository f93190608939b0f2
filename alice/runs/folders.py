"""The folder of ``--run``: what lies in it, and what the same command does with it, however often it is started.

The first start begins the run. Each later one goes on with it or says that it is finished, so that a machine that may
go away at any time needs one command, repeated until its exit code is 0.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from alice.cli.usage import UsageError
from alice.runs import checkpoints, lock, records, wording

BYSTANDERS = {lock.FILE, "lost+found"}
"""What an empty folder may hold; the second is at the top of a fresh disk."""
WRITTEN = ("events.out.tfevents.*", ".model_*.tmp", f".{records.MANIFEST}.*.tmp", records.MANIFEST)
WRITTEN += ("git", "videos", "sensor_frames", "wandb", "rank_*", str(records.RECORD.parent))
"""What a training writes beside its checkpoints, the record last: as long as anything is left, it is a run."""
NAMED = {"--task": "task", "--agent": "agent", "--num_envs": "num_envs", "--seed": "seed"}
"""Entry of the record that says what a run has where its command said nothing."""


class Step(Enum):
    """What a start does."""

    BEGIN = "begin"
    GO_ON = "go on"
    FINISHED = "finished"


@dataclass(frozen=True)
class Content:
    """What a folder holds."""

    record: dict[str, Any] | None = None
    """Provenance of the run in it, None if there is no run."""
    done: int | None = None
    """Iterations up to its newest sound checkpoint, None before the first."""
    strange: str | None = None
    """Why nothing can begin here."""


@dataclass(frozen=True)
class Asked:
    """What a command line asks for."""

    words: dict[str, str]
    """See :func:`alice.runs.wording.of`."""
    iterations: int | None = None
    more: int | None = None


def look(folder: Path) -> Content:
    """Return what a folder holds; of checkpoints only names and whether they are whole are looked at."""
    if not folder.is_dir():
        return Content()
    if records.chain(folder) is not None:
        return Content(strange="holds a chain of --teacher; give the command that began it")
    record = records.read(folder)
    if record is not None and {"task", "agent", "max_iterations"} <= record.keys():
        done = next((checkpoints.number(file) + 1 for file in checkpoints.whole(folder)), None)
        if done is None and checkpoints.newest_in(folder):  # deleting them is not for a program to decide
            return Content(strange="has checkpoints of which none can be opened; move them away or give another")
        return Content(record, done)
    if others := _others(folder):
        return Content(strange=f"holds {others[0]!r} and no run of scripts/train.py; give a new folder")
    return Content()


def _others(folder: Path) -> list[str]:
    """Return what lies in a folder without a run, apart from what a start leaves that was killed at once."""
    params = records.RECORD.parent
    found = {path.name for path in folder.iterdir()} - BYSTANDERS
    if found == {params.name} and all(path.name.startswith(".") for path in (folder / params).iterdir()):
        return []
    return sorted(found)


def decide(content: Content, asked: Asked, name: str) -> tuple[Step, int | None]:
    """Return what a start does, and how many iterations its run has in the end.

    Args:
        content: What the folder holds.
        asked: What the command line asks for.
        name: What the user calls the folder.

    Returns:
        The step, and the iterations counted from 0; None where the command line alone says it.

    Raises:
        UsageError: If the folder holds something else, or a run of other words.
    """
    if content.strange:
        raise UsageError(f"--run: {name!r} {content.strange}")
    if content.done is None:  # no run, or one that ended before its first checkpoint: nothing of it is worth keeping
        if asked.more:
            raise UsageError(f"--more_iterations counts on from a run, and {name!r} holds none yet; leave it out")
        return Step.BEGIN, None
    record = content.record
    if "words" not in record:
        raise UsageError(
            f"--run: the run in {name!r} does not say which words it was begun with; go on with it by --resume {name}"
        )
    refuse_differences(record["words"], asked.words, {flag: record.get(key) for flag, key in NAMED.items()}, name)
    total = _total(record, content.done, asked)
    return (Step.GO_ON, total) if total > content.done else (Step.FINISHED, content.done)


def refuse_differences(begun: dict[str, str], now: dict[str, str], implied: dict[str, Any], name: str) -> None:
    """Raise :class:`UsageError` unless a command is the one that a folder was begun with; see :mod:`.wording`."""
    if found := wording.differences(begun, now, implied):
        raise UsageError(
            f"--run: {name!r} was begun with other words: {'; '.join(found)}; give the same words, but for the number"
            " of iterations, or another folder"
        )


def _total(record: dict[str, Any], done: int, asked: Asked) -> int:
    planned = record["max_iterations"]
    if asked.more:
        is_repeated = done < planned and record.get("more_iterations") == asked.more
        return planned if is_repeated else done + asked.more
    return record.get("first_iteration", 0) + asked.iterations if asked.iterations else planned


def enter(place: Path, asked: Asked, held: lock.Lock) -> tuple[Step, int | None]:
    """Look at the folder of ``--run`` and hold it if there is one; see :func:`decide`.

    A folder that is missing is made where the run begins, so that a mistake on the command line leaves nothing behind.

    Raises:
        UsageError: Also if another start holds the folder.
    """
    step = decide(look(place), asked, str(place))
    if not place.is_dir():
        return step
    held.take(place)
    return decide(look(place), asked, str(place))  # what it was before may have changed until it was held


def make(place: Path, held: lock.Lock) -> None:
    """Make the folder of a run that begins, hold it and take away what an earlier start left before it saved anything.

    Raises:
        OSError: If it cannot be made.
        UsageError: If another start was quicker.
    """
    place.mkdir(parents=True, exist_ok=True)
    held.take(place)
    if look(place).done is not None:
        raise UsageError(f"--run: another start has begun and ended a run in {str(place)!r} just now; start again")
    clear(place)


def clear(folder: Path) -> None:
    """Delete what a training that saved nothing has written into its folder, and leave everything else."""
    for pattern in WRITTEN:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def remove(folder: Path, held: lock.Lock) -> None:
    """Delete the folder of a run that never began, and those of Isaac Lab around it that hold nothing else."""
    with contextlib.suppress(OSError):
        clear(folder)
        held.forget(folder)
    for place in _emptied(folder):
        with contextlib.suppress(OSError):
            place.rmdir()


def _emptied(folder: Path) -> Iterator[Path]:
    yield folder
    root = checkpoints.LOG_ROOT.resolve()
    if folder.resolve().parent.parent == root:
        yield from (folder.parent, root, root.parent)


def as_begun(args: argparse.Namespace, words: list[str], others: list[str], total: int) -> tuple[list[str], list[str]]:
    """Leave to the record of a run what the command that goes on with it repeats.

    A checkpoint has gone on from how it was begun: a learning rate that was given at the beginning, for one, must not
    be set anew. Only where files lie may have changed.

    Args:
        args: Flags of ``scripts/train.py``; changed in place.
        words: The ``name=value`` overrides.
        others: Words for Isaac Lab's entry point.
        total: Iterations of the whole run.

    Returns:
        The overrides and the other words that still count.
    """
    args.seed = args.num_envs = args.phase = args.checkpoint = args.more_iterations = None
    args.domain_rand, args.servo = False, None
    args.max_iterations = total
    return [word for word in words if os.path.isabs(word.partition("=")[2])], [
        word for word in others if word in ("--verbose", "--distributed")
    ]
