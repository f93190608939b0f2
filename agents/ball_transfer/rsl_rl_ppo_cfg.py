"""PPO for the state task."""

from __future__ import annotations

from isaaclab.utils import configclass
from isaaclab_rl.rsl_rl import RslRlMLPModelCfg, RslRlOnPolicyRunnerCfg, RslRlPpoAlgorithmCfg, RslRlSymmetryCfg

from alice.system.device import preferred as preferred_device


@configclass
class BoundedGaussianCfg(RslRlMLPModelCfg.GaussianDistributionCfg):
    """Noise that the actor shifts from state to state."""

    class_name = "alice.models.noise:BoundedGaussianDistribution"
    init_std = 0.6
    std_type = "log"
    std_range = (0.03, 1.0)


@configclass
class PlainActorCfg(RslRlMLPModelCfg):
    """Three layers."""

    hidden_dims = [256, 128, 64]
    activation = "elu"
    obs_normalization = True


@configclass
class AttentiveActorCfg(PlainActorCfg):
    """Three layers, and one beside them for the noise."""

    class_name = "alice.models.noise:AttentiveNoiseMLPModel"
    noise_dims: list[int] = [64]
    distribution_cfg = BoundedGaussianCfg()


@configclass
class BallTransferPPORunnerCfg(RslRlOnPolicyRunnerCfg):
    """PPO that learns the state task on two CPU cores within 20 minutes."""

    seed = 1
    device = preferred_device()
    num_steps_per_env = 24
    max_iterations = 163
    save_interval = 50
    experiment_name = "ball_transfer"
    obs_groups = {
        "actor": ["policy", "command_state", "goal_state"],
        "critic": ["privileged", "command_state", "privileged_goal"],
    }
    actor = AttentiveActorCfg()
    critic = RslRlMLPModelCfg(hidden_dims=[256, 128, 64], activation="elu", obs_normalization=True)
    algorithm = RslRlPpoAlgorithmCfg(
        class_name="alice.learning.ppo:MirrorPPO",
        num_learning_epochs=4,
        num_mini_batches=4,
        learning_rate=1.0e-3,
        schedule="adaptive",
        gamma=0.99,
        lam=0.95,
        entropy_coef=0.002,
        desired_kl=0.01,
        max_grad_norm=1.0,
        value_loss_coef=1.0,
        use_clipped_value_loss=False,  # RSL-RL clips it by clip_param, in units of reward: the critic lags behind
        clip_param=0.2,
        symmetry_cfg=RslRlSymmetryCfg(
            use_data_augmentation=True, data_augmentation_func="alice.learning.symmetry:mirror_left_right"
        ),
    )
