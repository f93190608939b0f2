"""Compares an export with the run of its checkpoint: what a policy sees and commands is no free choice."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from alice import contract
from alice.assets import POLICIES_DIR
from alice.cli.usage import UsageError
from alice.export import configured
from alice.runs import overrides, ranges, training
from alice.runs.launch import Job


def compare(job: Job) -> None:
    """Raise :class:`UsageError` if a job's policy was trained to see or command something else.

    Where the checkpoint has no record, a line on standard error says that nothing was compared.

    Args:
        job: Checked command line of an export.

    Raises:
        UsageError: With every difference, or if the record cannot be understood.
    """
    record = _record(job)
    if record is None:
        print(
            f"alice: note: {job.checkpoint.name} has no {training.RECORD} of its run: nobody can say whether it was"
            " trained with these overrides",
            file=sys.stderr,
        )
        return
    what = f"--checkpoint {job.checkpoint.name}"
    try:
        task, agent, words = record["task"], record["agent"], list(map(str, record["overrides"]))
    except (TypeError, KeyError) as error:
        raise UsageError(f"{what}: the record of its run lacks {error}; give a checkpoint in its run folder") from error
    if task != job.task:
        raise UsageError(f"{what} was trained for {task}, not for {job.task}; give --task {task}")
    # What is played has no curriculum, so a phase that was trained at (--phase) has no place in it.
    played = [word for word in words if not word.startswith("env.curriculum")]
    try:
        env_cfg, agent_cfg = overrides.resolve_config(task, agent, played, play_mode=True)
        before = side(env_cfg, agent_cfg)
    except UsageError as error:
        raise UsageError(f"{what} was trained with what cannot be exported: {error}") from error
    found = list(_differences(before, side(job.env_cfg, job.agent_cfg)))
    if found:
        said = " ".join(training.audit_words(words)) or "none"
        raise UsageError(
            f"{what} was trained otherwise: {'; '.join(found)}; give the overrides of its training, and no others"
            f" (of those that count it had {said})"
        )


def environment(job: Job) -> Any:
    """Return the environment configuration that a job's policy was trained in, which is not that of an audit.

    Where the checkpoint has no record, it is the job's own.

    Args:
        job: Checked command line of an export that :func:`compare` has found nothing against.
    """
    record = _record(job)
    if record is None:
        return job.env_cfg
    return overrides.resolve_config(job.task, record["agent"], list(map(str, record["overrides"])))[0]


def met(job: Job) -> dict[str, ranges.Span]:
    """Return what a job's policy has met in training, by the names of the quantities.

    The run's record has it. In one that was written before, it is what its words say today: a row that the table of
    randomization has got since then would be claimed by mistake.

    Args:
        job: Checked command line of an export that :func:`compare` has found nothing against.
    """
    record = _record(job)
    if record is None or "trained_for" not in record:
        world = environment(job)
        return ranges.trained_for(world, configured.arm_of(world), job.actor_groups)
    try:
        return {name: (float(low), float(high)) for name, (low, high) in record["trained_for"].items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise UsageError(
            f"--checkpoint {job.checkpoint.name}: the record of its run says of 'trained_for' what is no range"
            f" ({error})"
        ) from error


def side(env_cfg: Any, agent_cfg: Any) -> dict[str, Any]:
    """Return all that decides what a policy sees and commands, as mappings, lists and numbers."""
    role = "student" if hasattr(agent_cfg, "student") else "actor"
    return {
        "action": asdict(configured.action(env_cfg)),
        "arm": asdict(configured.arm(env_cfg)),
        "inputs": {group: asdict(configured.input_of(env_cfg, group)) for group in agent_cfg.obs_groups[role]},
        "order of inputs": list(agent_cfg.obs_groups[role]),
        "agent.clip_actions": agent_cfg.clip_actions,
    }


def _record(job: Job) -> dict[str, Any] | None:
    """Return what is written of the training of a job's checkpoint; None if nothing is."""
    is_released = job.checkpoint.resolve().parent == POLICIES_DIR.resolve()
    path = job.checkpoint.with_suffix(".json") if is_released else job.checkpoint.parent / training.RECORD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["training"] if is_released else content
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"--checkpoint {job.checkpoint.name}: the record of its run, {path.name}, cannot be read"
            f" ({' '.join(str(error).split())[:100]}); nothing says what it was trained to see"
        ) from error


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield one sentence for every number or text in which two nested structures differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before | now:
            yield from _differences(before.get(key), now.get(key), f"{path}.{key}".removeprefix("."))
    elif isinstance(before, (list, tuple)) and isinstance(now, (list, tuple)) and len(before) == len(now):
        for index, (one, other) in enumerate(zip(before, now, strict=True)):
            name = one.get("name", index) if isinstance(one, dict) else index
            yield from _differences(one, other, f"{path}.{name}")
    elif not contract.same(before, now):
        yield f"{path} was {_short(before)} and is now {_short(now)}"


def _short(value: Any) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
