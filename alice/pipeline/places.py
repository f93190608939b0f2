"""Where things lie in the folder of a pipeline, and what the words of a step mean there."""

from __future__ import annotations

import json
from pathlib import Path

from alice.cli.usage import UsageError
from alice.pipeline.steps import MADE_BY, RUNS, STEPS, Step
from alice.runs import checkpoints


class Places:
    """The files of a pipeline by their placeholders.

    Args:
        folder: The pipeline's folder. It may be moved between two starts: what is kept of a path is relative to it.
        task: State task; its camera task is the one of that name with ``-Camera``.
    """

    def __init__(self, folder: Path, task: str):
        self.folder, self.task, self.camera_task = folder, task, f"{task}-Camera"

    def file(self, name: str) -> Path | None:
        """Return the file behind a placeholder of :data:`alice.pipeline.steps.MADE_BY`, None before there is one."""
        kind, _, part = name.partition("_")
        if name in RUNS:
            return self.newest(name)
        if name == "camera":
            return self.newest(self.better())
        if kind == "exported":
            path = self.folder / "export" / f"{self.task if part == 'state' else self.camera_task}.onnx"
        else:
            path = self.folder / "audits" / f"{MADE_BY[name].partition('/')[2]}.npz"
        return path if path.is_file() else None

    def newest(self, stage: str) -> Path | None:
        """Return the newest checkpoint of a run, None before the first."""
        place = self.folder / stage
        return checkpoints.newest_in(place) if place.is_dir() else None

    def better(self) -> str:
        """Return the stage whose end succeeds more often on the same starts; of two equals the later one."""
        rates = {}
        for stage in ("student", "finetune"):
            file = self.folder / "audits" / f"selection_{stage}.json"
            try:
                rates[stage] = json.loads(file.read_text(encoding="utf-8"))["success"]["rate"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    f"{str(file)!r} is no audit that says which camera policy is better; delete it"
                ) from error
        return max(rates, key=lambda stage: (rates[stage], stage == "finetune"))

    def product(self, step: Step) -> Path | None:
        """Return what a step has made, None if nothing."""
        if step.product is None:
            return self.newest(step.stage)
        path = self.folder / step.product
        return path if path.is_file() else None

    def made(self, step: Step) -> list[Path]:
        """Return all files whose content a step answers for, its product among them."""
        product = self.product(step)
        if product is None:
            return []
        beside = [
            self.file(name) for name, maker in MADE_BY.items() if maker == step.name and name not in (*RUNS, "camera")
        ]
        if step.stage == "export":
            beside += [path.with_suffix(".contract.json") for path in beside if path]
        return [product, *(path for path in beside if path and path != product)]

    def words(self, step: Step, base: Path) -> list[str]:
        """Return the words of a step.

        Args:
            step: The step; the files that it reads are there.
            base: What paths begin with: :attr:`folder` for the door, an empty path for what is kept.
        """
        known = {"folder": str(base), "task": self.task, "camera_task": self.camera_task}
        known |= {name: str(base / self.file(name).relative_to(self.folder)) for name in step.inputs}
        return [word.format_map(known) for word in step.words]

    def require_inputs(self, step: Step) -> None:
        """Raise :class:`UsageError` if a step reads what is not there."""
        for name in step.inputs:
            maker = next(other for other in STEPS if other.name == MADE_BY[name])
            if self.product(maker) is None or self.file(name) is None:
                raise UsageError(
                    f"--stages: {step.stage} needs what {maker.stage} makes, and {str(self.folder)!r} has none of it"
                    f" yet; add {maker.stage}, or leave --stages out"
                )
