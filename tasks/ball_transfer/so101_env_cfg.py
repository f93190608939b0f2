"""``Alice-Ball-Transfer-SO101`` and ``Alice-Ball-Transfer-SO101-Camera``: the same job on another arm."""

from __future__ import annotations

from isaaclab.utils import configclass

from alice.arms import SO101

from .camera_env_cfg import BallTransferCameraEnvCfg
from .env_cfg import BallTransferEnvCfg


@configclass
class BallTransferSO101EnvCfg(BallTransferEnvCfg):
    """The task of :class:`BallTransferEnvCfg` on an SO-101.

    Actions:
        Six numbers in [-1, 1] at 20 Hz: five increments of joint targets (1 = 0.1 rad) and one opening of the jaw.
    Observations:
        Those of :class:`BallTransferEnvCfg`, of one joint less: the gripper has one jaw. ``policy`` and ``privileged``
        have 26 numbers, ``command_state`` 12.
    """

    arm: str = SO101.name


@configclass
class BallTransferSO101CameraEnvCfg(BallTransferCameraEnvCfg):
    """The task of :class:`BallTransferCameraEnvCfg` on an SO-101, with a camera on the usual mount beside its hand."""

    arm: str = SO101.name
