"""ResNet-18 as a frozen encoder. Its weights come from torchvision or from a file, never from chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from alice.cli.usage import UsageError

FEATURES = 512
"""Number of features of a picture: what torchvision's ResNet-18 has before its last layer."""
SIZE = 224
"""Width and height of a picture [pixels]."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's channels, as torchvision states them for these weights."""


class FrozenResNet18(torch.nn.Module):
    """Turns pictures into features; of several frames it gives the mean of their features.

    Args:
        weights: File with a ``state_dict`` of torchvision's ``resnet18``; None for torchvision's own ImageNet weights,
            from its cache or from the network.

    Raises:
        UsageError: If there are no weights, or they are of another network.
    """

    def __init__(self, weights: str | Path | None = None):
        from torchvision.models import resnet18

        super().__init__()
        self.network = resnet18(weights=None)
        _fill(self.network, load_weights(weights), weights)
        self.network.fc = torch.nn.Identity()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> FrozenResNet18:
        """Stay in evaluation mode, whatever the rest of the policy does: batch statistics are frozen too."""
        return super().train(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features, (B, 512).

        Args:
            images: K frames, (B, 3 K, 224, 224), 0 to 255, uint8 or float.
        """
        frames = images.shape[1] // 3
        single = images.reshape(-1, 3, *images.shape[2:])
        features = self.network((single.float() / 255.0 - self.mean) / self.std)
        return features.reshape(-1, frames, FEATURES).mean(dim=1)


def load_weights(weights: str | Path | None) -> dict[str, Any]:
    """Return the weights of a ResNet-18.

    Args:
        weights: File; None for torchvision's ImageNet weights.

    Raises:
        UsageError: If they cannot be had.
    """
    if weights is None:
        from torchvision.models import ResNet18_Weights

        try:
            return ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError) as error:  # no network, a broken download, a wrong hash
            reason = " ".join(str(error).split())[:120]
            raise UsageError(
                f"the weights of ResNet-18 are not in torchvision's cache and cannot be fetched ({reason}); give a file"
                " with them: --encoder_weights FILE, a state_dict of torchvision.models.resnet18"
            ) from error
    path = Path(weights)
    if not path.is_file():
        remedy = "give a state_dict of torchvision's resnet18"
        raise UsageError(f"--encoder_weights {str(weights)!r} does not exist; {remedy}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises nearly anything
        reason = " ".join(str(error).split())[:90]
        raise UsageError(
            f"--encoder_weights {path.name!r} is damaged or holds more than weights ({reason} …); give a state_dict of"
            " torchvision's resnet18"
        ) from error
    return content


def _fill(network: torch.nn.Module, content: Any, weights: str | Path | None) -> None:
    try:
        network.load_state_dict(content)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split(":", 1)[-1].split())[:120]
        raise UsageError(
            f"--encoder_weights {str(weights)!r} is no state_dict of torchvision's resnet18 ({reason} …)"
        ) from error
