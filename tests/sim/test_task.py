"""The task as Isaac Lab runs it: every registered id, what is observed and commanded, and what a reset does."""

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

import gymnasium  # noqa: E402

import alice.tasks  # noqa: E402, F401
from alice.arms import XARM1S, kinematics  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

TASKS = sorted(task for task in gymnasium.registry if task.startswith("Alice-"))


def _random_actions(env, steps: int, seed: int = 0):
    """Yield uniform actions from a generator of their own."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield 2.0 * torch.rand(env.num_envs, env.action_manager.total_action_dim, generator=generator) - 1.0


def _idle(env) -> torch.Tensor:
    """Return the action that holds the arm still with the gripper open."""
    action = torch.zeros(env.num_envs, env.action_manager.total_action_dim)
    action[:, 5:] = 1.0
    return action


##
# Every task
##


def test_there_is_a_task():
    assert "Alice-Ball-Transfer" in TASKS


@pytest.mark.parametrize("task", TASKS)
def test_every_task_runs_and_stays_finite(task, simulate):
    env = simulate(task=task)
    assert env.num_envs == 8
    assert env.step_dt == pytest.approx(1 / 20)
    obs, _ = env.reset()
    shapes = {name: group.shape for name, group in obs.items()}
    for action in _random_actions(env, 50):
        obs, reward, terminated, truncated, _ = env.step(action)
        assert {name: group.shape for name, group in obs.items()} == shapes
        for name, group in obs.items():
            assert group.shape[0] == 8 and torch.isfinite(group.float()).all(), name
        assert reward.shape == terminated.shape == truncated.shape == (8,)
        assert torch.isfinite(reward).all()


##
# Observations and actions of the state task
##

PARTS = (7, 7, 3, 3, 3, 3, 1, 1)


def test_the_28_documented_numbers_in_their_order(simulate):
    env = simulate()
    env.event_manager.get_term_cfg("reset_transfer").params["shares"] = {"home": 1.0}
    env.reset()
    for action in _random_actions(env, 5):
        before = env.scene["robot"].data.joint_pos.torch.clone()
        obs, *_ = env.step(action)
    assert obs["policy"].shape == (8, 28)
    assert env.observation_manager.group_obs_term_dim["policy"] == [(size,) for size in PARTS]
    joints, speeds, tool, ball, tool_to_ball, ball_to_dish, gap, flag = obs["policy"].split(PARTS, dim=-1)
    arm, origins = env.scene["robot"].data, env.scene.env_origins
    place = {name: env.scene[name].data.root_link_pose_w.torch[:, :3] - origins for name in ("ball", "dish")}

    def same(found, expected):
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)

    same(joints, arm.joint_pos.torch)
    torch.testing.assert_close(speeds, (joints - before) * 20, rtol=0, atol=1e-3)  # servos report no speed
    true = obs["privileged"].split(PARTS, dim=-1)
    torch.testing.assert_close(true[1], (arm.joint_pos.torch - before) * 20, rtol=0, atol=1e-3)
    same(torch.cat((true[0], *true[2:]), dim=-1), torch.cat((joints, *obs["policy"].split(PARTS, dim=-1)[2:]), dim=-1))
    same(tool, kinematics.forward(XARM1S, arm.joint_pos.torch)[0])
    same(ball, place["ball"])
    same(tool_to_ball, ball - tool)
    same(ball_to_dish, place["dish"] - place["ball"])
    same(gap.squeeze(-1), arm.joint_pos.torch[:, 5:].sum(dim=-1))
    assert set(flag.flatten().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("task", ["Alice-Ball-Transfer", "Alice-Ball-Transfer-SO101"])
def test_the_true_speed_is_that_of_the_whole_control_step(simulate, task):
    """The drives of the xArm have nearly caught up by its end: the speed of that instant hides half of the way."""
    env = simulate(task=task, play=True)
    start = env.scene["robot"].data.joint_pos.torch.clone()
    way = torch.zeros_like(start)
    action = _idle(env)
    action[:, :5] = torch.tensor([0.3, -0.2, 0.2, -0.3, 0.3])
    for _ in range(6):
        env.step(action)
        way += transfer_state(env).now.true.joint_vel * env.step_dt
    moved = env.scene["robot"].data.joint_pos.torch - start
    torch.testing.assert_close(way, moved, rtol=0, atol=1e-4)
    assert moved[:, 0].min() > 0.1


def test_six_actions(simulate):
    env = simulate()
    assert env.action_manager.total_action_dim == 6
    obs, _ = env.reset()
    assert obs["command_state"].shape == (8, 13)


def test_the_policy_is_told_when_the_ball_has_got_to_the_dish(simulate):
    env = simulate()
    for kind, expected in (("home", 0.0), ("in_hand", 0.0), ("above_dish", 1.0), ("in_dish", 1.0)):
        env.event_manager.get_term_cfg("reset_transfer").params["shares"] = {kind: 1.0}
        obs, _ = env.reset()
        assert obs["goal_state"].tolist() == [[expected]] * 8, kind


def test_the_arm_follows_its_actions(simulate):
    env = simulate(play=True)
    before = env.scene["robot"].data.joint_pos.torch.clone()
    action = _idle(env)
    action[:, 0], action[:, 1] = 1.0, -0.5
    for _ in range(6):
        env.step(action)
    for _ in range(6):
        env.step(_idle(env))
    moved = env.scene["robot"].data.joint_pos.torch - before
    torch.testing.assert_close(moved[:, 0], torch.full((8,), 0.6), rtol=0, atol=0.02)
    torch.testing.assert_close(moved[:, 1], torch.full((8,), -0.3), rtol=0, atol=0.05)
    assert moved[:, 5:].min() > 0.003  # 20 to 25 mm


def test_the_preset_with_seven_actions_moves_each_finger(simulate):
    env = simulate("presets=seven_actions")
    assert env.action_manager.total_action_dim == 7
    obs, _ = env.reset()
    assert obs["policy"].shape == (8, 28) and obs["command_state"].shape == (8, 14)
    env = simulate("presets=seven_actions", play=True)
    action = _idle(env)
    action[:, 6] = -1.0
    for _ in range(15):
        env.step(action)
    fingers = env.scene["robot"].data.joint_pos.torch[:, 5:]
    torch.testing.assert_close(fingers, torch.tensor([[0.025, 0.0]]).expand(8, 2), rtol=0, atol=2e-3)


##
# Resets
##


def _everything(env) -> dict[str, torch.Tensor]:
    """Return a copy of all that a reset may touch, one row per environment."""
    arm = env.scene["robot"].data
    rows = {"joint_pos": arm.joint_pos.torch, "joint_vel": arm.joint_vel.torch}
    rows |= {name: env.scene[name].data.root_link_pose_w.torch for name in ("ball", "dish", "nest")}
    rows["ball_vel"] = env.scene["ball"].data.root_com_vel_w.torch
    rows["targets"] = env.action_manager.get_term("joints").targets
    rows["goal"] = transfer_state(env).dish_pos
    rows["length"] = env.episode_length_buf.unsqueeze(-1)
    return {name: value.clone() for name, value in rows.items()}


def test_a_partial_reset_touches_only_the_chosen(simulate):
    env = simulate()
    for action in _random_actions(env, 5):
        env.step(action)
    env.episode_length_buf[:] = 5  # also of those that a random action has ended
    before = _everything(env)
    env.reset(env_ids=torch.tensor([1, 5], dtype=torch.int32))
    after = _everything(env)
    others = [0, 2, 3, 4, 6, 7]
    for name, value in after.items():
        torch.testing.assert_close(value[others], before[name][others], rtol=0, atol=1e-6, msg=name)
    for name in ("joint_pos", "ball", "dish", "nest", "targets", "goal"):
        assert (after[name][[1, 5]] != before[name][[1, 5]]).any(dim=-1).all(), name
    assert after["length"].flatten().tolist() == [5, 0, 5, 5, 5, 0, 5, 5]
    env.step(_idle(env))  # and the simulation goes on
    assert env.episode_length_buf.tolist() == [6, 1, 6, 6, 6, 1, 6, 6]


def test_training_starts_are_of_several_kinds(simulate):
    env = simulate()
    at_home = []
    for _ in range(6):
        env.reset()
        at_home += transfer_state(env).books.is_home_start.tolist()
    assert 0.2 < sum(at_home) / len(at_home) < 0.8


def _many_starts(simulate):
    """Return an environment in play mode, the one that test_scripted_transfer.py has left open."""
    return simulate("physics=ovphysx", num_envs=256, play=True, endless=True)


def test_play_mode_starts_from_home(simulate):
    env = _many_starts(simulate)
    home = torch.tensor(list(XARM1S.home))
    for _ in range(3):
        env.reset()
        assert transfer_state(env).books.is_home_start.all()
        off = (env.scene["robot"].data.joint_pos.torch - home).abs()
        assert off[:, :5].max() < 0.051 and off[:, 5:].max() < 1e-4
        ball, nest = (env.scene[name].data.root_link_pose_w.torch for name in ("ball", "nest"))
        torch.testing.assert_close(ball[:, :2], nest[:, :2], rtol=0, atol=1e-5)


def test_ball_and_dish_are_drawn_over_the_whole_area_and_apart(simulate):
    env = _many_starts(simulate)
    starts = []
    for _ in range(3):
        env.reset()
        starts.append(
            torch.stack([env.scene[name].data.root_link_pose_w.torch[:, :3] for name in ("ball", "dish")])
            - env.scene.env_origins
        )
    ball, dish = torch.cat(starts, dim=1)
    for place in (ball, dish):
        x, y = place[:, 0], place[:, 1]
        assert x.min() >= 0.0899 and x.max() <= 0.2901 and y.abs().max() <= 0.1201
        assert x.min() < 0.10 and x.max() > 0.28 and y.min() < -0.11 and y.max() > 0.11
        assert 0.4 < (y > 0).float().mean() < 0.6  # either side
    assert (ball - dish)[:, :2].norm(dim=-1).min() >= 0.0799
    torch.testing.assert_close(ball[:, 2], torch.full((768,), 0.015), rtol=0, atol=1e-4)


def test_a_ball_at_home_stays_in_its_nest(simulate):
    env = _many_starts(simulate)
    before = env.scene["ball"].data.root_link_pose_w.torch[:, :3].clone()
    for _ in range(20):
        env.step(_idle(env))
    assert (env.scene["ball"].data.root_link_pose_w.torch[:, :3] - before).norm(dim=-1).max() < 0.004


##
# Seeds
##


def _trajectory(simulate, seed: int) -> torch.Tensor:
    """Return observations and rewards of 50 random steps in a new environment."""
    simulate.close()
    env = simulate(seed=seed)
    rows = []
    for action in _random_actions(env, 50):
        obs, reward, *_ = env.step(action)
        rows.append(torch.cat((obs["policy"], obs["command_state"], reward.unsqueeze(-1)), dim=-1).clone())
    return torch.stack(rows)


def test_the_same_seed_gives_the_same_trajectories(simulate):
    first = _trajectory(simulate, 11)
    assert torch.equal(_trajectory(simulate, 11), first)
    assert not torch.equal(_trajectory(simulate, 12), first)
