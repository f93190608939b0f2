"""The part of a training that lives outside of the networks: generators, counters, curriculum, success statistics."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alice.transfer.state import stored_state, transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


def collect(env: ManagerBasedRLEnv) -> dict[str, Any]:
    """Return the training state of an environment as tensors, numbers and texts.

    ``torch.load(..., weights_only=True)`` opens it.

    Args:
        env: Environment.
    """
    return {
        "common_step_counter": env.common_step_counter,
        "sim_step_counter": env._sim_step_counter,
        "random": _generators(),
        "transfer": transfer_state(env).state_dict(),
        "curriculum": {name: term.state_dict() for name, term in _stateful_terms(env).items()},
    }


def restore(env: ManagerBasedRLEnv, state: dict[str, Any], generators: bool = True) -> None:
    """Put :func:`collect`'s result back. The episodes under way are not part of it: reset the environment afterwards.

    What is drawn at most once in a number of steps (masses, gains) is drawn anew at that reset, too: the simulator's
    values, and when each of them was drawn, are not part of it either.

    Args:
        env: Environment of the same configuration.
        state: What :func:`collect` returned.
        generators: Whether the random number generators are put back too.
    """
    env.common_step_counter = state["common_step_counter"]
    env._sim_step_counter = state["sim_step_counter"]
    stored_state(env).load_state_dict(state["transfer"])
    terms = _stateful_terms(env)
    for name in terms.keys() & state["curriculum"].keys():
        terms[name].load_state_dict(state["curriculum"][name])
    env.episode_length_buf[:] = 0
    forget_draws(env)
    if generators:
        _set_generators(state["random"])


def forget_draws(env: ManagerBasedRLEnv) -> None:
    """Let the next reset of each environment draw what a cooldown (``min_step_count_between_reset``) would keep.

    Isaac Lab 3.0.0 keeps the step of the last draw for each term and environment and has no call that forgets it.
    """
    manager = env.event_manager
    for step, is_drawn in zip(
        manager._reset_term_last_triggered_step_id, manager._reset_term_last_triggered_once, strict=True
    ):
        step[:] = 0
        is_drawn[:] = False


def spread_episode_lengths(env: ManagerBasedRLEnv) -> None:
    """Let the episodes that have just begun end at different times.

    RSL-RL does so at the start of a training, so that not all environments reset at once. An episode cut short says
    nothing about the policy and is left out of the stage rates.
    """
    lengths = torch.randint_like(env.episode_length_buf, high=int(env.max_episode_length))
    env.episode_length_buf[:] = lengths
    transfer_state(env).books.leave_out_running_episodes()


def end_after(env: ManagerBasedRLEnv, rows: slice, steps: int) -> None:
    """Let the episodes of some environments run out of time in the control step after so many.

    An episode cut short says nothing about the policy and is left out of the stage rates.

    Args:
        env: Environment.
        rows: Which of its environments.
        steps: Control steps.
    """
    transfer_state(env).books.is_home_start[rows] = False
    length = env.episode_length_buf[rows]
    env.episode_length_buf[rows] = torch.where(length >= steps, int(env.max_episode_length), length)


def staged_terms(env: ManagerBasedRLEnv) -> list[Any]:
    """Return the curriculum terms that judge finished episodes: they have ``finished``, ``judge`` and ``is_driven``."""
    return [term for term in _stateful_terms(env).values() if hasattr(term, "judge")]


def begin_at_last_stage(env: ManagerBasedRLEnv) -> None:
    """Put the curriculum, unless it stays at another stage, to its last one, where it has judged nothing yet."""
    for term in staged_terms(env):
        term.load_state_dict({"stage": term.curriculum.stages[-1].name, "window": [], "judged": 0})


def _stateful_terms(env: ManagerBasedRLEnv) -> dict[str, Any]:
    """Return the curriculum terms that have a state, by name."""
    manager = env.curriculum_manager
    terms = {name: cfg.func for name, cfg in zip(manager.active_terms, manager._term_cfgs, strict=True)}
    return {name: term for name, term in terms.items() if hasattr(term, "state_dict")}


def _generators() -> dict[str, Any]:
    """Return the states of the generators of Python, NumPy and PyTorch."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    state = {
        "python": [version, list(words), gauss],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _set_generators(state: dict[str, Any]) -> None:
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([item.cpu() for item in state["cuda"]])
