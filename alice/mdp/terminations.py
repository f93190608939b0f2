"""Termination terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .transfer import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


def transfer_success(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Whether the ball has rested in the dish, released and the arm clear, for long enough, (N,) bool.

    The predicates and the number of steps are in :mod:`alice.outcome` and :class:`alice.mdp.transfer.TransferState`.
    """
    return transfer_state(env).stages[:, -1].clone()


def is_ball_lost(env: ManagerBasedRLEnv, min_radius: float, max_radius: float, min_height: float) -> torch.Tensor:
    """Whether the ball has left the reach of the arm, (N,) bool.

    Args:
        env: Environment.
        min_radius: Smallest horizontal distance from the base axis [m].
        max_radius: Largest horizontal distance from the base axis [m].
        min_height: Lowest height of the centre over the table [m].
    """
    state = transfer_state(env)
    ball = state.now.ball_pos
    radius = ball[:, :2].norm(dim=-1)
    return (radius < min_radius) | (radius > max_radius) | (ball[:, 2] - state.table_height < min_height)
