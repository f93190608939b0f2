"""Isaac Lab configuration of the wrist camera, every number from :data:`alice.robot.WRIST_CAMERA`."""

from __future__ import annotations

import math

import isaaclab.sim as sim_utils
from isaaclab.sensors import CameraCfg
from isaaclab_newton.renderers import NewtonWarpRendererCfg

from alice import robot

_CAMERA = robot.WRIST_CAMERA
_APERTURE = 2.0
"""Width of the sensor; only its ratio to the focal length counts."""

WRIST_CAMERA_CFG = CameraCfg(
    prim_path=f"{{ENV_REGEX_NS}}/Robot/{_CAMERA.link}/wrist_camera",
    offset=CameraCfg.OffsetCfg(pos=_CAMERA.position, rot=_CAMERA.rotation, convention="ros"),
    # Without it the picture stays where the hand was at the start.
    update_latest_camera_pose=True,
    width=_CAMERA.width,
    height=_CAMERA.height,
    data_types=["rgb"],
    spawn=sim_utils.PinholeCameraCfg(
        focal_length=_APERTURE / (2.0 * math.tan(_CAMERA.horizontal_fov / 2.0)),
        horizontal_aperture=_APERTURE,
        clipping_range=(0.005, 3.0),
    ),
    renderer_cfg=NewtonWarpRendererCfg(),
)
"""The camera without a body of its own: nothing of a housing is in the picture."""
