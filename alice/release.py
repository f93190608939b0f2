"""Turns a trained checkpoint into a released policy: weights, provenance, recorded inputs and the ONNX file."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from alice import checkpoints, provenance, training
from alice.assets import POLICIES_DIR
from alice.launch import Job
from alice.usage import UsageError

KEPT = (*checkpoints.POLICY_KEYS, "critic_state_dict", "iter")
"""What a released file keeps of a checkpoint; the optimizer's state is two thirds of it and of no use elsewhere."""


def release(job: Job, audit: Path, inputs: Path) -> list[Path]:
    """Write ``assets/policies/<task>.pt``, ``.json``, ``.npz`` and ``.onnx``.

    Args:
        job: Checked command line; its checkpoint is a ``model_<number>.pt`` in its run folder.
        audit: JSON file that ``scripts/evaluate.py`` wrote for this very checkpoint.
        inputs: What ``scripts/evaluate.py --record`` wrote for it.

    Returns:
        The four files.

    Raises:
        UsageError: If the audit is of another file, the run has no provenance, or the actor cannot be exported.
    """
    import torch

    from alice.export import actor, onnx_file, recordings

    checkpoint, content, task = job.checkpoint, job.weights, job.task
    contract = actor.contract_of(job)
    recorded = recordings.load(inputs, contract)
    figures = _read(audit, "--audit")
    trained = _read(checkpoint.parent / training.RECORD, "the run's provenance")
    if figures.get("checkpoint_sha256") != provenance.sha256(checkpoint):
        raise UsageError(f"{audit} is the audit of {figures.get('checkpoint')!r}, not of {checkpoint}; audit it first")
    POLICIES_DIR.mkdir(exist_ok=True)
    try:
        exported = onnx_file.write(actor.build(job, contract.inputs), contract, POLICIES_DIR, recorded)
    except onnx_file.ExportError as error:
        raise UsageError(str(error)) from error
    exported.contract.unlink()  # it is in the ONNX file
    weights = POLICIES_DIR / f"{task}.pt"
    fresh = weights.with_suffix(".pt.new")
    torch.save({key: content[key] for key in KEPT if key in content}, fresh)
    os.replace(fresh, weights)
    record = weights.with_suffix(".json")
    provenance.write_json(record, _record(checkpoint, weights, trained, figures))
    recording = recordings.of_task(task)
    shutil.copyfile(inputs, recording)
    return [weights, record, recording, exported.onnx]


def _record(checkpoint: Path, weights: Path, trained: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """Return the provenance of a released file."""
    began = datetime.fromisoformat(trained["date"]).timestamp()
    seconds = round(checkpoint.stat().st_mtime - began, 1)
    return {
        "sha256": provenance.sha256(weights),
        "iteration": checkpoints.number(checkpoint),
        "wall_time_s": None if "resumed" in trained else seconds,  # unknown of a run with pauses
        "training": trained,
        "audit": figures,
    }


def _read(path: Path, what: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{what} {str(path)!r} cannot be read as JSON: {' '.join(str(error).split())}") from error
