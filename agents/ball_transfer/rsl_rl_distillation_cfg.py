"""Distillation of a state policy into a policy that sees through the wrist camera."""

from __future__ import annotations

from isaaclab.utils import configclass
from isaaclab_rl.rsl_rl import RslRlDistillationAlgorithmCfg, RslRlDistillationRunnerCfg, RslRlMLPModelCfg
from isaaclab_tasks.utils import PresetCfg
from isaaclab_tasks.utils.hydra import preset

from alice.system.device import preferred as preferred_device

from .rsl_rl_camera_cfg import ACTOR_GROUPS, RESNET_ACTOR_GROUPS, CameraActorCfg
from .rsl_rl_ppo_cfg import BallTransferPPORunnerCfg, PlainActorCfg


@configclass
class ReplayDistillationCfg(RslRlDistillationAlgorithmCfg):
    """See :class:`alice.learning.distillation.ReplayDistillation`."""

    class_name = "alice.learning.distillation:ReplayDistillation"
    num_learning_epochs = 1
    gradient_length = 1
    learning_rate = 1.0e-3
    max_grad_norm = 1.0
    loss_type = "huber"
    replay_size: int = 60_000
    min_replay: int = 4_096
    batch_size: int = 512
    updates_per_step: float = 1.0
    teacher_steps: int = 150
    final_learning_rate: float = 1.0e-4
    decay_iterations: int = 400
    bfloat16: bool | None = None
    ema_decay: float = 0.998
    sight_weight: float = 0.05
    shift: int = 2
    beginnings: float = 0.5
    beginning_steps: int = 16
    mirror: str | None = preset(default="alice.learning.symmetry:mirror_left_right", resnet18=None)
    """Features of a picture do not tell those of its mirror image."""


TEACHER_GROUPS = ["privileged", "command_state", "privileged_goal"]
"""The numbers of the state task's actor, one for one, as they are: a teacher need not be fooled by servos."""
STUDENT_NOISE = RslRlMLPModelCfg.GaussianDistributionCfg(init_std=0.1, std_type="log", std_range=(0.05, 1.0))


@configclass
class StudentPresetsCfg(PresetCfg):
    """``presets=resnet18`` selects the documented variant."""

    default: CameraActorCfg = CameraActorCfg(distribution_cfg=STUDENT_NOISE)
    resnet18: RslRlMLPModelCfg = PlainActorCfg(distribution_cfg=STUDENT_NOISE)


@configclass
class CameraDistillationRunnerCfg(RslRlDistillationRunnerCfg):
    """The student acts, the teacher says what it would have done: ``--checkpoint`` is a policy of the state task."""

    seed = 1
    device = preferred_device()
    num_steps_per_env = 8
    max_iterations = 400
    save_interval = 50
    experiment_name = "ball_transfer_camera"
    run_name = "distillation"
    obs_groups = preset(
        default={"student": ACTOR_GROUPS, "teacher": TEACHER_GROUPS},
        resnet18={"student": RESNET_ACTOR_GROUPS, "teacher": TEACHER_GROUPS},
    )
    student = StudentPresetsCfg()
    teacher = BallTransferPPORunnerCfg().actor
    algorithm = ReplayDistillationCfg()
