"""Films a task without a window: mp4 and GIF videos and single pictures from a third-person camera.

The camera is Newton's ray tracer, which runs on any physics engine, with or without a GPU. It has no anti-aliasing, so
pictures are taken at twice the size and averaged.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from alice.cli import files
from alice.evaluation.pictures import encoder
from alice.evaluation.pictures.playback import Ended
from alice.transfer import outcome
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab.sensors import Camera, CameraCfg

Point = tuple[float, float, float]

EYE = (0.80, -0.54, 0.48)
"""Where the camera stands, base frame [m]: the whole arm is in the picture, retreat included."""
LOOK_AT = (0.14, 0.0, 0.135)
FOCAL_LENGTH, APERTURE = 26.0, 20.0
"""Of all cameras that stand beside the arm [mm]."""
SIZE = (640, 480)
"""Width and height of the picture [pixels]; several environments share it in tiles."""
OVERSAMPLING = 2
HOLD_SECONDS = 0.8
"""How long the end of an episode stays in the picture."""
BAND = 238
"""Grey of what surrounds a picture."""
GREEN, RED, GREY = (30, 130, 60), (190, 50, 40), (70, 70, 70)


def add_camera(env_cfg: Any) -> None:
    """Add the camera to the configuration of an environment."""
    columns = math.ceil(math.sqrt(env_cfg.scene.num_envs))
    env_cfg.scene.film_camera = camera_cfg("film_camera", SIZE[0] // columns, SIZE[1] // columns)


def camera_cfg(name: str, width: int, height: int, oversampling: int = OVERSAMPLING) -> CameraCfg:
    """Return a camera that stands beside each arm, to be pointed with :func:`point`.

    Args:
        name: Name of its prim.
        width: Width of the picture after :func:`pictures` has averaged it [pixels].
        height: Height of it [pixels].
        oversampling: How many times as many pixels a side are rendered.
    """
    import isaaclab.sim as sim_utils
    from isaaclab.sensors import CameraCfg
    from isaaclab_newton.renderers import NewtonWarpRendererCfg

    return CameraCfg(
        prim_path=f"{{ENV_REGEX_NS}}/{name}",
        width=width * oversampling,
        height=height * oversampling,
        data_types=["rgb"],
        spawn=sim_utils.PinholeCameraCfg(
            focal_length=FOCAL_LENGTH, horizontal_aperture=APERTURE, clipping_range=(0.01, 5.0)
        ),
        renderer_cfg=NewtonWarpRendererCfg(enable_shadows=True),
    )


def point(camera: Camera, origins: torch.Tensor, eye: Point, look_at: Point) -> None:
    """Point a camera of every environment.

    Args:
        camera: Sensor of :func:`camera_cfg`.
        origins: Origins of the environments, (N, 3), world frame [m].
        eye: Where it stands, base frame [m].
        look_at: What it looks at, base frame [m].
    """
    camera.set_world_poses_from_view(origins + origins.new_tensor(eye), origins + origins.new_tensor(look_at))


def pictures(camera: Camera, oversampling: int = OVERSAMPLING) -> np.ndarray:
    """Return a camera's pictures, averaged to their final size, (N, H, W, 3) uint8."""
    images = camera.data.output["rgb"].torch[..., :3].permute(0, 3, 1, 2).float()
    small = torch.nn.functional.avg_pool2d(images, oversampling)
    return small.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def project(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return where points lie in the third-person picture.

    Args:
        points: (K, 3), base frame [m].
        width: Width of the picture [pixels].
        height: Height of the picture [pixels].

    Returns:
        Pixels from the upper left corner, (K, 2).
    """
    eye, look_at = np.asarray(EYE), np.asarray(LOOK_AT)
    forward = (look_at - eye) / np.linalg.norm(look_at - eye)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    offset = points - eye
    scale = width * FOCAL_LENGTH / APERTURE / (offset @ forward)
    return np.stack((width / 2 + scale * (offset @ right), height / 2 + scale * (offset @ down)), axis=-1)


class Film:
    """A film of an environment, a picture for each control step, which goes to the encoder as it comes.

    A context: the film is there when it has ended without an error, else what was there before. It needs the memory of
    one picture, however long it is.

    Args:
        env: Environment whose configuration has gone through :func:`add_camera`.
        path: Film to write, ``.mp4`` (H.264) or ``.gif`` (small); None for none.
    """

    def __init__(self, env: ManagerBasedRLEnv, path: Path | None = None):
        self._env, self._path = env, path
        self._camera = env.scene["film_camera"]
        self._rate = round(1.0 / env.step_dt)
        point(self._camera, env.scene.env_origins, EYE, LOOK_AT)
        self._episodes = [1] * env.num_envs
        self._verdicts: list[tuple[Ended, int] | None] = [None] * env.num_envs
        self._opened = contextlib.ExitStack()
        self._write: Callable[[np.ndarray], None] = lambda frame: None
        self.last: np.ndarray | None = None
        """The newest picture of the first environment, without a caption, (H, W, 3) uint8."""
        self.lifted: np.ndarray | None = None
        """Its first picture of a lifted ball."""

    def __enter__(self) -> Film:
        if self._path:
            self._write = self._opened.enter_context(encoder.opened(self._path, self._rate))
        return self

    def __exit__(self, *error) -> bool | None:
        return self._opened.__exit__(*error)

    def shoot(self, ended: list[Ended]) -> None:
        """Take the picture of this control step.

        Args:
            ended: Episodes that it ended, as :func:`alice.evaluation.pictures.playback.play` yields them. The picture
                already shows the next episode, so with a single environment the picture before stays a moment with its
                verdict.
        """
        for end in ended:
            self._verdicts[end.env] = (end, round(HOLD_SECONDS * self._rate))
            if self._env.num_envs == 1 and self.last is not None:
                picture = labelled(self.last, f"episode {self._episodes[0]}", *_verdict(end))
                for _ in range(round(HOLD_SECONDS * self._rate)):
                    self._write(even(picture))
                self._verdicts[0] = None
            self._episodes[end.env] += 1
        tiles = list(pictures(self._camera))
        for index, seen in enumerate(sight(self._env)):
            tiles[index] = _inset(tiles[index], seen)
        self.last = tiles[0]
        stages = transfer_state(self._env).books.stages
        tiles = [self._caption(tile, index, stages[index]) for index, tile in enumerate(tiles)]
        self._write(even(_mosaic(tiles)))
        if self.lifted is None and bool(stages[0, outcome.STAGES.index("lifted")]):
            self.lifted = self.last

    def _caption(self, tile: np.ndarray, index: int, stages: torch.Tensor) -> np.ndarray:
        verdict = self._verdicts[index]
        if verdict and verdict[1] > 0:
            self._verdicts[index] = (verdict[0], verdict[1] - 1)
            return labelled(tile, f"episode {self._episodes[index] - 1}", *_verdict(verdict[0]))
        passed = [name for name, happened in zip(outcome.STAGES, stages.tolist(), strict=True) if happened]
        return labelled(tile, f"episode {self._episodes[index]}", passed[-1] if passed else "", GREY)

    def save_picture(self, path: Path) -> None:
        """Write one picture: the ball just lifted, or the last one if it never was."""
        _write_picture(path, self.last if self.lifted is None else self.lifted)


class Sight:
    """What policies with a camera see: wrist pictures at the start of an episode and in the middle of it."""

    MIDDLE = 16
    """Control step of the second picture."""
    SCALE = 3
    """Size of a pixel in the picture that is written."""

    def __init__(self, env: ManagerBasedRLEnv):
        self._env, self._step = env, 0
        self._moments: dict[int, list[np.ndarray]] = {}

    def note(self) -> None:
        """Look at the pictures of this control step; the first step still holds those of the reset."""
        self._step += 1
        if self._step in (1, self.MIDDLE):
            self._moments[self._step] = sight(self._env, oldest=self._step == 1)

    def save(self, path: Path) -> None:
        """Write all pictures of both moments side by side."""
        grids = [_mosaic([_enlarged(tile, self.SCALE) for tile in tiles]) for tiles in self._moments.values()]
        gap = np.full((grids[0].shape[0], 4 * self.SCALE, 3), 255, np.uint8)
        whole = np.concatenate([part for grid in grids for part in (grid, gap)][:-1], axis=1)
        _write_picture(path, whole)


def sight(env: ManagerBasedRLEnv, oldest: bool = False) -> list[np.ndarray]:
    """Return the newest picture, or the oldest of the stack, that each policy is shown, (H, W, 3) uint8; none if none.

    Args:
        env: Environment after a step.
        oldest: Whether the oldest is meant.
    """
    images = env.obs_buf.get("image")
    if images is None or images.dim() != 4:
        return []
    chosen = images[:, :3] if oldest else images[:, -3:]
    return list(chosen.permute(0, 2, 3, 1).cpu().numpy())


def _enlarged(tile: np.ndarray, scale: int) -> np.ndarray:
    """Return a picture with larger pixels."""
    return tile.repeat(scale, axis=0).repeat(scale, axis=1)


def _inset(tile: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return a picture with another one in its lower right corner, framed, a third as wide."""
    inner = _enlarged(seen, max(1, round(tile.shape[1] / 3 / seen.shape[1])))
    framed = np.pad(inner, ((2, 2), (2, 2), (0, 0)), constant_values=255)
    tile = tile.copy()
    tile[-framed.shape[0] :, -framed.shape[1] :] = framed
    return tile


def _verdict(end: Ended) -> tuple[str, tuple[int, int, int]]:
    """Return the text and colour that end an episode."""
    return f"{end.outcome.replace('_', ' ')}, {end.seconds:.1f} s", GREEN if end.outcome == "success" else RED


def labelled(tile: np.ndarray, title: str, text: str, colour: tuple[int, int, int]) -> np.ndarray:
    """Return a picture with a band above it, where a title and a coloured text cover nothing."""
    height, width, _ = tile.shape
    band = max(12, height // 15)
    image = Image.fromarray(np.pad(tile, ((band, 0), (0, 0), (0, 0)), constant_values=BAND))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(9, round(0.6 * band)))
    draw.text((band // 3, band // 2), title, fill=GREY, font=font, anchor="lm")
    draw.text((width - band // 3, band // 2), text, fill=colour, font=font, anchor="rm")
    return np.asarray(image)


def _mosaic(tiles: list[np.ndarray]) -> np.ndarray:
    """Return pictures side by side in a square grid."""
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    height, width, _ = tiles[0].shape
    canvas = np.full((rows * height, columns * width, 3), BAND, dtype=np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        canvas[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile
    return canvas


def even(picture: np.ndarray) -> np.ndarray:
    """Return a picture without the last row or column where their number is odd, which H.264 cannot take."""
    return picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]


def _write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture, (H, W, 3) uint8, whole or not at all."""
    with files.writing(path) as fresh:
        Image.fromarray(picture).save(fresh)
