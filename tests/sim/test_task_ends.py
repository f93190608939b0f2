"""When an episode ends: success needs all of its predicates, a lost ball and the clock end it too."""

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice.arms import XARM1S, kinematics  # noqa: E402
from alice.transfer.curriculum import FIRST_LOST_COST, LOST_COST  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

REST = 0.017  # height of a ball of 15 mm radius on the 2 mm floor of the dish


@pytest.fixture
def env(simulate):
    """Eight environments that have just begun at home."""
    return simulate(play=True)


def _idle(env) -> torch.Tensor:
    """Return the action that holds the arm still with the gripper open."""
    action = torch.zeros(env.num_envs, 6)
    action[:, 5] = 1.0
    return action


def _put_ball(env, place: torch.Tensor, env_ids: torch.Tensor | None = None) -> None:
    """Put the ball at rest at places of the base frame, (N, 3) [m]."""
    ids = torch.arange(env.num_envs) if env_ids is None else env_ids
    upright = torch.tensor([0.0, 0.0, 0.0, 1.0]).repeat(len(ids), 1)
    pose = torch.cat(((place + env.scene.env_origins)[ids], upright), dim=-1)
    env.scene["ball"].write_root_pose_to_sim_index(root_pose=pose, env_ids=ids)
    env.scene["ball"].write_root_velocity_to_sim_index(root_velocity=torch.zeros(len(ids), 6), env_ids=ids)


def _in_dish(env) -> torch.Tensor:
    return transfer_state(env).dish_pos + torch.tensor([0.0, 0.0, REST])


def test_a_ball_in_the_dish_with_the_arm_away_is_a_success_after_ten_steps(env):
    _put_ball(env, _in_dish(env))
    for step in range(1, 11):
        _, reward, terminated, truncated, _ = env.step(_idle(env))
        success = env.termination_manager.get_term("success")
        assert terminated.tolist() == success.tolist() == [step == 10] * 8, f"step {step}"
        assert not truncated.any()
    assert reward.min() > 1.5  # success pays 2


def test_a_ball_beside_the_dish_is_no_success(env):
    dish = transfer_state(env).dish_pos
    inwards = -torch.sign(dish[:, 1])
    beside = dish + torch.stack((0 * inwards, 0.055 * inwards, torch.full_like(inwards, 0.015)), dim=-1)
    _put_ball(env, beside)
    for _ in range(20):
        _, _, terminated, _, _ = env.step(_idle(env))
        assert not terminated.any()


def test_a_ball_in_the_dish_with_the_arm_close_is_no_success(env):
    place = _in_dish(env)
    _put_ball(env, place)
    over = place + torch.tensor([0.0, 0.0, 0.035])
    arm, reachable = kinematics.inverse(XARM1S, over, kinematics.steepest_pitch(XARM1S, over))
    assert reachable.all()
    joints = torch.cat((arm, torch.tensor(XARM1S.gripper.opened).repeat(8, 1)), dim=-1)
    env.scene["robot"].write_joint_position_to_sim_index(position=joints)
    env.scene["robot"].write_joint_velocity_to_sim_index(velocity=torch.zeros(8, 7))
    env.action_manager.get_term("joints").set_targets(torch.arange(8), joints)
    for _ in range(20):
        _, _, terminated, _, _ = env.step(_idle(env))
        assert not terminated.any()
    now = transfer_state(env).now
    assert now.is_in_dish.all() and (now.ball_speed < 0.06).all() and (now.true.gap > 0.045).all()
    assert (now.grip_distance < 0.05).all()  # the one thing that is missing


def test_a_lost_ball_ends_the_episode_of_its_environment(env):
    _put_ball(env, torch.tensor([0.30, 0.25, 0.015]).repeat(8, 1), torch.tensor([2, 6]))
    _, reward, terminated, _, _ = env.step(_idle(env))
    expected = [index in (2, 6) for index in range(8)]
    assert terminated.tolist() == env.termination_manager.get_term("ball_lost").tolist() == expected
    assert reward[[2, 6]].max() < -0.5
    assert env.episode_length_buf[[2, 6]].tolist() == [0, 0]


@pytest.mark.parametrize(("phase", "cost"), [("reach", FIRST_LOST_COST), ("grasp", LOST_COST), ("polish", LOST_COST)])
def test_a_lost_ball_costs_what_the_stage_says_once(simulate, phase, cost):
    env = simulate(f"env.curriculum.stage.params.phase={phase}", num_envs=8)
    env.reset()
    _put_ball(env, torch.tensor([0.30, 0.25, 0.015]).repeat(8, 1), torch.tensor([2, 6]))
    env.step(_idle(env))
    paid = dict(env.reward_manager.get_active_iterable_terms(2))["ball_lost"][0] * env.step_dt
    assert paid == pytest.approx(-cost)


def test_time_runs_out_after_eight_seconds(env):
    assert env.max_episode_length == 160
    env.episode_length_buf[:] = torch.tensor([0, 158, 159, 0, 0, 0, 0, 0])
    _, _, terminated, truncated, _ = env.step(_idle(env))
    assert truncated.nonzero().flatten().tolist() == [2] and not terminated.any()
