"""Writes episodes as a LeRobot data set (version 3) by LeRobot's own writer, in one go or in pieces.

Beside LeRobot's files ``meta/alice.json`` says where the episodes come from and which try comes next. It is written
last: a folder without it was never finished.
"""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alice.arms import Arm, lerobot
from alice.cli import files
from alice.cli.usage import UsageError
from alice.recording.episodes import Episode
from alice.runs import provenance

RECORD = Path("meta/alice.json")
REMEDY = "docs/lerobot.md has the command that puts it beside Isaac Lab"
SAME = ("task", "by", "checkpoint_sha256", "overrides", "seed", "num_envs", "size", "only_success")
"""Entries of the record that must not change from one piece to the next."""


def features(cameras: tuple[str, ...], size: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Return the features of a data set as LeRobot's recorder declares them for such an arm.

    Args:
        cameras: Names of the cameras.
        size: Width and height of their pictures [pixels].
    """
    width, height = size
    joints = {"dtype": "float32", "shape": (len(lerobot.FEATURES),), "names": list(lerobot.FEATURES)}
    picture = {"dtype": "video", "shape": (height, width, 3), "names": ["height", "width", "channels"]}
    pictures = {f"observation.images.{name}": dict(picture) for name in cameras}
    return {"action": dict(joints), "observation.state": dict(joints), **pictures}


def require() -> None:
    """Raise :class:`UsageError` if LeRobot is not installed."""
    if importlib.util.find_spec("lerobot") is None:
        raise UsageError(f"LeRobot is not installed for this Python; {REMEDY}")


def begun(folder: Path, known: dict[str, Any]) -> dict[str, Any] | None:
    """Return the record of what a folder holds already, None if nothing has begun there.

    Args:
        folder: Folder of the data set.
        known: What the record of this command would say.

    Raises:
        UsageError: If it holds something else, or episodes of another command.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return None
    if not (folder / RECORD).is_file():
        raise UsageError(
            f"--output {str(folder)!r} is not empty and has no {RECORD}: no recording, or one that was killed;"
            " give another folder"
        )
    record = files.read_json(folder / RECORD, "--output: the record", "give another folder")
    for name in SAME:
        if record.get(name) != known[name]:
            raise UsageError(
                f"--output {str(folder)!r} has episodes with {name} {record.get(name)!r}, this command says"
                f" {known[name]!r}; give another folder"
            )
    return record


class Writer:
    """A data set that grows.

    Args:
        folder: Where it lies.
        arm: Whose episodes it has.
        rate: Control rate [Hz].
        job: What the arm does, in words: the task of every frame.
        known: What its record says of where it comes from.
        before: Record of the pieces before, None for the first one.
        kind: LeRobot's class of data sets.
    """

    def __init__(
        self,
        folder: Path,
        arm: Arm,
        rate: int,
        job: str,
        known: dict[str, Any],
        before: dict[str, Any] | None,
        kind: Any,
    ):
        self._folder, self._job, self._known = folder, job, known
        self.tries: list[dict[str, Any]] = before["tries"] if before else []
        """Number, outcome and whether it was kept, of every try."""
        name = f"alice/{folder.name}"
        if before:
            self._set = kind.resume(name, root=folder)
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists():
                folder.rmdir()  # empty; LeRobot wants to make it
            wanted = features(tuple(known["cameras"]), tuple(known["size"]))
            self._set = kind.create(name, rate, wanted, root=folder, robot_type=arm.lerobot.robot_type)

    @property
    def count(self) -> int:
        """Episodes in the data set."""
        return sum(row["kept"] for row in self.tries)

    @property
    def next(self) -> int:
        """Number of the try that comes next."""
        return self.tries[-1]["number"] + 1 if self.tries else 0

    @property
    def outcomes(self) -> dict[str, int]:
        """How often each outcome was seen, kept or not."""
        return dict(Counter(row["outcome"] for row in self.tries).most_common())

    def take(self, episode: Episode, is_kept: bool) -> None:
        """Note a try and write it where it is kept; Ctrl-C waits for the end of it."""
        with _whole():
            self._take(episode, is_kept)

    def _take(self, episode: Episode, is_kept: bool) -> None:
        if is_kept:
            for step, (state, action) in enumerate(zip(episode.states, episode.actions, strict=True)):
                seen = {f"observation.images.{name}": views[step] for name, views in episode.pictures.items()}
                self._set.add_frame({"observation.state": state, "action": action, **seen, "task": self._job})
            # In this process: a fork of one in which the simulator's threads run may hang.
            self._set.save_episode(parallel_encoding=False)
        self.tries.append({"number": episode.number, "outcome": episode.outcome, "kept": is_kept})

    def close(self) -> None:
        """Finish LeRobot's files, then write the record."""
        self._set.finalize()
        provenance.write_json(self._folder / RECORD, {**self._known, "tries": self.tries})


@contextlib.contextmanager
def _whole() -> Iterator[None]:
    """Let Ctrl-C act after the context and not in it: half an episode would spoil the data set."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


@contextlib.contextmanager
def opened(folder: Path, arm: Arm, rate: int, job: str, known: dict[str, Any]) -> Iterator[Writer]:
    """Open a data set to write to; it is finished when the context ends, also by Ctrl-C.

    Args: see :class:`Writer`.

    Raises:
        UsageError: If the folder cannot be gone on with.
    """
    before = begun(folder, known)
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    writer = Writer(folder, arm, rate, job, known, before, LeRobotDataset)
    try:
        yield writer
    finally:
        if writer.tries or before:
            writer.close()
