"""Every observation, reward and termination term: shape, range, environments apart, and one direction each."""

import inspect
import math

import pytest

torch = pytest.importorskip("torch")

from alice.mdp import observations, rewards, terminations  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

INF = math.inf
LOST = {"min_radius": 0.05, "max_radius": 0.36, "min_height": 0.0}
PARTS = ("reach", "grasp", "lift", "transport", "release")

# (module, function) -> parameters of each use, columns (None: one number per environment), documented range.
CASES = {
    (observations, "joint_pos"): ([{}, {"arm": "true"}], 7, (-INF, INF)),
    (observations, "joint_vel"): ([{}, {"arm": "true"}], 7, (-INF, INF)),
    (observations, "tool_pos_b"): ([{}, {"arm": "true"}], 3, (-INF, INF)),
    (observations, "ball_pos_b"): ([{}, {"ball": "true"}], 3, (-INF, INF)),
    (observations, "tool_to_ball_b"): ([{}, {"arm": "true"}], 3, (-INF, INF)),
    (observations, "ball_to_dish_b"): ([{}, {"ball": "true"}], 3, (-INF, INF)),
    (observations, "dish_place_b"): ([{}, {"dish": "true"}], 2, (-INF, INF)),
    (observations, "gripper_gap"): ([{}, {"arm": "true"}], 1, (0.0, 0.05)),
    (observations, "pinch_flag"): ([{}, {"arm": "true"}], 1, (0.0, 1.0)),
    (observations, "dish_flag"): ([{}], 1, (0.0, 1.0)),
    (observations, "joint_targets"): ([{}], 7, (-INF, INF)),
    (observations, "last_action"): ([{}], 6, (-1.0, 1.0)),
    (rewards, "transfer_progress"): ([{"part": part} for part in PARTS], None, (-1.0, 1.0)),
    (rewards, "transfer_potential"): ([{"part": part} for part in PARTS], None, (0.0, 1.0)),
    (rewards, "is_near_ball"): ([{"distance": 0.06}], None, (0.0, 1.0)),
    (rewards, "is_ball_high"): ([{"height": 0.02, "held": held} for held in (False, True)], None, (0.0, 1.0)),
    (rewards, "rest_progress"): ([{}], None, (0.0, 0.1)),
    (rewards, "transfer_success"): ([{}], None, (0.0, 1.0)),
    (rewards, "is_terminated_term"): ([{"term_name": "ball_lost"}], None, (0.0, 1.0)),
    (rewards, "arm_unrest_l1"): ([{}], None, (0.0, INF)),
    (rewards, "servo_power"): ([{"transfer_work": 1.0}], None, (0.0, INF)),
    (rewards, "action_rate_l2"): ([{}], None, (0.0, 4.0)),
    (rewards, "action_excess_l2"): ([{}], None, (0.0, INF)),
    (terminations, "transfer_success"): ([{}], None, (0.0, 1.0)),
    (terminations, "is_ball_lost"): ([LOST], None, (0.0, 1.0)),
}
USES = [
    pytest.param(getattr(module, name), params, columns, limits, id="-".join([name, *map(str, params.values())][:2]))
    for (module, name), (uses, columns, limits) in CASES.items()
    for params in uses
]


def test_every_term_is_covered():
    found = {
        (module, name)
        for module in (observations, rewards, terminations)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert found == set(CASES) | {(observations, "seen_points")}, "which is the simulator's camera: tests/sim"


##
# What holds for all of them
##


def _story(count: int) -> list[dict]:
    """Return four moments of very different environments: one in three holds the ball, one in three is at the dish."""
    generator = torch.Generator().manual_seed(count)

    def draw(*shape):
        return torch.rand(*shape, generator=generator)

    kind = torch.arange(count) % 3
    moments = []
    for _ in range(4):
        ball = torch.tensor([0.05, -0.2, 0.0]) + torch.tensor([0.35, 0.4, 0.2]) * draw(count, 3)
        at_dish = torch.tensor([0.2, 0.05, 0.017]) + 0.02 * draw(count, 3)
        ball = torch.where((kind == 2).unsqueeze(-1), at_dish, ball)
        tool = torch.where((kind == 1).unsqueeze(-1), ball + 0.003 * draw(count, 3), ball + 0.2 * draw(count, 3))
        gap = torch.where(kind == 1, 0.0295, 0.05 * draw(count))
        moments.append(
            {
                "put": {"tool": tool, "ball": ball, "gap": gap, "gap_target": 0.02 * draw(count), "speed": draw(count)},
                "action": 2.0 * torch.randn(count, 6, generator=generator),
                "joint_vel": torch.randn(count, 7, generator=generator),
                "ball_lost": draw(count) < 0.5,
            }
        )
    return moments


def _play(env, story: list[dict], order: torch.Tensor) -> None:
    """Let an environment live through a story, its environments in the given order."""
    state = None
    for moment in story:
        env.put(**{name: value[order] for name, value in moment["put"].items()})
        env.action_manager.prev_action = env.action_manager.action
        env.action_manager.action = moment["action"][order]
        env.scene["robot"].data.joint_vel.torch[:] = moment["joint_vel"][order]
        env.termination_manager.terms["ball_lost"] = moment["ball_lost"][order]
        if state is None:
            state = transfer_state(env)
            dish = torch.tensor([0.2, 0.05, 0.0]).repeat(env.num_envs, 1)
            state.begin_episode(torch.arange(env.num_envs), dish, torch.ones(env.num_envs, dtype=torch.bool))
            env.end_reset(torch.arange(env.num_envs))
        else:
            env.advance()


@pytest.mark.parametrize(("term", "params", "columns", "limits"), USES)
def test_shape_and_range(term, params, columns, limits, make_env):
    env = make_env(30)
    _play(env, _story(30), torch.arange(30))
    value = term(env, **params)
    assert value.shape == ((30,) if columns is None else (30, columns))
    assert value.dtype == (torch.bool if inspect.getmodule(term) is terminations else torch.float32)
    assert torch.isfinite(value.float()).all()
    assert value.float().min() >= limits[0] - 1e-6 and value.float().max() <= limits[1] + 1e-6


@pytest.mark.parametrize(("term", "params", "columns", "limits"), USES)
def test_permuting_the_environments_permutes_the_result(term, params, columns, limits, make_env):
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    plain, shuffled = make_env(30), make_env(30)
    _play(plain, _story(30), torch.arange(30))
    _play(shuffled, _story(30), order)
    torch.testing.assert_close(term(shuffled, **params), term(plain, **params)[order], atol=2e-5, rtol=0)


@pytest.mark.parametrize(("term", "params", "columns", "limits"), USES)
def test_what_a_term_returns_is_not_the_buffer_of_the_next_step(term, params, columns, limits, make_env):
    env = make_env(30)
    story = _story(30)
    _play(env, story[:3], torch.arange(30))
    kept = term(env, **params)
    before = kept.clone()
    moment = story[3]
    env.put(**moment["put"])
    env.action_manager.get_term("joints").targets += 0.5
    env.scene["robot"].data.joint_vel.torch += 1.0
    env.advance()
    assert torch.equal(kept, before)


##
# Observations
##


def test_positions_are_in_the_base_frame(make_env):
    env = make_env(3)
    env.put(tool=(0.1, 0.02, 0.3), ball=(0.2, -0.05, 0.015))
    transfer_state(env).begin_episode(
        torch.arange(3), torch.tensor([[0.15, 0.1, 0.0]]).repeat(3, 1), torch.ones(3, dtype=torch.bool)
    )
    expected = {
        observations.tool_pos_b: (0.1, 0.02, 0.3),
        observations.ball_pos_b: (0.2, -0.05, 0.015),
        observations.tool_to_ball_b: (0.1, -0.07, -0.285),
        observations.ball_to_dish_b: (-0.05, 0.15, -0.015),
        observations.dish_place_b: (0.15, 0.1),
    }
    for term, value in expected.items():
        arm = {"arm": "true"} if "tool" in term.__name__ else {}  # the fake hand is not where the fake joints put it
        torch.testing.assert_close(term(env, **arm), torch.tensor([value]).repeat(3, 1), atol=1e-6, rtol=0)


def test_the_tool_point_turns_with_the_hand(make_env):
    env = make_env(1)
    half = math.sqrt(0.5)
    env.scene["robot"].data.body_link_pose_w.torch[:, 2] = torch.tensor([0.1, 0.0, 0.2, 0.0, half, 0.0, half])
    # A quarter turn about y points the hand forward: 162.7 - 55.7 = 107 mm from its origin to the tool point.
    tool = observations.tool_pos_b(env, arm="true")
    torch.testing.assert_close(tool, torch.tensor([[0.207, 0.0, 0.2]]), atol=1e-6, rtol=0)


def test_the_gap_is_what_both_fingers_leave(make_env):
    env = make_env(1)
    env.scene["robot"].data.joint_pos.torch[:, 5:] = torch.tensor([0.020, 0.011])
    assert observations.gripper_gap(env).item() == pytest.approx(0.031)


def test_the_pinch_flag_rises_when_the_ball_is_held(make_env):
    env = make_env(2)
    env.put(tool=(0.2, 0.0, 0.02), ball=(0.2, 0.0, 0.02), gap=0.030, gap_target=torch.tensor([0.0, 0.05]))
    assert observations.pinch_flag(env, arm="true").tolist() == [[1.0], [0.0]]


def test_the_dish_flag_rises_over_the_dish_whether_the_ball_is_held_or_not(make_env):
    env, everyone = make_env(4), torch.arange(4)
    ball = torch.tensor([[0.2, 0.1, 0.06], [0.2, 0.1, 0.017], [0.2, 0.14, 0.06], [0.2, 0.1, 0.12]])
    for hand in (ball, ball + 0.1):
        env.put(ball=ball, tool=hand)
        transfer_state(env).begin_episode(everyone, torch.tensor([0.2, 0.1, 0.0]).repeat(4, 1), everyone >= 0)
        env.end_reset(everyone)
        assert observations.dish_flag(env).flatten().tolist() == [1.0, 1.0, 0.0, 0.0]


def test_the_last_action_is_what_the_arm_was_told(make_env):
    env = make_env(1)
    env.action_manager.action = torch.tensor([[0.5, -3.0, 3.0, 0.0, 1.0, -1.0]])
    assert observations.last_action(env).tolist() == [[0.5, -1.0, 1.0, 0.0, 1.0, -1.0]]


def test_joint_targets_and_joint_positions_are_two_things(make_env):
    env = make_env(1)
    env.action_manager.get_term("joints").targets[:] = 0.3
    assert observations.joint_targets(env).tolist() == torch.full((1, 7), 0.3).tolist()
    assert observations.joint_pos(env).abs().max() == 0.0


##
# Rewards of the action, and terminations (progress and success: test_transfer.py)
##


def test_action_rate_grows_with_the_change_and_ends_at_four(make_env):
    env = make_env(4)
    env.action_manager.action = torch.tensor([0.0, 0.5, 1.0, 9.0]).unsqueeze(-1).repeat(1, 6)
    env.action_manager.prev_action = torch.tensor([0.0, 0.0, -1.0, -9.0]).unsqueeze(-1).repeat(1, 6)
    assert rewards.action_rate_l2(env).tolist() == [0.0, 0.25, 4.0, 4.0]


def test_action_excess_counts_only_what_lies_beyond_one(make_env):
    env = make_env(4)
    env.action_manager.action = torch.tensor([1.0, -1.0, 1.5, -3.0]).unsqueeze(-1).repeat(1, 6)
    assert rewards.action_excess_l2(env).tolist() == [0.0, 0.0, 0.25, 4.0]


def test_unrest_costs_what_the_arm_moves_once_the_ball_lies_in_the_dish_however_near_the_hand_stays(make_env):
    env = make_env(4)
    state = transfer_state(env)
    everyone = torch.arange(4)
    state.begin_episode(everyone, torch.tensor([0.2, 0.05, 0.0]).repeat(4, 1), torch.ones(4, dtype=torch.bool))
    in_dish, beside = (0.2, 0.05, 0.017), (0.2, 0.15, 0.015)
    ball = torch.tensor([in_dish, in_dish, in_dish, beside])
    env.put(ball=ball, tool=torch.tensor([(0.2, 0.05, 0.12), (0.2, 0.05, 0.12), (0.2, 0.05, 0.03), (0.2, 0.05, 0.12)]))
    env.end_reset(everyone)
    env.scene["robot"].data.joint_pos.torch[:, 1] += torch.tensor([0.3, 0.6, 0.3, 0.3]) * env.step_dt
    env.scene["robot"].data.joint_pos.torch[:, 5:] += 0.001  # fingers are not the arm
    env.advance()
    assert rewards.arm_unrest_l1(env).tolist() == pytest.approx([0.2, 0.4, 0.2, 0.0], abs=1e-4)


def test_power_is_torque_times_speed_whichever_way_they_point(make_env):
    env = make_env(3)
    state = transfer_state(env)
    everyone = torch.arange(3)
    state.begin_episode(everyone, torch.zeros(3, 3), torch.ones(3, dtype=torch.bool))
    env.end_reset(everyone)
    env.scene["robot"].data.joint_pos.torch[:, 2] += torch.tensor([0.0, 0.02, -0.02])
    env.advance()
    still, forth, back = rewards.servo_power(env, transfer_work=1.0).tolist()
    assert still == 0.0 and forth == pytest.approx(back) and forth > 0.0
    assert rewards.servo_power(env, transfer_work=4.0).tolist() == pytest.approx([still, forth / 4.0, back / 4.0])


def test_jerk_is_the_third_difference_of_the_targets_and_starts_from_rest(make_env):
    env = make_env(2)
    joints = env.action_manager.get_term("joints")
    term = rewards.TargetJerk(None, env)
    found = []
    for _ in range(6):  # a speed that is held
        joints.targets[:, 1] += 0.1
        found.append(term(env)[0].item())
    assert found == pytest.approx([0.2, 0.2, 0.0, 0.0, 0.0, 0.0], abs=1e-5)  # 1, then -2 + 1 and back, over 5 joints
    joints.targets[1] = 0.7
    term.reset(torch.tensor([1]))
    joints.targets[0, 1] += 0.1
    joints.targets[:, 5:] += 0.02  # fingers are not the arm
    assert term(env).tolist() == pytest.approx([0.0, 0.0], abs=1e-5)


def test_the_cost_of_a_termination_follows_its_term(make_env):
    env = make_env(3)
    env.termination_manager.terms["ball_lost"] = torch.tensor([False, True, False])
    assert rewards.is_terminated_term(env, "ball_lost").tolist() == [0.0, 1.0, 0.0]
    with pytest.raises(KeyError):
        rewards.is_terminated_term(env, "no_such_term")


@pytest.mark.parametrize(
    ("ball", "lost"),
    [
        ((0.20, 0.00, 0.015), False),
        ((0.35, 0.00, 0.015), False),
        ((0.37, 0.00, 0.015), True),
        ((0.00, -0.37, 0.20), True),
        ((0.26, 0.26, 0.015), True),
        ((0.04, 0.00, 0.015), True),
        ((0.00, 0.06, 0.015), False),
        ((0.20, 0.00, -0.001), True),
    ],
)
def test_where_a_ball_is_lost(ball, lost, make_env):
    env = make_env(2)
    env.put(ball=ball)
    assert terminations.is_ball_lost(env, **LOST).tolist() == [lost, lost]
