"""The servo model in front of a simulated arm."""

import math

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice.transfer.state import transfer_state  # noqa: E402


@pytest.mark.parametrize("physics", ["ovphysx", "newton_mjwarp"])
def test_reported_joints_are_coarse_and_near_the_truth(physics, simulate):
    env = simulate(f"physics={physics}", "presets=hobby_servo", num_envs=8, play=True, endless=True)
    action = torch.zeros(8, 6)
    action[:, 0], action[:, 5] = 0.3, 1.0
    for _ in range(6):
        env.step(action)
    now = transfer_state(env).now
    error = (now.measured.joint_pos - now.true.joint_pos)[:, :5].abs()
    assert 0.002 < error.max() < 0.02 + 0.03 + 4 * 0.005 + math.radians(0.24)
    assert now.measured.joint_vel[:, 0].mean() == pytest.approx(0.3 * 2.0, abs=0.15)
    seen = env.observation_manager.compute()["policy"]
    assert torch.equal(seen[:, :7], now.measured.joint_pos)


def test_the_arm_follows_late_by_the_drawn_delay(simulate):
    """Started from rest, the delayed arm is behind the ideal one by between one and two control steps' motion."""
    turned = {}
    for words in ((), ("presets=hobby_servo",)):
        env = simulate(*words, num_envs=8, play=True, endless=True)
        start = transfer_state(env).now.true.joint_pos[:, 0].clone()
        action = torch.zeros(8, 6)
        action[:, 0] = 0.5
        for _ in range(10):
            env.step(action)
        turned[words] = (transfer_state(env).now.true.joint_pos[:, 0] - start).mean()
    lag = turned[()] - turned["presets=hobby_servo",]
    assert 0.02 * 1.0 - 0.025 < lag < 0.06 * 1.0 + 0.025, lag
    assert lag > 0.01
