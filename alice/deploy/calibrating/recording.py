"""What servos say while a person leads the arm: tracks of sweeps, means of holds, and the file they are kept in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alice.arms import Arm
from alice.cli import files
from alice.deploy.bus.interface import Bus
from alice.deploy.calibration import CalibrationError
from alice.deploy.clock import Clock

from .person import Person
from .tasks import LET_GO, SWEEP, Task

RATE = 25.0
"""Readings in a second at most [Hz]."""
BUDGET = 0.5
"""Time for one reading of all servos [s]: the xArm's board over USB takes up to 0.45."""
STILL = 24
"""Readings of a hold."""
ENOUGH = (8, 3.0)
"""Readings of a hold, and how long it takes [s], that will do where a bus is slow."""


class Left(Exception):
    """The person wants to leave a task out or to stop; the message is the word."""


@dataclass(frozen=True)
class Measurement:
    """What came of one task. Counts are in the order of ``arm.servo_ids``, None for a servo that never answered."""

    key: str
    counts: tuple[float | None, ...]
    """Mean at the end."""
    spread: tuple[float | None, ...]
    """Standard deviation of single readings."""
    readings: int
    """Fewest answers of one servo."""
    track: tuple[tuple[float | None, ...], ...] = ()
    """Of a sweep: all readings in turn."""


class Recorder:
    """Reads an arm's servos.

    Args:
        bus: The bus; torque is off.
        clock: Its clock.
        arm: The arm.
    """

    def __init__(self, bus: Bus, clock: Clock, arm: Arm):
        self._bus, self._clock, self._ids = bus, clock, arm.servo_ids

    def read(self) -> np.ndarray:
        """Return where all servos are, (S,) [counts], NaN for one that does not answer; it takes 1 / RATE at least."""
        began = self._clock.now()
        found = self._bus.positions(self._ids, BUDGET)
        self._clock.sleep_until(began + 1.0 / RATE)
        return np.array([found[i].counts if i in found else np.nan for i in self._ids], float)

    def carry_out(self, person: Person, task: Task) -> Measurement:
        """Ask a person to do a task, and measure.

        Raises:
            Left: If he says something else than done.
        """
        person.begin(task)
        rows = []
        while (word := person.reply()) is None:
            rows.append(self.read())
        if word:
            raise Left(word)
        track = np.array(rows) if task.kind == SWEEP and rows else np.empty((0, len(self._ids)))
        still, began = [], self._clock.now()
        while len(still) < STILL and not (len(still) >= ENOUGH[0] and self._clock.now() - began > ENOUGH[1]):
            still.append(self.read())
            person.reply()
        return _measured(task.key, np.array(still), track)


def _measured(key: str, still: np.ndarray, track: np.ndarray) -> Measurement:
    """Return what readings (K, S) of a hold and (T, S) of a sweep [counts] say."""
    answers = np.isfinite(still)
    number = answers.sum(axis=0)
    filled = np.where(answers, still, 0.0)
    mean = filled.sum(axis=0) / np.maximum(number, 1)
    spread = np.sqrt((np.where(answers, still - mean, 0.0) ** 2).sum(axis=0) / np.maximum(number - 1, 1))
    is_known = number > 0
    return Measurement(
        key,
        _row(np.where(is_known, mean, np.nan)),
        _row(np.where(is_known, spread, np.nan)),
        int(number.min()),
        tuple(_row(row) for row in track),
    )


def _row(values: np.ndarray) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else round(float(value), 4) for value in values)


def let_go(bus: Bus, clock: Clock, arm: Arm, person: Person) -> None:
    """Switch the torque off once the person holds the arm.

    Raises:
        CalibrationError: If he stops.
    """
    person.begin(LET_GO)
    while (word := person.reply()) is None:
        clock.sleep_until(clock.now() + 1.0 / RATE)
    if word:
        raise CalibrationError("stopped before the servos let go")
    bus.torque(arm.servo_ids, False, BUDGET)


class Notes:
    """Measurements in a file that is written after each of them, so that one can go on where it was left.

    Args:
        path: The file; None keeps them in memory.
        arm: The arm.
        about: What must be the same to go on, such as the diameter of the gauge ball.

    Raises:
        CalibrationError: If the file is damaged, of another arm, or something else is not the same.
    """

    def __init__(self, path: str | Path | None, arm: Arm, about: Mapping[str, Any]):
        self._path, self._about = path, {"arm": arm.name, **about}
        self.made: dict[str, Measurement] = {}
        if path is not None and Path(path).exists():
            self._read(Path(path))

    def _read(self, path: Path) -> None:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            about = data["about"]
            made = [_from(item) for item in data["made"]]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CalibrationError(f"measurements {path.name!r} are damaged; delete them and begin again") from error
        for name, value in self._about.items():
            if about.get(name) != value:
                raise CalibrationError(
                    f"measurements {path.name!r} were made with {name} {about.get(name)!r}, this is {value!r}; give"
                    " the same, another --output, or delete them"
                )
        self.made = {item.key: item for item in made}

    def keep(self, measurement: Measurement) -> None:
        """Add a measurement, or put it in the place of the one before, and write the file."""
        self.made[measurement.key] = measurement
        self._write()

    def forget(self, word: str) -> int:
        """Drop the measurements whose keys hold a word; return how many."""
        keys = [key for key in self.made if word in key]
        for key in keys:
            del self.made[key]
        self._write()
        return len(keys)

    def _write(self) -> None:
        if self._path is not None:
            data = {"about": self._about, "made": [asdict(item) for item in self.made.values()]}
            files.write_text(self._path, json.dumps(data) + "\n")


def _from(item: dict[str, Any]) -> Measurement:
    track = tuple(tuple(row) for row in item["track"])
    return Measurement(item["key"], tuple(item["counts"]), tuple(item["spread"]), int(item["readings"]), track)
