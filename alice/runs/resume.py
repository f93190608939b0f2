"""Goes on with a run: finds it, and fills in from its record what the command line leaves open."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alice.cli import usage
from alice.cli.usage import UsageError
from alice.runs import checkpoints, launch, records

TAKEN_OVER = ("device", "keep")
"""Flags of ``scripts/train.py`` that a resumed run takes from its record, unless they are given."""
PLACES = ("--experiment_name", "--run_name", "--run_timestamp")
"""Flags that name the run folder. A resumed run has one."""
BEGINNINGS = ("distribution_cfg.init_std", "algorithm.critic_warmup", "init_at_random_ep_len")
"""Ends of overrides that say how a training begins; a checkpoint has gone on from there."""


@dataclass
class Resume:
    """A run to go on with."""

    folder: Path
    checkpoint: Path
    iteration: int
    """Its last finished iteration."""
    record: dict[str, Any]
    """Its provenance."""


def find(name: str, task: str | None) -> Resume:
    """Return the run behind ``--resume``: a run folder, whose newest sound checkpoint counts, or a checkpoint in one.

    Args:
        name: What the user gave; ``latest`` is the newest run of the task, or of all tasks.
        task: What the user gave with ``--task``, None for any.

    Raises:
        UsageError: If there is no such run, or it cannot be gone on with.
    """
    if name == "released":
        raise UsageError(
            "--resume released: it holds weights alone; start a new run from it with --checkpoint released"
        )
    if name.lower() in ("true", "1", "yes") and not Path(name).exists():
        raise UsageError(
            f"--resume {name!r}: here the flag takes the run itself, in the place of RSL-RL's --resume True --load_run"
            " RUN; give --resume latest or --resume logs/rsl_rl/<experiment>/<run>"
        )
    path = checkpoints.latest_run(task and launch.resolve_task(task)) if name == "latest" else Path(name)
    if (stages := (records.chain(path) or {}).get("stages")) and not checkpoints.newest_first(path):
        raise UsageError(
            f"--resume {name!r} holds a chain of --teacher: give the command that began it once more, or go on with one"
            f" of its runs, {' or '.join(stages)}, by --resume {path / stages[-1]}"
        )
    if path.is_dir():
        file, content = checkpoints.newest_sound(path)
    else:
        file = checkpoints.resolve(name, "")
        content = checkpoints.load(file)
    folder = file.resolve().parent
    record = records.read(folder) or {}
    if not {"task", "agent", "max_iterations"} <= record.keys():
        raise UsageError(
            f"--resume {name!r}: {folder.name}/{records.RECORD} is missing or incomplete, so it is no run of"
            " scripts/train.py; give its run folder, or start a new run from the weights with --checkpoint"
        )
    if "iter" not in content or "optimizer_state_dict" not in content:
        raise UsageError(f"--resume {name!r} holds weights alone; start a new run from them with --checkpoint")
    if name == "latest":
        print(f"alice: latest: {records.summary(path, int(content['iter']))}", file=sys.stderr)
    return Resume(folder, file, int(content["iter"]), record)


def apply(resume: Resume, args: argparse.Namespace, words: list[str]) -> list[str]:
    """Fill in what the command line leaves open from the run's provenance.

    Args:
        resume: The run.
        args: Flags of the door; changed in place. ``max_iterations`` counts from iteration 0 before and from the
            checkpoint afterwards.
        words: The ``name=value`` overrides of this command line; they win over those of the run.

    Returns:
        All overrides.

    Raises:
        UsageError: If the run is of another task or complete, or an override comes too late.
    """
    record = resume.record
    if args.task and args.task.split(":")[-1] != record["task"]:
        raise UsageError(
            f"--task {args.task!r}: the run {resume.folder.name} is of {record['task']!r}; leave --task out"
        )
    for word in words:
        if word.partition("=")[0].endswith(BEGINNINGS):
            raise UsageError(
                f"{word}: says how a training begins, the checkpoint has gone on from there; leave it out, or start a"
                " new run"
            )
    args.max_iterations = _iterations_left(resume, args, words)
    args.task, args.agent, args.checkpoint = record["task"], record["agent"], str(resume.checkpoint)
    args.num_envs = args.num_envs or record["num_envs"]
    args.seed = record["seed"] if args.seed is None else args.seed
    for name in TAKEN_OVER:
        if getattr(args, name) is None:
            setattr(args, name, record.get("flags", {}).get(name))
    given = {word.partition("=")[0] for word in [*words, "agent.max_iterations="]}
    kept = [word for word in record["overrides"] if word.partition("=")[0] not in given]
    if args.encoder_weights:  # the file may lie elsewhere than where the run began
        kept = [word for word in kept if not word.partition("=")[0].endswith(".params.weights")]
    return kept + [word for word in words if not word.startswith("agent.max_iterations=")]


def _iterations_left(resume: Resume, args: argparse.Namespace, words: list[str]) -> int:
    """Return the number of iterations to come; raise :class:`UsageError` if there are none."""
    done = resume.iteration + 1
    if args.more_iterations:
        return args.more_iterations
    total = args.max_iterations or resume.record["max_iterations"]
    for word in words:
        if word.startswith("agent.max_iterations=") and not args.max_iterations:
            total = whole(word)
    if done >= total:
        raise UsageError(
            f"run {resume.folder.name} is complete: {done} of {total} iterations; give --more_iterations N or"
            f" --max_iterations over {done}"
        )
    return total - done


def whole(word: str) -> int:
    """Return the number of an override; raise :class:`UsageError` if it is none that can be counted to."""
    try:
        return usage.positive(word.partition("=")[2])
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{word}: {error}") from error


def changes(record: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what is another machine or another program than where a run was last at work, a few words each.

    Args:
        record: Provenance of the run.
        now: That of this command, with its ``device``.
    """
    before = {**record, **(record.get("resumed") or [{}])[-1]}
    found = []
    for name, label in (("device", "device"), ("version", "alice"), ("git_commit", "commit")):
        old, new = before.get(name), now.get(name)
        if old != new:
            found.append(f"{label} {_short(new)}, before {_short(old)}")
    return found


def _short(value: str | None) -> str:
    return "unknown" if value is None else value[:12]


def goes_on(resume: Resume | None, args: argparse.Namespace) -> bool:
    """Whether a training goes on with the random numbers of its checkpoint; not with a seed of its own."""
    return resume is not None and args.seed == resume.record["seed"]


def stock_words(resume: Resume, words: list[str]) -> list[str]:
    """Return the flags for Isaac Lab's entry point: those of the run's record, then the given ones, which win."""
    return [*resume.record.get("flags", {}).get("stock", []), *words]


def lasting(words: list[str]) -> list[str]:
    """Return the flags for Isaac Lab's entry point that a resumed run needs as well.

    Args:
        words: All of them. Those of the run folder are dropped, ``--distributed``, which the launcher gives, and
            ``--verbose``, which is for one look.
    """
    found, skip = [], False
    for word in words:
        if skip or word in ("--distributed", "--verbose"):
            skip = False
        elif word.partition("=")[0] in PLACES:
            skip = "=" not in word
        else:
            found.append(word)
    return found
