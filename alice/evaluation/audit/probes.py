"""Probes: take the picture from a policy that should need it. One that still succeeds knows the ball from elsewhere.

``blank`` shows black pictures, ``shuffled`` those of another environment, ``frozen`` the first one of the episode.
"""

from __future__ import annotations

from typing import Any

import torch

from alice.cli.usage import UsageError
from alice.runs import checkpoints
from alice.runs.launch import Job

GROUP = "image"
"""Observation group that holds the pictures, or what an encoder made of them."""


def refuse(job: Job) -> None:
    """Raise :class:`UsageError` if a job's policy cannot be probed."""
    if job.checkpoint.suffix in checkpoints.OTHERS:
        raise UsageError(f"--probe: {job.checkpoint.name} makes its own inputs; probe the checkpoint it came from")
    if GROUP not in job.actor_groups:
        raise UsageError(f"--probe: the policy of {job.task} sees no pictures, but {', '.join(job.actor_groups)}")


class Probe:
    """Passes observations through to a policy with the picture spoiled.

    Args:
        policy: From observation groups to actions.
        kind: One of :data:`alice.transfer.outcome.PROBES`.
    """

    def __init__(self, policy: Any, kind: str):
        self._policy, self._spoil = policy, getattr(self, f"_{kind}")
        self._first: torch.Tensor | None = None
        self._is_new: torch.Tensor | None = None

    def __call__(self, obs: Any) -> torch.Tensor:
        """Return the policy's actions.

        Args:
            obs: Observation groups; they are not changed.
        """
        return self._policy(obs.clone(recurse=False).update({GROUP: self._spoil(obs[GROUP])}))

    def reset(self, dones: torch.Tensor) -> None:
        """Tell the policy which environments have begun anew, (N,)."""
        self._policy.reset(dones)
        if self._is_new is not None:
            self._is_new |= dones.bool()

    def _blank(self, images: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(images)

    def _shuffled(self, images: torch.Tensor) -> torch.Tensor:
        """Every environment sees the next one's pictures: a whole film of another ball, as smooth as its own."""
        return images.roll(1, dims=0)

    def _frozen(self, images: torch.Tensor) -> torch.Tensor:
        if self._first is None:
            self._first, self._is_new = images.clone(), torch.zeros(len(images), dtype=torch.bool, device=images.device)
        self._first[self._is_new] = images[self._is_new]
        self._is_new[:] = False
        return self._first.clone()
