"""Observation terms that are pictures, and the errors of a real camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from isaaclab.envs.mdp import image_rgb
from isaaclab.managers import SceneEntityCfg

from alice import compat

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedEnv
    from isaaclab.managers import ObservationTermCfg


@dataclass
class ImageErrorRanges:
    """What is drawn for the camera of each environment at the start of an episode, uniform in its range."""

    zoom: tuple[float, float]
    """Focal length over the nominal one."""
    exposure: tuple[float, float]
    """Factor on all channels; drawn evenly in its logarithm."""
    white_balance: tuple[float, float]
    """Factor on each channel."""
    gamma: tuple[float, float]
    """Exponent of the brightness; drawn evenly in its logarithm."""
    blur: tuple[float, float]
    """Standard deviation of a Gaussian blur [pixels]; over three pixels, so at most 1."""
    noise: tuple[float, float]
    """Standard deviation of the noise of each number, drawn anew in every frame, of full scale."""


class ImageErrors:
    """The cameras of N environments. Batched, without a simulator.

    Args:
        count: Number of cameras N.
        ranges: What is drawn.
        device: Torch device.
    """

    def __init__(self, count: int, ranges: ImageErrorRanges, device: str = "cpu"):
        self._ranges = ranges
        self.zoom, self.exposure, self.gamma = (torch.ones(count, device=device) for _ in range(3))
        self.white_balance = torch.ones(count, 3, device=device)
        self.blur, self.noise = (torch.zeros(count, device=device) for _ in range(2))
        self.reset()

    def reset(self, env_ids: torch.Tensor | slice | None = None) -> None:
        """Draw new cameras for some environments, all for ``None``."""
        rows = slice(None) if env_ids is None else env_ids
        for name in ("zoom", "white_balance", "blur", "noise"):
            self._draw(getattr(self, name), rows, getattr(self._ranges, name), in_logarithm=False)
        for name in ("exposure", "gamma"):
            self._draw(getattr(self, name), rows, getattr(self._ranges, name), in_logarithm=True)

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the cameras make of pictures.

        Args:
            images: (N, H, W, 3) uint8.

        Returns:
            Pictures of the same shape and type.
        """
        x = self._focus(images.permute(0, 3, 1, 2).float() / 255.0)
        x = self._smear(x)
        x = x * (self.exposure.unsqueeze(-1) * self.white_balance)[:, :, None, None]
        x = x.clamp(0.0, 1.0).pow(self.gamma[:, None, None, None])
        x = x + self.noise[:, None, None, None] * torch.randn_like(x)
        return (255.0 * x).round().clamp(0.0, 255.0).to(torch.uint8).permute(0, 2, 3, 1)

    def _focus(self, x: torch.Tensor) -> torch.Tensor:
        """Scale pictures about their centres; a wider view repeats the pixels of the edge."""
        scale = torch.zeros(len(x), 2, 3, device=x.device)
        scale[:, 0, 0] = scale[:, 1, 1] = 1.0 / self.zoom
        grid = torch.nn.functional.affine_grid(scale, list(x.shape), align_corners=False)
        return torch.nn.functional.grid_sample(x, grid, padding_mode="border", align_corners=False)

    def _smear(self, x: torch.Tensor) -> torch.Tensor:
        """Blur pictures over three pixels, along rows and then along columns."""
        side = torch.exp(-0.5 / self.blur.clamp(min=1e-3) ** 2)[:, None, None, None]
        wide = torch.nn.functional.pad(x, (1, 1, 0, 0), mode="replicate")
        x = (x + side * (wide[..., :-2] + wide[..., 2:])) / (1.0 + 2.0 * side)
        high = torch.nn.functional.pad(x, (0, 0, 1, 1), mode="replicate")
        return (x + side * (high[..., :-2, :] + high[..., 2:, :])) / (1.0 + 2.0 * side)

    @staticmethod
    def _draw(values: torch.Tensor, rows: torch.Tensor | slice, span: tuple[float, float], in_logarithm: bool) -> None:
        ends = torch.tensor(span, device=values.device)
        low, high = ends.log() if in_logarithm else ends
        drawn = low + (high - low) * torch.rand_like(values[rows])
        values[rows] = drawn.exp() if in_logarithm else drawn


class wrist_image(image_rgb):
    """Frames of a camera, oldest first, (N, 3 K, H, W) uint8.

    It is Isaac Lab's ``image_rgb`` with the errors of a real camera. After a reset all frames are the first picture of
    the episode.
    """

    def __init__(self, cfg: ObservationTermCfg, env: ManagerBasedEnv):
        super().__init__(cfg, env)
        compat.speed_up_rendering_without_cuda()
        compat.tell_mounts_apart(env.scene.sensors[cfg.params["sensor_cfg"].name])
        ranges = cfg.params.get("errors")
        self._errors = ImageErrors(env.num_envs, ranges, env.device) if ranges else None

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        """Forget the frames of some environments and draw new errors for them."""
        super().reset(env_ids)
        if self._errors:
            self._errors.reset(env_ids)

    def __call__(
        self,
        env: ManagerBasedEnv,
        sensor_cfg: SceneEntityCfg,
        frame_stack: int,
        channel_first: bool = True,
        errors: ImageErrorRanges | None = None,
        *,
        out: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the frames.

        Args:
            env: Environment.
            sensor_cfg: The camera.
            frame_stack: Number of frames K.
            channel_first: Always true.
            errors: What is drawn for each camera; None for perfect ones.
            out: Where to put them, None for a new tensor.
        """
        frames = self._frames(self._picture(env, sensor_cfg), None)
        if out is None:
            return frames
        return out.copy_(frames)

    def _picture(self, env: ManagerBasedEnv, sensor_cfg: SceneEntityCfg) -> torch.Tensor:
        """Return the newest frame, (N, H, W, 3) uint8."""
        picture = env.scene.sensors[sensor_cfg.name].data.output["rgb"].torch[..., :3]
        return self._errors.apply(picture) if self._errors else picture


class resnet18_features(wrist_image):
    """Features of the last K frames by a frozen ResNet-18, (N, 512): the mean of the frames' features.

    Each frame is encoded once, when it is new. Their mean has the documented 512 numbers at any K, and a frame more
    costs nothing; the price is that the order of the frames is lost. What moves, and how, the joint speeds tell.
    """

    def __init__(self, cfg: ObservationTermCfg, env: ManagerBasedEnv):
        from alice.models import resnet

        super().__init__(cfg, env)
        self._encoder = resnet.FrozenResNet18(cfg.params["weights"]).to(env.device)
        self._history = torch.zeros(env.num_envs, cfg.params["frame_stack"], resnet.FEATURES, device=env.device)
        self._is_new = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        """Forget the frames of some environments."""
        super().reset(env_ids)
        self._is_new[slice(None) if env_ids is None else env_ids] = True

    def __call__(
        self,
        env: ManagerBasedEnv,
        sensor_cfg: SceneEntityCfg,
        frame_stack: int,
        weights: str | None,
        channel_first: bool = True,
        errors: ImageErrorRanges | None = None,
    ) -> torch.Tensor:
        """Return the features.

        Args:
            env: Environment.
            sensor_cfg: The camera.
            frame_stack: Number of frames K.
            weights: File of the encoder's weights; None for torchvision's.
            channel_first: Always true.
            errors: What is drawn for each camera; None for perfect ones.
        """
        picture = self._picture(env, sensor_cfg).permute(0, 3, 1, 2)
        newest = torch.cat([self._encoder(part) for part in picture.split(self.BATCH)])
        older = torch.where(self._is_new[:, None, None], newest.unsqueeze(1), self._history[:, 1:])
        self._history = torch.cat((older, newest.unsqueeze(1)), dim=1)
        self._is_new[:] = False
        return self._history.mean(dim=1)

    BATCH = 32
    """Pictures that are encoded at a time: more need memory and are no faster."""
