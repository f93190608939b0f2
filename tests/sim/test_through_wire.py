"""The audit over the wire: equal starts, the same servos, and nearly the same motion as in closed loop."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("isaaclab")
pytest.importorskip("serial")
torch = pytest.importorskip("torch")

from alice import arms  # noqa: E402
from alice.assets import POLICIES_DIR  # noqa: E402
from alice.cli.usage import UsageError  # noqa: E402
from alice.deploy.lockstep import Options  # noqa: E402
from alice.evaluation.audit import draws  # noqa: E402
from alice.evaluation.audit.deployed import DeployedPolicy  # noqa: E402
from alice.evaluation.audit.wired import WiredPolicy  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

STATE, SO101, CAMERA = "Alice-Ball-Transfer", "Alice-Ball-Transfer-SO101", "Alice-Ball-Transfer-Camera"
COUNT, STEPS = 16, 30


def path_of(task: str) -> Path:
    return POLICIES_DIR / f"{task}.onnx"


def motion(env, policy, steps=STEPS):
    """Return where the joints went from the starts of one seed, (T, N, J), and where they were told to go."""
    draws.deal(env, 11, 0, torch.arange(env.num_envs))
    obs, went, told = env.obs_buf, [], []
    policy.reset(torch.ones(env.num_envs, dtype=torch.bool))
    with torch.no_grad():
        for _ in range(steps):
            obs, _, _, _, _ = env.step(policy(obs))
            went.append(transfer_state(env).now.true.joint_pos.cpu().numpy().copy())
            told.append(env.action_manager.get_term("joints").targets.cpu().numpy().copy())
    return np.array(went), np.array(told)


@pytest.mark.parametrize("task", [STATE, SO101])
def test_over_the_wire_an_arm_goes_where_it_goes_in_closed_loop(task, simulate):
    """With ideal servos what is left are whole counts and the guard."""
    env = simulate(task=task, num_envs=COUNT, play=True, endless=True)
    went, told = motion(env, DeployedPolicy(env, path_of(task)))
    wired = WiredPolicy(env, path_of(task))
    again, told_again = motion(env, wired)
    columns = list(range(len(arms.of(env).arm_joints)))
    assert np.ptp(went, axis=0)[:, columns].max() > 0.3, "it moves"
    assert np.abs(told - told_again)[:8, :, columns].max() < 0.05, "until the first meets the table guard"
    assert np.median(np.abs(went - again)[:, :, columns].max(axis=-1)) < 0.03
    assert wired._arms.counts.steps == COUNT * STEPS and not wired._arms.counts.events


def test_the_servos_are_those_that_the_simulation_has_drawn(simulate):
    env = simulate("presets=hobby_servo", num_envs=COUNT, play=True, endless=True)
    wired = WiredPolicy(env, path_of(STATE))
    motion(env, wired, 2)
    drawn = env.action_manager.get_term("joints").servos
    world = wired._arms.emulated.world
    for name in ("offset", "gain", "backlash", "dead_band"):
        assert world.of(f"servo_{name}") == pytest.approx(getattr(drawn, name).numpy(), abs=1e-6), name
    assert np.ptp(world.per_arm("servo_delay")) > 0.005
    assert drawn.offset.abs().max() > 0.005


def test_a_camera_policy_sees_over_the_wire(simulate):
    env = simulate("presets=hobby_servo", task=CAMERA, num_envs=COUNT, play=True, endless=True)
    wired = WiredPolicy(env, path_of(CAMERA))
    _, told = motion(env, wired, 20)
    assert np.ptp(told, axis=0).max() > 0.1 and not wired._arms.counts.events


def test_a_bus_that_the_arm_does_not_speak_is_told(simulate):
    env = simulate(num_envs=COUNT, play=True, endless=True)
    with pytest.raises(UsageError, match="does not speak sts"):
        WiredPolicy(env, path_of(STATE), Options("sts"))


@pytest.mark.slow
def test_the_door_tells_both_rates_and_what_lies_between(door, tmp_path):
    words = ["--task", STATE, "--checkpoint", path_of(STATE), "--through_wire", "--episodes", COUNT, "--device", "cpu"]
    code, out, err = door("evaluate", *words, "--json", tmp_path / "wire.json")
    assert code == 0, err
    found = json.loads((tmp_path / "wire.json").read_text())
    assert found["closed loop"]["episodes"] == found["wire"]["episodes"] == COUNT
    pair = found["difference"]
    rates = [found[name]["success"]["rate"] for name in ("closed loop", "wire")]
    assert (
        pair["difference"] == pytest.approx(rates[1] - rates[0]) and pair["low"] <= pair["difference"] <= pair["high"]
    )
    assert "difference" in out and "table guard" in out
