"""The commands that a user is told to type next. Each of them runs as printed."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from alice.runs.provenance import ROOT

AUDIT_EPISODES = 1024


def command(door: str, *words: str | Path) -> str:
    """Return a command line that runs a door from the working directory.

    Args:
        door: Name of the script, without its suffix.
        words: Flags and overrides. Paths are shown relative to the working directory.
    """
    shown = [os.path.relpath(word) if isinstance(word, Path) else word for word in words]
    start = _shortest(ROOT / "isaaclab.sh")
    start = start if os.sep in start else f".{os.sep}{start}"
    return shlex.join([start, "-p", _shortest(ROOT / "scripts" / f"{door}.py"), *shown])


def _shortest(path: Path) -> str:
    """Return a path as it is or relative to the working directory, whichever is shorter."""
    return min(os.path.relpath(path), str(path), key=len)


def audit(task: str, checkpoint: Path, flags: list[str]) -> str:
    """Return the command that audits a checkpoint.

    Args:
        task: Task id.
        checkpoint: File.
        flags: More flags and overrides.
    """
    given = ["--task", task, "--checkpoint", checkpoint, "--episodes", str(AUDIT_EPISODES)]
    return command("evaluate", *given, *flags)


def film(task: str, checkpoint: Path, flags: list[str] | None = None) -> str:
    """Return the command that films a checkpoint, or the newest one of a run folder."""
    return command("play", "--task", task, "--checkpoint", checkpoint, "--video", "film.mp4", *(flags or []))


def again() -> str:
    """Return the command of this process, which ``--run`` goes on with."""
    return command(Path(sys.argv[0]).stem, *sys.argv[1:])


def resume(folder: Path, *flags: str) -> str:
    """Return the command that goes on with a run."""
    return command("train", "--resume", folder, *flags)
