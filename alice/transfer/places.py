"""Where ball and dish lie when an episode begins at home."""

from __future__ import annotations

import math

import torch

from .constants import constant

CANDIDATES = 64
"""Pairs drawn for each environment at once. Of the widest separation that is allowed at least 0.3 of all pairs are far
enough apart, so that none of them is in one of 10^9 draws."""


def draw_pair(
    count: int, area: tuple[tuple[float, float], tuple[float, float]], min_separation: float, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw ball and dish positions, uniform over the area given that they are far enough apart.

    Args:
        count: Number of pairs K.
        area: ((x_min, x_max), (y_min, y_max)) [m].
        min_separation: Smallest distance [m].
        device: Torch device.

    Returns:
        Ball (K, 2) and dish (K, 2) [m].
    """
    (x_min, x_max), (y_min, y_max) = area
    low, span = constant((x_min, y_min), device), constant((x_max - x_min, y_max - y_min), device)
    if min_separation > 0.5 * math.hypot(x_max - x_min, y_max - y_min):
        raise ValueError(f"min_separation={min_separation} m leaves no room in the area {area}: make it smaller")
    if torch.device(device).type != "cpu":
        return _draw_pair_at_once(count, low, span, min_separation)
    pairs = low + span * torch.rand(count, 2, 2, device=device)
    close = (pairs[:, 0] - pairs[:, 1]).norm(dim=-1) < min_separation
    while close.any():
        pairs[close] = low + span * torch.rand(int(close.sum()), 2, 2, device=device)
        close = (pairs[:, 0] - pairs[:, 1]).norm(dim=-1) < min_separation
    return pairs[:, 0], pairs[:, 1]


def _draw_pair_at_once(
    count: int, low: torch.Tensor, span: torch.Tensor, min_separation: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw as :func:`draw_pair` does, the first of several candidates that will do: nothing waits for a GPU."""
    pairs = low + span * torch.rand(CANDIDATES, count, 2, 2, device=low.device)
    is_apart = (pairs[:, :, 0] - pairs[:, :, 1]).norm(dim=-1) >= min_separation
    chosen = pairs[is_apart.float().argmax(dim=0), torch.arange(count, device=low.device)]
    return chosen[:, 0], chosen[:, 1]
