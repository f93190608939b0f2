"""The two cameras of a LeRobot data set, wrist and overview, in any of our simulations.

They stand beside whatever camera a task has for its own policies. Both hang where the arm's table puts them: what is
drawn for a task's own camera (``presets=camera_rand``) does not move them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alice import arms, compat
from alice.evaluation.pictures import video

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

SIZE = (128, 96)
"""Width and height of both pictures [pixels]."""
NAMES = ("wrist", "overview")
"""The cameras, as ``observation.images.<name>`` has them."""


def add(env_cfg: Any, names: tuple[str, ...] = NAMES, size: tuple[int, int] = SIZE) -> None:
    """Add cameras to the configuration of an environment.

    Args:
        env_cfg: Environment configuration; changed in place.
        names: Which of :data:`NAMES`.
        size: Width and height of their pictures [pixels].
    """
    from isaaclab.utils import replace

    from alice.assets.arms import wrist_camera

    if "wrist" in names:
        mounted = wrist_camera(arms.named(env_cfg.arm))
        place = mounted.prim_path.replace("wrist_camera", _sensor("wrist"))
        env_cfg.scene.recorded_wrist = replace(mounted, prim_path=place, width=size[0], height=size[1])
    if "overview" in names:
        env_cfg.scene.recorded_overview = video.camera_cfg(_sensor("overview"), *size, oversampling=1)


def _sensor(name: str) -> str:
    """Return the scene name of a camera."""
    return f"recorded_{name}"


class Cameras:
    """The cameras of a running environment.

    Args:
        env: Environment whose configuration has gone through :func:`add`.
        names: Which of :data:`NAMES` it was given.
    """

    def __init__(self, env: ManagerBasedRLEnv, names: tuple[str, ...] = NAMES):
        compat.speed_up_rendering_without_cuda()
        self._cameras = {name: env.scene[_sensor(name)] for name in names}
        if "wrist" in names:
            compat.tell_mounts_apart(self._cameras["wrist"])
        if "overview" in names:
            video.point(self._cameras["overview"], env.scene.env_origins, video.EYE, video.LOOK_AT)

    def pictures(self) -> dict[str, np.ndarray]:
        """Return what each camera sees now, (N, H, W, 3) uint8 by name."""
        return {name: video.pictures(camera, oversampling=1) for name, camera in self._cameras.items()}
