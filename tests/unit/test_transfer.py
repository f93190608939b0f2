"""The state behind reward, termination, metric and audit: predicates, milestones, progress, the books of an episode."""

import pytest

torch = pytest.importorskip("torch")

from transfer_scenes import AT_HOME, DISH, NEST, RESTING, SETTLED, begin, step  # noqa: E402

from alice.arms import XARM1S, kinematics  # noqa: E402
from alice.arms.arm import quaternion  # noqa: E402
from alice.mdp import rewards, terminations  # noqa: E402
from alice.transfer import outcome  # noqa: E402
from alice.transfer.books import HISTORY  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402


@pytest.fixture
def env(make_env):
    """One environment at the start of an episode."""
    return begin(make_env(1))


def _held(place, **changes) -> dict:
    """Return a scene with the ball pinched at ``place``."""
    return {"ball": place, "tool": place, "gap": 0.030, "gap_target": 0.014, "speed": 0.0} | changes


def _stages(env) -> dict[str, bool]:
    return dict(zip(outcome.STAGES, transfer_state(env).books.stages[0].tolist(), strict=True))


def _pay(env, part: str, *scenes) -> list[float]:
    """Return what one part pays in each step of a sequence of scenes."""
    paid = []
    for scene in scenes:
        step(env, **scene)
        paid.append(rewards.transfer_progress(env, part).item())
    return paid


##
# Success
##


def test_success_comes_with_the_tenth_step_in_a_row(env):
    seen = []
    for _ in range(11):
        step(env, **SETTLED)
        seen.append(terminations.transfer_success(env).item())
        assert rewards.transfer_success(env).item() == float(seen[-1])
    assert seen == [False] * 9 + [True] * 2


def test_an_interruption_starts_the_count_again(env):
    for _ in range(9):
        step(env, **SETTLED)
    step(env, **SETTLED | {"speed": 0.2})
    for _ in range(9):
        assert not step(env, **SETTLED).books.stages[0, -1]
    assert step(env, **SETTLED).books.stages[0, -1]


@pytest.mark.parametrize(
    ("change", "settled"),
    [
        ({}, True),
        ({"ball": (0.20, 0.05, 0.060)}, False),  # above the dish
        ({"ball": (0.20, 0.09, 0.015)}, False),  # beside the dish, on the table
        ({"ball": (0.20, 0.074, 0.025)}, False),  # on the rim
        ({"ball": (0.205, 0.055, 0.0172)}, True),  # anywhere on the floor
        ({"speed": 0.10}, False),
        ({"speed": 0.05}, True),
        ({"tool": (0.20, 0.05, 0.060)}, False),  # arm 4.3 cm from the ball
        ({"tool": (0.20, 0.05, 0.075)}, True),
        ({"tool": RESTING, "gap": 0.030, "gap_target": 0.0}, False),  # still held
        ({"gap": 0.0, "gap_target": 0.0}, True),  # shut, but far away: nothing is held
    ],
)
def test_every_predicate_of_success_is_needed(env, change, settled):
    for _ in range(12):
        state = step(env, **SETTLED | change)
    assert state.now.is_settled.item() is settled
    assert terminations.transfer_success(env).item() is settled


##
# Milestones
##


def test_milestones_of_a_whole_transfer_come_in_their_order(env):
    up = (0.20, -0.06, 0.075)
    over = (0.20, 0.05, 0.075)
    step(env, **AT_HOME | {"tool": NEST})
    step(env, **_held(NEST))
    step(env, **_held(up))
    step(env, **_held(over))
    step(env, **SETTLED)
    assert _stages(env) == dict.fromkeys(outcome.STAGES, True) | {"success": False}
    for _ in range(9):
        state = step(env, **SETTLED)
    assert state.books.stages.all()
    assert state.books.stage_steps.tolist() == [[1, 2, 3, 4, 5, 14]]
    assert state.books.max_height.item() == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("scene", "passed"),
    [
        (AT_HOME, set()),
        (AT_HOME | {"tool": (0.20, -0.06, 0.034)}, {"reached"}),
        (AT_HOME | {"tool": (0.20, -0.06, 0.036)}, set()),
        (_held(NEST), {"reached", "pinched"}),
        (_held((0.20, -0.06, 0.064)), {"reached", "pinched"}),
        (_held((0.20, -0.06, 0.066)), {"reached", "pinched", "lifted"}),
        (_held((0.20, -0.06, 0.066), gap_target=0.05), {"reached"}),  # thrown, not lifted
        (_held((0.20, 0.03, 0.030)), {"reached", "pinched", "carried"}),
        (_held((0.20, 0.01, 0.030)), {"reached", "pinched"}),
        (SETTLED, set()),  # nobody held the ball before: it was not released
    ],
)
def test_what_one_step_counts_as(env, scene, passed):
    step(env, **scene)
    assert {name for name, happened in _stages(env).items() if happened} == passed


def test_a_milestone_stays(env):
    step(env, **_held((0.20, -0.06, 0.07)))
    step(env, **AT_HOME)
    state = step(env, **_held((0.20, -0.06, 0.07)))
    assert _stages(env)["lifted"] and state.books.stage_steps[0, 2].item() == 1


##
# Progress
##


def test_reaching_pays_for_coming_nearer(env):
    nearer = ({"tool": (0.20, -0.06, height)} for height in (0.10, 0.07, 0.05, 0.03, 0.02))
    assert min(_pay(env, "reach", *nearer)) > 0
    assert _pay(env, "reach", {"tool": (0.20, -0.06, 0.04)})[0] < 0


def test_grasping_pays_once_and_letting_go_pays_it_back(env):
    paid = _pay(env, "grasp", _held(NEST), _held(NEST), _held(NEST, gap_target=0.05), _held(NEST))
    assert paid == [1.0, 0.0, -1.0, 1.0]


def test_lifting_pays_for_height_of_a_held_ball_only(env):
    heights = [_held((0.20, -0.06, height)) for height in (0.015, 0.03, 0.05, 0.065)]
    paid = _pay(env, "lift", *heights)
    assert paid[0] == pytest.approx(0, abs=1e-6) and min(paid[1:]) > 0
    assert sum(paid) == pytest.approx(1.0)
    assert _pay(env, "lift", _held((0.20, -0.06, 0.12)))[0] == pytest.approx(0, abs=1e-6)  # higher is no better
    thrown = [_held((0.20, -0.06, height), gap_target=0.05) for height in (0.015, 0.03, 0.065)]
    assert max(_pay(env, "lift", *thrown)) <= 0


def test_transport_pays_for_coming_nearer_to_the_dish_with_the_ball(env):
    way = [_held((0.20, y, 0.045)) for y in (-0.06, -0.03, 0.0)]
    assert min(_pay(env, "transport", *way)) > 0
    pushed = [_held((0.20, y, 0.015)) for y in (-0.06, -0.03, 0.0)]
    assert max(_pay(env, "transport", *pushed)) <= 1e-6  # along the table it pays nothing


def test_release_pays_over_the_dish_only(env):
    over = (0.20, 0.05, 0.04)
    assert _pay(env, "release", _held(NEST), AT_HOME) == [0.0, 0.0]
    step(env, **_held(over))
    opening = [_held(over, gap=gap, gap_target=0.05) for gap in (0.032, 0.036, 0.040)]
    assert min(_pay(env, "release", *opening)) > 0
    away = [SETTLED | {"tool": (0.20, 0.05, height)} for height in (0.04, 0.06, 0.09)]
    assert min(_pay(env, "release", *away)) > 0


def test_letting_go_over_the_dish_costs_no_other_part(env):
    over = (0.20, 0.05, 0.04)
    step(env, **_held(over))
    step(env, **_held(over, gap=0.045, gap_target=0.05))
    assert all(rewards.transfer_progress(env, part).item() >= 0 for part in ("reach", "grasp", "lift", "transport"))
    step(env, **SETTLED)
    assert all(rewards.transfer_progress(env, part).item() >= 0 for part in ("reach", "grasp", "lift", "transport"))


@pytest.mark.parametrize("part", ["reach", "grasp", "lift", "transport", "release"])
def test_a_round_trip_earns_nothing(env, part):
    """Whatever is done and undone, the sum is that of the ends: no cycle can be farmed."""
    up, over = (0.20, -0.06, 0.08), (0.20, 0.05, 0.04)
    loop = [_held(NEST), _held(up), _held(over), _held(over, gap=0.045, gap_target=0.05), SETTLED, AT_HOME]
    first = sum(_pay(env, part, *loop))
    assert sum(_pay(env, part, *loop, *loop)) == pytest.approx(0.0, abs=1e-5)
    assert first == pytest.approx(0.0, abs=1e-5)


##
# Episodes
##


def test_a_reset_pays_nothing_and_forgets(make_env):
    env = begin(make_env(3))
    step(env, **_held((0.20, -0.06, 0.07)))
    chosen = torch.tensor([0, 2])
    env.put(**SETTLED)
    dish = torch.tensor([[0.10, 0.1, 0.0], [0.25, -0.1, 0.0]])
    transfer_state(env).begin_episode(chosen, dish, torch.tensor([False, True]))
    env.end_reset(chosen)
    state = transfer_state(env)
    assert all(value.abs().max() == 0 for value in state.progress.values())
    assert state.books.stages[:, 2].tolist() == [False, True, False]
    assert state.books.stage_steps[:, 2].tolist() == [0, 1, 0]
    assert state.books.max_height.tolist() == pytest.approx([0.0, 0.055, 0.0])
    assert state.books.is_home_start.tolist() == [False, True, True]
    torch.testing.assert_close(state.dish_pos, torch.stack((dish[0], torch.tensor(DISH), dish[1])))
    # The books hold the finished episodes of the chosen ones.
    assert state.books.last.stages[:, 2].tolist() == [True, False, True]
    assert state.books.last.length.tolist() == [1, 0, 1]


def test_a_reset_inside_a_step_credits_a_ball_that_begins_at_the_dish(make_env):
    env = begin(make_env(3))
    step(env, **AT_HOME)
    env.put(**_held((0.20, 0.05, 0.04)))
    chosen = torch.tensor([0, 2])
    transfer_state(env).begin_episode(chosen, torch.tensor([DISH]).repeat(2, 1), torch.zeros(2, dtype=torch.bool))
    assert env.episode_length_buf[chosen].tolist() == [1, 1], "Isaac Lab sets it to zero at the very end of a reset"
    env.end_reset(chosen)
    assert transfer_state(env).books.is_brought.tolist() == [True, False, True]


def test_asking_changes_nothing(make_env):
    env = begin(make_env(2))
    before = step(env, **SETTLED)
    kept = before.now, before.progress, before.books.stages.clone()
    env.put(**_held(NEST))  # the world moves on, the control step does not
    state = transfer_state(env)
    state.books.rates()
    assert state.now is kept[0] and state.progress is kept[1] and torch.equal(state.books.stages, kept[2])


def test_asking_before_the_control_step_was_taken_in_is_an_error(env):
    env.common_step_counter += 1
    with pytest.raises(RuntimeError, match="UpdateTransfer must be the first of the task's termination terms"):
        terminations.transfer_success(env)


def test_the_hold_count_does_not_survive_a_reset(env):
    for _ in range(9):
        step(env, **SETTLED)
    begin(env, **SETTLED)
    for _ in range(9):
        assert not step(env, **SETTLED).books.stages[0, -1]
    assert step(env, **SETTLED).books.stages[0, -1]


def test_rates_count_finished_home_starts_only(env):
    assert transfer_state(env).books.rates() == {}
    step(env, **_held(NEST))
    begin(env, is_home_start=False)
    assert transfer_state(env).books.rates()["pinched"] == 1.0
    step(env, **AT_HOME)
    begin(env)  # the episode that ends here did not begin at home
    assert transfer_state(env).books.rates()["pinched"] == 1.0
    step(env, **AT_HOME)
    begin(env)
    rates = transfer_state(env).books.rates()
    assert list(rates) == list(outcome.STAGES) and rates["pinched"] == 0.5 and rates["success"] == 0.0


def test_old_episodes_leave_the_rates(env):
    step(env, **_held(NEST))
    for _ in range(HISTORY):
        begin(env)
        step(env, **AT_HOME)
    begin(env)
    assert transfer_state(env).books.rates()["pinched"] == 0.0


##
# What the arm knows of itself
##


class OffByATenth:
    """An action term whose servos report every joint 0.1 too high."""

    reads_back = True

    def __init__(self, term):
        self.targets, self.set_targets = term.targets, term.set_targets

    def read_back(self, joint_pos):
        return joint_pos + 0.1


def test_observations_take_the_reported_joints_and_success_takes_the_truth(make_env):
    env = make_env(3)
    env.put(tool=(0.2, 0.0, 0.1), ball=(0.2, 0.0, 0.1), gap=0.03, gap_target=0.02)
    env.action_manager.terms["joints"] = OffByATenth(env.action_manager.get_term("joints"))
    state = transfer_state(env)
    assert state.now.true.is_pinched.all() and not state.now.measured.is_pinched.any()
    assert state.now.true.gap == pytest.approx(0.03) and state.now.measured.gap == pytest.approx(0.23)
    assert torch.allclose(state.now.measured.joint_pos, state.now.true.joint_pos + 0.1)
    expected, _ = kinematics.forward(XARM1S, state.now.true.joint_pos + 0.1)
    assert torch.allclose(state.now.measured.tool_pos, expected)


def test_a_single_jaw_holds_the_ball_beside_the_tool_point_for_truth_and_report_alike(make_env, crane, hand_frame):
    """The hand's pose and the closed form agree on where that is, in a pose where the jaw opens aslant."""
    env = make_env(2, crane)
    joints = torch.tensor([0.3, -0.5, 0.7, 1.2, 0.6, 0.195])
    place, turn = hand_frame(dict(zip(crane.names, joints.tolist(), strict=True)), crane)
    robot = env.scene["robot"].data
    robot.joint_pos.torch[:] = joints
    robot.body_link_pose_w.torch[:, 2, :3] = env.scene.env_origins + torch.tensor(place)
    robot.body_link_pose_w.torch[:, 2, 3:] = torch.tensor(quaternion(*zip(*turn, strict=True)))
    env.action_manager.get_term("joints").targets[:] = joints - 0.1
    opens = torch.tensor([row[2] for row in turn])  # the z axis of the hand
    tool = torch.tensor(place) + torch.tensor([row[0] for row in turn]) * 0.090
    held = tool + (0.015 - 0.0079) * opens
    env.put(ball=torch.stack((held, tool - 0.0079 * opens)), speed=0.0)
    now = transfer_state(env).now
    for arm in (now.true, now.measured):
        torch.testing.assert_close(arm.tool_pos, tool.repeat(2, 1), atol=1e-6, rtol=0)
        torch.testing.assert_close(arm.grip_pos, held.repeat(2, 1), atol=1e-6, rtol=0)
        assert arm.gap.tolist() == pytest.approx([0.030, 0.030], abs=2e-4)
        assert arm.is_pinched.tolist() == [True, False], "the second ball lies in the fixed jaw"
    assert now.grip_distance.tolist() == pytest.approx([0.0, 0.015], abs=1e-6)


@pytest.mark.parametrize("which", ["true", "measured"])
def test_speed_is_the_change_of_position_over_a_control_step_and_zero_after_a_reset(make_env, which):
    env = make_env(2)
    env.action_manager.terms["joints"] = OffByATenth(env.action_manager.get_term("joints"))
    state = transfer_state(env)
    assert getattr(state.now, which).joint_vel.abs().max() == 0
    env.scene["robot"].data.joint_pos.torch[:, 1] = 0.05
    env.scene["robot"].data.joint_vel.torch[:] = 0.3  # of the last instant alone
    env.advance()
    speed = getattr(transfer_state(env).now, which).joint_vel
    assert speed[:, 1] == pytest.approx(0.05 * 20) and speed[:, 0].abs().max() == 0
    state.begin_episode(torch.tensor([1]), torch.zeros(1, 3), torch.ones(1, dtype=torch.bool))
    env.end_reset(torch.tensor([1]))
    speed = getattr(transfer_state(env).now, which).joint_vel
    assert speed[0, 1] == pytest.approx(0.05 * 20) and speed[1].abs().max() == 0
