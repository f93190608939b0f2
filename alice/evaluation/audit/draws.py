"""Deals out the starts of an audit: what is drawn for episode k follows from the audit's seed and k alone.

Isaac Lab's terms draw from the global generators, for all environments of a reset at once and in an order that depends
on which these are. So the episodes come in blocks of fixed size, each is reset by itself, and the generators are seeded
for every block: a block draws the same whoever was reset before it and in which environments it is played. One
environment at a time would do the same at eight times the cost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from alice.runs import seeds

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

LEAST_BLOCK = 16
"""Fewest episodes of a block."""
STARTS, PICTURES, EVENTS, COURSE = range(4)
"""Purposes of :func:`alice.runs.seeds.sow`: state and world of a block, errors of its cameras, when its events are due,
and what happens to a round afterwards (noise)."""


def kind_count(env_cfg: Any) -> int:
    """Return how many kinds of ball a configuration has; each environment keeps its kind for the whole run."""
    return len(getattr(env_cfg.scene.ball.spawn, "assets_cfg", (None,)))


def block_size(kinds: int) -> int:
    """Return the number of episodes that are drawn at once: the same number of every kind of ball."""
    return kinds * -(-LEAST_BLOCK // kinds)


def seats(kind_of_env: torch.Tensor) -> torch.Tensor:
    """Return the environment of each episode of a round, (N,) long: the kinds take turns.

    Args:
        kind_of_env: Kind of ball of each environment, (N,) long.

    Raises:
        ValueError: If there are not equally many environments of every kind.
    """
    order = kind_of_env.argsort(stable=True)
    counts = kind_of_env.bincount()
    if (counts != counts[0]).any():
        raise ValueError(f"the environments have {counts.tolist()} balls of each kind; an audit needs equally many")
    return order.view(len(counts), -1).T.flatten()


def deal(env: ManagerBasedRLEnv, seed: int, first: int, order: torch.Tensor) -> dict[str, torch.Tensor]:
    """Begin an episode in every environment and return the observations.

    Args:
        env: Environment in play mode.
        seed: Seed of the audit.
        first: Number of the first episode of the round, a whole number of blocks.
        order: Environment of each episode of the round, (N,) long, from :func:`seats`.
    """
    size = block_size(kind_count(env.cfg))
    env.reset()
    with _always_redrawn(env):
        for offset in range(0, len(order), size):
            seeds.sow(seed, STARTS, (first + offset) // size)
            block = order[offset : offset + size]
            if "startup" in env.event_manager.available_modes:
                env.event_manager.apply("startup", env_ids=block.int())
            env._reset_idx(block.int())
            # Whatever draws in the midst of a reset for all environments (a reading's noise) must not shift these.
            for purpose, manager in ((PICTURES, env.observation_manager), (EVENTS, env.event_manager)):
                seeds.sow(seed, purpose, (first + offset) // size)
                manager.reset(block.int())
    seeds.sow(seed, COURSE, first // size)
    env.scene.write_data_to_sim()
    env.sim.forward()
    env.obs_buf = env.observation_manager.compute(update_history=True)
    return env.obs_buf


def kinds_of(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Return the kind of ball of each environment, (N,) long."""
    if kind_count(env.cfg) == 1:
        return torch.zeros(env.num_envs, dtype=torch.long, device=env.device)
    # The ball is the only asset of several kinds, so a kind of environment is a kind of ball.
    layout = env.sim.get_clone_plan().topology.world_prototype_layout
    return torch.as_tensor(layout, dtype=torch.long, device=env.device)


@contextlib.contextmanager
def _always_redrawn(env: ManagerBasedRLEnv) -> Iterator[None]:
    """Let every reset draw, also where a term was told to leave an environment alone for some control steps."""
    names = env.event_manager.active_terms.get("reset", ())
    terms = [env.event_manager.get_term_cfg(name) for name in names]
    before = [term.min_step_count_between_reset for term in terms]
    for term in terms:
        term.min_step_count_between_reset = 0
    try:
        yield
    finally:
        for term, count in zip(terms, before, strict=True):
            term.min_step_count_between_reset = count


def counts(env: ManagerBasedRLEnv, episodes: int) -> dict[str, Any]:
    """Return how many different draws are behind the episodes of an audit, ready for JSON.

    Args:
        env: Environment of the audit.
        episodes: Number of counted episodes.

    Returns:
        ``starts`` and what else is drawn for every episode, ``ball_kinds``, which take turns, and for each friction the
        number of values that an episode's is drawn from; None where it is continuous.
    """
    kinds = kind_count(env.cfg)
    drawn = {name: env.event_manager.get_term_cfg(name) for name in env.event_manager.active_terms.get("startup", ())}
    continuous = "Newton" in type(env.cfg.sim.physics).__name__
    drawn = {name: term.params["num_buckets"] for name, term in drawn.items() if "num_buckets" in term.params}
    values = dict.fromkeys(drawn) if continuous else drawn
    return {"starts": episodes, "ball_kinds": min(kinds, episodes), "friction_values": values}
