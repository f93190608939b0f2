"""Measures how fast an environment steps and where the time goes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
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


@dataclass
class Timing:
    """Result of one measurement."""

    num_envs: int
    env_steps_per_s: float
    """Environment steps (20 Hz control steps times environments) per second of wall time."""
    shares: dict[str, float] = field(default_factory=dict)
    """Share of the wall time per part, in [0, 1]."""


def measure(env: ManagerBasedRLEnv, seconds: float) -> Timing:
    """Step an environment with uniform random actions, resets included.

    Random actions keep every joint moving and often push the hand onto the table, so this is the slow side of what
    training meets; resting arms would be put to sleep by PhysX and look four times faster.

    Args:
        env: Environment, freshly made.
        seconds: Wall time to measure for, warm-up not included [s].
    """
    env.reset()
    actions = 2.0 * torch.rand(16, env.num_envs, env.action_manager.total_action_dim, device=env.device) - 1.0
    for step in range(WARM_UP_STEPS):
        env.step(actions[step % 16])
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
