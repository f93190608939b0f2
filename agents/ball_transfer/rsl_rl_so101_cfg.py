"""The same for the SO-101, which has no mirror symmetry: its home pose opens to one side."""

from __future__ import annotations

from isaaclab.utils import configclass

from .rsl_rl_camera_cfg import CameraFinetuneRunnerCfg, CameraPPORunnerCfg
from .rsl_rl_distillation_cfg import CameraDistillationRunnerCfg
from .rsl_rl_ppo_cfg import BallTransferPPORunnerCfg

STATE_NAME, CAMERA_NAME = "ball_transfer_so101", "ball_transfer_so101_camera"
"""Folders of the runs."""


@configclass
class SO101PPORunnerCfg(BallTransferPPORunnerCfg):
    """PPO for the state task, without mirror images, which make the most of a step: it takes three times as many."""

    experiment_name = STATE_NAME
    max_iterations = 485

    def __post_init__(self):
        self.algorithm.symmetry_cfg = None
        self.algorithm.use_clipped_value_loss = True  # without, one run carried a million steps later


@configclass
class SO101CameraPPORunnerCfg(CameraPPORunnerCfg):
    """PPO from pixels without a teacher."""

    experiment_name = CAMERA_NAME


@configclass
class SO101CameraDistillationRunnerCfg(CameraDistillationRunnerCfg):
    """Distillation, without mirror images."""

    experiment_name = CAMERA_NAME

    def __post_init__(self):
        self.algorithm.mirror = None


@configclass
class SO101CameraFinetuneRunnerCfg(CameraFinetuneRunnerCfg):
    """PPO that goes on with a distilled student."""

    experiment_name = CAMERA_NAME
