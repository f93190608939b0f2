"""``presets=servo_12v``: the SO-101 with the stronger servos, in simulation, contract and randomization alike."""

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice import arms  # noqa: E402
from alice.export import configured  # noqa: E402

TASK = "Alice-Ball-Transfer-SO101"
STRONG = arms.ARMS["so101_12v"]


@pytest.mark.parametrize("words", [("presets=servo_12v",), ("presets=servo_12v,domain_rand",)])
def test_the_preset_is_the_arm_with_the_stronger_servos(words, simulate):
    env = simulate(*words, task=TASK, num_envs=4, play=True)  # a training begins without randomization
    assert arms.of(env) is STRONG
    assert configured.arm(env.cfg).name == STRONG.name
    limits = env.scene["robot"].data.joint_effort_limits.torch
    nominal = torch.tensor([joint.effort_limit for joint in STRONG.joints])
    share = limits / nominal
    if "domain_rand" in words[0]:
        assert ((share > 0.7) & (share < 1.1)).all() and share.std() > 0.01
    else:
        torch.testing.assert_close(share, torch.ones_like(share))
    env.step(torch.zeros(4, env.action_manager.total_action_dim))


def test_without_it_the_servos_are_those_of_the_parts_list(simulate):
    env = simulate(task=TASK, num_envs=4)
    assert arms.of(env).name == "so101"
    weak = env.scene["robot"].data.joint_effort_limits.torch[0]
    assert (weak < torch.tensor([joint.effort_limit for joint in STRONG.joints])).all()
