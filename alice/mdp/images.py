"""Observation terms that are pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from isaaclab.envs.mdp import image_rgb
from isaaclab.managers import SceneEntityCfg
from isaaclab.utils.math import matrix_from_quat

from alice import compat
from alice.transfer.state import stored_state

from .image_errors import ImageErrorRanges, ImageErrors, image_flow, image_points

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedEnv
    from isaaclab.managers import ObservationTermCfg


SOUGHT = ("ball", "tool point")
"""What a student is asked to find in the picture, in this order."""


class wrist_image(image_rgb):
    """Frames of a camera, oldest first, (N, 3 K, H, W) uint8.

    It is Isaac Lab's ``image_rgb`` with the errors of a real camera. After a reset all frames are the first picture of
    the episode.
    """

    def __init__(self, cfg: ObservationTermCfg, env: ManagerBasedEnv):
        super().__init__(cfg, env)
        compat.speed_up_rendering_without_cuda()
        camera = env.scene.sensors[cfg.params["sensor_cfg"].name]
        compat.tell_mounts_apart(camera)
        ranges = cfg.params.get("errors")
        self._focal = camera.cfg.spawn.focal_length / camera.cfg.spawn.horizontal_aperture
        self.errors = ImageErrors(env.num_envs, ranges, self._focal, env.device) if ranges else None
        """The cameras' errors; None for perfect ones."""
        self._eye = torch.zeros(env.num_envs, 3, device=env.device)
        self._rotation = torch.zeros(env.num_envs, 3, 3, device=env.device)
        self._has_moved = torch.zeros(env.num_envs, 1, dtype=torch.bool, device=env.device)
        self.points = torch.zeros(env.num_envs, 3 * len(SOUGHT), device=env.device)
        """Where ball and tool point are in the newest picture that has arrived (:func:`seen_in_picture`)."""
        if _TERM in env.__dict__:
            raise ValueError("there is one term with pictures of the wrist camera; leave the second one out")
        env.__dict__[_TERM] = self
        self.step = -1
        """The control step that its newest picture was delivered in."""
        self.flow = torch.zeros(env.num_envs, 2, device=env.device)
        """How fast the middle of each picture has moved since the last, to the right and down, (N, 2) [pixels/s]."""

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        """Forget the frames of some environments and draw new errors for them."""
        super().reset(env_ids)
        if self.errors:
            self.errors.reset(env_ids)
            self._has_moved[slice(None) if env_ids is None else env_ids] = False

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
        """Return the newest frame that has arrived, (N, H, W, 3) uint8."""
        camera = env.scene.sensors[sensor_cfg.name]
        picture = camera.data.output["rgb"].torch[..., :3]
        self.step = env.common_step_counter
        eye, rotation = camera.data.pos_w.torch.clone(), matrix_from_quat(camera.data.quat_w_ros.torch)
        points = self._look_for(env, eye, rotation, picture.shape[2] / picture.shape[1])
        if self.errors is None:
            self.points = points
            return picture
        self._follow(env, eye, rotation, picture.shape[2])
        shown = self.errors.apply(picture, self.flow, points)
        self.points = self.errors.notes
        return shown

    def _look_for(self, env: ManagerBasedEnv, eye: torch.Tensor, rotation: torch.Tensor, aspect: float) -> torch.Tensor:
        """Return where ball and tool point would be in pictures that were taken now, (N, 6).

        Args:
            env: Environment.
            eye: Cameras in the world, (N, 3) [m].
            rotation: Their axes: picture right, down and forward are the columns, (N, 3, 3).
            aspect: Width of a picture over its height.
        """
        tool = stored_state(env).now.true.tool_pos + env.scene.env_origins
        places = {"ball": env.scene["ball"].data.root_link_pose_w.torch[:, :3], "tool point": tool}
        places = torch.stack([places[name] for name in SOUGHT], dim=1)
        zoom, k1 = (self.errors.zoom, self.errors.distortion) if self.errors else (torch.ones_like(eye[:, 0]), None)
        return image_points(places, eye, rotation, self._focal * zoom, k1, aspect).flatten(1)

    def _follow(self, env: ManagerBasedEnv, eye: torch.Tensor, rotation: torch.Tensor, width: int) -> None:
        """Bring :attr:`flow` up to date for pictures of ``width`` pixels, by the hand's own motion.

        ``eye`` and ``rotation`` are those of :meth:`_look_for`.
        """
        height = eye[:, 2] - env.scene.env_origins[:, 2] - stored_state(env).table_height
        way = image_flow(eye, rotation, self._eye, self._rotation, height, self._focal * width)
        self.flow = torch.where(self._has_moved, way / env.step_dt, 0.0)
        self._eye, self._rotation = eye, rotation
        self._has_moved = torch.ones_like(self._has_moved)


_TERM = "wrist_image_term"


def picture_age(env: ManagerBasedEnv) -> torch.Tensor:
    """Return how old the newest pictures are by their time stamps, (N,) [s]; 0 for perfect cameras."""
    errors = _term(env).errors
    if errors is None:
        return torch.zeros(env.num_envs, device=env.device)
    return (errors.age * env.step_dt + errors.stamp).clamp(min=0.0)


def seen_in_picture(env: ManagerBasedEnv) -> torch.Tensor:
    """Return :func:`alice.mdp.image_errors.image_points` of ball and tool point in the newest picture, (N, 6)."""
    return _term(env).points.clone()


def _term(env: ManagerBasedEnv) -> wrist_image:
    """Return the term with the pictures, which has been asked for them in this control step."""
    term = env.__dict__.get(_TERM)
    if term is None or term.step != env.common_step_counter:
        raise RuntimeError(
            "nothing is known of this control step's picture: the observation group with the wrist camera's pictures"
            " must be there, and come before those that ask about it"
        )
    return term


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
