"""``Alice-Ball-Transfer-SO101`` and ``Alice-Ball-Transfer-SO101-Camera``: the same job on another arm.

``presets=servo_12v`` selects the arm with the stronger servos.
"""

from __future__ import annotations

from isaaclab.utils import configclass
from isaaclab_tasks.utils.hydra import preset

from alice.arms import SO101, SO101_12V
from alice.assets.arms import articulation

from .camera_env_cfg import BallTransferCameraEnvCfg
from .env_cfg import BallTransferEnvCfg


def _choose_servos(env_cfg: BallTransferEnvCfg) -> None:
    """Let a preset choose between the servos of 7.4 and 12 V.

    Their tables differ by effort and speed alone, so that all else that was fitted to the one arm fits the other.
    """
    env_cfg.arm = preset(default=SO101.name, servo_12v=SO101_12V.name)
    env_cfg.scene.robot = preset(default=env_cfg.scene.robot, servo_12v=articulation(SO101_12V))


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

    def __post_init__(self):
        super().__post_init__()
        _choose_servos(self)


@configclass
class BallTransferSO101CameraEnvCfg(BallTransferCameraEnvCfg):
    """The task of :class:`BallTransferCameraEnvCfg` on an SO-101, with a camera on the usual mount beside its hand."""

    arm: str = SO101.name

    def __post_init__(self):
        super().__post_init__()
        _choose_servos(self)
