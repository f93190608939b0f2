"""The robot's side of the reports: what it tells the policy is what training told it, report for report."""

from dataclasses import fields

import pytest

np = pytest.importorskip("numpy")

from made_up import contract_of, vector  # noqa: E402

from alice import arms  # noqa: E402
from alice.arms import XARM1S, kinematics  # noqa: E402
from alice.deploy.observation import Controller  # noqa: E402
from alice.deploy.readings import ReadingError  # noqa: E402
from alice.deploy.tracking import BallTracker  # noqa: E402
from alice.transfer.told import MEMORY, MOVED  # noqa: E402

CONTRACT = contract_of(vector("x", "ball_pos", "pinch_flag"))
HOME = np.array([XARM1S.home], np.float32)
BALL, DISH, RADIUS = np.array([[0.2, 0.0, 0.015]], np.float32), np.array([[0.15, 0.1, 0.0]]), np.array([0.015])
HOLDING = np.concatenate((HOME[:, :5], [[0.015, 0.015]]), axis=1).astype(np.float32)
SQUEEZING = np.concatenate((HOME[:, :5], [[0.008, 0.008]]), axis=1).astype(np.float32)


def test_the_last_report_stands_and_an_older_one_is_passed_over():
    tracker = BallTracker(CONTRACT)
    tracker.report(1.0, BALL, DISH)
    np.testing.assert_allclose(tracker.places(1.1, HOME, HOME, RADIUS), (BALL, DISH), rtol=1e-6)
    tracker.report(0.9, BALL + 0.01)
    np.testing.assert_allclose(tracker.places(1.15, HOME, HOME, RADIUS)[0], BALL)
    tracker.report(1.05, BALL + 0.01)
    np.testing.assert_allclose(tracker.places(1.2, HOME, HOME, RADIUS)[0], BALL + 0.01)
    assert tracker.age(1.2) == pytest.approx(0.15)


def test_a_held_ball_is_at_the_grip_point_and_then_stays_until_a_younger_report():
    grip = kinematics.grip_point(XARM1S, HOLDING, RADIUS)
    tracker, controller = BallTracker(CONTRACT), Controller(CONTRACT)
    tracker.report(0.0, grip + 0.004, DISH)
    ball, _ = tracker.places(0.05, HOLDING, SQUEEZING, RADIUS)
    np.testing.assert_allclose(ball, grip, atol=1e-7)
    controller.targets[:] = SQUEEZING
    assert controller.inputs(HOLDING, ball, DISH, RADIUS)["x"][0, 3] == 1.0, "the controller says so too"
    turned = HOLDING + np.array([[0.1, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0]], np.float32)
    there = kinematics.grip_point(XARM1S, turned, RADIUS)
    assert np.linalg.norm(there - grip) > 0.014
    np.testing.assert_allclose(tracker.places(0.10, turned, SQUEEZING, RADIUS)[0], there, atol=1e-7)
    tracker.report(0.08, BALL)
    np.testing.assert_allclose(tracker.places(0.15, turned, HOME, RADIUS)[0], there, atol=1e-7)
    tracker.report(0.11, BALL)
    np.testing.assert_allclose(tracker.places(0.20, turned, HOME, RADIUS)[0], BALL)


def test_without_a_report_there_is_no_place_and_an_episode_needs_its_own():
    tracker = BallTracker(CONTRACT, 2)
    both = [np.repeat(values, 2, axis=0) for values in (HOME, HOME, RADIUS)]
    tracker.report(0.0, BALL, DISH, which=[0])
    with pytest.raises(ReadingError, match="arm 1, nothing was reported"):
        tracker.places(0.0, *both)
    tracker.report(0.0, BALL, which=[1])
    ball, dish = tracker.places(0.0, *both)
    assert ball.shape == (2, 3) and dish is None
    tracker.begin([0])
    with pytest.raises(ReadingError, match="arm 0, nothing was reported"):
        tracker.places(0.1, *both)


@pytest.mark.parametrize(
    ("values", "match"), [((float("nan"), BALL), "no time"), ((0.0, BALL * 1000), "ball: x is 200 m")]
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(values, match):
    tracker = BallTracker(CONTRACT)
    tracker.report(0.0, BALL, DISH)
    with pytest.raises(ValueError, match=match):
        tracker.report(*values)
    np.testing.assert_allclose(tracker.places(0.1, HOME, HOME, RADIUS)[0], BALL)


def test_the_contract_says_the_rule_with_its_numbers():
    assert (MEMORY, MOVED) == (8, 0.008)
    assert "up to eight time-stamped reports" in CONTRACT.told and "8 mm off" in CONTRACT.told


def test_the_robot_tells_what_training_told():
    """Thirty arms and balls move at random for 200 control steps, hands close and open, episodes begin anew."""
    torch = pytest.importorskip("torch")
    from alice.mdp.reports import ReportModel, ReportRanges

    count, step = 30, 0.05
    torch.manual_seed(3)
    generator = np.random.default_rng(3)
    ranges = ReportRanges(
        (-0.004, 0.004), (0.002, 0.002), (1 / 30, 0.1), (0.02, 0.15), (0.0, 0.3), (0.0, 1.0), (0.025, 0.04)
    )
    model, tracker = ReportModel(count, ranges, step), BallTracker(CONTRACT, count)
    radius = generator.uniform(0.010, 0.018, count).astype(np.float32)
    joints, targets = np.repeat(HOME, count, 0), np.repeat(HOME, count, 0)
    dish = torch.from_numpy(np.repeat(DISH, count, 0).astype(np.float32))
    ball = torch.from_numpy(np.repeat(BALL, count, 0))
    model.reset(torch.arange(count))
    held, changes = 0, 0
    for number in range(200):
        fresh = np.arange(count) == number // 2 if number % 2 else np.full(count, number == 0)
        joints[:, :5] += generator.normal(0.0, 0.02, (count, 5)).astype(np.float32)
        grip = torch.from_numpy(kinematics.grip_point(XARM1S, joints, radius))
        is_closed = (number + np.arange(count)) % 20 < 8
        width = np.where(is_closed, radius - 0.0005, 0.024)[:, None]
        joints[:, 5:], targets[:, 5:] = width, np.where(is_closed, 0.005, 0.024)[:, None]
        near = torch.from_numpy(generator.normal(0.0, 0.006, (count, 3)).astype(np.float32))
        ball = torch.where(torch.from_numpy((number + np.arange(count)) % 40 < 20)[:, None], grip + near, ball)
        if number:
            model.advance(ball, dish, model.hides(grip, ball, grip[:, 2] + 0.1, torch.from_numpy(is_closed)))
        if fresh.any():
            rows = torch.from_numpy(fresh).nonzero().squeeze(-1)
            model.reset(rows)
            model.start(rows, ball[rows], dish[rows])
        gap, gap_target = (torch.from_numpy(XARM1S.gripper.gap(at[:, 5:])) for at in (joints, targets))
        before = model.is_held.clone()
        told, is_held = model.hold(grip, gap, gap_target, torch.from_numpy(radius), XARM1S.gripper.gap_error)
        tracker.begin(fresh)
        now = 100.0 + number * step
        come = model.has_ball.numpy(), model.has_dish.numpy()
        tracker.report(
            now - model.lag.numpy()[come[0]].astype(float), model.ball_report.numpy()[come[0]], which=come[0]
        )
        tracker.report(
            now - model.lag.numpy()[come[1]].astype(float), dish_pos=model.dish_report.numpy()[come[1]], which=come[1]
        )
        found = tracker.places(now, joints, targets, radius)
        np.testing.assert_allclose(found[0], told.numpy(), atol=1e-6, err_msg=str(number))
        np.testing.assert_allclose(found[1], model.dish.numpy(), atol=1e-6)
        assert (tracker.is_held == is_held.numpy()).all()
        held, changes = held + int(is_held.sum()), changes + int((is_held != before).sum())
    assert held > 200 and changes > 100


@pytest.mark.parametrize("arm", [arms.XARM1S, arms.SO101], ids=lambda arm: arm.name)
@pytest.mark.parametrize("zero", [-1.0, 0.0, 1.0])
def test_a_held_ball_is_told_held_by_a_gripper_whose_zero_is_off(arm, zero):
    """By what a calibrated servo may be off, training's rows: 0.02 rad (xArm 1S) and 0.03 rad (SO-101)."""
    torch = pytest.importorskip("torch")
    from alice.mdp.reports import ReportModel, ReportRanges
    from alice.tasks.ball_transfer.randomization_table import ARM_ROWS

    nothing = dict.fromkeys((field.name for field in fields(ReportRanges)), (0.0, 0.0))
    off = ARM_ROWS[arm.name]["servo_offset"].span[1]
    for radius in (0.008, 0.015, 0.020):
        gap = np.array([2.0 * radius])
        squeezed = arm.gripper.at_gap(gap - 2.0 * arm.gripper.squeeze)
        seen = arm.gripper.servo_angle(arm.gripper.at_gap(gap)) + zero * off
        joints = np.array([arm.home], np.float32)
        targets = joints.copy()
        joints[:, arm.gripper_columns] = arm.gripper.from_servo(seen)
        targets[:, arm.gripper_columns] = squeezed
        grip = kinematics.grip_point(arm, joints, np.array([radius])).astype(np.float32)
        made = contract_of(vector("x", "ball_pos", "pinch_flag"), arm=arm)
        tracker, controller = BallTracker(made), Controller(made)
        tracker.report(0.0, grip, DISH)
        tracker.places(0.05, joints, targets, np.array([radius]))
        controller.targets[:] = targets
        flag = controller.inputs(joints, grip, DISH, np.array([radius]))["x"][0, 3]
        model = ReportModel(1, ReportRanges(**nothing), 0.05)
        model.start(torch.arange(1), torch.from_numpy(grip), torch.from_numpy(DISH.astype(np.float32)))
        gaps = (torch.from_numpy(arm.gripper.gap(at[:, arm.gripper_columns])) for at in (joints, targets))
        _, is_held = model.hold(torch.from_numpy(grip), *gaps, torch.tensor([radius]), arm.gripper.gap_error)
        assert (tracker.is_held.tolist(), flag, is_held.tolist()) == ([True], 1.0, [True]), f"radius {radius} m"
