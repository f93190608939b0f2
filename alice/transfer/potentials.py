"""How far each part of the job is: the potentials whose changes the rewards pay."""

from __future__ import annotations

import torch

from alice.transfer import geometry, outcome

from .reading import Snapshot

GOAL_HEIGHT = 0.03
"""Height over the dish's floor up to which a ball over the dish is not too high [m]."""
RAISED = 0.02
"""Height from which on the whole transport is paid [m]."""
OPENING = 0.008
"""How much wider than the ball the pads stand when the opening is fully paid [m]."""


def potentials(
    now: Snapshot, dish_pos: torch.Tensor, ball_radius: torch.Tensor, is_brought: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return how far each part of the job is, (N,) in [0, 1] each.

    All but ``release`` are 1 while a ball that was brought is over the dish, held or not, so that letting go there
    costs nothing. A ball that was thrown there counts as let go.

    Args:
        now: Reading of the scene.
        dish_pos: Centre of the dish on the table, (N, 3), base frame [m].
        ball_radius: (N,) [m].
        is_brought: Whether the ball was carried to the dish in this episode, or the episode began with it there, (N,).
    """
    near = now.grip_distance
    pinched = now.true.is_pinched.float()
    reach = 0.5 * geometry.tanh_kernel(near, 0.10) + 0.5 * geometry.tanh_kernel(near, 0.03)
    goal = dish_pos.clone()
    goal[:, 2] += ball_radius + GOAL_HEIGHT
    # Only what lies above the goal's height counts as too high: low is the lift term's business.
    offset = now.ball_pos - goal
    far = torch.cat((offset[:, :2], offset[:, 2:].clamp(min=0.0)), dim=-1).norm(dim=-1)
    raised = (now.height / RAISED).clamp(0.0, 1.0)
    transport = 0.5 * geometry.tanh_kernel(far, 0.15) + 0.5 * geometry.tanh_kernel(far, 0.04)
    opened = ((now.true.gap - 2 * ball_radius) / OPENING).clamp(0.0, 1.0)
    away = ((near - 0.01) / outcome.CLEAR_DISTANCE).clamp(0.0, 1.0)
    done = now.is_over_dish & is_brought
    return {
        "reach": torch.where(done, 1.0, reach),
        "grasp": torch.where(done, 1.0, pinched),
        "lift": torch.where(done, 1.0, pinched * (now.height / outcome.LIFTED_HEIGHT).clamp(0.0, 1.0)),
        "transport": torch.where(done, 1.0, pinched * raised * transport),
        "release": torch.where(done, 0.3 * opened + 0.7 * away, 0.0),
    }
