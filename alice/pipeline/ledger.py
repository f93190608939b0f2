"""What a pipeline has done: which command made which file from which files, by their hashes.

A door writes its product whole or not at all, as the last thing it does. So a product that is there, of a step that was
begun with the same command and the same files, is a step that is done, however its process ended.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from alice.cli.usage import UsageError
from alice.pipeline.places import Places
from alice.pipeline.steps import Step
from alice.runs import provenance

FILE = "pipeline.json"
"""The ledger, in the folder of the pipeline."""


class Ledger:
    """The file :data:`FILE`.

    Args:
        places: Where things lie.

    Raises:
        UsageError: If the file cannot be read, or is of another task.
    """

    def __init__(self, places: Places):
        self._places, self._path = places, places.folder / FILE
        self._content: dict[str, Any] = {"task": places.task, "steps": {}}
        self._hashes: dict[tuple[Path, int, int], str] = {}
        if self._path.exists():
            self._content = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            task, _ = found["task"], found["steps"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{str(self._path)!r} cannot be read as the ledger of a pipeline; move it away") from error
        if task != self._places.task:
            raise UsageError(f"--task {self._places.task}: {str(self._path.parent)!r} holds the pipeline of {task}")
        return found

    def entry(self, step: Step) -> dict[str, Any]:
        """Return what is known of a step."""
        return self._content["steps"].get(step.name, {})

    def has(self, step: Step) -> bool:
        """Whether a step has been done, with whatever words."""
        return "made" in self.entry(step)

    def knows(self, step: Step, more: list[str]) -> bool:
        """Whether a step was begun with these words before, so that its door has looked at them."""
        command = self.entry(step).get("begun_as", {}).get("command", [])
        return command[len(command) - len(more) :] == more

    def is_done(self, step: Step, more: list[str]) -> bool:
        """Whether a step is done with these words, from these files, and what it made is untouched.

        Args:
            step: The step.
            more: Words behind its own.
        """
        entry = self.entry(step)
        if "made" not in entry or entry["begun_as"] != self._now(step, more):
            return False
        return entry["made"] == self._hashed(self._places.made(step))

    def is_ended(self, step: Step, more: list[str]) -> bool:
        """Whether a step that was begun has its product, though nobody has noted its end. A run says so itself."""
        entry, product = self.entry(step), self._places.product(step)
        if step.product is None or product is None or "made" in entry or entry.get("begun_as") != self._now(step, more):
            return False
        return self._sha256(product) != entry["before"]

    def begin(self, step: Step, more: list[str]) -> None:
        """Note that a step begins, and what another command may have made in its place before."""
        now, product = self._now(step, more), self._places.product(step)
        entry = self.entry(step) if self.entry(step).get("begun_as") == now else {}
        counts = {"starts": entry.get("starts", 0) + 1, "seconds": entry.get("seconds", 0)}
        before = product and step.product and self._sha256(product)
        self._content["steps"][step.name] = {"begun_as": now, **counts, "before": before}
        self._write()

    def spend(self, step: Step, seconds: float) -> None:
        """Add the time of a door that has ended, whether or not it was through."""
        self.entry(step)["seconds"] = round(self.entry(step)["seconds"] + seconds, 1)
        self._write()

    def finish(self, step: Step) -> None:
        """Note what a step has made."""
        self.entry(step)["made"] = self._hashed(self._places.made(step))
        self.entry(step)["ended"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._write()

    def _now(self, step: Step, more: list[str]) -> dict[str, Any]:
        """Return command and files of a step as they are now."""
        files = [path for name in step.inputs if (path := self._places.file(name))]
        words = [step.door, *self._places.words(step, Path()), *more]
        return {"command": words, "read": self._hashed(files)}

    def _hashed(self, files: list[Path]) -> dict[str, str]:
        return {path.relative_to(self._places.folder).as_posix(): self._sha256(path) for path in files}

    def _sha256(self, path: Path) -> str:
        stat = path.stat()
        key = path, stat.st_mtime_ns, stat.st_size
        if key not in self._hashes:
            self._hashes[key] = provenance.sha256(path)
        return self._hashes[key]

    def _write(self) -> None:
        provenance.write_json(self._path, self._content)
