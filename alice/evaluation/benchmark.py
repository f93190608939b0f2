"""Measures how fast an environment steps and where the time goes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BrokenBarrierError
from typing import TYPE_CHECKING

import torch

from alice.evaluation.audit import policy
from alice.runs import launch
from alice.system import affinity

if TYPE_CHECKING:
    import argparse

    from isaaclab.envs import ManagerBasedRLEnv

PARTS: tuple[tuple[str, str, str], ...] = (
    ("actions", "action_manager", "process_action"),
    ("targets", "action_manager", "apply_action"),
    ("write", "scene", "write_data_to_sim"),
    ("physics", "sim", "step"),
    ("read", "scene", "update"),
    ("terminations", "termination_manager", "compute"),
    ("rewards", "reward_manager", "compute"),
    ("resets", "", "_reset_idx"),
    ("observations", "observation_manager", "compute"),
)
"""Name, owner and method of each timed part of a control step; the rest of the step is ``other``."""

WARM_UP_STEPS = 10
"""Control steps before the clock starts."""

START_TIMEOUT_S = 600.0
"""For how long a process waits for the others to be ready [s]."""


@dataclass
class Timing:
    """Result of one measurement."""

    num_envs: int
    """Environments of one process."""
    env_steps_per_s: float
    """Environment steps (20 Hz control steps times environments) per second of wall time, of all processes."""
    shares: dict[str, float] = field(default_factory=dict)
    """Share of the wall time per part, in [0, 1]."""


def measure(env: ManagerBasedRLEnv, seconds: float, ready: Callable[[], object] = lambda: None) -> Timing:
    """Step an environment with uniform random actions, resets included.

    Random actions keep every joint moving and often push the hand onto the table, so this is the slow side of what
    training meets; resting arms would be put to sleep by PhysX and look four times faster.

    Args:
        env: Environment, freshly made.
        seconds: Wall time to measure for, warm-up not included [s].
        ready: Called after the warm-up, before the clock starts.
    """
    env.reset()
    actions = 2.0 * torch.rand(16, env.num_envs, env.action_manager.total_action_dim, device=env.device) - 1.0
    for step in range(WARM_UP_STEPS):
        env.step(actions[step % 16])
    ready()
    with _stopwatches(env) as spent:
        _synchronize(env.device)
        began = time.perf_counter()
        steps = 0
        while (elapsed := time.perf_counter() - began) < seconds:
            env.step(actions[steps % 16])
            steps += 1
        _synchronize(env.device)
        elapsed = time.perf_counter() - began
    shares = {name: value / elapsed for name, value in spent.items()}
    shares["other"] = 1.0 - sum(shares.values())
    return Timing(env.num_envs, steps * env.num_envs / elapsed, shares)


def measure_together(
    args: argparse.Namespace, words: list[str], num_envs: int, seconds: float, processes: int
) -> Timing:
    """Measure processes that know nothing of each other, as ``ablate.py --cores`` trains them, in the same seconds.

    Args:
        args: Checked flags of :func:`alice.runs.launch.add_flags`.
        words: The checked ``name=value`` overrides.
        num_envs: Environments of each process.
        seconds: Wall time to measure for [s].
        processes: How many; each is pinned to its share of the cores where the system can do that.

    Returns:
        The sum of their steps, and the mean of their shares of the time.
    """
    cores = affinity.cores()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with ProcessPoolExecutor(processes, context, initializer=_join, initargs=(barrier,)) as pool:
        futures = [
            pool.submit(_measure_alone, args, words, num_envs, seconds, cores[index::processes])
            for index in range(processes)
        ]
        errors = [error for future in futures if (error := future.exception())]
    if errors:  # the others only say that they waited in vain
        raise min(errors, key=lambda error: isinstance(error, BrokenBarrierError))
    timings = [future.result() for future in futures]
    shares = {name: sum(timing.shares[name] for timing in timings) / processes for name in timings[0].shares}
    return Timing(num_envs, sum(timing.env_steps_per_s for timing in timings), shares)


def _join(barrier) -> None:
    """Let a process of :func:`measure_together` know where all of them wait for each other."""
    global _barrier
    _barrier = barrier


def _measure_alone(args, words: list[str], num_envs: int, seconds: float, cores: list[int]) -> Timing:
    try:
        affinity.pin(cores)  # before the simulator counts them
        job = launch.prepare(args, words, play_mode=False)
        job.env_cfg.scene.num_envs = num_envs
        with policy.open_environment(job) as env:
            return measure(env.unwrapped, seconds, lambda: _barrier.wait(START_TIMEOUT_S))
    except BaseException:
        _barrier.abort()
        raise


@contextmanager
def _stopwatches(env: ManagerBasedRLEnv):
    """Time the parts of a control step while the context is open.

    On CUDA each part includes only what it makes the host wait for.
    """
    spent = dict.fromkeys((name for name, _, _ in PARTS), 0.0)
    owners = []
    for name, owner_name, method_name in PARTS:
        owner = getattr(env, owner_name) if owner_name else env
        stock = getattr(owner, method_name)

        def timed(*args, _stock=stock, _name=name, **kwargs):
            began = time.perf_counter()
            try:
                return _stock(*args, **kwargs)
            finally:
                spent[_name] += time.perf_counter() - began

        setattr(owner, method_name, timed)
        owners.append((owner, method_name))
    try:
        yield spent
    finally:
        for owner, method_name in owners:
            delattr(owner, method_name)


def _synchronize(device: str) -> None:
    if "cuda" in str(device):
        torch.cuda.synchronize()
