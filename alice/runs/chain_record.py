"""What the folder of a chain says of itself: its words, its stages, at last which of their ends is the better one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from alice.cli.usage import UsageError
from alice.runs import folders, lock, provenance, records


class Record:
    """The file :data:`alice.runs.records.CHAIN` in the folder of ``--run``, and what a start may still change of it.

    Args:
        place: The folder. One that exists is held from now on, another one from when the first stage begins.
        asked: What the command line asks for.
        held: Holds the folder.

    Raises:
        UsageError: If the folder holds something else or another chain, or its iterations come too late.
    """

    def __init__(self, place: Path, asked: folders.Asked, held: lock.Lock):
        self.place = place
        if records.chain(place) is None:
            content = folders.look(place)
            if content.record or content.strange:
                reason = content.strange or "holds a run without --teacher; give another"
                raise UsageError(f"--run: {str(place)!r} {reason}")
        if place.is_dir():
            held.take(place)
        self._held = held
        self._content = records.chain(place) or {"words": asked.words, "iterations": asked.iterations, "stages": []}
        folders.refuse_differences(self._content["words"], asked.words, {}, str(place))
        if asked.iterations not in (None, self.iterations):
            self._change_iterations(asked.iterations)

    @property
    def iterations(self) -> int | None:
        """Iterations of each stage, None for those of its configuration."""
        return self._content["iterations"]

    @property
    def end(self) -> str | None:
        """What a finished chain says."""
        found = self._content
        if "better" not in found:
            return None
        return f"finished: {self.place}; {found['compared']}; the better one: {self.place / found['better']}"

    def _change_iterations(self, count: int) -> None:
        stages = self._content["stages"]
        if len(stages) > 1:
            raise UsageError(
                f"--max_iterations {count}: the first stage of the chain in {str(self.place)!r} ended after"
                f" {self.iterations or 'those of its configuration'}, and the second one has begun from there; leave it"
                f" out, or go on with the second one alone by --resume {self.place / stages[-1]}"
            )
        self._content["iterations"] = count

    def begin(self, stage: str) -> None:
        """Note that a stage has begun; raise :class:`UsageError` if another start was quicker."""
        self.place.mkdir(parents=True, exist_ok=True)
        self._held.take(self.place)
        if not self._content["stages"] and (records.chain(self.place) or {}).get("stages"):
            raise UsageError(f"--run: another start has begun a chain in {str(self.place)!r} just now; start again")
        if stage not in self._content["stages"]:
            self._content["stages"].append(stage)
        self._write()

    def finish(self, compared: str, better: Path) -> None:
        """Note the result.

        Args:
            compared: The rates of the ends.
            better: The checkpoint of the better one.
        """
        self._content |= {"compared": compared, "better": better.relative_to(self.place).as_posix()}
        self._write()

    def _write(self) -> None:
        provenance.write_json(self.place / records.CHAIN, self._content)


def is_audited(end: Path, result: Path, episodes: int) -> bool:
    """Whether a file is the audit of a checkpoint, by an earlier start of the same chain.

    Args:
        end: The checkpoint.
        result: What ``evaluate.py --json`` wrote, if it did.
        episodes: Number of episodes.
    """
    try:
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return (found["checkpoint_sha256"], found["episodes"]) == (provenance.sha256(end), episodes)
    except (OSError, ValueError, KeyError, TypeError):
        return False
