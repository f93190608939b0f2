"""What the joints of a gripper mean for a ball between its pads."""

import math

import pytest

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")

from made_up import CRANE, JAW  # noqa: E402

from alice.arms import ARMS, XARM1S, CoupledFingers  # noqa: E402

EVERY_ARM = pytest.mark.parametrize("arm", [*ARMS.values(), CRANE], ids=lambda arm: arm.name)


# Worked out for a jaw of these numbers beside alice, and checked against its meshes.
@pytest.mark.parametrize(
    ("radius", "angle"),
    [(0.010, 0.057), (0.012, 0.111), (0.0135, 0.153), (0.015, 0.195), (0.0175, 0.265), (0.020, 0.337)],
)
def test_the_angle_of_a_single_jaw_for_a_ball(radius, angle):
    assert JAW.at_gap(np.array(2 * radius)) == pytest.approx(angle, abs=1e-3)
    assert JAW.gap(np.array([angle])) == pytest.approx(2 * radius, abs=2e-4)


@pytest.mark.parametrize("radius", [0.010, 0.015, 0.020])
def test_a_ball_of_the_gap_touches_both_faces_of_a_single_jaw(radius):
    """In the plane of the opening, the tool point at (0, 0): the ball leans on the fixed face right beside it."""
    (angle,) = JAW.at_gap(np.array(2 * radius)).tolist()
    centre = np.array([0.0, JAW.held_at(radius)])
    assert centre[1] - radius == pytest.approx(JAW.fixed_face)
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-math.sin(angle), math.cos(angle)])
    from_pivot = centre - np.array(JAW.pivot)
    assert JAW.moving_face - from_pivot @ across == pytest.approx(radius, abs=1e-9), "distance from the moving face"
    assert 0.060 < from_pivot @ along < 0.082, "on the jaw, which ends 82 mm from its axis"


@EVERY_ARM
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_joints_and_gap_go_back_and_forth(arm, kind):
    gripper = arm.gripper
    widest = float(gripper.gap(np.array(gripper.opened)))
    gaps = np.linspace(0.1 * widest, widest, 40).reshape(8, 5).astype(kind)
    tolerance = 1e-12 if kind is np.float64 else 1e-6
    positions = gripper.at_gap(gaps)
    assert positions.shape == (8, 5, len(arm.gripper_joints)) and positions.dtype == kind
    np.testing.assert_allclose(gripper.gap(positions), gaps, atol=tolerance)
    tensors = gripper.at_gap(torch.from_numpy(gaps))
    assert isinstance(tensors, torch.Tensor)
    np.testing.assert_allclose(tensors.numpy(), positions, atol=tolerance)
    np.testing.assert_allclose(gripper.gap(tensors).numpy(), gaps, atol=tolerance)
    assert (np.diff(gripper.at_gap(gaps.reshape(-1)), axis=0) > 0).all(), "wider is further open"


@EVERY_ARM
def test_a_gap_that_is_none_is_the_nearest_one(arm):
    gripper = arm.gripper
    for gap, expected in ((-0.05, gripper.closed), (1.0, gripper.opened)):
        np.testing.assert_allclose(gripper.at_gap(np.array([gap])), [expected], atol=1e-9)
        torch.testing.assert_close(gripper.at_gap(torch.tensor([gap])), torch.tensor([expected]))


@EVERY_ARM
def test_the_ends_of_the_gripper(arm):
    gripper = arm.gripper
    closed, opened = (float(gripper.gap(np.array(end))) for end in (gripper.closed, gripper.opened))
    assert closed == pytest.approx(0.0, abs=0.001)
    assert 2 * 0.020 < opened < 0.12, "the largest ball fits"
    for joint, low, high in zip(arm.gripper_joints, gripper.closed, gripper.opened, strict=True):
        assert joint.lower - 1e-9 <= low < high <= joint.upper + 1e-9
    assert 0 < gripper.squeeze < 0.015 and 0 < gripper.speed_cap < min(j.velocity_limit for j in arm.gripper_joints)


@EVERY_ARM
def test_servo_and_joints_go_back_and_forth(arm):
    gripper = arm.gripper
    share = np.linspace(0.0, 1.0, 7)[:, None]
    positions = np.array(gripper.closed) + share * np.subtract(gripper.opened, gripper.closed)
    angle = gripper.servo_angle(positions)
    assert angle.shape == (7, 1), "one servo"
    np.testing.assert_allclose(gripper.from_servo(angle), positions, atol=1e-12)
    tensors = gripper.servo_angle(torch.from_numpy(positions))
    np.testing.assert_allclose(tensors.numpy(), angle)
    np.testing.assert_allclose(gripper.from_servo(tensors).numpy(), positions, atol=1e-12)


def test_coupled_fingers_by_hand():
    gripper = XARM1S.gripper
    assert isinstance(gripper, CoupledFingers)
    assert gripper.gap(np.array([0.010, 0.014])) == pytest.approx(0.024)
    assert gripper.at_gap(np.array([0.030, 0.070])).tolist() == [[0.015, 0.015], [0.025, 0.025]]
    # 13 mm for 30 degrees of the servo.
    assert gripper.servo_angle(np.array([[0.012, 0.014]])) == pytest.approx(math.radians(30))
    assert gripper.from_servo(np.array([math.radians(30)])) == pytest.approx([0.013, 0.013])
    assert gripper.held_at(0.015) == 0.0


def test_a_single_jaw_is_its_servo():
    angles = np.array([[0.1], [0.4]])
    assert (JAW.servo_angle(angles) == angles).all() and (JAW.from_servo(angles) == angles).all()
