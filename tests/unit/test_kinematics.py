"""Kinematics against hand-computed cases and against the joint table walked link by link, in NumPy and in PyTorch."""

import math

import pytest

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")

from made_up import CRANE  # noqa: E402

from alice.arms import ARMS, XARM1S, Arm, kinematics  # noqa: E402

EVERY_ARM = pytest.mark.parametrize("arm", [*ARMS.values(), CRANE], ids=lambda arm: arm.name)
X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
WORKSPACE_X, WORKSPACE_Y = (0.09, 0.29), (-0.12, 0.12)
LOWER, UPPER = (torch.tensor([getattr(joint, end) for joint in XARM1S.arm_joints]) for end in ("lower", "upper"))


def _workspace(height: float, steps: int = 25) -> torch.Tensor:
    """Return a grid over the workspace at one height, (steps², 3) [m]."""
    x, y = torch.linspace(*WORKSPACE_X, steps), torch.linspace(*WORKSPACE_Y, steps)
    return torch.cartesian_prod(x, y, torch.tensor([height]))


def _anywhere(arm: Arm, count: int = 50, seed: int = 3) -> np.ndarray:
    """Return joint vectors all over the limits, (count, J)."""
    return np.random.default_rng(seed).uniform(arm.lower, arm.upper, (count, len(arm.joints)))


def _ahead(arm: Arm, count: int = 300, seed: int = 4) -> np.ndarray:
    """Return joint vectors with the elbow up and bent and the hand in front of the yaw axis, (K, J)."""
    joints = _anywhere(arm, count, seed)
    straight = max(arm.upright[2] + 0.2, arm.lower[2])
    joints[:, 2] = np.random.default_rng(seed).uniform(straight, min(straight + 1.8, arm.upper[2]), count)
    joints[:, 0] *= 0.6
    point, _ = kinematics.forward(arm, joints)
    heading = np.cos(joints[:, 0]), np.sin(joints[:, 0]) * (-1.0 if arm.joints[0].axis == "-Z" else 1.0)
    return joints[point[:, 0] * heading[0] + point[:, 1] * heading[1] > 0.03]


def _named(arm: Arm, row: np.ndarray) -> dict[str, float]:
    return dict(zip(arm.names, row.tolist(), strict=True))


##
# Forward
##


@pytest.mark.parametrize(
    ("joints", "point", "direction"),
    [
        ((0.0, 0.0, 0.0, 0.0, 0.0), (-0.01135, 0.0, 0.4198), Z),
        ((0.0, math.pi / 2, 0.0, 0.0, 0.0), (0.34345, 0.0, 0.065), X),
        ((math.pi / 2, math.pi / 2, 0.0, 0.0, 0.0), (0.0, 0.34345, 0.065), Y),
        ((0.0, 0.0, math.pi / 2, math.pi / 2, 0.0), (0.08435, 0.0, -0.0013), (0.0, 0.0, -1.0)),
        ((0.0, 0.0, 0.0, 0.0, 1.7), (-0.01135, 0.0, 0.4198), Z),  # roll moves nothing
    ],
)
def test_forward_kinematics_by_hand(joints, point, direction):
    found_point, found_direction = kinematics.forward(XARM1S, torch.tensor([joints]))
    torch.testing.assert_close(found_point, torch.tensor([point]), atol=1e-6, rtol=0)
    torch.testing.assert_close(found_direction, torch.tensor([direction]), atol=1e-6, rtol=0)


# 20 + 20 + 120 + 50 + 90 mm forward, 60 + 50 + 100 + 10 mm up. A positive pan turns to the right, a pitch joint down.
@pytest.mark.parametrize(
    ("joints", "point", "direction", "opening"),
    [
        ((0.0, 0.0, 0.0, 0.0, 0.0), (0.30, 0.0, 0.22), X, Z),
        ((math.pi / 2, 0.0, 0.0, 0.0, 0.0), (0.0, -0.30, 0.22), (0.0, -1.0, 0.0), Z),
        ((0.0, 0.0, 0.0, math.pi / 2, 0.0), (0.16, 0.0, 0.08), (0.0, 0.0, -1.0), X),
        ((0.0, 0.0, math.pi / 2, 0.0, 0.0), (0.05, 0.0, -0.05), (0.0, 0.0, -1.0), X),
        ((0.0, 0.0, 0.0, 0.0, math.pi / 2), (0.30, 0.0, 0.22), X, Y),
        ((0.0, 0.0, 0.0, math.pi / 2, math.pi / 2), (0.16, 0.0, 0.08), (0.0, 0.0, -1.0), Y),
    ],
)
def test_another_arm_by_hand(joints, point, direction, opening):
    found_point, found_direction = kinematics.forward(CRANE, np.array([joints]))
    np.testing.assert_allclose(found_point, [point], atol=1e-12)
    np.testing.assert_allclose(found_direction, [direction], atol=1e-12)
    np.testing.assert_allclose(kinematics.opening_direction(CRANE, np.array([joints])), [opening], atol=1e-12)


@EVERY_ARM
def test_forward_kinematics_walks_the_joint_table(arm, tool_point, opening):
    joints = _anywhere(arm)
    point, direction = kinematics.forward(arm, joints)
    opens = kinematics.opening_direction(arm, joints)
    for row, found, found_opening in zip(joints, point, opens, strict=True):
        assert tool_point(_named(arm, row), arm) == pytest.approx(found, abs=1e-9)
        assert opening(_named(arm, row), arm) == pytest.approx(found_opening, abs=1e-9)
    np.testing.assert_allclose(np.linalg.norm(direction, axis=-1), 1.0)
    np.testing.assert_allclose((direction * opens).sum(axis=-1), 0.0, atol=1e-12)


@EVERY_ARM
def test_a_skeleton_goes_from_the_shoulder_to_the_tip_link_by_link(arm):
    joints = _anywhere(arm)
    points, (tool, direction) = kinematics.skeleton(arm, joints), kinematics.forward(arm, joints)
    assert points.shape == (len(joints), 5, 3)
    np.testing.assert_allclose(points[:, 3], tool, atol=1e-12)
    np.testing.assert_allclose(points[:, 4], tool + arm.tool_to_tip * direction, atol=1e-12)
    lengths = np.linalg.norm(np.diff(points, axis=1), axis=-1)
    np.testing.assert_allclose(lengths, np.tile((*arm.chain.lengths, arm.tool_to_tip), (len(joints), 1)), atol=1e-12)
    assert np.ptp(points[:, 0, 2]) < 1e-12  # the shoulder stays at its height


@EVERY_ARM
def test_the_direction_of_the_hand_goes_from_the_wrist_to_the_tool(arm, tool_point, hand_frame):
    joints = _anywhere(arm)
    _, direction = kinematics.forward(arm, joints)
    for row, found in zip(joints, direction, strict=True):
        hand, _ = hand_frame(_named(arm, row), arm)
        away = np.subtract(tool_point(_named(arm, row), arm), hand)
        np.testing.assert_allclose(found, away / np.linalg.norm(away), atol=1e-9)
    np.testing.assert_allclose(np.cos(kinematics.hand_pitch(arm, joints)), direction[:, 2], atol=1e-12)


@EVERY_ARM
def test_a_point_of_the_hand_is_where_the_joint_table_puts_it(arm, hand_frame):
    for joints in _anywhere(arm, 20):
        place, turn = hand_frame(_named(arm, joints), arm)
        for point in (arm.camera.position, arm.tool_in_hand, (0.01, -0.02, 0.03)):
            expected = [place[k] + sum(turn[k][n] * point[n] for n in range(3)) for k in range(3)]
            np.testing.assert_allclose(kinematics.in_hand(arm, joints, point), expected, atol=1e-9)
            found = kinematics.in_hand(arm, torch.tensor(joints).expand(2, -1), point)
            torch.testing.assert_close(found, torch.tensor([expected, expected], dtype=found.dtype))


@EVERY_ARM
def test_the_gripper_does_not_move_the_tool_point(arm):
    wide = np.repeat(_anywhere(arm, 1), 2, axis=0)
    wide[:, arm.gripper_columns] = arm.gripper.closed, arm.gripper.opened
    point, _ = kinematics.forward(arm, wide)
    assert (point[0] == point[1]).all()
    assert (kinematics.forward(arm, wide[:, arm.arm_columns])[0] == point).all(), "the arm joints are enough"


@EVERY_ARM
def test_upright_is_straight_up(arm, tool_point, hand_frame):
    pose = dict(zip(arm.names, arm.upright, strict=False))
    (x, _, height), _ = hand_frame(pose, arm)
    shoulder = [joint.offset for joint in arm.joints[:2]]
    assert tool_point(pose, arm)[:2] == pytest.approx((shoulder[1][0], 0.0), abs=1e-9)
    assert x == pytest.approx(shoulder[1][0], abs=1e-9)
    lengths = [math.hypot(*joint.offset) for joint in arm.joints[2:5]]
    assert height == pytest.approx(shoulder[0][2] + shoulder[1][2] + sum(lengths), abs=1e-9)


##
# Where a ball is held
##


def test_coupled_fingers_hold_a_ball_at_the_tool_point():
    joints = _anywhere(XARM1S)
    held = kinematics.grip_point(XARM1S, joints, np.full(50, 0.015))
    assert (held == kinematics.forward(XARM1S, joints)[0]).all()


def test_a_single_jaw_holds_a_ball_beside_the_tool_point(tool_point, opening):
    """The ball leans on the fixed face, 7.9 mm behind the tool point in the direction in which the jaw opens."""
    joints, radii = _anywhere(CRANE), np.linspace(0.010, 0.020, 50)
    held = kinematics.grip_point(CRANE, joints, radii)
    for row, radius, found in zip(joints, radii, held, strict=True):
        point, opens = tool_point(_named(CRANE, row), CRANE), opening(_named(CRANE, row), CRANE)
        np.testing.assert_allclose(found, np.add(point, np.multiply(radius - 0.0079, opens)), atol=1e-9)


##
# Inverse
##


# A hand that points down needs its whole length above the point, so no pitch reaches the whole workspace.
@pytest.mark.parametrize(
    ("height", "pitch_deg"), [(0.015, 105), (0.06, 120), (0.10, 120), (0.015, 150), (0.06, 150), (0.015, 170)]
)
def test_inverse_then_forward_comes_back(height, pitch_deg):
    points = _workspace(height)
    pitch = torch.full((len(points),), math.radians(pitch_deg))
    angles, reachable = kinematics.inverse(XARM1S, points, pitch)
    assert reachable.float().mean() > 0.25
    back, direction = kinematics.forward(XARM1S, angles)
    torch.testing.assert_close(back[reachable], points[reachable], atol=1e-5, rtol=0)
    torch.testing.assert_close(direction[reachable, 2], torch.cos(pitch[reachable]), atol=1e-5, rtol=0)
    assert (angles[reachable, 2] >= 0).all(), "elbow up"
    assert (angles[:, XARM1S.roll_column] == 0).all()


@EVERY_ARM
def test_forward_then_inverse_comes_back(arm):
    joints = _ahead(arm)
    assert len(joints) > 100
    points, _ = kinematics.forward(arm, joints)
    angles, reachable = kinematics.inverse(arm, points, kinematics.hand_pitch(arm, joints), joints[:, arm.roll_column])
    assert reachable.all()
    np.testing.assert_allclose(angles, joints[:, arm.arm_columns], atol=1e-6)


@EVERY_ARM
def test_a_grip_is_found_for_the_ball_that_it_holds(arm):
    joints = _ahead(arm)
    radius = np.linspace(0.010, 0.020, len(joints))
    ball = kinematics.grip_point(arm, joints, radius)
    pitch, roll = kinematics.hand_pitch(arm, joints), joints[:, arm.roll_column]
    angles, reachable = kinematics.inverse_grip(arm, ball, radius, pitch, roll)
    # Far from the yaw axis: within some centimetres of it the hand would turn a lot for the way beside the ball.
    far = np.linalg.norm(ball[:, :2], axis=-1) > 0.10
    assert far.sum() > 80 and reachable[far].mean() > 0.95
    held = kinematics.grip_point(arm, angles, radius)
    assert np.linalg.norm(held - ball, axis=-1)[far & reachable].max() < 2e-5
    np.testing.assert_allclose(kinematics.hand_pitch(arm, angles)[reachable], pitch[reachable], atol=1e-9)
    assert (angles[reachable, arm.roll_column] == roll[reachable]).all()


@EVERY_ARM
@pytest.mark.parametrize("point", [(0.60, 0.0, 0.10), (0.0, 0.55, 0.02), (0.20, 0.0, 0.60), (-0.50, 0.01, 0.02)])
def test_a_point_out_of_reach_is_reported(arm, point):
    angles, reachable = kinematics.inverse(arm, torch.tensor([point]), torch.tensor([math.pi]))
    assert not reachable.any()
    assert torch.isfinite(angles).all()
    lower, upper = (torch.tensor(ends[arm.arm_columns]) for ends in (arm.lower, arm.upper))
    assert (angles >= lower - 1e-6).all() and (angles <= upper + 1e-6).all()


def test_a_roll_beyond_its_limits_is_out_of_reach():
    point, pitch = np.array([[0.2, 0.0, 0.02]]), np.array([2.6])
    for roll, expected in ((2.0, True), (2.2, False), (-2.2, False)):
        angles, reachable = kinematics.inverse(XARM1S, point, pitch, roll)
        assert reachable.tolist() == [expected]
        assert abs(angles[0, XARM1S.roll_column]) == pytest.approx(min(abs(roll), math.radians(120)))


##
# The steepest pitch
##


@pytest.mark.parametrize("height", [0.015, 0.06])
def test_the_steepest_pitch_reaches_the_whole_workspace(height):
    points = _workspace(height)
    pitch = kinematics.steepest_pitch(XARM1S, points)
    assert pitch.shape == (625,)
    assert (pitch > math.radians(104)).all() and (pitch <= math.pi + 1e-6).all()
    angles, reachable = kinematics.inverse(XARM1S, points, pitch)
    assert reachable.all(), f"not in reach: {points[~reachable][:5].tolist()}"
    assert (angles > LOWER).all() and (angles < UPPER).all()
    # Lag, sag and the pads' width need some room before a servo's end.
    assert torch.minimum(angles - LOWER, UPPER - angles)[:, 1:4].min() > 0.05


def test_the_pitch_is_steepest_where_there_is_room():
    row = torch.stack((torch.linspace(0.11, 0.29, 10), torch.zeros(10), torch.full((10,), 0.02)), dim=-1)
    pitch = kinematics.steepest_pitch(XARM1S, row)
    assert pitch[0] == pytest.approx(math.pi)
    assert (pitch.diff() <= 0).all()
    assert pitch[-1] < pitch[0] - 0.3


@EVERY_ARM
def test_no_steeper_pitch_leaves_the_margin(arm):
    """Every pitch that was passed over brings a pitch joint nearer to its end, or the elbow nearer to straight."""
    points = np.array([(x, 0.0, z) for x in (0.14, 0.18, 0.22, 0.26) for z in (0.02, 0.08)])
    chosen = kinematics.steepest_pitch(arm, points, margin=0.1)
    lower, upper = (np.array(ends) for ends in (arm.lower, arm.upper))

    def room(pitch: np.ndarray) -> np.ndarray:
        angles, reachable = kinematics.inverse(arm, points, pitch)
        pitched = angles[:, 1:4]
        ends = np.minimum(pitched - lower[1:4], upper[1:4] - pitched).min(axis=-1)
        return np.where(reachable, np.minimum(ends, angles[:, 2] - arm.upright[2]), -1.0)

    has_room = room(chosen) >= 0.1 - 1e-9
    assert has_room.any()
    for pitch in np.linspace(math.pi, math.radians(105), 12):
        steeper = has_room & (pitch > chosen + 1e-6)
        assert (room(np.full(len(points), pitch))[steeper] < 0.1).all()


##
# NumPy and PyTorch
##


@EVERY_ARM
def test_numpy_and_pytorch_agree(arm):
    joints = _ahead(arm)
    radius, roll = np.linspace(0.010, 0.020, len(joints)), joints[:, arm.roll_column]
    pitch, point = kinematics.hand_pitch(arm, joints), kinematics.forward(arm, joints)[0]
    calls = {
        "forward": (kinematics.forward, (joints,)),
        "hand_pitch": (kinematics.hand_pitch, (joints,)),
        "opening_direction": (kinematics.opening_direction, (joints,)),
        "grip_point": (kinematics.grip_point, (joints, radius)),
        "inverse": (kinematics.inverse, (point, pitch, roll)),
        "inverse_grip": (kinematics.inverse_grip, (point, radius, pitch, roll)),
        "steepest_pitch": (kinematics.steepest_pitch, (point,)),
    }
    for name, (function, arguments) in calls.items():
        ours, theirs = function(arm, *arguments), function(arm, *map(torch.from_numpy, arguments))
        pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
        for number, tensor in pairs:
            assert isinstance(number, np.ndarray) and isinstance(tensor, torch.Tensor), name
            np.testing.assert_allclose(number, tensor.numpy(), atol=1e-12, err_msg=name)


@EVERY_ARM
def test_single_precision_stays_single(arm):
    joints = _ahead(arm).astype(np.float32)
    point, direction = kinematics.forward(arm, joints)
    radius, pitch = np.full(len(joints), 0.015, np.float32), kinematics.hand_pitch(arm, joints)
    angles, _ = kinematics.inverse_grip(arm, point, radius, pitch, 0.0)
    for found in (point, direction, pitch, angles, kinematics.grip_point(arm, joints, radius)):
        assert found.dtype == np.float32
    tensors = kinematics.inverse_grip(arm, *map(torch.from_numpy, (point, radius, pitch)), 0.0)[0]
    assert tensors.dtype == torch.float32
    np.testing.assert_allclose(tensors.numpy(), angles, atol=1e-3)
