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
    grip_distance: torch.Tensor, gap: torch.Tensor, gap_target: torch.Tensor, radius: torch.Tensor
) -> torch.Tensor:
    """Return whether a ball is held between the pads, judged as the real arm can: without a force sensor.

    The ball must be between the pads, the fingers must stand a ball's diameter apart and the gripper must be
    commanded further closed than the ball lets it go.

    Args:
        grip_distance: Ball centre to where it is while it is held, (N,) [m].
        gap: Distance between the pads, (N,) [m].
        gap_target: Commanded distance between the pads, (N,) [m].
        radius: Ball radius, (N,) [m].

    Returns:
        Pinch flag, (N,) bool.
    """
    tightest, widest = outcome.PINCH_GAP
    fits = (gap > 2.0 * radius + tightest) & (gap < 2.0 * radius + widest)
    return (grip_distance < outcome.PINCH_DISTANCE) & fits & (gap_target < gap - outcome.PINCH_CLOSING)
