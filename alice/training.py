"""Hands a checked command line to Isaac Lab's RSL-RL entry point and keeps the run's provenance.

The entry point does the work. It names the run folder after ``--run_timestamp``; this module chooses that name, makes
the folder and writes ``params/alice.json`` into it before training starts: it is there however the run ends.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alice import checkpoints, kit, launch, provenance, usage
from alice.launch import Job
from alice.usage import UsageError

RECORD = Path("params") / "alice.json"
"""The provenance of a run, in its folder."""


def stock_flags(words: list[str], parser: usage.DoorParser) -> argparse.Namespace:
    """Parse the flags that only Isaac Lab's entry point knows.

    Args:
        words: What the door's parser left over, without overrides.
        parser: The door's parser, for suggestions.

    Raises:
        UsageError: If a flag is unknown or has a wrong value.
    """
    from isaaclab_rl.entrypoints.backends.cli_args_rsl_rl import add_rsl_rl_args
    from isaaclab_rl.entrypoints.common import add_common_train_args

    stock = usage.DoorParser(add_help=False)
    add_common_train_args(stock, agent_default=None, agent_help="")
    stock.add_argument("--external_callback")
    stock.add_argument("--resume_optimizer_state", action=argparse.BooleanOptionalAction)
    add_rsl_rl_args(stock)
    kit.add_launcher_flags(stock)
    args, unknown = stock.parse_known_args(words)
    usage.refuse_unknown(unknown, parser)
    return args


@dataclass
class Resume:
    """A run to go on with."""

    folder: Path
    checkpoint: Path
    iteration: int
    """Its last finished iteration."""
    record: dict[str, Any]
    """Its provenance."""


def find_resume(name: str, task: str | None) -> Resume:
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
    path = checkpoints.latest_run(task and launch.resolve_task(task)) if name == "latest" else Path(name)
    if path.is_dir():
        file, content = checkpoints.newest_sound(path)
    else:
        file = checkpoints.resolve(name, "")
        content = checkpoints.load(file)
    folder = file.resolve().parent
    if folder.parents[1] != checkpoints.LOG_ROOT.resolve():
        raise UsageError(
            f"--resume {name!r} is not below {checkpoints.LOG_ROOT} of the working directory; go to the folder that"
            " holds the logs first"
        )
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        record["task"], record["agent"], record["max_iterations"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"--resume {name!r}: {folder.name}/{RECORD} is missing or incomplete, so it is no run of scripts/train.py;"
            " give its run folder, or start a new run from the weights with --checkpoint"
        ) from error
    if "iter" not in content or "optimizer_state_dict" not in content:
        raise UsageError(f"--resume {name!r} holds weights alone; start a new run from them with --checkpoint")
    return Resume(folder, file, int(content["iter"]), record)


def apply_resume(resume: Resume, args: argparse.Namespace, words: list[str]) -> list[str]:
    """Fill in what the command line leaves open from the run's provenance.

    Args:
        resume: The run.
        args: Flags of the door; changed in place. ``--max_iterations`` counts from iteration 0.
        words: The ``name=value`` overrides of this command line; they win over those of the run.

    Returns:
        All overrides.

    Raises:
        UsageError: If the run is of another task, or complete.
    """
    record = resume.record
    if args.task and args.task.split(":")[-1] != record["task"]:
        raise UsageError(
            f"--task {args.task!r}: the run {resume.folder.name} is of {record['task']!r}; leave --task out"
        )
    total = args.max_iterations or record["max_iterations"]
    if resume.iteration + 1 >= total:
        done = resume.iteration + 1
        raise UsageError(
            f"run {resume.folder.name} is complete: {done} of {total} iterations; give --max_iterations over {done}"
        )
    args.task, args.agent, args.checkpoint = record["task"], record["agent"], str(resume.checkpoint)
    args.num_envs = args.num_envs or record["num_envs"]
    args.seed = record["seed"] if args.seed is None else args.seed
    args.max_iterations = total - resume.iteration - 1
    given = {word.partition("=")[0] for word in words}
    return [word for word in record["overrides"] if word.partition("=")[0] not in given] + words


def start_kit(job: Job, stock: argparse.Namespace) -> None:
    """Start Isaac Sim's process if the training needs it; see :mod:`alice.kit`.

    Args:
        job: Checked command line.
        stock: Flags of Isaac Lab's entry point.

    Raises:
        UsageError: If it is needed and cannot start here.
    """
    from isaaclab_rl.entrypoints.common import enable_cameras_for_video, pre_launch_video_config

    flags = argparse.Namespace(**{**vars(stock), "device": job.device})
    env_cfg = copy.deepcopy(job.env_cfg)
    enable_cameras_for_video(flags)
    pre_launch_video_config(env_cfg, flags)
    kit.start(env_cfg, vars(flags))


def begin(job: Job, stock: argparse.Namespace, resume: Resume | None = None) -> Path:
    """Make the run folder, a new one unless ``--run_timestamp`` names it, and write the provenance into it.

    Args:
        job: Checked command line.
        stock: Flags of Isaac Lab's entry point.
        resume: The run to go on with. Its folder is used again, its provenance gets a line of this command.

    Returns:
        ``logs/rsl_rl/<experiment>/<timestamp>[_<run name>]``, relative to the working directory.
    """
    if resume:
        for leftover in resume.folder.glob(".model_*.tmp"):  # of a run that was killed while it saved
            leftover.unlink()
        note = {"iteration": resume.iteration + 1, **provenance.collect(job.agent_cfg.seed, job.device)}
        record = {**resume.record, "max_iterations": resume.iteration + 1 + job.agent_cfg.max_iterations}
        record |= {"overrides": job.words, "resumed": [*resume.record.get("resumed", []), note]}
        provenance.write_json(resume.folder / RECORD, record)
        return resume.folder
    experiment = stock.experiment_name or job.agent_cfg.experiment_name
    run_name = stock.run_name or job.agent_cfg.run_name
    suffix = f"_{run_name}" if run_name else ""
    root = checkpoints.LOG_ROOT / experiment
    stamp = stock.run_timestamp or datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    folder = root / f"{stamp}{suffix}"
    count = 1
    while folder.exists() and not stock.run_timestamp:  # two runs begun in the same second
        count += 1
        folder = root / f"{stamp}-{count}{suffix}"
    (folder / RECORD).parent.mkdir(parents=True, exist_ok=True)
    if os.environ.get("RANK", "0") == "0":
        record = {"steps_per_env": job.agent_cfg.num_steps_per_env}
        record |= {"max_iterations": job.first_iteration + job.agent_cfg.max_iterations}
        provenance.write_json(folder / RECORD, {**launch.describe(job), **record})
    return folder


def train(job: Job, stock: argparse.Namespace, words: list[str], folder: Path, keep: int | None = None) -> int:
    """Run Isaac Lab's entry point.

    Args:
        job: Checked command line.
        stock: Flags of the entry point, parsed.
        words: The same flags as words, to be handed on.
        folder: Run folder from :func:`begin`.
        keep: Number of checkpoints that stay on the disk; all for None.

    Returns:
        Exit code: 128 and the signal's number after SIGINT or SIGTERM, as shells have it.

    Raises:
        UsageError: If the disk is too small.
    """
    from isaaclab_rl.entrypoints import run_train_cli

    from alice.learning.runner import cut_runners

    run_name = stock.run_name or job.agent_cfg.run_name
    stamp = folder.name.removesuffix(f"_{run_name}") if run_name else folder.name
    argv = ["--rl_library", "rsl_rl", "--task", job.task, "--agent", job.agent, "--seed", str(job.agent_cfg.seed)]
    argv += ["--num_envs", str(job.env_cfg.scene.num_envs), "--max_iterations", str(job.agent_cfg.max_iterations)]
    argv += ["--checkpoint", str(job.checkpoint)] if job.checkpoint else []
    if not stock.distributed:  # torchrun gives each process its own device
        argv += ["--device", job.device, f"agent.device={job.device}"]
    if job.weights and "optimizer_state_dict" not in job.weights and f"{job.role}_state_dict" in job.weights:
        argv.append("--no-resume_optimizer_state")
    with cut_runners(keep) as stop:
        places = ["--experiment_name", folder.parent.name, "--run_timestamp", stamp]
        code = run_train_cli([*argv, *words, *places, *job.words])
    if stop.refusal:
        raise UsageError(stop.refusal)
    return 128 + stop.signal if stop.signal else code


def closing_line(job: Job, folder: Path) -> str:
    """Return the line that ends a training: where the newest checkpoint lies and how to audit it."""
    newest = checkpoints.newest_in(folder)
    if newest is None:
        return f"no checkpoint was written to {os.path.relpath(folder)}"
    words = " ".join(audit_words(job.words))
    return (
        f"checkpoint: {os.path.relpath(newest)}  audit it: ./isaaclab.sh -p scripts/evaluate.py --task {job.task}"
        f" --checkpoint {os.path.relpath(newest)} --episodes 1024 {words}".rstrip()
    )


def audit_words(words: list[str]) -> list[str]:
    """Return the overrides of a training that an audit of its policy needs as well."""
    kept = ("physics=", "presets=", "env.actions", "env.observations", "agent.actor", "agent.obs_groups")
    kept += ("env.decimation", "env.sim.dt", "env.scene.wrist_camera", "agent.clip_actions")
    # An audit plays the actor of the task's default agent, also where it was trained as a student.
    renamed = [word.replace("agent.student.", "agent.actor.", 1) for word in words]
    return [word for word in renamed if word.startswith(kept)]
