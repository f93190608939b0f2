"""Runs the steps of a pipeline one after another; what is done is not done again, what was cut off is gone on with."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alice.cli import terminal
from alice.cli.usage import UsageError
from alice.pipeline import manifest, words
from alice.pipeline.ledger import FILE, Ledger
from alice.pipeline.places import Places
from alice.pipeline.steps import RUNS, STAGES, STEPS, Step
from alice.runs import advice, child, folders, lock, records

SIZES = {"state": 10e6, "randomized": 10e6, "student": 70e6, "finetune": 10e6, "audits": 30e6}
SIZES |= {"export": 3e6, "closed_loop": 1e6, "reports": 10e6}
"""What a stage writes with the words of the table [bytes], on the safe side."""
RESERVE = 300e6
"""What must be free beside that: logs, temporary copies, a compiled renderer [bytes]."""

Runner = Callable[[str, list[str], lock.Lock], int]
"""Runs a door with its words and returns its exit code; see :func:`alice.runs.child.run`."""


@dataclass
class Pipeline:
    """Checked words of a pipeline."""

    places: Places
    stages: Sequence[str] = STAGES
    more: dict[str, list[str]] = field(default_factory=dict)
    """Words behind those of the table, by stage."""
    seed: int | None = None
    """Seed of all trainings; None for that of their configurations."""
    device: str | None = None
    run_door: Runner = child.run
    missing: list[str] = field(default_factory=lambda: list(STAGES))
    """Stages that are not done after :meth:`run`."""

    @property
    def folder(self) -> Path:
        """Folder of everything."""
        return self.places.folder

    @property
    def steps(self) -> list[Step]:
        """What is to be done, in its order."""
        return [step for step in STEPS if step.stage in self.stages]

    def behind(self, step: Step) -> list[str]:
        """Return the words behind those of the table."""
        words = [] if self.seed is None or step.stage not in RUNS else ["--seed", str(self.seed)]
        words += ["--device", self.device] if self.device and step.door != "export_onnx" else []
        return [*words, *self.more.get(step.stage, [])]

    def run(self) -> int:
        """Do what is missing, and write the manifest once everything is there.

        Returns:
            Exit code: 0 when all that was asked for is done, or that of the door that was not through.

        Raises:
            UsageError: If the folder holds something else, another start is at work in it, a stage comes before what it
                needs, or the disk is too small.
        """
        refuse_other_content(self.folder)
        require_space(self.folder, self.stages)
        with lock.Lock() as held:
            self.folder.mkdir(parents=True, exist_ok=True)
            held.take(self.folder)
            ledger = Ledger(self.places)
            steps = self.steps
            fresh = [step for step in steps if self.more.get(step.stage) and not ledger.knows(step, self.behind(step))]
            words.check({step: self.behind(step) for step in fresh}, self.places)
            for number, step in enumerate(steps, 1):
                if code := self._complete(step, ledger, held, f"{number} of {len(steps)}, {step.name}"):
                    return code
            self.missing = [name for name in STAGES if not all(map(ledger.has, (s for s in STEPS if s.stage == name)))]
            if not self.missing:
                manifest.write(self.places, ledger, self.seed)
        return 0

    def _complete(self, step: Step, ledger: Ledger, held: lock.Lock, label: str) -> int:
        """Do one step, unless it is done, and return the exit code of its door."""
        more = self.behind(step)
        self.places.require_inputs(step)
        if ledger.is_done(step, more):
            terminal.note(f"{label}: done")
            return 0
        if ledger.is_ended(step, more):
            terminal.note(f"{label}: done, though it was killed afterwards")
            ledger.finish(step)
            return 0
        require_space(self.folder, self.stages[self.stages.index(step.stage) :])
        ledger.begin(step, more)
        terminal.note(label)
        began = time.monotonic()
        code = self.run_door(step.door, [*self.places.words(step, self.folder), *more], held)
        ledger.spend(step, time.monotonic() - began)
        if code == 0 and self.places.product(step) is None:
            code = 1  # a window that was closed leaves with 0
        if code:
            print(f"alice: the pipeline stopped in {step.name}", *_remedy(code), sep="; ", file=sys.stderr)
            return code
        ledger.finish(step)
        return 0


def _remedy(code: int) -> list[str]:
    """Return how to go on, unless another start would be refused too."""
    return [] if code == 2 else [f"go on: {advice.again()}"]


def refuse_other_content(folder: Path) -> None:
    """Raise :class:`UsageError` if a folder holds something and no pipeline."""
    if not folder.is_dir() or (folder / FILE).exists():
        return
    if records.read(folder) is not None or records.chain(folder) is not None:
        raise UsageError(f"FOLDER: {str(folder)!r} holds a run of scripts/train.py; give another")
    if others := sorted({path.name for path in folder.iterdir()} - folders.BYSTANDERS):
        raise UsageError(f"FOLDER: {str(folder)!r} holds {others[0]!r} and no pipeline; give a new folder")


def require_space(folder: Path, stages: Sequence[str]) -> None:
    """Raise :class:`UsageError` if the disk has no room for stages: it would be told hours later.

    Args:
        folder: The pipeline's; it may be missing yet.
        stages: What is still to come. What of it is there already is not taken off: that is little.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    need, free = sum(SIZES[stage] for stage in stages) + RESERVE, shutil.disk_usage(place).free
    if need > free:
        raise UsageError(
            f"the disk of {os.path.relpath(folder)!r} has {free / 1e6:.0f} MB free, the pipeline needs about"
            f" {need / 1e6:.0f} MB; free some, or give a folder on another disk"
        )
