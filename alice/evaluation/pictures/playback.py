"""Lets a policy act and tells what came of each episode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from alice.transfer import outcome
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper


@dataclass(frozen=True)
class Ended:
    """One finished episode."""

    env: int
    """Index of its environment."""
    outcome: str
    """One of :data:`alice.transfer.outcome.OUTCOMES`."""
    seconds: float
    """Its length [s]."""


def play(
    env: RslRlVecEnvWrapper, policy: torch.nn.Module, steps: int | None = None, episodes: int | None = None
) -> Iterator[list[Ended]]:
    """Step the environments until enough has been seen.

    Args:
        env: Environments.
        policy: Network from observation groups to actions.
        steps: Control steps to play; None for no limit.
        episodes: Finished episodes to see, of all environments together; None for no limit.

    Yields:
        After each control step the episodes that it ended, usually none. Their environments have begun the next one.
    """
    obs, _ = env.reset()
    step = seen = 0
    while (steps is None or step < steps) and (episodes is None or seen < episodes):
        with torch.inference_mode():
            obs, _, dones, _ = env.step(policy(obs))
            policy.reset(dones)
        ended = ended_episodes(env.unwrapped, dones.nonzero().flatten().tolist())
        step, seen = step + 1, seen + len(ended)
        yield ended


def ended_episodes(env: ManagerBasedRLEnv, env_ids: list[int]) -> list[Ended]:
    """Return what came of the episodes that ended in this control step.

    Args:
        env: Environments.
        env_ids: Those that have just been reset.
    """
    last = transfer_state(env).books.last
    found = []
    for index in env_ids:
        stages = dict(zip(outcome.STAGES, last.stages[index].tolist(), strict=True))
        ends = (bool(flags[index]) for flags in (last.in_dish, last.lost, last.held))
        label = outcome.classify(stages, *ends)
        found.append(Ended(index, label, float(last.length[index]) * env.step_dt))
    return found
