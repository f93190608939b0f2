"""The last minute of an arm: what was seen, decided and told in every control step, written at every stop.

One zip file, format 1:

* ``about.json``: what ran (arm, task, checkpoint, calibration, bus, mode, arguments), units and names of the columns'
  numbers, when it was written, how it ended.
* ``columns.npz``: one array for each column, a row for each control step, see :data:`COLUMNS`. What was not there is
  NaN, or -1 in whole numbers.
* ``events.json``: a list of ``{"time", "state", "event", "reason"}``, all of the run and not of the last minute alone.
* ``pictures/000123.jpg``: the pictures that the policy was given, by their number in the column ``picture``.

It is written whole or not at all, also when the loop crashes; a process that is killed with SIGKILL writes none.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from alice import arms
from alice.cli import files
from alice.cli.usage import UsageError
from alice.deploy.states import State

FORMAT = 1
FOLDER = Path("logs") / "arm"
"""Where black boxes go if nobody says where."""
SECONDS = 60.0
"""How far back it goes [s]."""
STATES = tuple(state.value for state in State)
"""What the numbers of the column ``state`` mean."""
COLUMNS = {
    "time": "(N,) beginning of the control step by the loop's clock [s]",
    "state": "(N,) number of the state, names in about.json",
    "counts": "(N, S) last accepted counts, servos as in about.json",
    "read_at": "(N, S) when they were read [s]",
    "joints": "(N, J) joint positions that they mean [rad, m]",
    "inputs": "(N, I) all vectors that the network was given one after another, names in about.json",
    "ball": "(N, 3) where the ball was told to be, base frame [m]",
    "dish": "(N, 3) where the dish was told to be, base frame [m]",
    "action": "(N, A) the network's output",
    "wanted": "(N, J) joint targets that the policy wants [rad, m]",
    "command": "(N, J) joint targets after the limits [rad, m]",
    "sent": "(N, S) counts that were sent",
    "due": "(N,) when the command was due [s]",
    "sent_at": "(N,) when it was sent [s]",
    "temperature": "(N, S) last of each servo [°C]",
    "voltage": "(N, S) last of each servo [V]",
    "load": "(N, S) last of each servo, share of its stall torque",
    "picture": "(N,) number of the newest picture",
    "picture_at": "(N,) when it was taken [s]",
}
"""Every column: shape, meaning and unit."""
WHOLE = {"state", "picture"}
LARGEST = 320
"""Widest picture that is kept [pixels]; wider ones are thinned out."""


class BlackBox:
    """Keeps the last minute.

    Args:
        about: What ran, for ``about.json``.
        sizes: How wide columns are, by their names; the others have one number.
        rate: Control steps per second [Hz].
    """

    def __init__(self, about: dict[str, Any], sizes: dict[str, int], rate: float):
        self.about, self._sizes = about, sizes
        """What ran, for ``about.json``."""
        self._rows: deque[dict[str, Any]] = deque(maxlen=int(SECONDS * rate))
        self._pictures: dict[int, np.ndarray] = {}
        self._count = 0
        self.events: list[dict[str, Any]] = []
        """What has happened since the beginning."""

    def happened(self, time: float, state: State, event: str, reason: str) -> None:
        """Take down an event."""
        self.events.append({"time": time, "state": state.value, "event": event, "reason": reason})

    def picture(self, picture: np.ndarray) -> int:
        """Keep a picture, (H, W, 3) uint8, and return its number."""
        self._count += 1
        self._pictures[self._count] = picture[:: (thin := -(-picture.shape[1] // LARGEST)), ::thin].copy()
        if len(self._pictures) > (self._rows.maxlen or 1):
            del self._pictures[next(iter(self._pictures))]
        return self._count

    def step(self, **columns: Any) -> None:
        """Take down a control step; columns that are left out, or None, were not there."""
        if unknown := columns.keys() - COLUMNS.keys():
            raise ValueError(f"{', '.join(sorted(unknown))} are no columns; columns: {', '.join(COLUMNS)}")
        self._rows.append({key: np.array(item) for key, item in columns.items() if item is not None})

    def columns(self) -> dict[str, np.ndarray]:
        """Return all columns of the last minute."""
        made = {}
        for name in COLUMNS:
            shape = (len(self._rows), self._sizes[name]) if name in self._sizes else (len(self._rows),)
            whole = name in WHOLE
            made[name] = np.full(shape, -1 if whole else np.nan, np.int32 if whole else np.float64)
            for row, values in enumerate(self._rows):
                if name in values:
                    made[name][row] = values[name]
        return made

    def write(self, path: str | Path, ended: str = "") -> None:
        """Write what is kept, whole or not at all.

        Args:
            path: The file, ``.zip``.
            ended: How the run ended.

        Raises:
            UsageError: If it cannot be written.
        """
        columns = self.columns()
        about = {"format": FORMAT, **self.about, "states": STATES, "columns": COLUMNS, "ended": ended}
        about["written_at"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **columns)
        with files.writing(path) as fresh, zipfile.ZipFile(fresh, "w") as archive:
            archive.writestr("about.json", json.dumps(about, indent=1, default=str))
            archive.writestr("columns.npz", buffer.getvalue())
            archive.writestr("events.json", json.dumps(self.events, indent=1))
            for number in sorted(set(columns["picture"].tolist()) & self._pictures.keys()):
                archive.writestr(f"pictures/{number:06d}.jpg", _jpeg(self._pictures[number]))


def _jpeg(picture: np.ndarray) -> bytes:
    from PIL import Image  # what drives the arm does not wait for it

    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=90)
    return data.getvalue()


@dataclass(frozen=True)
class Recording:
    """A black box that was read. Pictures stay in its file, see :meth:`picture`."""

    path: Path
    about: dict[str, Any]
    columns: dict[str, np.ndarray]
    events: list[dict[str, Any]]

    def picture(self, number: int) -> np.ndarray:
        """Return a picture by its number, (H, W, 3) uint8."""
        from PIL import Image

        with zipfile.ZipFile(self.path) as archive:
            return np.array(Image.open(io.BytesIO(archive.read(f"pictures/{number:06d}.jpg"))).convert("RGB"))


def read(path: str | Path) -> Recording:
    """Read a black box.

    Args:
        path: The file.

    Raises:
        UsageError: If it is none, or of another format.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            about, events = (json.loads(archive.read(f"{name}.json")) for name in ("about", "events"))
            with np.load(io.BytesIO(archive.read("columns.npz"))) as arrays:
                columns = {name: arrays[name] for name in arrays.files}
            form = about["format"]
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:80]
        raise UsageError(
            f"{path.name!r} is damaged or no black box ({reason}); give a file that run_arm.py wrote"
        ) from error
    if form != FORMAT:
        raise UsageError(f"{path.name!r} is a black box of format {form!r}, this version reads {FORMAT}")
    if lacking := COLUMNS.keys() - columns.keys():
        raise UsageError(
            f"{path.name!r} lacks the columns {', '.join(sorted(lacking))}; it was not written by run_arm.py"
        )
    return Recording(path, about, columns, events)


def newest(folder: str | Path = FOLDER) -> Path:
    """Return the newest black box of a folder.

    Raises:
        UsageError: If there is none.
    """
    found = sorted(Path(folder).glob("*.zip"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UsageError(f"there is no black box in {str(folder)!r}; give one with --box")
    return found[-1]


def plot(found: Recording, path: str | Path) -> None:
    """Draw readings and commands of every joint over time, with the events.

    Args:
        found: A black box.
        path: The picture.

    Raises:
        UsageError: If matplotlib is missing or the picture cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("Python has no module matplotlib, which --plot needs; pip install matplotlib") from error
    columns, names = found.columns, found.about["joints"]
    units = {joint.name: joint.unit for joint in arms.named(found.about["arm"]).joints}
    if not len(columns["time"]):
        raise UsageError(f"{found.path.name!r} holds no control step; there is nothing to draw")
    begin = columns["time"][0]
    figure = Figure(figsize=(10.0, 1.6 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), sharex=True)
    for number, (axis, name) in enumerate(zip(axes, names, strict=True)):
        axis.plot(columns["time"] - begin, columns["command"][:, number], label="command", linewidth=1.0)
        axis.plot(columns["read_at"].min(axis=1) - begin, columns["joints"][:, number], label="reading", linewidth=1.0)
        axis.set_ylabel(f"{name.removesuffix('_joint')} [{units[name]}]".replace("_", "\n"), fontsize=8)
        for event in found.events:
            axis.axvline(event["time"] - begin, color="0.7", linewidth=0.6)
    axes[0].legend(loc="upper right", fontsize=8)
    axes[-1].set_xlabel("time [s]")
    right = np.inf
    for event in reversed(found.events):  # of states that follow at once the last one is named; the table has them all
        if begin <= event["time"] < right - 0.06 * (columns["time"][-1] - begin):
            right = event["time"]
            place = (right - begin, 1.02)
            axes[0].annotate(event["state"], place, xycoords=("data", "axes fraction"), fontsize=7)
    with files.writing(path) as fresh:
        figure.savefig(fresh, dpi=110)
