"""The manifest of a pipeline: every figure of its audits, every policy with its hash, and how long it took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from alice.cli.usage import UsageError
from alice.pipeline.ledger import Ledger
from alice.pipeline.places import Places
from alice.pipeline.steps import RUNS, STEPS, Step
from alice.runs import checkpoints, provenance, records

FILE = "manifest.json"
"""The manifest, in the folder of the pipeline."""
OF_A_START = (
    "run",
    "trained",
    "version",
    "git_commit",
    "dirty",
    "command",
    "date",
    "hardware",
    "versions",
    "wall_time_s",
)
"""Entries of an audit that say when and where it was made, not what came of it."""


def write(places: Places, ledger: Ledger, seed: int | None) -> None:
    """Write the manifest, unless the one that is there is of the same files.

    Args:
        places: Where things lie; everything is done.
        ledger: What was done.
        seed: Seed of the trainings, None for that of their configurations.
    """
    target = places.folder / FILE
    made = {path: digest for step in STEPS for path, digest in ledger.entry(step)["made"].items()}
    if (read(target) or {}).get("files") == made:
        return
    device = (records.read(places.folder / STEPS[0].stage) or {}).get("device", "cpu")
    content = {
        "task": places.task,
        "camera_task": places.camera_task,
        "camera_policy": places.better(),
        "runs": {stage: _run(places, stage) for stage in RUNS},
        "figures": {step.name: figures(places, step) for step in STEPS if step.product},
        "policies": {name: _hash(places, name) for name in ("exported_state", "exported_camera")},
        "times": {step.name: {key: ledger.entry(step)[key] for key in ("seconds", "starts")} for step in STEPS},
        "files": made,
        "made": provenance.collect(seed, device),
    }
    provenance.write_json(target, content)


def read(path: Path) -> dict[str, Any] | None:
    """Return a manifest, None if there is none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _run(places: Places, stage: str) -> dict[str, Any]:
    """Return what a run was and the hash of its end."""
    record, end = records.read(places.folder / stage) or {}, places.newest(stage)
    samples = record["steps_per_env"] * record["num_envs"] * (checkpoints.number(end) + 1 - record["first_iteration"])
    kept = {name: record[name] for name in ("task", "agent", "num_envs", "seed", "overrides", "first_iteration")}
    return {**kept, "checkpoint": end.name, "sha256": provenance.sha256(end), "samples": samples}


def _hash(places: Places, name: str) -> dict[str, Any]:
    path = places.file(name)
    return {"file": path.relative_to(places.folder).as_posix(), "sha256": provenance.sha256(path)}


def figures(places: Places, step: Step) -> dict[str, Any]:
    """Return the figures that a step left as JSON, without when and where it was made.

    Raises:
        UsageError: If the file is damaged.
    """
    path = places.folder / step.product
    path = path if path.suffix == ".json" else path.with_name("audit.json")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(path)!r} cannot be read; delete it, and it is made anew") from error
    return {name: value for name, value in content.items() if name not in OF_A_START}


def table(content: dict[str, Any]) -> str:
    """Return the rates of a manifest as lines for the terminal."""
    lines = []
    for name, found in content["figures"].items():
        if "success" in found:
            rate = found["success"]
            interval = f"{rate['rate']:.2%} ({rate['low']:.2%} to {rate['high']:.2%})"
            lines.append(f"{name:32} {interval} of {found['episodes']}")
    return "\n".join(lines)
