"""Our PPO learns what RSL-RL's PPO learns, and its critics keep up with what is paid."""

import copy
import inspect
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
from rsl_rl.algorithms import PPO  # noqa: E402
from rsl_rl.models import MLPModel  # noqa: E402
from rsl_rl.storage import RolloutStorage  # noqa: E402
from tensordict import TensorDict  # noqa: E402

from alice.arms import XARM1S  # noqa: E402
from alice.learning.ppo import MirrorPPO, StudentPPO  # noqa: E402
from alice.learning.symmetry import mirror_left_right  # noqa: E402
from alice.models.keypoints import KeypointCNNModel  # noqa: E402

ENVS, STEPS = 8, 6
ENV = SimpleNamespace(unwrapped=SimpleNamespace(cfg=SimpleNamespace(arm=XARM1S.name)))
"""Its arm is all that the mirror asks of an environment."""


def _observations():
    return TensorDict({"policy": torch.randn(ENVS, 28), "command_state": torch.randn(ENVS, 13)}, batch_size=[ENVS])


def _updated(algorithm, learned=False):
    """Return weights and losses after one update on a made-up rollout, the same for equal calls."""
    torch.manual_seed(5)
    obs = _observations()
    groups = {"actor": ["policy", "command_state"], "critic": ["policy", "command_state"]}
    noise = {"class_name": "rsl_rl.modules.distribution:GaussianDistribution", "init_std": 0.5}
    actor = MLPModel(obs, groups, "actor", 6, [16], distribution_cfg=copy.deepcopy(noise))
    critic = MLPModel(obs, groups, "critic", 1, [16])
    storage = RolloutStorage("rl", ENVS, STEPS, obs, [6])
    symmetry = {"env": ENV, "data_augmentation_func": mirror_left_right, "use_data_augmentation": True}
    symmetry |= {"use_mirror_loss": learned, "mirror_loss_coeff": 1.0}
    ppo = algorithm(actor, critic, storage, num_learning_epochs=2, num_mini_batches=2, symmetry_cfg=symmetry)
    with torch.inference_mode():
        for _ in range(STEPS):
            ppo.act(obs)
            obs = _observations()
            ppo.process_env_step(obs, torch.randn(ENVS), torch.zeros(ENVS), {})
        ppo.compute_returns(obs)
    losses = ppo.update()
    return [*actor.parameters(), *critic.parameters()], losses


@pytest.mark.parametrize("learned", [False, True])
def test_weights_and_losses_are_those_of_rsl_rl(learned):
    ours, losses = _updated(MirrorPPO, learned)
    theirs, reference = _updated(PPO, learned)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    # All samples of these small batches are among those that the logged loss is measured on.
    assert losses == pytest.approx(reference)
    assert losses["symmetry"] > 0.0


@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_policy_that_sees_is_as_likely_in_the_update_as_in_the_rollout(bfloat16):
    """Rounded in one of the two alone, the ratio of the probabilities would not begin at 1."""
    torch.manual_seed(5)
    pictures = torch.randint(0, 256, (ENVS, 6, 24, 32), dtype=torch.uint8)
    obs = TensorDict({"image": pictures, "policy": torch.randn(ENVS, 5)}, batch_size=[ENVS])
    groups = {"actor": ["policy", "image"], "critic": ["policy"]}
    layers = {"output_channels": [8], "kernel_size": [5], "stride": [2], "padding": "zeros", "activation": "relu"}
    noise = {"class_name": "rsl_rl.modules.distribution:GaussianDistribution", "init_std": 0.05}
    actor = KeypointCNNModel(obs, groups, "actor", 6, hidden_dims=[16], cnn_cfg=layers, distribution_cfg=noise)
    storage = RolloutStorage("rl", ENVS, STEPS, obs, [6])
    ppo = StudentPPO(actor, MLPModel(obs, groups, "critic", 1, [16]), storage, bfloat16=bfloat16)
    with torch.inference_mode():
        actions = ppo.act(obs)
    actor(obs, stochastic_output=True)
    torch.testing.assert_close(
        actor.get_output_log_prob(actions), ppo.transition.actions_log_prob.view(-1), rtol=0, atol=1e-3
    )
    assert {encoder.bfloat16 for encoder in actor.cnns.values()} == {bfloat16}


@pytest.mark.parametrize("runner", ["BallTransferPPORunnerCfg", "CameraPPORunnerCfg", "CameraFinetuneRunnerCfg"])
def test_a_critic_follows_what_is_paid(runner):
    """The later stages charge what the job pays several times over, and values fall by ten within a few updates.

    PPO's value clipping lets a critic move by little more than ``clip_param``, in units of reward, an update. Behind it
    a policy stood still: what that costs never reached the actor.
    """
    pytest.importorskip("isaaclab_rl")
    from alice.agents.ball_transfer import rsl_rl_camera_cfg, rsl_rl_ppo_cfg

    cfg = getattr(rsl_rl_ppo_cfg, runner, None) or getattr(rsl_rl_camera_cfg, runner)
    numbers = cfg().algorithm.to_dict()
    taken = inspect.signature(PPO).parameters.keys() - {"symmetry_cfg", "rnd_cfg"}
    torch.manual_seed(5)
    obs = _observations()
    groups = {"actor": ["policy"], "critic": ["policy"]}
    noise = {"class_name": "rsl_rl.modules.distribution:GaussianDistribution", "init_std": 0.5}
    actor = MLPModel(obs, groups, "actor", 6, [16], distribution_cfg=noise)
    critic = MLPModel(obs, groups, "critic", 1, [32])
    storage = RolloutStorage("rl", ENVS, STEPS, obs, [6])
    chosen = {name: value for name, value in numbers.items() if name in taken}
    ppo = PPO(actor, critic, storage, **{**chosen, "learning_rate": 3e-3, "schedule": "fixed"})
    for _ in range(6):
        with torch.inference_mode():
            for _ in range(STEPS):
                ppo.act(obs)
                ppo.process_env_step(obs, torch.full((ENVS,), -10.0), torch.ones(ENVS), {})
            ppo.compute_returns(obs)
        ppo.update()
    assert critic(obs).mean() < -9.0
