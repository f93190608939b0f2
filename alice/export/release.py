"""Turns a trained checkpoint into a released policy: weights, provenance, recorded inputs and the ONNX file."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from alice.assets import POLICIES_DIR
from alice.cli import files
from alice.cli.usage import UsageError
from alice.evaluation.audit import openings
from alice.runs import checkpoints, provenance, seeds, training
from alice.runs.launch import Job

KEPT = (*checkpoints.POLICY_KEYS, "critic_state_dict", "iter")
"""What a released file keeps of a checkpoint; the optimizer's state is two thirds of it and of no use elsewhere."""


def release(job: Job, audit: Path, inputs: Path) -> list[Path]:
    """Write ``assets/policies/<task>.pt``, ``.json``, ``.npz`` and ``.onnx``.

    Args:
        job: Checked command line; its checkpoint is a ``model_<number>.pt`` in its run folder.
        audit: JSON file that ``scripts/evaluate.py --seed release`` wrote for this very checkpoint.
        inputs: What ``scripts/evaluate.py --record`` wrote for it.

    Returns:
        The four files.

    Raises:
        UsageError: If the audit is none of this release, the run has no provenance, or the actor cannot be exported.
    """
    import torch

    from alice.export import actor, recordings

    checkpoint, content, task = job.checkpoint, job.weights, job.task
    recorded = recordings.load(inputs, actor.contract_of(job))
    figures = _audit_of(job, audit)
    trained = files.read_json(checkpoint.parent / training.RECORD, "the run's provenance", "release a run of train.py")
    weights, recording = POLICIES_DIR / f"{task}.pt", recordings.of_task(task)
    record = weights.with_suffix(".json")
    with files.writing(weights) as fresh, files.writing(recording) as copy:
        with fresh.open("wb") as file:
            torch.save({key: content[key] for key in KEPT if key in content}, file)
        shutil.copyfile(inputs, copy)
        exported = _export(job, recorded)
        provenance.write_json(record, _record(checkpoint, fresh, trained, figures, str(openings.seed_of(job))))
    return [weights, record, recording, exported]


def refresh(job: Job, audit: Path | None) -> list[Path]:
    """Write ``.json`` and ``.onnx`` of a released policy anew: its release seed, today's contract, a new audit.

    Args:
        job: Checked command line with ``--checkpoint released``.
        audit: JSON file that ``scripts/evaluate.py --seed release`` wrote for it; None keeps the figures on record.

    Returns:
        The two files.

    Raises:
        UsageError: If the checkpoint is not the released one, the audit is none of this release, or the actor cannot be
            exported.
    """
    from alice.export import actor, recordings

    weights = POLICIES_DIR / f"{job.task}.pt"
    if job.checkpoint.resolve() != weights.resolve():
        raise UsageError(f"--refresh is for the released policy, not for {job.checkpoint}; give --checkpoint released")
    record = weights.with_suffix(".json")
    content = files.read_json(record, "the release's record", "release the policy first")
    content["release_seed"] = str(openings.seed_of(job))
    if audit:
        content["audit"] = _audit_of(job, audit)
    exported = _export(job, recordings.load(recordings.of_task(job.task), actor.contract_of(job)))
    provenance.write_json(record, content)
    return [record, exported]


def _export(job: Job, recorded: dict[str, Any]) -> Path:
    """Write the ONNX file of a job's actor and return it."""
    from alice.export import actor, onnx_file

    contract = actor.contract_of(job)
    try:
        exported = onnx_file.write(actor.build(job, contract.inputs), contract, POLICIES_DIR, recorded)
    except onnx_file.ExportError as error:
        raise UsageError(str(error)) from error
    exported.contract.unlink()  # it is in the ONNX file
    return exported.onnx


def _audit_of(job: Job, path: Path) -> dict[str, Any]:
    """Return the figures of a release's audit.

    Raises:
        UsageError: If they are of another file or seed, of a work tree without a commit, or not on the page.
    """
    figures = files.read_json(path, "--audit", "make it with scripts/evaluate.py --seed release --json FILE")
    again = f"audit it with --seed {seeds.RELEASE}"
    if figures.get("checkpoint_sha256") != provenance.sha256(job.checkpoint):
        raise UsageError(
            f"{path} is the audit of {figures.get('checkpoint')!r}, not of {job.checkpoint}; audit it first"
        )
    if str(figures.get("seed")) != str(openings.seed_of(job)):
        raise UsageError(f"{path} is an audit on seed {figures.get('seed')}, not on that of this release; {again}")
    if figures.get("dirty") is not False:
        raise UsageError(f"{path} is of a work tree that differs from its commit; commit, then {again}")
    if not openings.has(figures, openings.PAGE):
        raise UsageError(f"{path} has no line in docs/{openings.PAGE.name}; {again} in this checkout, which writes it")
    return figures


def _record(
    checkpoint: Path, weights: Path, trained: dict[str, Any], figures: dict[str, Any], release_seed: str
) -> dict[str, Any]:
    """Return the provenance of a released file."""
    began = datetime.fromisoformat(trained["date"]).timestamp()
    seconds = round(checkpoint.stat().st_mtime - began, 1)
    return {
        "sha256": provenance.sha256(weights),
        "release_seed": release_seed,
        "iteration": checkpoints.number(checkpoint),
        "wall_time_s": None if "resumed" in trained else seconds,  # unknown of a run with pauses
        "training": trained,
        "audit": figures,
    }
