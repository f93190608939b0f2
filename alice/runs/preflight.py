"""What a training needs beside a right command line: looked at before the simulator starts, told in one line."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
from pathlib import Path
from typing import Any

from alice.cli import viewers
from alice.cli.usage import UsageError
from alice.runs import advice, checkpoints, overrides, resume
from alice.runs.launch import Job
from alice.transfer import curriculum

LOGGERS = {"wandb": "wandb", "neptune": "neptune"}
"""Package behind each ``--logger`` that needs one."""
FILMING = {"newton_gl", "newton", "newton_rtx", "kit"}
"""Visualizers that Isaac Lab can film a training through."""
SHARES = "env.events.reset_transfer.params.shares"
"""Field of the start kinds, which the curriculum chooses among."""
_NAME = re.compile(r"[^/\\\0]{1,200}")


def check_flags(args: argparse.Namespace, stock_words: list[str]) -> None:
    """Raise :class:`UsageError` if flags contradict each other or there is no place for the run.

    Args:
        args: Flags of ``scripts/train.py``.
        stock_words: Words for Isaac Lab's entry point, unread.
    """
    if args.resume and args.checkpoint:
        raise UsageError("--resume goes on with a run and --checkpoint starts a new one: give one of them")
    if args.resume and args.run:
        raise UsageError("--run goes on with the run in its folder by itself: give one of --run and --resume")
    if args.more_iterations and not (args.resume or args.run):
        raise UsageError("--more_iterations counts on from a run: give --resume RUN with it, or --max_iterations N")
    places = [word for word in stock_words if word.partition("=")[0] in resume.PLACES]
    if args.run and places:
        raise UsageError(f"--run is the folder itself, {places[0].partition('=')[0]} names one; give one of them")
    if args.more_iterations and args.max_iterations:
        raise UsageError("--more_iterations counts from now and --max_iterations from the start: give one of them")
    args.distributed = "--distributed" in stock_words
    if args.distributed and "RANK" not in os.environ:
        raise UsageError("--distributed needs a launcher that numbers the processes; start it with torchrun")
    if args.distributed and getattr(args, "teacher", None):
        raise UsageError(
            "--teacher begins its stages in processes of its own, one after another; leave --distributed out"
        )
    if args.distributed and not (args.run or args.resume):
        raise UsageError("--distributed needs a folder that all processes know: give --run FOLDER, or --resume RUN")
    if not (args.run or args.resume):
        require_log_root()


def require_log_root() -> None:
    """Raise :class:`UsageError` unless run folders can be made below the working directory."""
    place = checkpoints.LOG_ROOT
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise UsageError(f"{str(place)!r} of the working directory is a file, runs go into a folder of that name")
    if not os.access(place, os.W_OK | os.X_OK):
        shown = "the working directory" if place == Path() else f"the folder {str(place)!r}"
        raise UsageError(f"{shown} cannot be written, runs go to {checkpoints.LOG_ROOT} in it; go to another folder")


def check(job: Job, stock: argparse.Namespace, words: list[str]) -> None:
    """Raise :class:`UsageError` if a training cannot begin as it was asked for.

    Args:
        job: Checked command line.
        stock: Flags of Isaac Lab's entry point.
        words: The ``name=value`` overrides.
    """
    check_stock(stock, job.task, job.agent_cfg)
    check_terms(job.env_cfg, words)
    check_weights(job)


def check_stock(stock: argparse.Namespace, task: str, agent_cfg: Any = None) -> None:
    """Raise :class:`UsageError` if a name is no name of a folder, or a package is missing.

    Args:
        stock: Flags of Isaac Lab's entry point.
        task: Task id, for the message.
        agent_cfg: Agent configuration, whose fields count where a flag is not given.
    """
    for name in ("experiment_name", "run_name", "run_timestamp"):
        flag = getattr(stock, name)
        value = flag if flag is not None else getattr(agent_cfg, name, None)
        if value and (not _NAME.fullmatch(value) or value in (".", "..")):
            where = f"--{name}" if flag is not None else f"agent.{name}"
            raise UsageError(
                f"{where} {value!r} is no name of one folder: at most 200 characters, none of them a slash"
                f" (runs lie in {checkpoints.LOG_ROOT}/<experiment>/<run>)"
            )
    logger = stock.logger or getattr(agent_cfg, "logger", None)
    if logger in LOGGERS and importlib.util.find_spec(LOGGERS[logger]) is None:
        raise UsageError(
            f"--logger {logger} needs the package {LOGGERS[logger]}, which is not installed; install it into this"
            f" environment, or leave the flag out: TensorBoard is there"
        )
    chosen = stock.visualizer or []
    chosen = chosen.split(",") if isinstance(chosen, str) else list(chosen)
    for name in chosen:
        viewers.require(name)
    if stock.video:
        _require_films(set(chosen), task)


def _require_films(visualizers: set[str], task: str) -> None:
    """Raise :class:`UsageError` if Isaac Lab cannot film a training here."""
    play = advice.command("play", "--task", task, "--checkpoint", "latest", "--video")
    instead = f"or film a checkpoint afterwards: {play}"
    if importlib.util.find_spec("moviepy") is None:
        raise UsageError(
            f"--video films a training with the package moviepy, which is not installed; install 'moviepy<2', {instead}"
        )
    if not visualizers & FILMING and importlib.util.find_spec("isaacsim") is None:
        raise UsageError(
            f"--video films a training with Isaac Sim, which is not installed; give --viz newton_gl with it, {instead}"
        )


def check_terms(env_cfg: Any, words: list[str]) -> None:
    """Raise :class:`UsageError` if the curriculum sets what is not there, or what the overrides set.

    Args:
        env_cfg: Environment configuration of a training.
        words: The ``name=value`` overrides.
    """
    if getattr(env_cfg.curriculum, "stage", None) is not None:
        _check_stages(env_cfg, words)
    for path in ("env.events.reset_transfer", "env.actions.joints"):
        _, section, name = path.split(".")
        if getattr(getattr(env_cfg, section, None), name, None) is None:
            raise UsageError(f"the task cannot begin an episode without {path}; leave out what switches it off")


def _check_stages(env_cfg: Any, words: list[str]) -> None:
    remedy = "give env.curriculum=none with it, which trains without stages"
    for name in sorted({name for stage in curriculum.STAGES for name in stage.terms}):
        if getattr(env_cfg.rewards, name, None) is None:
            raise UsageError(f"the stages of the curriculum pay for the reward {name!r}, which is off; {remedy}")
        if any(word.startswith(f"env.rewards.{name}.weight=") for word in words):
            raise UsageError(f"env.rewards.{name}.weight is set anew at each stage of the curriculum; {remedy}")
    for word in words:
        name, _, value = word.partition("=")
        if name.startswith(SHARES) and overrides.parse_value(value) != 0:
            raise UsageError(f"{name} is set anew at each stage of the curriculum, but for kinds at 0; {remedy}")


def check_weights(job: Job) -> None:
    """Raise :class:`UsageError` if the acting network of a checkpoint is not the configured one.

    A critic that does not fit is told by the runner.
    """
    if not job.weights or f"{job.role}_state_dict" not in job.weights:
        return
    if not getattr(job.env_cfg.actions.joints, "coupled_fingers", True):  # seven numbers, which no robot has either
        return
    from alice.export import actor, configured

    try:
        inputs = tuple(configured.input_of(job.env_cfg, group) for group in job.actor_groups)
    except UsageError:  # it takes what no robot has, so its size is not known here
        return
    actor.build(job, inputs)
