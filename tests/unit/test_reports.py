"""Ball and dish as the policy is told them: each row alone has its effect, and none does nothing."""

import math

import pytest

torch = pytest.importorskip("torch")

from alice.arms import XARM1S  # noqa: E402
from alice.mdp import observations  # noqa: E402
from alice.mdp.reports import ReportModel, ReportRanges  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

STEP = 0.05
NONE = dict.fromkeys(("bias", "noise", "interval", "age", "gap", "gap_rate", "hidden"), (0.0, 0.0))
BALL, DISH = torch.tensor([0.20, -0.06, 0.015]), torch.tensor([0.20, 0.05, 0.0])
FAR = torch.tensor([0.10, 0.10, 0.20])
SPEED = torch.tensor([0.5, 0.0, 0.0])
"""So fast that every report says that the ball has moved [m/s]."""
RADIUS = 0.015


def model(count: int = 4, share: float = 1.0, **spans) -> ReportModel:
    """Return a model with some rows on, its episodes begun."""
    torch.manual_seed(7)
    made = ReportModel(count, ReportRanges(**{**NONE, **spans}), STEP)
    everyone = torch.arange(count)
    made.reset(everyone, share)
    made.start(everyone, BALL.expand(count, 3), DISH.expand(count, 3))
    made.hold(*open_hand(count))
    return made


def open_hand(count: int, grip=FAR):
    """Return grip point, gap, commanded gap, radius and error of the gap of open hands."""
    return hands(count, grip, gap=0.05, gap_target=0.05)


def closed_hand(count: int, grip):
    """Return the same of hands that hold a ball at a place."""
    return hands(count, grip, gap=0.03, gap_target=0.02)


def hands(count: int, grip, gap: float, gap_target: float, gap_error: float = 0.0):
    """Return what :meth:`ReportModel.hold` takes, of hands that are all alike."""
    widths = (torch.full((count,), width) for width in (gap, gap_target, RADIUS))
    return (grip.expand(count, 3), *widths, gap_error)


def step(made: ReportModel, ball=BALL, hidden: bool = False, hand=None) -> torch.Tensor:
    """Let a control step pass and return where the ball is told to be."""
    count = len(made.ball)
    made.advance(ball.expand(count, 3), DISH.expand(count, 3), torch.full((count,), hidden))
    return made.hold(*(hand or open_hand(count)))[0]


def roll(made: ReportModel, steps: int) -> torch.Tensor:
    """Let the ball roll at SPEED and return how far it is told behind in each step, (steps, N) [s]."""
    behind = []
    for count in range(1, steps + 1):
        ball = BALL + SPEED * count * STEP
        behind.append((ball - step(made, ball))[:, 0] / SPEED[0])
    return torch.stack(behind)


def test_without_a_row_the_truth_is_told():
    made = model()
    assert roll(made, 5).abs().max() < 1e-6
    torch.testing.assert_close(made.dish, DISH.expand(4, 3))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_opens_every_row(share):
    spans = {"bias": (0.004, 0.004), "age": (0.1, 0.1), "interval": (0.1, 0.1), "hidden": (0.04, 0.04)}
    made = model(share=share, **spans, noise=(0.002, 0.002), gap_rate=(1.0, 1.0))
    for name, value in {**spans, "noise": (0.002,), "gap_rate": (1.0,)}.items():
        found = made.ball_bias if name == "bias" else getattr(made, name)
        torch.testing.assert_close(found, torch.full_like(found, share * value[0]))
    assert made.is_perfect.all() == (share == 0.0)
    if share == 0.0:
        assert torch.equal(step(made, FAR, hand=closed_hand(4, FAR + 0.002)), FAR.expand(4, 3)), "also while pinched"


def test_bias_is_one_for_the_episode_and_others_for_dish_and_neighbours():
    made = model(300, bias=(-0.004, 0.004))
    first = step(made) - BALL
    assert first.abs().max() <= 0.004 and first.amin(dim=0).max() < -0.0035 and first.amax(dim=0).min() > 0.0035
    torch.testing.assert_close(step(made) - BALL, first)
    dish = made.dish - DISH
    assert dish.abs().max() <= 0.004 and torch.corrcoef(torch.stack((first[:, 0], dish[:, 0])))[0, 1].abs() < 0.2
    made.reset(torch.tensor([1]))
    made.start(torch.tensor([1]), BALL[None], DISH[None])
    again = step(made) - BALL
    assert not torch.allclose(again[1], first[1]) and torch.allclose(again[2], first[2])


def test_noise_is_new_in_every_report_and_what_was_told_stands_between_two():
    made = model(2000, noise=(0.002, 0.002), interval=(0.1, 0.1))
    told, reports, has_come = zip(
        *((step(made), made.ball_report - BALL, made.has_ball) for _ in range(6)), strict=True
    )
    told, reports, has_come = torch.stack(told), torch.stack(reports), torch.stack(has_come)
    assert reports.std() == pytest.approx(0.002, rel=0.05) and reports.mean().abs() < 1e-4
    assert torch.corrcoef(torch.stack((reports[0, :, 0], reports[2, :, 0])))[0, 1].abs() < 0.1
    changed = (told.diff(dim=0) != 0).all(dim=-1)
    assert torch.equal(changed, has_come[1:])
    assert changed.float().mean() == pytest.approx(0.5, abs=0.02), "every second control step"
    assert (changed[0] ^ changed[1]).all()


def test_what_lies_still_is_told_ever_better_and_what_moves_at_once():
    made = model(4000, noise=(0.002, 0.002))
    off = torch.stack([made.ball - BALL, *(step(made) - BALL for _ in range(7))])
    for count in (1, 4, 8):
        assert off[count - 1].std() == pytest.approx(0.002 / math.sqrt(count), rel=0.15), f"{count} reports"
    assert (made.dish - DISH).std() == pytest.approx(0.002 / math.sqrt(8), rel=0.15)
    moved = BALL + torch.tensor([0.03, 0.0, 0.0])
    assert (step(made, moved) - moved).std() == pytest.approx(0.002, rel=0.05)
    assert (step(made, moved) - moved).std() == pytest.approx(0.002 / math.sqrt(2), rel=0.1)


def test_after_a_grasp_the_first_report_counts_alone():
    made = model(4000, noise=(0.002, 0.002))
    for _ in range(4):
        step(made)
    step(made, BALL, hand=closed_hand(4000, BALL))
    assert made.is_held.all()
    beside = BALL + torch.tensor([0.004, 0.0, 0.0])  # not far enough to be seen to have moved
    step(made, beside)
    assert (step(made, beside) - beside).mean().abs() < 1e-4


@pytest.mark.parametrize(("interval", "longest"), [(1 / 30, 1 / 30), (0.1, 0.1), (0.08, 0.08)])
def test_between_reports_the_last_one_stands(interval, longest):
    behind = roll(model(200, interval=(interval, interval)), 12)[4:]
    assert behind.min() >= -1e-5 and behind.max() <= longest + 1e-5 and behind.max() > 0.8 * longest
    assert behind.mean() == pytest.approx(longest / 2, rel=0.15)


@pytest.mark.parametrize("age", [0.02, 0.05, 0.13, 0.15])
def test_a_report_describes_where_the_ball_was(age):
    behind = roll(model(age=(age, age)), 10)[5:]
    torch.testing.assert_close(behind, torch.full_like(behind, age), rtol=0, atol=1e-5)


def test_nothing_arrives_in_a_drop_out_and_none_lasts_longer_than_it_may():
    made = model(300, gap=(0.0, 0.3), gap_rate=(2.0, 2.0))
    behind = roll(made, 60)
    assert behind.max() == pytest.approx(0.3, abs=1e-4) and behind.min() > -1e-5
    # A drop-out of d seconds keeps away what comes in ceil(d / 50 ms) control steps: 3.5 on average, 2 times a second.
    between = 1.0 / (2.0 * STEP)
    assert (behind > 1e-5).float().mean() == pytest.approx(3.5 / (between + 3.5), rel=0.1)
    assert model(300).gap_rate.max() == 0 and roll(model(300, gap=(0.3, 0.3)), 10).abs().max() < 1e-5


def test_a_hidden_ball_is_where_it_was_seen_last():
    made = model(age=(0.1, 0.1), hidden=(0.03, 0.03))
    for _ in range(4):
        step(made)
    for count in range(1, 5):
        told = step(made, BALL + SPEED * count * STEP, hidden=True)
        torch.testing.assert_close(told, BALL.expand(4, 3))
    there = BALL + SPEED * 5 * STEP
    seen = [step(made, there) for _ in range(4)]
    # What comes in the first two steps was taken while the hand was there.
    assert [bool((told - there).norm(dim=-1).max() < 1e-6) for told in seen] == [False, False, True, True]
    torch.testing.assert_close(seen[1], BALL.expand(4, 3))


def test_the_hand_hides_what_is_under_it_and_what_it_holds():
    made = model(5, hidden=(0.03, 0.03))
    grip = torch.tensor(
        [[0.20, -0.06, 0.10], [0.20, -0.032, 0.10], [0.20, -0.028, 0.10], [0.20, -0.06, 0.10], [0.3, 0, 0]]
    )
    hand_height = torch.tensor([0.2, 0.2, 0.2, 0.01, 0.2])
    pinched = torch.tensor([False, False, False, False, True])
    hidden = made.hides(grip, BALL.expand(5, 3), hand_height, pinched)
    assert hidden.tolist() == [True, True, False, False, True]
    assert not model(5).hides(grip, BALL.expand(5, 3), hand_height, pinched).any(), "nothing hides without the row"


def test_a_held_ball_goes_with_the_hand_and_stays_where_it_was_let_go():
    made = model(hidden=(0.03, 0.03), age=(0.1, 0.1))
    assert made.hold(*closed_hand(4, BALL))[1].all()
    for count in range(1, 5):  # 3 cm a step, more than the pinch test's own reach
        there = BALL + torch.tensor([0.0, 0.03, 0.01]) * count
        told = step(made, there, hidden=True, hand=closed_hand(4, there + 0.002))
        torch.testing.assert_close(told, (there + 0.002).expand(4, 3))
        assert made.is_held.all()
    let_go = there + 0.002
    fallen = there - torch.tensor([0.0, 0.0, 0.05])
    for _ in range(3):  # the hand opens, but hides the ball
        torch.testing.assert_close(step(made, fallen, hidden=True, hand=open_hand(4, let_go)), let_go.expand(4, 3))
    told = [step(made, fallen) for _ in range(4)]
    torch.testing.assert_close(told[1], let_go.expand(4, 3))
    torch.testing.assert_close(told[3], fallen.expand(4, 3))


def test_a_report_from_before_the_grasp_ended_says_nothing_new():
    """Nothing hides here: the report that arrives right after letting go is 60 ms old and shows the ball held."""
    made = model(age=(0.06, 0.06))
    made.hold(*closed_hand(4, BALL))
    step(made, BALL, hand=closed_hand(4, BALL))
    held = BALL + 0.004
    step(made, BALL, hand=closed_hand(4, held))
    torch.testing.assert_close(step(made, FAR), held.expand(4, 3))
    assert (step(made, FAR) - held).norm(dim=-1).min() > 0.01, "a younger one does"


def test_a_hand_that_closes_beside_the_told_ball_holds_nothing():
    made = model()
    told = step(made, BALL, hand=closed_hand(4, BALL + torch.tensor([0.015, 0.0, 0.0])))
    assert not made.is_held.any()
    torch.testing.assert_close(told, BALL.expand(4, 3))


def test_asking_again_changes_nothing():
    made = model(noise=(0.002, 0.002), age=(0.02, 0.15), interval=(0.03, 0.1))
    step(made)
    for hand in (open_hand(4), closed_hand(4, BALL), open_hand(4)):
        first, second = made.hold(*hand), made.hold(*hand)
        assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not made.is_held.any()


def test_an_episode_that_begins_leaves_the_others_alone():
    made = model(age=(0.15, 0.15), bias=(0.003, 0.003))
    for count in range(1, 5):
        step(made, BALL + SPEED * count * STEP)
    before = made.ball.clone()
    made.reset(torch.tensor([2]))
    made.start(torch.tensor([2]), FAR[None], DISH[None])
    torch.testing.assert_close(made.hold(*open_hand(4))[0][[0, 1, 3]], before[[0, 1, 3]])
    torch.testing.assert_close(made.ball[2], FAR + 0.003)


def test_draws_of_an_episode_do_not_depend_on_how_many_environments_there_are():
    found = []
    for count in (3, 50):
        made = ReportModel(count, ReportRanges(**{**NONE, "bias": (-1, 1), "age": (0, 1), "noise": (0, 1)}), STEP)
        torch.manual_seed(11)
        made.reset(torch.tensor([2, 0]))
        made.start(torch.tensor([2, 0]), BALL.expand(2, 3), DISH.expand(2, 3))
        found.append((made.ball[[2, 0]], made.dish[[2, 0]], made.age[[2, 0]], made._phase[[2, 0]]))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("spans", [{"age": (-0.1, 0.1)}, {"noise": (0.2, 0.1)}, {"gap_rate": (-1.0, 1.0)}])
def test_impossible_ranges_are_refused(spans):
    with pytest.raises(ValueError, match="must be \\(low, high\\)"):
        ReportModel(1, ReportRanges(**{**NONE, **spans}), STEP)


##
# What the terms make of it
##


@pytest.fixture
def env(make_env):
    """Three environments whose reports are off by 3 mm, and hidden under the hand."""
    made = make_env(3)
    torch.manual_seed(1)
    reports = ReportModel(3, ReportRanges(**{**NONE, "bias": (0.003, 0.003), "hidden": (0.03, 0.03)}), STEP)
    made.command_manager.get_term("transfer").reports = reports
    everyone = torch.arange(3)
    reports.reset(everyone)
    made.put(tool=tuple(FAR), ball=tuple(BALL), gap=0.05, gap_target=0.05)
    transfer_state(made).begin_episode(everyone, DISH.repeat(3, 1), torch.ones(3, dtype=torch.bool))
    made.end_reset(everyone)
    return made


def test_the_actor_is_told_and_the_critic_knows(env):
    told = {"ball_pos_b": BALL + 0.003, "ball_to_dish_b": DISH - BALL, "dish_place_b": (DISH + 0.003)[:2]}
    true = {"ball_pos_b": BALL, "ball_to_dish_b": DISH - BALL, "dish_place_b": DISH[:2]}
    env.advance()
    for expected, which in ((told, "told"), (true, "true")):
        for name, value in expected.items():
            params = {"dish" if name == "dish_place_b" else "ball": which}
            torch.testing.assert_close(getattr(observations, name)(env, **params)[0], value, rtol=0, atol=1e-6)
    tool = observations.tool_pos_b(env, arm="true")
    torch.testing.assert_close(
        observations.tool_to_ball_b(env, arm="true", ball="true"), BALL - tool, rtol=0, atol=1e-6
    )
    offset = observations.tool_to_ball_b(env) - observations.tool_to_ball_b(env, ball="true")
    torch.testing.assert_close(offset, torch.full((3, 3), 0.003), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="use 'told' or 'true'"):
        observations.ball_pos_b(env, ball="seen")


def test_success_and_rewards_go_by_the_truth(env):
    state = transfer_state(env)
    env.put(ball=(0.20, 0.05, 0.017), tool=(0.20, 0.05, 0.20), speed=0.0)
    for _ in range(10):
        env.advance()
    assert state.books.stages[:, -1].all()
    torch.testing.assert_close(state.now.told.ball_pos, BALL.repeat(3, 1) + 0.003, msg="under the hand nothing is seen")


def test_the_flag_of_the_actor_goes_by_the_told_ball(env):
    """The fingers stand about the true ball, at the pose of the reported joints; it is told 2 cm beside it."""
    state, reports = transfer_state(env), env.command_manager.get_term("transfer").reports
    joints = torch.tensor([XARM1S.home]).repeat(3, 1)
    env.scene["robot"].data.joint_pos.torch[:] = joints
    env.put(gap=0.03, gap_target=0.02)
    env.advance()
    grip = state.now.measured.grip_pos
    env.put(ball=grip, tool=grip)
    reports._balls[:] = reports._last[:] = reports.ball[:] = grip + torch.tensor([0.02, 0.0, 0.0])
    env.advance()
    assert observations.pinch_flag(env, ball="true").all() and observations.pinch_flag(env, arm="true").all()
    assert not observations.pinch_flag(env).any() and math.isclose(
        float(state.now.told.ball_pos[0, 0] - grip[0, 0]), 0.02, abs_tol=1e-5
    )
