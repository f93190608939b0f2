"""What ``scripts/record.py`` does with a checked command line."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

from alice import arms
from alice.cli import terminal
from alice.cli.usage import UsageError
from alice.evaluation.audit import draws, policy
from alice.evaluation.pictures import lerobot_cameras
from alice.recording import actors, dataset, episodes, hands
from alice.runs import launch
from alice.runs.launch import Job

JOB = "put the ball into the dish"
"""The task of every frame, in words."""
SECONDS = {"script": 12.0, "keyboard": 60.0, "gamepad": 60.0}
"""Longest episode of those who are slower than a policy [s]."""
ENVS = 16
"""Environments that are played side by side where nothing is said: two pictures of each are rendered in every step."""
HOPELESS = 64
"""Tries without a success after which none is waited for any longer."""


def record(job: Job, args: argparse.Namespace) -> int:
    """Record until there are enough episodes, go on where the folder has some already, and tell what came of it.

    Args:
        job: Checked command line; its configuration is changed.
        args: Its flags.

    Returns:
        Exit code: 0.

    Raises:
        UsageError: If the folder belongs to another command, or nobody succeeds.
    """
    _prepare(job, args)
    known = _known(job, args)
    before = dataset.begun(args.output, known)  # before the simulator starts; the writer looks again
    if before and sum(row["kept"] for row in before["tries"]) >= args.episodes:
        print(f"{args.output} has {args.episodes} episodes already")
        return 0
    arm = arms.named(job.env_cfg.arm)
    with policy.open_environment(job, args.viz) as env, _actor(job, args, env) as actor:
        rate = round(1.0 / env.unwrapped.step_dt)
        with dataset.opened(args.output, arm, rate, JOB, known) as writer:
            _fill(writer, episodes.record(env, actor, args.seed, writer.next), args)
    told = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in writer.outcomes.items())
    print(f"{args.output}: {writer.count} episodes of {len(writer.tries)} tries ({told})")
    return 0


def _prepare(job: Job, args: argparse.Namespace) -> None:
    """Fit the configuration to who acts, and add the cameras."""
    kinds = draws.kind_count(job.env_cfg)
    count = job.env_cfg.scene.num_envs = 1 if args.by in hands.HELP else kinds * -(-(args.num_envs or ENVS) // kinds)
    if args.num_envs and count != args.num_envs:
        terminal.note(f"{count} environments: {'one person' if count == 1 else f'as many of each of {kinds} balls'}")
    job.env_cfg.episode_length_s = SECONDS.get(args.by, job.env_cfg.episode_length_s)
    lerobot_cameras.add(job.env_cfg, size=_size(args))


def _size(args: argparse.Namespace) -> tuple[int, int]:
    """Return width and height of the pictures [pixels]: those of the camera's own shape, both even for the video."""
    width, height = lerobot_cameras.SIZE
    return args.width, args.width * height // width // 2 * 2


def _known(job: Job, args: argparse.Namespace) -> dict[str, Any]:
    """Return what the record says of where the episodes come from."""
    told = {"by": args.by, "seed": args.seed, "only_success": args.only_success}
    seen = {"cameras": list(lerobot_cameras.NAMES), "size": list(_size(args))}
    return {**launch.describe(job), **told, **seen}


@contextlib.contextmanager
def _actor(job: Job, args: argparse.Namespace, env: Any) -> Iterator[episodes.Actor]:
    """Make who acts; a person's device is open for as long as the context lasts."""
    if args.by == "policy":
        yield actors.Learned(policy.load_policy(env, job), env.unwrapped)
    elif args.by == "script":
        yield actors.Scripted(env.unwrapped)
    else:
        with hands.opened(args.by) as device:
            terminal.note(hands.HELP[args.by])
            yield actors.Person(env.unwrapped, device)


def _fill(writer: dataset.Writer, tries: Any, args: argparse.Namespace) -> None:
    """Write episodes until there are enough."""
    with terminal.bar(total=args.episodes, initial=writer.count, unit="episode") as bar:
        for episode in tries:
            is_success = episode.outcome == "success"
            writer.take(episode, is_success or not args.only_success)
            bar.update(int(is_success or not args.only_success))
            if writer.count >= args.episodes:
                return
            if not writer.count and len(writer.tries) >= HOPELESS:
                raise UsageError(
                    f"--only_success: none of {len(writer.tries)} tries was a success; leave it out to see"
                )
