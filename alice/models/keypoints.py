"""An actor that sees: a small CNN, its features as points in the picture, an MLP."""

from __future__ import annotations

import contextlib
import io
import math

import torch
from rsl_rl.models import CNNModel
from rsl_rl.modules import CNN
from tensordict import TensorDict


class KeypointEncoder(torch.nn.Module):
    """Turns a picture into points: for each feature where it is seen (spatial soft-argmax) and how much of it.

    Where a feature is seen tells the direction of a thing, how much of it is seen tells its distance. Each channel of
    each picture is brought to mean 0 and deviation 1 first: exposure, white balance and much of what is painted in
    which colour are gone then.

    Args:
        input_dim: Height and width [pixels].
        input_channels: Channels, three per frame.
        cnn_cfg: Layers, as :class:`rsl_rl.modules.CNN` takes them; its output is never pooled or flattened.
    """

    output_channels = None
    """None: what comes out is flat, as RSL-RL's model asks."""

    DARKEST = 0.02
    """Deviation, of full scale, below which a channel is noise and is not drawn out further."""
    FIRST_SHARPNESS = 10.0
    """Factor on the features before the soft-argmax of a new encoder. With 1 it is nearly a plain mean over the
    picture: a ball that crosses all of it moves the points by 0.004 of half a picture, which teaches nothing."""

    def __init__(self, input_dim: tuple[int, int], input_channels: int, **cnn_cfg):
        super().__init__()
        self.input_dim = input_dim
        self.cnn = CNN(input_dim, input_channels, **{**cnn_cfg, "flatten": False, "global_pool": "none"})
        channels, (height, width) = int(self.cnn.output_channels), self.cnn.output_dim
        rows, columns = torch.linspace(-1.0, 1.0, height), torch.linspace(-1.0, 1.0, width)
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).flip(-1).reshape(-1, 2)
        self.register_buffer("grid", grid, persistent=False)
        self.log_sharpness = torch.nn.Parameter(torch.full((channels, 1), math.log(self.FIRST_SHARPNESS)))
        self.output_dim = 3 * channels
        self.bfloat16 = False
        """Whether a training computes the convolutions in 16 bits; the points never are, and no exported file is."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return points and amounts of all features.

        Args:
            images: (B, C, H, W), 0 to 255, uint8 or float.

        Returns:
            (B, 3 F): x and y of each feature in [-1, 1] (right, down), then its mean over the picture.
        """
        # The sum of whole numbers is exact in any order, so every runtime finds the same mean. Squares of numbers of
        # up to 255 would come near the end of half precision.
        x = images.float()
        x = (x - x.mean(dim=(2, 3), keepdim=True)) / 255.0
        x = x / ((x * x).mean(dim=(2, 3), keepdim=True) + self.DARKEST**2).sqrt()
        # Channels last: a fifth less time for the convolutions on a CPU.
        x = x.contiguous(memory_format=torch.channels_last)
        if self.bfloat16 and self.training:
            with torch.autocast(x.device.type, torch.bfloat16):
                features = self.cnn(x).float().flatten(2)
        else:
            features = self.cnn(x).flatten(2)
        with torch.autocast(x.device.type, enabled=False):  # a training may have switched it on around all of this
            features = features.float()
            weights = torch.softmax(features * self.log_sharpness.exp(), dim=-1)
            return torch.cat(((weights @ self.grid).flatten(1), features.mean(dim=-1)), dim=-1)


def has_bfloat16(device: str) -> bool:
    """Return whether a device is a CPU that multiplies in bfloat16."""
    found = torch.cpu.get_capabilities()
    return torch.device(device).type == "cpu" and any(found.get(name) for name in ("amx_bf16", "avx512_bf16"))


class KeypointCNNModel(CNNModel):
    """RSL-RL's CNN model with a :class:`KeypointEncoder` for each image group. Images come as uint8."""

    def __init__(
        self,
        obs: TensorDict,
        obs_groups: dict[str, list[str]],
        obs_set: str,
        output_dim: int,
        cnn_cfg: dict | None = None,
        cnns: torch.nn.ModuleDict | None = None,
        **kwargs,
    ):
        """Make the model; see RSL-RL. ``cnns`` are the encoders of another model, to be shared."""
        if cnns is None:
            shapes = {group: obs[group].shape[1:] for group in obs_groups[obs_set] if obs[group].dim() == 4}
            cnns = {group: KeypointEncoder((h, w), c, **cnn_cfg) for group, (c, h, w) in shapes.items()}
        with contextlib.redirect_stdout(io.StringIO()):  # RSL-RL tells that encoders are shared whenever it gets some
            super().__init__(obs, obs_groups, obs_set, output_dim, cnns=cnns, **kwargs)
