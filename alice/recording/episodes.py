"""Lets somebody act in the simulation and keeps what a LeRobot data set needs of each episode.

A frame is what a robot's loop would have written: joints as the servos report them and pictures, taken before the
command, and the joint targets that the command came to. How try k begins follows from the seed, the number of
environments and k alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from alice import arms
from alice.arms import lerobot
from alice.evaluation.audit import draws
from alice.evaluation.pictures import playback
from alice.evaluation.pictures.lerobot_cameras import Cameras
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper


class DiscardError(Exception):
    """Whoever acts gives the running episodes up."""


class Actor(Protocol):
    """Who acts."""

    def begin(self) -> None:
        """All environments have just been reset."""

    def act(self, obs) -> torch.Tensor:
        """Return actions, (N, 6) in [-1, 1]; raise :class:`DiscardError` to begin anew."""

    def after(self, dones: torch.Tensor) -> None:
        """Some environments, (N,), have begun another episode, which nobody looks at."""


@dataclass(frozen=True)
class Episode:
    """One episode of T frames, V joint values and pictures of H x W pixels."""

    number: int
    """Which of all tries it was, from 0."""
    outcome: str
    """One of :data:`alice.transfer.outcome.OUTCOMES`."""
    states: np.ndarray
    """Reported joint values, (T, V) float32 in LeRobot's units."""
    actions: np.ndarray
    """Joint targets after each command, (T, V) float32 in LeRobot's units."""
    pictures: dict[str, np.ndarray]
    """What each camera saw, (T, H, W, 3) uint8."""


def record(wrapped: RslRlVecEnvWrapper, actor: Actor, seed: int, first: int = 0) -> Iterator[Episode]:
    """Play tries without end and yield each that came to an end, in their order.

    The last control step of an episode is not among its frames: the simulator has begun the next one when it returns.

    Args:
        wrapped: Environment in play mode with the cameras of :mod:`alice.evaluation.pictures.lerobot_cameras`.
        actor: Who acts.
        seed: Seed of the starts.
        first: Number of the first try that is wanted.
    """
    env = wrapped.unwrapped
    order = draws.seats(draws.kinds_of(env))
    size = draws.block_size(draws.kind_count(env.cfg))
    cameras, arm = Cameras(env), arms.of(env)
    blocks, turn = math.ceil(env.num_envs / size), first // env.num_envs
    while True:
        try:
            # A reset too: what a step has made in this mode cannot be written into out of it.
            with torch.inference_mode():
                draws.deal(env, seed, turn * blocks * size, order)
                ends, frames = _round(wrapped, actor, cameras, arm)
        except DiscardError:
            turn += 1
            continue
        for place, index in enumerate(order.tolist()):
            number = turn * env.num_envs + place
            if number >= first:
                yield _episode(number, ends[index], index, frames)
        turn += 1


@dataclass
class _Frame:
    """One control step of all environments."""

    states: np.ndarray
    actions: np.ndarray
    pictures: dict[str, np.ndarray]


def _round(wrapped, actor: Actor, cameras: Cameras, arm: arms.Arm) -> tuple[dict[int, tuple[str, int]], list[_Frame]]:
    """Play one episode in every environment.

    Returns:
        Outcome and number of frames of each environment's episode, and the frames of all.
    """
    env = wrapped.unwrapped
    obs = wrapped.get_observations()
    targets = env.action_manager.get_term("joints")
    actor.begin()
    ends: dict[int, tuple[str, int]] = {}
    frames: list[_Frame] = []
    while len(ends) < env.num_envs:
        states = _values(arm, transfer_state(env).now.measured.joint_pos)
        pictures = cameras.pictures()
        obs, _, dones, _ = wrapped.step(actor.act(obs))
        actor.after(dones)
        ended = [index for index in dones.nonzero().flatten().tolist() if index not in ends]
        for end in playback.ended_episodes(env, ended):
            ends[end.env] = (end.outcome, len(frames))
        frames.append(_Frame(states, _values(arm, targets.targets), pictures))
    return ends, frames


def _values(arm: arms.Arm, joints: torch.Tensor) -> np.ndarray:
    return lerobot.values_of(arm, joints).float().cpu().numpy()


def _episode(number: int, end: tuple[str, int], index: int, frames: list[_Frame]) -> Episode:
    """Cut one environment's episode out of the frames of a round."""
    outcome, length = end
    mine = frames[:length]
    return Episode(
        number,
        outcome,
        np.stack([frame.states[index] for frame in mine]),
        np.stack([frame.actions[index] for frame in mine]),
        {name: np.stack([frame.pictures[name][index] for frame in mine]) for name in mine[0].pictures},
    )
