"""Termination terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from isaaclab.managers import ManagerTermBase

from alice.transfer.state import stored_state, transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab.managers import TerminationTermCfg


class UpdateTransfer(ManagerTermBase):
    """Ends no episode: the one place that brings the state of the transfer up to date.

    Terminations are the first that Isaac Lab computes after the physics of a control step, so this term comes first of
    them; and they are the last of the managers to be reset, when events, actions and servos have begun anew.
    """

    def __init__(self, cfg: TerminationTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self._none = torch.zeros(env.num_envs, dtype=torch.bool, device=env.device)

    def __call__(self, env: ManagerBasedRLEnv) -> torch.Tensor:
        """Take in the control step that has just passed and return that nothing ends, (N,) bool."""
        stored_state(env).advance()
        return self._none

    def reset(self, env_ids: torch.Tensor | slice | None = None) -> None:
        """Take in the starts of some environments; all for None."""
        stored_state(self._env).read_start(slice(None) if env_ids is None else env_ids)


def transfer_success(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Whether the ball has rested in the dish, the arm clear of it, for long enough, (N,) bool.

    The predicates and the number of steps are in :mod:`alice.transfer.outcome`.
    """
    return transfer_state(env).books.stages[:, -1].clone()


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
