"""The servo model in front of a simulated arm."""

import math

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice.evaluation.physics.scripted import Script  # noqa: E402
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


@pytest.mark.parametrize("words", ["presets=hobby_servo,reports", "presets=domain_rand"])
def test_without_read_back_a_ball_in_the_gripper_is_known_by_command_and_report(words, simulate):
    """The scripted transfer: the told pinch flag goes with the true one, and the gap with the true gap."""
    env = simulate(words, "env.actions.joints.servo.reads_back=false", num_envs=16, play=True, endless=True)
    script, state = Script(env), transfer_state(env)
    held, told, off = [], [], []
    while script.leg is not None:
        env.step(script.act())
        now = state.now
        held.append(now.true.is_pinched.clone())
        told.append(now.told.is_pinched.clone())
        off.append((now.measured.gap - now.true.gap)[now.true.is_pinched & now.told.is_pinched])
    held, told, off = torch.stack(held), torch.stack(told), torch.cat(off)
    assert held.any(dim=0).float().mean() > 0.8, "balls are picked up"
    assert told[held].float().mean() > 0.9, "a held ball is known to be held, but for the moments of closing"
    assert off.abs().median() < 0.002
