"""The SO-101's table against the URDF's own chain, the vendor's numbers and a pencil."""

import math

import numpy as np
import pytest

from alice.arms import ARMS, SO101, SO101_12V, kinematics
from alice.arms.so101 import BACK_EMF, JAW_SOFTNESS, ROLL_ZERO
from alice.assets.so101_parts import PARTS

URDF_BASE = np.array((0.038835, 0.0, -0.0024))
"""Our base frame in that of the URDF, where points are taken off [m]."""
URDF_TOOL = (0.0981, -0.0002, -0.0079)
"""The URDF's gripper frame from the roll joint [m]: along the hand, to its side, in the opening direction. It lies on
the fixed jaw."""

# Joint angles as LeRobot and the URDF count them, then position [mm], direction of the hand and of the opening, from
# the chain of so101_new_calib.urdf.
URDF_POSES = [
    ((0, 0, 0, 0, 0), (391.36, -0.01, 226.47), (1, 0, 0), (0, -0.0487, 0.9988)),
    ((0.5, 0, 0, 0, 0), (348.20, -169.02, 226.47), (0.8776, -0.4794, 0), (-0.0233, -0.0427, 0.9988)),
    ((0, -0.6, 0.8, 0.6, 0), (267.29, -0.01, 83.89), (0.6967, 0, -0.7174), (0.7165, -0.0487, 0.6959)),
    (
        (-0.12211, -0.90668, 0.19009, 1.47979, -0.80440),
        (205.57, 26.13, 186.62),
        (0.7173, 0.0880, -0.6912),
        (0.5430, -0.6923, 0.4753),
    ),
    (
        (-0.2736, -0.6109, -0.0745, 1.5148, -1.6034),
        (227.14, 60.86, 197.14),
        (0.6502, 0.1825, -0.7375),
        (0.2117, -0.9758, -0.0548),
    ),
    ((0, 0, 0, math.pi / 2, -math.pi / 2), (232.30, 7.72, 75.14), (0, 0, -1), (-0.0487, -0.9988, 0)),
    ((0, -math.pi / 2, math.pi / 2, 0.66, 0), (212.51, -0.01, 45.93), (0.7900, 0, -0.6131), (0.6124, -0.0487, 0.7891)),
]


def _arrays(kind: str):
    """Return the function that makes an array of NumPy or PyTorch."""
    if kind == "numpy":
        return lambda values: np.asarray(values, dtype=float)
    torch = pytest.importorskip("torch")
    return lambda values: torch.as_tensor(np.asarray(values), dtype=torch.float64)


@pytest.fixture(params=["numpy", "torch"])
def array(request):
    """The two libraries that the closed form serves."""
    return _arrays(request.param)


@pytest.mark.parametrize(("angles", "point", "along", "opening"), URDF_POSES)
def test_the_closed_form_agrees_with_the_urdf(array, angles, point, along, opening):
    counted = np.array(angles, dtype=float)
    counted[4] -= ROLL_ZERO
    found, direction = (np.asarray(part) for part in kinematics.forward(SO101, array(counted)))
    opens = np.asarray(kinematics.opening_direction(SO101, array(counted)))
    beside = np.cross(opens, direction)
    ours = found + (URDF_TOOL[0] - 0.098) * direction + URDF_TOOL[1] * beside + URDF_TOOL[2] * opens
    # 0.18 mm is how far the URDF's arm is out of the plane of its pan axis.
    np.testing.assert_allclose(ours, np.array(point) / 1000 - URDF_BASE, rtol=0, atol=2e-4)
    np.testing.assert_allclose(direction, along, rtol=0, atol=1e-3)
    np.testing.assert_allclose(opens, opening, rtol=0, atol=1e-3)


def test_the_way_back(array):
    draws = np.random.default_rng(3)
    lower, upper = (np.array(limits[:5]) for limits in (SO101.lower, SO101.upper))
    angles = draws.uniform(lower, upper, (2000, 5))
    bend = angles[:, 2] + math.pi / 2 - 0.24379 - 0.03853
    angles = angles[(bend > 0.05) & (bend < 3.0)]
    point, _ = kinematics.forward(SO101, array(angles))
    x, y, z = np.asarray(point).T
    # The closed form turns towards the point, never away from it.
    kept = (np.cos(angles[:, 0]) * x - np.sin(angles[:, 0]) * y > 0.01) & (z > 0)
    assert kept.sum() > 500
    pose = array(angles[kept])
    point, _ = kinematics.forward(SO101, pose)
    found, reachable = kinematics.inverse(SO101, point, kinematics.hand_pitch(SO101, pose), pose[:, 4])
    assert np.asarray(reachable).all()
    turns = np.asarray(found) - angles[kept]
    np.testing.assert_allclose(np.asarray(kinematics.forward(SO101, found)[0]), np.asarray(point), atol=1e-9)
    np.testing.assert_allclose(turns[:, [0, 1, 2, 4]], 0.0, atol=1e-7)


@pytest.mark.parametrize(
    ("radius", "angle"),
    [(0.010, 0.057), (0.012, 0.111), (0.0135, 0.153), (0.015, 0.195), (0.0175, 0.265), (0.020, 0.337)],
)
def test_the_jaw_angles_of_balls(array, radius, angle):
    """Computed by hand from the measured faces."""
    gripper = SO101.gripper
    assert float(gripper.at_gap(array(2 * radius))[..., 0]) == pytest.approx(angle, abs=1.5e-3)
    assert float(gripper.gap(array((angle,)))) == pytest.approx(2 * radius, abs=1.5e-4)
    assert float(gripper.held_at(array(radius))) == pytest.approx(radius - 0.0079)


def test_the_jaw_opens_far_enough_for_the_largest_ball_and_no_further_than_it_can():
    gripper = SO101.gripper
    assert 0.048 < float(gripper.gap(np.array(gripper.opened))) < 0.056
    assert gripper.closed_angle == SO101.joints[5].lower
    assert gripper.open_angle < SO101.joints[5].upper


def test_a_ball_held_beside_the_tool_point_is_found_again(array):
    ball = array([(0.22, 0.05, 0.03), (0.28, -0.10, 0.10), (0.16, 0.0, 0.06)])
    radius, pitch = array((0.015, 0.02, 0.008)), array((2.5, 2.4, 2.8))
    pose, reachable = kinematics.inverse_grip(SO101, ball, radius, pitch, -math.pi / 2)
    assert np.asarray(reachable).all()
    np.testing.assert_allclose(np.asarray(kinematics.grip_point(SO101, pose, radius)), np.asarray(ball), atol=1e-6)


def test_home():
    """22 cm from the pan axis, 16 cm up, leaning by 34 degrees, the jaw opening to the right."""
    home = np.array(SO101.home)
    point, _ = kinematics.forward(SO101, home)
    np.testing.assert_allclose(point, (0.220, 0.0, 0.160), atol=5e-4)
    assert math.degrees(kinematics.hand_pitch(SO101, home)) == pytest.approx(146, abs=0.5)
    np.testing.assert_allclose(kinematics.opening_direction(SO101, home), (0, -1, 0), atol=1e-6)
    for joint, angle in zip(SO101.joints, SO101.home, strict=True):
        assert joint.lower + 0.2 < angle < joint.upper - 0.2


def test_the_camera_is_on_the_outer_and_upper_side_of_the_hand_at_home():
    # Hand axes at home, by hand: roll -pi/2 turns the side y of the hand to where the opening is at roll zero, which is
    # forward and up when the hand points down.
    pitch = kinematics.hand_pitch(SO101, np.array(SO101.home))
    along = np.array((math.sin(pitch), 0.0, math.cos(pitch)))
    side = np.array((-math.cos(pitch), 0.0, math.sin(pitch)))
    opening = kinematics.opening_direction(SO101, np.array(SO101.home))
    np.testing.assert_allclose(np.cross(opening, along), side, atol=1e-6)  # z cross x is y
    x, y, z = SO101.camera.position
    beside = x * along + y * side + z * opening
    axis = beside - x * along
    assert axis[0] > 0.04 and axis[2] > 0.01
    forward = SO101.camera.axes[2]
    looks = forward[0] * along + forward[1] * side + forward[2] * opening
    assert looks[2] < -0.3 and looks[0] < 0.3  # down, and back towards the tips


def test_no_joint_is_stronger_or_faster_than_its_servo():
    for arm, torque, speed in ((SO101, 1.91, 5.45), (SO101_12V, 2.94, 4.8)):
        for joint in arm.joints:
            assert joint.effort_limit <= torque and joint.velocity_limit <= speed
        assert arm.joints[5].effort_limit <= 0.5 * torque  # LeRobot's cap
        assert arm.speed_cap < 0.5 * speed


def test_both_dampings_add_up_to_those_of_the_fit():
    """Stiffness, damping, armature, friction and viscous friction of NVIDIA's gtc_berlin."""
    damping = (2.310, 2.783, 0.535, 2.719, 1.790)
    viscous = (1.073, 0.877, 0.493, 0.517, 0.450)
    for joint, drive, loss in zip(SO101.arm_joints, damping, viscous, strict=True):
        assert joint.damping + joint.viscous_friction == pytest.approx(drive + loss)
        assert joint.viscous_friction <= BACK_EMF < 0.4


def test_the_soft_jaw_moves_like_the_identified_one():
    """Stiffness, damping and armature are the same share of it, so that a step of the target is answered alike."""
    jaw = SO101.joints[5]
    assert jaw.stiffness / JAW_SOFTNESS == pytest.approx(50.83)
    assert jaw.damping / jaw.stiffness == pytest.approx((2.345 + 1.139) / 50.83)
    assert jaw.armature / jaw.stiffness == pytest.approx(0.0434 / 50.83)


def test_the_jaw_holds_ten_times_the_weight_of_a_ball_without_reaching_its_cap():
    gripper, jaw = SO101.gripper, SO101.joints[5]
    for radius in (0.008, 0.015, 0.020):
        held, commanded = (float(gripper.at_gap(np.array(2 * (radius - by)))[0]) for by in (0.0, gripper.squeeze))
        torque = (held - commanded) * jaw.stiffness
        force = torque / 0.0746
        assert 2 * 0.6 * force > 10 * 0.010 * 9.81  # the lower of both frictions
        assert (held - gripper.closed_angle) * jaw.stiffness < jaw.effort_limit


def test_the_servos_hold_the_arm_stretched_forward():
    """The worst case of gravity: 0.86, 0.45 and 0.12 N·m by the table of masses."""
    places = {"upper_arm": 0.0, "lower_arm": 0.116, "wrist": 0.251, "hand": 0.3121, "jaw": 0.3355}
    centres = {"upper_arm": 0.0897, "lower_arm": 0.0981, "wrist": 0.0386, "hand": 0.0252, "jaw": 0.030}
    for pivot, name, torque in ((0.0, "upper_arm", 0.86), (0.116, "lower_arm", 0.45), (0.251, "wrist", 0.117)):
        links = list(places)[list(places).index(name) :]
        found = sum(9.81 * SO101.link_masses[link] * (places[link] + centres[link] - pivot) for link in links)
        assert found == pytest.approx(torque, rel=0.07)
        assert found < 0.5 * SO101.joints[1].effort_limit


def test_the_masses_sum_to_that_of_the_cad():
    assert sum(SO101.link_masses.values()) == pytest.approx(0.632, abs=5e-4)


def test_the_faces_that_hold_the_ball_are_where_the_table_says():
    """At the tool point the fixed jaw's tip is 7.9 mm beside the roll axis, the moving one 12.3 mm from its own."""
    parts = {(part.link, part.name): part for part in PARTS}
    tip, moving = parts["hand", "jaw_tip"], parts["jaw", "tip"]
    assert tip.centre[2] + tip.size[2] / 2 == pytest.approx(-0.0079)
    assert abs(tip.centre[0] - 0.098) < tip.size[0] / 2
    assert moving.centre[2] - moving.size[2] / 2 == pytest.approx(-0.0123)
    assert moving.centre[1] == pytest.approx(-0.0188)  # in the plane of the fixed one
    assert math.hypot(moving.centre[0] + moving.size[0] / 2, 0.0123) == pytest.approx(0.0828, abs=1e-3)


def test_the_twelve_volt_arm_is_the_same_arm():
    assert ARMS["so101_12v"] is SO101_12V
    assert SO101_12V.chain == SO101.chain and SO101_12V.home == SO101.home
    for joint, other in zip(SO101.arm_joints, SO101_12V.arm_joints, strict=True):
        assert other.effort_limit == 2.9 and other.stiffness == joint.stiffness
