"""A lesson in seeing beside the lesson in acting: where ball and tool point are in the picture.

Actions alone teach an encoder little about where things are: of two pictures whose ball is a centimetre apart, a
teacher does nearly the same. So two features of the encoder are asked for the places, which the simulator knows.
"""

from __future__ import annotations

import torch
from rsl_rl.models import MLPModel
from tensordict import TensorDict

from alice.models.keypoints import KeypointEncoder

GROUP = "sight"
"""Observation group with the places, (B, 3 P): right and down from -1 to 1, and whether it is in the picture."""


class SightLesson:
    """Listens to an actor's encoder and says how wrong its first features are.

    Args:
        actor: The model; only one with a :class:`alice.models.keypoints.KeypointEncoder` sees.
    """

    def __init__(self, actor: MLPModel):
        found = [module for module in actor.modules() if isinstance(module, KeypointEncoder)]
        self.is_possible = len(found) == 1
        """Whether the actor has an encoder whose features have places."""
        self._seen: torch.Tensor | None = None
        if self.is_possible:
            encoder = found[0]
            # The encoder counts from its first cell to the last, whose middles are those of pixels of the first column
            # and of every so many after it; a picture counts from edge to edge.
            cells, pixels = (torch.tensor(tuple(reversed(dim))) for dim in (encoder.cnn.output_dim, encoder.input_dim))
            self._scale, self._shift = 1.0 - 1.0 / cells, 1.0 / pixels - 1.0 / cells
            encoder.register_forward_hook(self._listen)

    def _listen(self, encoder: KeypointEncoder, _inputs, output: torch.Tensor) -> None:
        if encoder.training and torch.is_grad_enabled():
            self._seen = output

    def loss(self, places: torch.Tensor) -> torch.Tensor:
        """Return the error of the last pass through the encoder, which was given the pictures of these places.

        Args:
            places: Group :data:`GROUP` of the same samples, (B, 3 P).
        """
        wanted = places.float().unflatten(-1, (-1, 3))
        count = wanted.shape[1]
        points = self._seen[: len(wanted), : 2 * count].float().unflatten(-1, (count, 2))
        found = points * self._scale.to(points.device) + self._shift.to(points.device)
        off = torch.nn.functional.huber_loss(found, wanted[..., :2], reduction="none", delta=0.1).sum(-1)
        counts = wanted[..., 2]
        return (off * counts).sum() / counts.sum().clamp(min=1.0)


class BesideSurrogate:
    """Stands where RSL-RL's PPO has its symmetry, and adds a lesson's loss to the one of PPO.

    Args:
        lesson: The lesson.
        weight: Factor on its loss.
    """

    use_data_augmentation = False
    use_mirror_loss = True

    def __init__(self, lesson: SightLesson, weight: float):
        self._lesson, self.mirror_loss_coeff = lesson, weight

    def augment_batch(self, batch, original_batch_size: int) -> None:
        """Leave the samples as they are."""

    def compute_loss(self, actor: MLPModel, batch, original_batch_size: int) -> torch.Tensor:
        """Return the lesson's loss for samples that the actor has just seen."""
        return self._lesson.loss(batch.observations[GROUP][:original_batch_size])


def shifted(obs: TensorDict, by: int) -> TensorDict:
    """Return samples whose pictures are moved by up to some pixels along both axes, each its own way.

    What comes in at an edge repeats it, and the places of the lesson move along.

    Args:
        obs: Observation groups with ``image``, (B, C, H, W).
        by: [pixels].
    """
    images = obs["image"]
    count, _, height, width = images.shape
    right, down = torch.randint(-by, by + 1, (2, count, 1), device=images.device)
    rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right).clamp(0, width - 1)
    moved = obs.clone(recurse=False)
    every = torch.arange(count, device=images.device)[:, None, None]
    # The channels come last out of an index that stands on both sides of them.
    moved["image"] = images[every, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if GROUP in obs.keys():  # noqa: SIM118, a TensorDict asks for it
        places = obs[GROUP].unflatten(-1, (-1, 3)).clone()
        places[..., 0] += 2.0 * right / width
        places[..., 1] += 2.0 * down / height
        places[..., 2] *= (places[..., :2].abs() < 1.0).all(dim=-1)
        moved[GROUP] = places.flatten(-2)
    return moved
