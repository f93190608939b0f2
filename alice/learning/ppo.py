"""RSL-RL's PPO for tasks with mirror symmetry, without the price of a figure that is only logged."""

from __future__ import annotations

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.extensions import Symmetry
from rsl_rl.models import MLPModel
from rsl_rl.storage import RolloutStorage


class SampledSymmetry(Symmetry):
    """Mirror symmetry whose loss, where it is only logged, is measured on a few samples.

    RSL-RL 5.5.1 computes the mirror loss on whole mini-batches and with gradients even if nothing is learned from it:
    a sixth of an update of networks as small as ours.
    """

    SAMPLES = 64
    """Samples of each mini-batch that the logged loss is measured on."""

    def compute_loss(self, actor: MLPModel, batch: RolloutStorage.Batch, original_batch_size: int) -> torch.Tensor:
        """Return the mirror loss; of a few samples and without gradients unless the loss is learned from."""
        if self.use_mirror_loss or not self.use_data_augmentation:
            return super().compute_loss(actor, batch, original_batch_size)
        count = min(self.SAMPLES, original_batch_size)
        pairs = (batch.observations[:count], batch.observations[original_batch_size : original_batch_size + count])
        with torch.no_grad():
            return super().compute_loss(actor, RolloutStorage.Batch(observations=torch.cat(pairs)), count)


class MirrorPPO(PPO):
    """PPO with :class:`SampledSymmetry`. What it learns is what RSL-RL's PPO learns, to the bit."""

    def __init__(self, *args, symmetry_cfg: dict | None = None, **kwargs):
        """Make the algorithm; see RSL-RL."""
        super().__init__(*args, symmetry_cfg=None, **kwargs)
        self.symmetry = SampledSymmetry(**symmetry_cfg) if symmetry_cfg else None
