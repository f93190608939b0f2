"""What stands for readings on a bus without: the command, and the ball's diameter where a gripper closes on one."""

import pytest

np = pytest.importorskip("numpy")

from made_up import contract_of, vector  # noqa: E402

from alice import arms  # noqa: E402
from alice.arms import kinematics  # noqa: E402
from alice.deploy.observation import Controller  # noqa: E402
from alice.deploy.tracking import BallTracker  # noqa: E402
from alice.transfer.unread import stand_in  # noqa: E402

by_arm = pytest.mark.parametrize("arm", [arms.XARM1S, arms.SO101], ids=lambda arm: arm.name)
RADIUS, DISH = np.array([0.015]), np.array([[0.15, 0.1, 0.0]])


def commanded(arm, gap):
    """Return home with the gripper commanded to a gap, (1, J)."""
    joints = np.array([arm.home], np.float32)
    joints[:, arm.gripper_columns] = arm.gripper.at_gap(np.array([gap]))
    return joints


def gap_of(arm, joints):
    return arm.gripper.gap(joints[:, arm.gripper_columns])


@by_arm
@pytest.mark.parametrize(
    ("command", "distance", "expected"),
    [(0.020, 0.002, 0.030), (0.020, 0.020, 0.020), (0.040, 0.002, 0.040)],
    ids=["closed on it", "closed beside it", "open around it"],
)
def test_a_ball_that_is_known_to_be_there_holds_the_gripper_open(arm, command, distance, expected):
    joints = commanded(arm, command)
    found = stand_in(arm, joints, np.array([distance]), RADIUS)
    assert gap_of(arm, found) == pytest.approx([expected], abs=1e-5)
    np.testing.assert_array_equal(found[:, arm.arm_columns], joints[:, arm.arm_columns])
    torch = pytest.importorskip("torch")
    same = stand_in(arm, torch.from_numpy(joints), torch.tensor([distance]), torch.from_numpy(RADIUS))
    np.testing.assert_allclose(same.numpy(), found, atol=1e-6)
    assert (stand_in(arm, found, np.array([distance]), RADIUS) == found).all(), "twice is once"


@by_arm
@pytest.mark.parametrize("reads_back", [True, False])
def test_the_robot_knows_a_held_ball_by_its_commands_alone(arm, reads_back):
    """By commands taken for readings none is ever held: the gap that is read is the one that is commanded."""
    made = contract_of(vector("x", "ball_pos", "pinch_flag", "gripper_gap", arm=arm), arm=arm)
    tracker, controller = BallTracker(made, reads_back=reads_back), Controller(made, reads_back=reads_back)
    closing = commanded(arm, 0.022)
    grip = kinematics.grip_point(arm, closing, RADIUS)
    tracker.report(0.0, grip + 0.003, DISH)
    controller.begin([0], closing)
    ball, dish = tracker.places(0.05, closing, closing, RADIUS)
    assert tracker.is_held.tolist() == [not reads_back]
    told = controller.inputs(closing, ball, dish, RADIUS)["x"][0]
    assert told[3] == (not reads_back)
    assert told[4] == pytest.approx(0.022 if reads_back else 0.030, abs=1e-5)
    opened = commanded(arm, 0.040)
    tracker.places(0.10, opened, opened, RADIUS)
    assert not tracker.is_held.any()


def test_the_policy_s_own_mode_is_the_default():
    made = contract_of(vector("x", "gripper_gap", "pinch_flag"), reads_back=False)
    closing = commanded(arms.XARM1S, 0.022)
    grip = kinematics.grip_point(arms.XARM1S, closing, RADIUS)
    told = Controller(made).inputs(closing, grip, DISH, RADIUS)["x"][0]
    assert told[0] == pytest.approx(0.030, abs=1e-5)
    assert Controller(made, reads_back=True).inputs(closing, grip, DISH, RADIUS)["x"][0][0] == pytest.approx(0.022)


def test_a_policy_that_is_told_of_no_ball_is_given_the_command():
    made = contract_of(vector("x", "gripper_gap"), reads_back=False)
    assert Controller(made).inputs(commanded(arms.XARM1S, 0.022))["x"][0][0] == pytest.approx(0.022, abs=1e-6)
