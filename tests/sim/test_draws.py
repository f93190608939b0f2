"""How episode k of an audit begins, and in what world, follows from the audit's seed and k alone."""

import argparse

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice.evaluation.audit import audit, draws, policy  # noqa: E402
from alice.runs import launch  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

SEED = 2**64 + 777
"""Larger than any generator's own seed."""


def world(env) -> dict[str, torch.Tensor]:
    """Return all that is drawn for an episode, (N, …) each."""
    import warp as wp
    from isaaclab_ov import tensor_types

    arm, ball, state = env.scene["robot"].data, env.scene["ball"].data, transfer_state(env)
    servos = env.action_manager.get_term("joints").servos
    materials = tensor_types.RIGID_BODY_SHAPE_FRICTION_AND_RESTITUTION
    found = {
        "ball": state.now.ball_pos,
        "ball_radius": state.ball_radius,
        "rolling": draws.kinds_of(env),
        "dish": state.dish_pos,
        "home_pose": state.now.true.joint_pos,
        "ball_mass": ball.body_mass.torch,
        "ball_inertia": ball.body_inertia.torch,
        "link_mass": arm.body_mass.torch,
        "joint_friction": arm.joint_friction_coeff.torch,
        "joint_armature": arm.joint_armature.torch,
        "stiffness": arm.joint_stiffness.torch,
        "damping": arm.joint_damping.torch,
        "torque_cap": arm.joint_effort_limits.torch,
        "servo_delay": servos.delay,
        "servo_offset": servos.offset,
        "servo_backlash": servos.backlash,
        "first_push": env.event_manager._interval_term_time_left[0],
    }
    for name in ("ball", "dish", "table"):
        found[f"{name}_friction"] = wp.to_torch(env.scene[name].root_view.get_attribute(materials))
    fingers = wp.to_torch(env.scene["robot"].root_view.get_attribute(tensor_types.SHAPE_FRICTION_AND_RESTITUTION))
    found["finger_friction"] = fingers
    return {name: values.clone() for name, values in found.items()}


def differences(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> dict[str, int]:
    """Return in how many episodes each quantity differs, without those that are equal in all."""
    found = {}
    for name, values in one.items():
        apart = (values - other[name]).abs().reshape(len(values), -1).amax(dim=1)
        # Positions are read in the world, where environments lie metres apart: micrometres are lost.
        tolerance = 2e-6 if name == "ball" else 1e-6 * float(values.abs().max())
        if count := int((apart > tolerance).sum()):
            found[name] = count
    return found


def test_a_round_begins_alike_whatever_was_played_before_and_unlike_any_other(simulate):
    env = simulate("presets=domain_rand", num_envs=42, play=True)
    order = draws.seats(draws.kinds_of(env))
    with torch.inference_mode():
        draws.deal(env, SEED, 0, order)
        first = world(env)
        for _ in range(7):
            env.step(torch.ones(42, 6))
        env._reset_idx(torch.tensor([3, 30], dtype=torch.int32))
        draws.deal(env, SEED, 42, order)
        second = world(env)
        draws.deal(env, SEED, 0, order)
        again = world(env)
    assert differences(first, again) == {}
    fixed = {"ball_radius", "rolling"}
    apart = differences(first, second)
    assert all(apart.get(name, 0) > 30 for name in first.keys() - fixed), apart
    halves = differences(
        *({name: values[order[part]] for name, values in first.items()} for part in (slice(0, 21), slice(21, 42)))
    )
    assert all(halves.get(name, 0) > 15 for name in first.keys() - fixed), halves
    assert draws.kinds_of(env)[order].tolist() == list(range(21)) * 2


def _audit(num_envs: int, monkeypatch) -> dict[str, dict[str, torch.Tensor]]:
    """Audit an idle policy and the released one and return the worlds of 168 episodes for each, and their lengths."""
    parser = argparse.ArgumentParser()
    launch.add_flags(parser)
    words = ["--task", "Alice-Ball-Transfer", "--device", "cpu", "--domain_rand", "--checkpoint", "released"]
    job = launch.prepare(parser.parse_args([*words, "--num_envs", str(num_envs)]), [], play_mode=True)
    job.env_cfg.episode_length_s = 3.0
    play_round, rounds = audit._round, []

    def look(env, actor, counted, *rest):
        rounds.append({name: values[counted] for name, values in world(env.unwrapped).items()})
        return play_round(env, actor, counted, *rest)

    monkeypatch.setattr(audit, "_round", look)
    found = {}
    with policy.open_environment(job) as env:
        released = policy.load_policy(env, job)

        class Idle:
            def __call__(self, obs):
                return torch.zeros(num_envs, 6)

            def reset(self, dones):
                pass

        for name, actor in (("released", released), ("idle", Idle())):
            rounds.clear()
            episodes = audit.run_audit(env, actor, 168, SEED, show_progress=False)
            found[name] = {key: torch.cat([part[key] for part in rounds]) for key in rounds[0]}
            found[name]["length"] = episodes.length
    monkeypatch.setattr(audit, "_round", play_round)
    return found


@pytest.mark.slow
def test_episode_k_is_the_same_for_every_policy_and_number_of_environments(monkeypatch):
    few, many = _audit(21, monkeypatch), _audit(84, monkeypatch)
    lengths = few["released"].pop("length"), few["idle"].pop("length")
    assert (lengths[0] < lengths[1]).sum() > 140, lengths
    many["released"].pop("length"), many["idle"].pop("length")
    for other in (few["idle"], many["released"], many["idle"]):
        assert len(other["ball"]) == 168
        assert differences(few["released"], other) == {}
    distinct = {name: len(values.flatten(1).unique(dim=0)) for name, values in many["idle"].items() if values.dim() > 1}
    assert all(count > 100 for name, count in distinct.items() if "friction" not in name), distinct
    assert all(distinct[f"{name}_friction"] > 40 for name in ("ball", "dish", "table")), distinct  # 64 values are dealt
