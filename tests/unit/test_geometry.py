"""Geometry against hand-computed cases and against the joint table walked link by link."""

import math

import pytest

torch = pytest.importorskip("torch")

from alice.arms import XARM1S  # noqa: E402
from alice.transfer import geometry  # noqa: E402

HALF = math.sqrt(0.5)
X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
WORKSPACE_X, WORKSPACE_Y = (0.09, 0.29), (-0.12, 0.12)
LOWER, UPPER = (torch.tensor([getattr(joint, end) for joint in XARM1S.joints[:5]]) for end in ("lower", "upper"))


def _workspace(height: float, steps: int = 25) -> torch.Tensor:
    """Return a grid over the workspace at one height, (steps², 3) [m]."""
    x, y = torch.linspace(*WORKSPACE_X, steps), torch.linspace(*WORKSPACE_Y, steps)
    return torch.cartesian_prod(x, y, torch.tensor([height]))


##
# Transforms
##


@pytest.mark.parametrize(
    ("quat", "vector", "expected"),
    [
        ((0.0, 0.0, 0.0, 1.0), (0.3, -0.2, 0.1), (0.3, -0.2, 0.1)),
        ((0.0, 0.0, HALF, HALF), X, Y),
        ((0.0, 0.0, HALF, HALF), Y, (-1.0, 0.0, 0.0)),
        ((HALF, 0.0, 0.0, HALF), Y, Z),
        ((0.0, HALF, 0.0, HALF), Z, X),
        ((0.0, -HALF, 0.0, HALF), Z, (-1.0, 0.0, 0.0)),
        ((0.0, 0.0, -HALF, -HALF), X, Y),  # the same turn with the other sign
        ((1.0, 0.0, 0.0, 0.0), (0.1, 0.2, 0.3), (0.1, -0.2, -0.3)),
        ((0.5, 0.5, 0.5, 0.5), (1.0, 2.0, 3.0), (3.0, 1.0, 2.0)),  # 120 degrees about the diagonal
    ],
)
def test_rotate_by_hand(quat, vector, expected):
    turned = geometry.rotate(torch.tensor([quat]), torch.tensor([vector]))
    torch.testing.assert_close(turned, torch.tensor([expected]), atol=1e-6, rtol=0)


def test_rotate_shares_one_vector_among_all_rotations():
    quats = torch.tensor([(0.0, 0.0, 0.0, 1.0), (0.0, 0.0, HALF, HALF)])
    turned = geometry.rotate(quats, torch.tensor(X))
    torch.testing.assert_close(turned, torch.tensor([X, Y]), atol=1e-6, rtol=0)


##
# Kinematics
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
    found_point, found_direction = geometry.forward_kinematics(torch.tensor([joints]))
    torch.testing.assert_close(found_point, torch.tensor([point]), atol=1e-6, rtol=0)
    torch.testing.assert_close(found_direction, torch.tensor([direction]), atol=1e-6, rtol=0)


def test_forward_kinematics_walks_the_joint_table(tool_point):
    generator = torch.Generator().manual_seed(3)
    joints = LOWER + (UPPER - LOWER) * torch.rand(50, 5, generator=generator)
    point, direction = geometry.forward_kinematics(joints)
    for row, found in zip(joints.tolist(), point.tolist(), strict=True):
        assert tool_point(dict(zip(XARM1S.names[:5], row, strict=True))) == pytest.approx(found, abs=1e-5)
    torch.testing.assert_close(direction.norm(dim=-1), torch.ones(50))


def test_fingers_do_not_move_the_tool_point():
    wide = torch.cat((torch.zeros(2, 5), torch.tensor([[0.0, 0.0], [0.025, 0.01]])), dim=-1)
    point, _ = geometry.forward_kinematics(wide)
    torch.testing.assert_close(point[0], point[1])


# A hand that points down needs its whole length above the point, so no pitch reaches the whole workspace.
@pytest.mark.parametrize(
    ("height", "pitch_deg"), [(0.015, 105), (0.06, 120), (0.10, 120), (0.015, 150), (0.06, 150), (0.015, 170)]
)
def test_inverse_then_forward_comes_back(height, pitch_deg):
    points = _workspace(height)
    pitch = torch.full((len(points),), math.radians(pitch_deg))
    angles, reachable = geometry.inverse_kinematics(points, pitch)
    assert reachable.float().mean() > 0.25
    back, direction = geometry.forward_kinematics(angles)
    torch.testing.assert_close(back[reachable], points[reachable], atol=1e-5, rtol=0)
    torch.testing.assert_close(direction[reachable, 2], torch.cos(pitch[reachable]), atol=1e-5, rtol=0)
    assert (angles[reachable, 2] >= 0).all(), "elbow up"
    assert (angles[:, 4] == 0).all()


def test_forward_then_inverse_comes_back():
    generator = torch.Generator().manual_seed(4)
    low = torch.tensor([-1.2, -0.6, 0.3, 0.8, 0.0])
    high = torch.tensor([1.2, 0.9, 1.8, 1.8, 0.0])
    joints = low + (high - low) * torch.rand(200, 5, generator=generator)
    points, _ = geometry.forward_kinematics(joints)
    ahead = (points[:, 0] > 0.05) & (points[:, :2].norm(dim=-1) > 0.05)  # else the base looks the other way
    angles, reachable = geometry.inverse_kinematics(points, joints[:, 1:4].sum(dim=-1))
    assert ahead.sum() > 100
    assert reachable[ahead].all()
    torch.testing.assert_close(angles[ahead], joints[ahead], atol=2e-3, rtol=0)


@pytest.mark.parametrize("point", [(0.60, 0.0, 0.10), (0.0, 0.45, 0.02), (0.20, 0.0, 0.60), (-0.30, 0.01, 0.02)])
def test_a_point_out_of_reach_is_reported(point):
    angles, reachable = geometry.inverse_kinematics(torch.tensor([point]), torch.tensor([math.pi]))
    assert not reachable.any()
    assert torch.isfinite(angles).all()
    assert (angles >= LOWER - 1e-6).all() and (angles <= UPPER + 1e-6).all()


@pytest.mark.parametrize("height", [0.015, 0.06])
def test_hand_pitch_reaches_the_whole_workspace(height):
    points = _workspace(height)
    pitch = geometry.hand_pitch(points)
    assert pitch.shape == (625,)
    assert (pitch > math.radians(104)).all() and (pitch <= math.pi + 1e-6).all()
    angles, reachable = geometry.inverse_kinematics(points, pitch)
    assert reachable.all(), f"not in reach: {points[~reachable][:5].tolist()}"
    assert (angles > LOWER).all() and (angles < UPPER).all()
    # Lag, sag and the pads' width need some room before a servo's end.
    assert torch.minimum(angles - LOWER, UPPER - angles)[:, 1:4].min() > 0.05


def test_hand_pitch_is_steepest_where_there_is_room():
    row = torch.stack((torch.linspace(0.11, 0.29, 10), torch.zeros(10), torch.full((10,), 0.02)), dim=-1)
    pitch = geometry.hand_pitch(row)
    assert pitch[0] == pytest.approx(math.pi)
    assert (pitch.diff() <= 0).all()
    assert pitch[-1] < pitch[0] - 0.3


##
# Kernels and tests
##


def test_tanh_kernel_falls_from_one_to_nothing():
    distance = torch.linspace(0.0, 1.0, 101)
    value = geometry.tanh_kernel(distance, 0.2)
    assert value[0] == 1.0
    assert (value.diff() < 0).all()
    assert value[20] == pytest.approx(0.2384, abs=1e-4)  # tanh(1) = 0.7616
    assert 0 <= value[-1] < 1e-3
    assert (geometry.tanh_kernel(distance[1:], 0.4) > value[1:]).all()


@pytest.mark.parametrize(
    ("distance", "gap", "target", "expected"),
    [
        (0.000, 0.0300, 0.000, True),  # a ball of 30 mm between the pads, told to shut
        (0.013, 0.0300, 0.000, True),
        (0.015, 0.0300, 0.000, False),  # the ball is beside the pads
        (0.000, 0.0250, 0.000, True),  # soft pads sink in a little
        (0.000, 0.0230, 0.000, False),  # nothing that thin is this ball
        (0.000, 0.0330, 0.000, False),  # not closed on the ball yet
        (0.000, 0.0300, 0.030, False),  # in place, but not squeezed
        (0.000, 0.0300, 0.050, False),  # told to open
        (0.000, 0.0300, 0.029, True),
    ],
)
def test_pinch_truth_table(distance, gap, target, expected):
    flag = geometry.is_pinched(*(torch.tensor([value]) for value in (distance, gap, target, 0.015)))
    assert flag.tolist() == [expected] and flag.dtype == torch.bool


def test_the_pinch_follows_the_radius_of_each_ball():
    still = torch.zeros(2)
    flag = geometry.is_pinched(still, torch.tensor([0.030, 0.030]), still, torch.tensor([0.015, 0.020]))
    assert flag.tolist() == [True, False]
