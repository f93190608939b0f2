"""RSL-RL's PPO for mirror symmetric tasks, and for what a distillation has begun."""

from __future__ import annotations

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.extensions import Symmetry
from rsl_rl.models import MLPModel
from rsl_rl.storage import RolloutStorage

from alice.learning.sight import BesideSurrogate, SightLesson
from alice.models.keypoints import KeypointEncoder, has_bfloat16


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


class StudentPPO(PPO):
    """PPO for policies that see, which can begin with a distilled student as its actor.

    The critic of such a start knows nothing yet. Until it does, its errors would ruin the actor, so the actor learns
    nothing in the first updates.

    Args:
        critic_warmup: Number of these updates, after a student was loaded.
        bfloat16: Whether the convolutions are computed in 16 bits, in the rollout and in the update alike, so that the
            ratio of the two probabilities begins at 1; None: on a CPU that has instructions for it.
        sight_weight: Factor on the loss of :class:`alice.learning.sight.SightLesson`; 0 for no such lesson.
    """

    def __init__(
        self,
        *args,
        critic_warmup: int = 0,
        bfloat16: bool | None = False,
        sight_weight: float = 0.0,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        lesson = SightLesson(self._raw_actor)
        self._has_lesson = bool(sight_weight) and lesson.is_possible
        if self._has_lesson:
            if self.symmetry:
                raise ValueError("a lesson in seeing stands where mirror images would: set one of them aside")
            self.symmetry = BesideSurrogate(lesson, sight_weight)
        bfloat16 = has_bfloat16(self.device) if bfloat16 is None else bfloat16
        for encoder in self._raw_actor.modules():
            if isinstance(encoder, KeypointEncoder):
                encoder.bfloat16 = bfloat16
        self._critic_warmup = critic_warmup
        self._warming = 0

    def update(self) -> dict[str, float]:
        """Run the update of PPO and return its losses."""
        self._raw_actor.requires_grad_(self._warming == 0)
        try:
            losses = super().update()
            if self._has_lesson:
                losses["sight"] = losses.pop("symmetry")
            return losses
        finally:
            self._raw_actor.requires_grad_(True)
            self._warming = max(0, self._warming - 1)

    def save(self) -> dict:
        """Return what a checkpoint holds."""
        return {**super().save(), "critic_warmup": self._warming}

    def load(self, loaded_dict: dict, load_cfg: dict | None, strict: bool) -> bool:
        """Take over a checkpoint of PPO, or the student of a distillation.

        Returns:
            Whether the iterations are counted on; a student begins anew.
        """
        if "student_state_dict" in loaded_dict and "actor_state_dict" not in loaded_dict:
            self._raw_actor.load_state_dict(loaded_dict["student_state_dict"], strict=strict)
            self._warming = self._critic_warmup
            return False
        self._warming = loaded_dict.get("critic_warmup", 0)
        return super().load(loaded_dict, load_cfg, strict)
