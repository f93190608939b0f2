"""What the folder of a run says about itself: its provenance, how old it is, what it was trained with.

Times come from what was written, never from the file system: a copy or a ``touch`` makes no run newer.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

RECORD = Path("params") / "alice.json"
"""The provenance of a run, in its folder."""
MANIFEST = "run.json"
"""What Isaac Lab writes into a run folder when a training begins."""
CHAIN = "chain.json"
"""What the folder of a chain says of itself; its runs lie in folders below."""
STAMP = "%Y-%m-%d_%H-%M-%S"
"""How the name of a run folder begins, in local time."""

TRAINING_ONLY = (
    "env.curriculum",
    "env.rewards",
    "env.episode_length_s",
    "env.events.reset_transfer.params.shares",
    "env.actions.joints.ideal_servo_share",
    "agent.",
)
"""Overrides that an audit has its own values for, or no use."""
NETWORK = ("agent.actor.", "agent.student.", "agent.obs_groups", "agent.clip_actions")
"""Of these, what the acting network is made of."""


def read(folder: Path) -> dict[str, Any] | None:
    """Return the provenance of a run, None if its folder holds none that can be read."""
    return _json(folder / RECORD)


def chain(folder: Path) -> dict[str, Any] | None:
    """Return what a folder says of the chain in it, None if there is none."""
    return _json(folder / CHAIN)


def of_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the provenance of the training behind a checkpoint, None if it is not known.

    Args:
        path: A ``model_<number>.pt`` in its run folder, or a released file with its record beside it.
    """
    released = (_json(path.with_suffix(".json")) or {}).get("training")
    return released if isinstance(released, dict) else read(path.resolve().parent)


def task_of(folder: Path) -> str | None:
    """Return the task id of a run from Isaac Lab's manifest, None if that cannot be read."""
    return (_json(folder / MANIFEST) or {}).get("task")


def time_of(folder: Path) -> datetime:
    """Return when a run was begun or, if it has been, resumed for the last time.

    Args:
        folder: Run folder. Of a run without our provenance, Isaac Lab's manifest counts, and the folder's name.
    """
    record, manifest = read(folder) or {}, _json(folder / MANIFEST) or {}
    resumed = record.get("resumed") or [{}]
    for text in (resumed[-1].get("date"), record.get("date"), manifest.get("created_at")):
        try:
            found = datetime.fromisoformat(text)
        except (TypeError, ValueError):
            continue
        return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    try:
        return datetime.strptime(folder.name[:19], STAMP).astimezone()
    except ValueError:
        return datetime.fromtimestamp(0, timezone.utc)


def age(moment: datetime) -> str:
    """Return how long ago a moment was, in its largest unit: ``3 hours ago``."""
    seconds = (datetime.now(timezone.utc) - moment).total_seconds()
    for name, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count >= 1:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def summary(folder: Path, iteration: int) -> str:
    """Return run folder, iterations and time on one line.

    Args:
        folder: Run folder.
        iteration: Number in the name of the checkpoint that was taken.
    """
    moment = time_of(folder)
    when = (
        f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC, {age(moment)}" if moment.timestamp() else "of no date"
    )
    return f"{folder}, {iteration + 1} iterations, {when}"


def world_words(record: dict[str, Any]) -> list[str]:
    """Return the overrides of a training that say which world its policy knows, and which network it is.

    Args:
        record: Provenance of the run. What only a training has (rewards, curriculum, shares of starts) is left out.
    """
    # An audit plays the actor of the task's default agent, also where it was trained as a student.
    words = [word.replace("agent.student.", "agent.actor.", 1) for word in record.get("overrides", [])]
    return [word for word in words if word.startswith(NETWORK) or not word.startswith(TRAINING_ONLY)]


def differences(record: dict[str, Any], words: list[str]) -> list[str]:
    """Return the overrides that a policy was trained with and that are not among those given now.

    Networks are left out: weights that do not fit are told when they are loaded.

    Args:
        record: Provenance of the run.
        words: Overrides given now.
    """
    given = set(words)
    return [word for word in world_words(record) if not word.startswith(NETWORK) and not _is_given(word, given)]


def _is_given(word: str, given: set[str]) -> bool:
    if word in given:
        return True
    name, _, value = word.partition("=")
    chosen = {part for item in given if item.startswith("presets=") for part in item.partition("=")[2].split(",")}
    return name == "presets" and set(value.split(",")) <= chosen


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
