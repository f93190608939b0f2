"""Pure batched functions on tensors: transforms, kernels and contact tests.

Shapes are written with N for the number of environments. Quaternions are (x, y, z, w). Lengths are in m, angles in rad.
"""

from __future__ import annotations

import torch

from alice.transfer import outcome

##
# Transforms
##


def rotate(quat: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Rotate vectors by unit quaternions.

    Args:
        quat: Rotations, (N, 4) as (x, y, z, w).
        vector: Vectors, (N, 3) or (3,).

    Returns:
        Rotated vectors, (N, 3).
    """
    axis = quat[:, :3]
    vector = vector.expand_as(axis)
    twice = 2.0 * torch.linalg.cross(axis, vector)
    return vector + quat[:, 3:] * twice + torch.linalg.cross(axis, twice)


##
# Kernels and tests
##


def tanh_kernel(distance: torch.Tensor, scale: float) -> torch.Tensor:
    """Return ``1 - tanh(distance / scale)``: 1 at zero distance, 0.24 at ``scale``, 0 far away.

    Args:
        distance: Non-negative distances, any shape [m].
        scale: Distance of the bend [m].
    """
    return 1.0 - torch.tanh(distance / scale)


def is_pinched(
    grip_distance: torch.Tensor,
    gap: torch.Tensor,
    gap_target: torch.Tensor,
    radius: torch.Tensor,
    gap_error: float = 0.0,
) -> torch.Tensor:
    """Return :func:`alice.transfer.outcome.is_pinched` of (N,) tensors [m], (N,) bool."""
    return outcome.is_pinched(grip_distance, gap, gap_target, radius, gap_error)
