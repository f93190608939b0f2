"""Hands a checked command line to Isaac Lab's RSL-RL entry point and keeps the run's provenance.

The entry point does the work. It names the run folder after ``--run_timestamp``; this module chooses that name, makes
the folder and writes ``params/alice.json`` into it before training starts: it is there however the run ends.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from alice import arms
from alice.cli import files, usage
from alice.cli.usage import UsageError
from alice.runs import advice, checkpoints, folders, launch, lock, provenance, ranges, records, resume
from alice.runs.launch import Job
from alice.runs.records import RECORD
from alice.runs.resume import Resume
from alice.system import kit, ranks
from alice.transfer import curriculum


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``scripts/train.py`` to those that all doors share."""
    add_length_flags(parser)
    run = checkpoints.Policy(names=("latest", "released", "True"), metavar="RUN")  # resume.find tells of the last two
    parser.add_argument(
        "--resume", type=run, nargs="?", const="True", help="go on with a run: its folder, a checkpoint, or latest"
    )
    parser.add_argument(
        "--run",
        type=files.Target(folder=True),
        help="folder of the run, anywhere: begins it there, or goes on with it; ends with 0 when it is finished",
    )
    parser.add_argument("--phase", choices=curriculum.PHASES, help="stage to train at; auto: promoted by success")
    parser.add_argument(
        "--teacher", type=checkpoints.Policy(), help="distil this state policy ('released' is one), then go on with PPO"
    )


def add_length_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how long to train and what to keep, which ``resume_phase.py`` takes too."""
    parser.add_argument(
        "--max_iterations",
        type=usage.positive,
        help="policy updates; with --resume or --run, of the whole run, with --teacher, of each stage",
    )
    parser.add_argument("--more_iterations", type=usage.positive, help="policy updates on top of a resumed run's")
    parser.add_argument("--keep", type=usage.positive, help="number of checkpoints to keep on the disk; default: all")


BEGINNING_RATE = 2.0e-5
"""First learning rate of an adaptive PPO that begins at a policy, which has little noise left: a few steps of 1e-3 undo
it. It grows by half in each mini-batch that changes little."""


def beginning(job: Job, words: list[str], is_new: bool) -> dict[str, Any]:
    """Return the learning rate that wins over those of checkpoint and configuration, and whether the last stage begins.

    A rate that is asked for wins in any case. A new run that begins at nothing but a policy's weights, as a released
    one has them, begins with small steps and at the last stage, unless another one is asked for. A checkpoint of a
    training has a stage and a rate of its own.

    Args:
        job: Checked command line.
        words: Overrides.
        is_new: Whether a run begins; if not, one goes on.

    Returns:
        ``learning_rate``, None for theirs, and ``begins_last``.
    """
    paths = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    asked = paths.get("agent.algorithm.learning_rate")
    weights = job.weights or {}
    acts = f"{job.role}_state_dict" in weights or "student_state_dict" in weights  # and is no teacher
    is_policy = is_new and acts and "optimizer_state_dict" not in weights
    is_adaptive = getattr(job.agent_cfg.algorithm, "schedule", None) == "adaptive"
    rate = BEGINNING_RATE if is_policy and is_adaptive else None
    return {
        "learning_rate": float(asked) if asked else rate,
        "begins_last": is_policy and curriculum.PHASE_PATH not in paths,
    }


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


def start_kit(job: Job, stock: argparse.Namespace) -> None:
    """Start Isaac Sim's process if the training needs it; see :mod:`alice.system.kit`.

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


def begin(job: Job, stock: argparse.Namespace, held: lock.Lock, kept: dict, place: Path | None = None) -> Path:
    """Make the folder of a new run, hold it and write the provenance into it.

    Args:
        job: Checked command line.
        stock: Flags of Isaac Lab's entry point; ``--run_timestamp`` names the folder.
        held: Holds the folder from then on.
        kept: More for the record: ``flags`` that a resumed run takes from it (``keep``, ``device``, ``stock`` words),
            and the ``words`` that this run was begun with.
        place: The folder, in the place of one with Isaac Lab's name.

    Returns:
        The folder; Isaac Lab's is ``logs/rsl_rl/<experiment>/<timestamp>[_<run name>]`` of the working directory.

    Raises:
        UsageError: If the folder cannot be made or written, or holds a run already.
    """
    with _writing(place or checkpoints.LOG_ROOT):
        folder = place or _new_folder(job, stock)
        if place and ranks.rank() == 0:
            folders.make(place, held)
        (folder / RECORD).parent.mkdir(parents=True, exist_ok=True)
        held.take(folder)
        if ranks.rank() == 0:
            first, count = job.first_iteration, job.agent_cfg.max_iterations
            counts = {"first_iteration": first, "max_iterations": first + count}
            record = {**launch.describe(job), "steps_per_env": job.agent_cfg.num_steps_per_env, **kept, **counts}
            record["trained_for"] = _met(job)
            provenance.write_json(folder / RECORD, record)
    return folder


def go_on(job: Job, run: Resume, kept: dict) -> Path:
    """Add a line of this command to the provenance of a run and return its folder.

    Args:
        job: Checked command line.
        run: The run, whose folder is held.
        kept: What replaces entries of the record: ``flags``, and ``more_iterations`` if they were asked for.

    Raises:
        UsageError: If the folder cannot be written.
    """
    if ranks.rank():
        return run.folder
    now = {"device": job.device, **provenance.collect(job.agent_cfg.seed, job.device)}
    if found := resume.changes(run.record, now):
        print(f"alice: note: {os.path.relpath(run.folder)} goes on with {'; '.join(found)}", file=sys.stderr)
    planned = run.iteration + 1 + job.agent_cfg.max_iterations
    if planned == run.record["max_iterations"]:
        kept = {**kept, "more_iterations": run.record.get("more_iterations")}
    record = {**run.record, "steps_per_env": job.agent_cfg.num_steps_per_env, "max_iterations": planned, **kept}
    record |= {"overrides": job.words, "num_envs": job.env_cfg.scene.num_envs, "seed": job.agent_cfg.seed}
    if "trained_for" in record:
        record["trained_for"] = ranges.joined(record["trained_for"], _met(job))
    record["resumed"] = [*run.record.get("resumed", []), {"iteration": run.iteration + 1, **now}]
    with _writing(run.folder):
        for leftover in run.folder.glob(".model_*.tmp"):  # of a run that was killed while it saved
            leftover.unlink()
        provenance.write_json(run.folder / RECORD, record)
    return run.folder


def _met(job: Job) -> dict[str, ranges.Span]:
    """Return what the policy of a training meets; it is kept, because the table of randomization goes on."""
    return ranges.trained_for(job.env_cfg, arms.named(job.env_cfg.arm), job.actor_groups)


@contextlib.contextmanager
def _writing(place: Path) -> Iterator[None]:
    """Tell in one line that a run folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"the run cannot be written to {os.path.relpath(place)!r} ({error.strerror}); choose a folder that can be"
            " written, or free some space"
        ) from error


def _new_folder(job: Job, stock: argparse.Namespace) -> Path:
    """Make the folder of a new run and return its path, relative to the working directory."""
    experiment = stock.experiment_name or job.agent_cfg.experiment_name
    run_name = stock.run_name or job.agent_cfg.run_name
    suffix = f"_{run_name}" if run_name else ""
    root = checkpoints.LOG_ROOT / experiment
    stamp = stock.run_timestamp or datetime.now().strftime(records.STAMP)
    folder = root / f"{stamp}{suffix}"
    count = 1
    while folder.exists() and not stock.run_timestamp:  # two runs begun in the same second
        count += 1
        folder = root / f"{stamp}-{count}{suffix}"
    if ranks.rank() == 0 and (folder / RECORD).exists():
        raise UsageError(f"--run_timestamp {stamp!r}: {folder} holds a run already; go on with it by --resume {folder}")
    return folder


def train(job: Job, stock: argparse.Namespace, words: list[str], folder: Path, held: lock.Lock, **settings: Any) -> int:
    """Run Isaac Lab's entry point.

    Args:
        job: Checked command line.
        stock: Flags of the entry point, parsed.
        words: The same flags as words, to be handed on.
        folder: Run folder from :func:`begin` or :func:`go_on`.
        held: Holds it.
        settings: For :func:`alice.learning.runner.cut_runners`: ``keep``, ``goes_on``, ``learning_rate``,
            ``begins_last``.

    Returns:
        Exit code: 128 and the signal's number after a signal that saves, as shells have it.

    Raises:
        UsageError: If the disk is too small or full, or the weights are of other networks.
    """
    from isaaclab_rl.entrypoints import run_train_cli

    from alice.learning.runner import cut_runners

    argv = ["--rl_library", "rsl_rl", "--task", job.task, "--agent", job.agent, "--seed", str(job.agent_cfg.seed)]
    argv += ["--num_envs", str(job.env_cfg.scene.num_envs), "--max_iterations", str(job.agent_cfg.max_iterations)]
    argv += ["--checkpoint", str(job.checkpoint)] if job.checkpoint else []
    if not stock.distributed:  # torchrun gives each process its own device
        argv += ["--device", job.device, f"agent.device={job.device}"]
    if job.weights and "optimizer_state_dict" not in job.weights and f"{job.role}_state_dict" in job.weights:
        argv.append("--no-resume_optimizer_state")
    with cut_runners(**settings) as stop:
        try:
            code = run_train_cli([*argv, *words, *_places(job, stock, folder), *job.words])
        finally:
            if not stop.has_begun and checkpoints.newest_in(folder) is None and ranks.rank() == 0:
                folders.remove(folder, held)
    if stop.refusal:
        raise UsageError(stop.refusal)
    return 128 + stop.signal if stop.signal else code


def _places(job: Job, stock: argparse.Namespace, folder: Path) -> list[str]:
    """Return the flags that make Isaac Lab's entry point write to a folder.

    It joins its own root and the time stamp, and of two paths that are joined an absolute second one is the result.
    """
    stamp = str(folder.resolve())
    experiment = folder.parent.name if _is_isaac_labs(folder) else stock.experiment_name
    found = ["--experiment_name", experiment] if experiment else []
    run_name = stock.run_name or job.agent_cfg.run_name
    if run_name and stamp.endswith(f"_{run_name}"):  # which is put behind the stamp
        return [*found, "--run_timestamp", stamp.removesuffix(f"_{run_name}")]
    return [*found, "--run_name", "", "--run_timestamp", stamp]


def _is_isaac_labs(folder: Path) -> bool:
    return folder.resolve().parent.parent == checkpoints.LOG_ROOT.resolve()


def is_short(job: Job, folder: Path) -> bool:
    """Whether iterations are left to do, as after a window that was closed."""
    if ranks.rank():  # rank 0 may still be saving
        return False
    newest = checkpoints.newest_in(folder) if folder.is_dir() else None
    return newest is None or checkpoints.number(newest) + 1 < job.first_iteration + job.agent_cfg.max_iterations


def closing_lines(job: Job, folder: Path, is_interrupted: bool = False) -> str:
    """Return the lines that end a training: its newest checkpoint and what to do with it.

    Args:
        job: Checked command line.
        folder: Run folder.
        is_interrupted: Whether iterations are left to do.
    """
    newest = checkpoints.newest_in(folder) if folder.is_dir() else None
    if newest is None:
        return f"no checkpoint was written to {os.path.relpath(folder)}"
    flags = ["--as_trained"] if records.world_words({"overrides": job.words}) else []
    lines = [
        f"checkpoint: {os.path.relpath(newest)}",
        f"audit it: {advice.audit(job.task, newest, flags)}",
        f"film it: {advice.film(job.task, newest, flags)}",
    ]
    return "\n".join([*lines, f"go on: {advice.resume(folder)}"] if is_interrupted else lines)


def audit_words(words: list[str]) -> list[str]:
    """Return the overrides of a training that an audit of its policy needs as well."""
    kept = ("physics=", "presets=", "env.actions", "env.observations", "agent.actor", "agent.obs_groups")
    kept += ("env.decimation", "env.sim.dt", "env.scene.wrist_camera", "agent.clip_actions")
    # An audit plays the actor of the task's default agent, also where it was trained as a student.
    renamed = [word.replace("agent.student.", "agent.actor.", 1) for word in words]
    return [word for word in renamed if word.startswith(kept)]
