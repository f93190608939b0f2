"""One trial of a study: doors one after another, in a folder of its own, with cores of its own.

Ray's environment imports this file and what it imports: standard library only. All that is known of a trial lies in
its folder, so whatever is killed, the trial goes on in it: a run from its newest checkpoint, an audit from its
beginning, and what has its audits is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from alice.cli import files
from alice.cli.usage import UsageError
from alice.runs import child, lock, provenance
from alice.system import affinity

FILE = "trial.json"
"""What a trial is, in its folder."""
LOG = "doors.log"
"""What its doors print, there."""
AUDIT = "audit_clean.json"
"""The audit that it is judged by, there."""
AUDIT_SEED = 777
"""Seed of that audit: one that has chosen designs, see ``docs/releases.md``."""
FOLDER = "{folder}"
"""Stands in the words of a step for the folder of its trial."""
PATIENCE = 600.0
"""How long a door of a start that was killed may take to save and leave [s]."""


@dataclass(frozen=True)
class Step:
    """One door with its words."""

    door: str
    words: tuple[str, ...]
    product: str | None = None
    """File in the trial's folder that it writes last; None for a run, which says itself that it is finished."""


@dataclass(frozen=True)
class Trial:
    """One variant with one seed, or one point of a search."""

    name: str
    steps: tuple[Step, ...]
    values: dict[str, Any] = field(default_factory=dict)
    """What a search has chosen, by the name of the word."""

    @classmethod
    def of(cls, content: dict[str, Any]) -> Trial:
        """Return the trial of :meth:`plain`, also after a way through JSON."""
        steps = (Step(step["door"], tuple(step["words"]), step["product"]) for step in content["steps"])
        return cls(content["name"], tuple(steps), content["values"])

    def plain(self) -> dict[str, Any]:
        """Return the trial as JSON has it."""
        return json.loads(json.dumps(asdict(self)))

    def is_done(self, folder: Path) -> bool:
        """Whether everything that it makes is in the folder of all trials."""
        products = [step.product for step in self.steps if step.product]
        return all((folder / self.name / product).is_file() for product in products)


@dataclass(frozen=True)
class Place:
    """Where and with what trials run; equal on all machines of a cluster, which share their disk."""

    python: str
    """Of the doors."""
    root: str
    """The checkout."""
    cwd: str
    folder: str
    """Of all trials, as seen from :attr:`cwd`."""
    cores: int
    """Of each trial."""
    threads: str | None = None
    """The user's ``OMP_NUM_THREADS``: Ray sets one of its own."""


class DoorFailedError(RuntimeError):
    """A door has left with an error of its own; another start would end likewise."""


class DoorKilledError(RuntimeError):
    """A door was asked to leave, or killed; another start goes on."""


def complete(trial: Trial, place: Place, tell: Callable[[str], None] = print) -> float:
    """Do what is missing of a trial.

    Args:
        trial: What to do.
        place: Where.
        tell: Takes a line of text when a door begins.

    Returns:
        Success rate in the audit that it is judged by.

    Raises:
        DoorFailedError: If a door has left with an error.
        DoorKilledError: If a door was asked to leave, or killed.
    """
    parent = Path(place.cwd, place.folder)
    folder = parent / trial.name
    folder.mkdir(parents=True, exist_ok=True)
    with lock.Lock() as held:
        _patiently(lambda: held.take(folder))
        refuse_other_words(trial, parent)
        if not trial.is_done(parent):
            provenance.write_json(folder / FILE, trial.plain())
            pin = partial(affinity.pin, _claim(held, place.cores))
            for step in trial.steps:
                if not (step.product and (folder / step.product).is_file()):
                    tell(f"{trial.name}: {step.door}")
                    _call(step, trial.name, place, held, pin)
    return success(folder / AUDIT)


def _call(step: Step, name: str, place: Place, held: lock.Lock, pin: Callable[[], None]) -> None:
    """Run a door; what it prints goes to the trial's log."""
    folder = Path(place.folder, name)
    words = [word.replace(FOLDER, str(folder)) for word in step.words]
    command = [place.python, str(Path(place.root, "scripts", f"{step.door}.py")), *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment.pop("OMP_NUM_THREADS", None)
    environment |= {"OMP_NUM_THREADS": place.threads} if place.threads else {}
    log = Path(place.cwd, folder, LOG)
    with log.open("a", encoding="utf-8") as file:
        pin()  # this process waits only; the door inherits it
        # A group of its own: a terminal's interrupt, or what ends Ray's processes, would cut the door short.
        options = {"cwd": place.cwd, "env": environment, "stdout": file, "stderr": subprocess.STDOUT}
        code = child.exit_code(child.begin(command, held, start_new_session=True, **options).wait())
    if code:
        error = DoorKilledError if code > 128 else DoorFailedError
        raise error(f"{name}: {step.door} left with {code}, see {folder / LOG}")


def _claim(held: lock.Lock, count: int) -> list[int]:
    """Return cores of this machine that no other trial keeps to: two trainings on the same ones slow each other down.

    Args:
        held: Keeps the claim, and with it the door: cores of a door that is still saving are not free.
        count: Number of cores.
    """
    cores = affinity.cores()
    base = Path(tempfile.gettempdir(), f"alice_cores_{getattr(os, 'getuid', int)()}_{count}")
    found: list[int] = []

    def claim() -> None:
        for number in range(max(1, len(cores) // count)):
            place = base / str(number)
            place.mkdir(parents=True, exist_ok=True)
            try:
                held.take(place)
            except UsageError as error:
                refused = error
                continue
            found.extend(cores[number * count : (number + 1) * count])
            return
        raise refused

    _patiently(claim)
    return found


def _patiently(work: Callable[[], None]) -> None:
    """Do what another process may still be in the way of, once it has left."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return work()
        except UsageError:
            if time.monotonic() > until:
                raise
        time.sleep(0.2)


def wait_until_left(trials: Sequence[str], folder: Path) -> None:
    """Wait until no door is at work in the folders of trials: after an end that was no one's wish they still save.

    Args:
        trials: Names.
        folder: Of all trials.
    """
    for name in trials:
        if (folder / name).is_dir():
            with lock.Lock() as held:
                _patiently(partial(held.take, folder / name))


def refuse_other_words(trial: Trial, folder: Path) -> None:
    """Raise :class:`UsageError` if the folder of a trial was begun with other words."""
    file = folder / trial.name / FILE
    if file.is_file() and files.read_json(file, "the trial", "delete its folder") != trial.plain():
        raise UsageError(f"{str(file.parent)!r} was begun with other words, see {FILE} in it; give another folder")


def success(audit: Path) -> float:
    """Return the success rate of an audit, in [0, 1].

    Raises:
        UsageError: If the file is damaged.
    """
    remedy = "delete it, and it is made anew"
    try:
        return float(files.read_json(audit, "the audit", remedy)["success"]["rate"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"the audit {str(audit)!r} has no success rate; {remedy}") from error
