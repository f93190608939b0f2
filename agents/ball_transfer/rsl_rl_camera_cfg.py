"""PPO for the camera task: from nothing, and from a distilled student."""

from __future__ import annotations

from isaaclab.utils import configclass
from isaaclab_rl.rsl_rl import RslRlCNNModelCfg, RslRlMLPModelCfg, RslRlOnPolicyRunnerCfg, RslRlPpoAlgorithmCfg
from isaaclab_tasks.utils import PresetCfg
from isaaclab_tasks.utils.hydra import preset

from alice.system.device import preferred as preferred_device

from .rsl_rl_ppo_cfg import BallTransferPPORunnerCfg, BoundedGaussianCfg, PlainActorCfg

ACTOR_GROUPS = ["proprioception", "picture_joints", "command_state", "goal", "image"]
RESNET_ACTOR_GROUPS = ["image", "proprioception"]
"""The documented variant: 512 features and 14 numbers of the joints."""


@configclass
class CameraActorCfg(RslRlCNNModelCfg):
    """Three convolutions, their features as points, an MLP."""

    class_name = "alice.models.keypoints:KeypointCNNModel"
    hidden_dims = [256, 128, 64]
    activation = "elu"
    obs_normalization = True
    cnn_cfg = RslRlCNNModelCfg.CNNCfg(
        output_channels=[32, 64, 64], kernel_size=[5, 3, 3], stride=[2, 2, 1], padding="zeros", activation="relu"
    )


@configclass
class AttentiveCameraActorCfg(CameraActorCfg):
    """The same, and a layer beside the MLP for the noise."""

    class_name = "alice.models.noise:AttentiveNoiseCNNModel"
    noise_dims: list[int] = [64]
    distribution_cfg = BoundedGaussianCfg()


@configclass
class CameraActorPresetsCfg(PresetCfg):
    """``presets=resnet18`` selects the documented variant: the state task's MLP on the features of a frozen encoder."""

    default: AttentiveCameraActorCfg = AttentiveCameraActorCfg()
    resnet18: RslRlMLPModelCfg = BallTransferPPORunnerCfg().actor


@configclass
class CameraPPOAlgorithmCfg(RslRlPpoAlgorithmCfg):
    """PPO with a fixed learning rate: the adaptive one does not settle with cameras."""

    class_name = "alice.learning.ppo:StudentPPO"
    num_learning_epochs = 4
    num_mini_batches = 8
    learning_rate = 3.0e-4
    schedule = "fixed"
    gamma = 0.99
    lam = 0.95
    entropy_coef = 0.002
    desired_kl = 0.01
    max_grad_norm = 1.0
    value_loss_coef = 1.0
    use_clipped_value_loss = False  # RSL-RL clips it by clip_param, in units of reward: the critic lags behind
    clip_param = 0.2
    critic_warmup: int = 0
    """Updates of the critic alone after a student was loaded."""
    sight_weight: float = 0.05
    """Factor on the loss of a lesson in seeing (:mod:`alice.learning.sight`) beside PPO's own; 0 for none."""
    bfloat16: bool | None = False
    """Whether convolutions are computed in 16 bits; None: on a CPU that has instructions for it."""


@configclass
class CameraPPORunnerCfg(RslRlOnPolicyRunnerCfg):
    """PPO from pixels without a teacher; the critic is asymmetric, it sees the state."""

    seed = 1
    device = preferred_device()
    num_steps_per_env = 24
    max_iterations = 1000
    save_interval = 50
    experiment_name = "ball_transfer_camera"
    obs_groups = preset(
        default={"actor": ACTOR_GROUPS, "critic": ["privileged", "command_state"]},
        resnet18={"actor": RESNET_ACTOR_GROUPS, "critic": ["privileged"]},
    )
    actor = CameraActorPresetsCfg()
    critic = BallTransferPPORunnerCfg().critic
    algorithm = CameraPPOAlgorithmCfg(bfloat16=None)


FINETUNE_NOISE = RslRlMLPModelCfg.GaussianDistributionCfg(init_std=0.05, std_type="log", std_range=(0.02, 0.05))
"""Little: what is audited is the mean, and with the noise of its distillation a student learns to rely on the noise."""


@configclass
class FinetuneActorPresetsCfg(PresetCfg):
    """``presets=resnet18`` selects the documented variant."""

    default: CameraActorCfg = CameraActorCfg(distribution_cfg=FINETUNE_NOISE)
    resnet18: RslRlMLPModelCfg = PlainActorCfg(distribution_cfg=FINETUNE_NOISE)


@configclass
class CameraFinetuneRunnerCfg(CameraPPORunnerCfg):
    """PPO that goes on with a distilled student: ``--checkpoint`` is a checkpoint of the distillation."""

    max_iterations = 50
    save_interval = 10
    run_name = "finetune"
    actor = FinetuneActorPresetsCfg()
    algorithm = CameraPPOAlgorithmCfg(learning_rate=3.0e-5, entropy_coef=0.0, critic_warmup=10)
