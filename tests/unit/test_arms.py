"""The tables of the arms agree with themselves, with the vendors' numbers and with a pencil."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up import CRANE

from alice import arms
from alice.arms import ARMS, AXES, XARM1S, Chain, xarm1s
from alice.assets.xarm1s_parts import MASS_BOXES
from alice.transfer import timing

ROOT = Path(__file__).resolve().parents[2]
ARM = ["base_joint", "shoulder_joint", "elbow_joint", "wrist_pitch_joint", "wrist_roll_joint"]
LINKS = ["base", "turret", "upper_arm", "forearm", "wrist", "hand", "left_finger", "right_finger"]
JOINTS = {joint.name: joint for joint in XARM1S.joints}
FINGERS = ["left_finger_joint", "right_finger_joint"]
EVERY_ARM = pytest.mark.parametrize("arm", [*ARMS.values(), CRANE], ids=lambda arm: arm.name)


##
# Any arm
##


def test_an_arm_is_known_by_its_name():
    assert all(ARMS[name].name == name for name in ARMS)
    assert arms.of(SimpleNamespace(cfg=SimpleNamespace(arm="xarm1s"))) is arms.named("xarm1s") is XARM1S
    with pytest.raises(ValueError, match=r"^arm 'third' is unknown, use one of .*xarm1s") as caught:
        arms.named("third")
    assert "\n" not in str(caught.value)


@EVERY_ARM
def test_the_links_form_one_tree_from_the_base(arm):
    known = ["base"]
    for joint in arm.joints:
        assert joint.parent in known and joint.child not in known
        known.append(joint.child)
    assert sorted(known) == sorted(arm.link_masses)
    assert {arm.camera.link, arm.hand_link, *arm.finger_links} <= set(known)
    assert len(set(arm.names)) == len(arm.joints)


@EVERY_ARM
def test_the_columns_of_a_joint_vector(arm):
    numbered = list(range(len(arm.joints)))
    assert numbered[arm.arm_columns] + numbered[arm.gripper_columns] == numbered
    assert arm.arm_joints + arm.gripper_joints == arm.joints and len(arm.arm_joints) == 5
    assert {joint.parent for joint in arm.gripper_joints} == {arm.hand_link}
    assert arm.joints[arm.roll_column].child == arm.hand_link == "hand"
    assert [joint.axis for joint in arm.pitch_joints] == ["Y"] * 3 and arm.pitch_joints == arm.joints[1:4]
    assert arm.action_names == (*(joint.name for joint in arm.arm_joints), "gripper")
    assert list(arm.home_by_name.items()) == list(zip(arm.names, arm.home, strict=True))


@EVERY_ARM
def test_numbers_are_of_their_kind(arm):
    for joint in arm.joints:
        assert min(joint.stiffness, joint.damping, joint.armature, joint.effort_limit, joint.velocity_limit) > 0
        assert min(joint.friction, joint.viscous_friction) >= 0 and joint.axis in AXES
        assert joint.reading_margin > 0 and joint.unit == {"revolute": "rad", "prismatic": "m"}[joint.kind]
    assert all(mass > 0 for mass in arm.link_masses.values())
    assert 0 < arm.tool_to_tip < 0.03 and arm.opens_along in AXES


@EVERY_ARM
def test_home_is_inside_the_limits_with_room(arm, tool_point):
    for joint, home in zip(arm.arm_joints, arm.home, strict=False):
        assert joint.lower + 0.2 < home < joint.upper - 0.2
    x, y, z = tool_point(arm.home_by_name, arm)
    assert 0.10 < x < 0.35 and y == pytest.approx(0.0, abs=0.01) and z > 0.05
    for closed, home, opened in zip(arm.gripper.closed, arm.home[arm.gripper_columns], arm.gripper.opened, strict=True):
        assert closed < home <= opened


@EVERY_ARM
def test_commanded_speeds_leave_the_hardware_room(arm):
    assert all(arm.speed_cap < 0.5 * joint.velocity_limit for joint in arm.arm_joints)
    assert all(arm.gripper.speed_cap < joint.velocity_limit for joint in arm.gripper_joints)


@EVERY_ARM
def test_the_mirror_image_of_a_pose_is_on_the_other_side(arm, tool_point, opening):
    if arm.mirror is None:
        pytest.skip("this arm has no mirror symmetry")
    pose = (0.4, *arm.home[1:4], 0.7, *arm.gripper.opened)
    order, signs = arm.mirror.order, arm.mirror.signs
    assert sorted(order) == list(range(len(arm.joints))) and [order[place] for place in order] == sorted(order)
    mirrored = dict(zip(arm.names, (signs[i] * pose[place] for i, place in enumerate(order)), strict=True))
    pose = dict(zip(arm.names, pose, strict=True))
    (x, y, z), (u, v, w) = tool_point(pose, arm), opening(pose, arm)
    assert abs(y) > 0.03 and tool_point(mirrored, arm) == pytest.approx((x, -y, z), abs=1e-9)
    # Two fingers open to both sides, so their direction has no sign.
    sign = 1.0 if arm.gripper.kind == "single jaw" else -1.0
    assert opening(mirrored, arm) == pytest.approx((sign * u, -sign * v, sign * w), abs=1e-9)


@EVERY_ARM
def test_the_camera_looks_along_its_axes(arm):
    right, down, forward = arm.camera.axes
    assert math.sumprod(forward, AXES[arm.camera.along]) == pytest.approx(math.cos(arm.camera.tilt))
    assert math.sumprod(forward, AXES[arm.camera.towards]) == pytest.approx(math.sin(arm.camera.tilt))
    for one, other in ((right, down), (down, forward), (forward, right)):
        assert math.sumprod(one, one) == pytest.approx(1.0) and math.sumprod(one, other) == pytest.approx(0.0)
    # A quaternion turns x, y and z into right, down and forward; columns written out by hand.
    x, y, z, w = arm.camera.rotation
    assert w >= 0 and math.hypot(x, y, z, w) == pytest.approx(1.0)
    assert right == pytest.approx((1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)), abs=1e-9)
    assert down == pytest.approx((2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)), abs=1e-9)
    assert forward == pytest.approx((2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)), abs=1e-9)


def test_the_chain_of_the_xarm():
    chain = XARM1S.chain
    assert (chain.yaw_sign, chain.roll_sign, chain.pitches) == (1.0, 1.0, (0.0, 0.0, 0.0))
    assert chain.shoulder == pytest.approx((-0.01135, 0.065))
    assert chain.lengths == pytest.approx((0.0964, 0.0957, 0.1627))
    assert chain.opening == pytest.approx(math.pi / 2), "to the left, where the hand's pitch grows forward"


def test_the_chain_of_another_arm():
    chain = CRANE.chain
    assert (chain.yaw_sign, chain.roll_sign) == (-1.0, -1.0)
    assert chain.shoulder == pytest.approx((0.020, 0.110))
    assert chain.lengths == pytest.approx((0.10198, 0.12042, 0.140), abs=1e-5)
    assert [math.degrees(pitch) for pitch in chain.pitches] == pytest.approx([11.31, 85.24, 90.0], abs=0.01)
    assert abs(chain.opening) == pytest.approx(math.pi), "up, where the hand's pitch grows downwards"


def _changed(column: int, **numbers):
    joints = list(CRANE.joints)
    joints[column] = replace(joints[column], **numbers)
    return replace(CRANE, joints=tuple(joints))


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        (_changed(0, axis="X"), "a yaw joint about Z and three pitch joints about Y"),
        (_changed(2, axis="-Y"), "a yaw joint about Z and three pitch joints about Y"),
        (_changed(3, offset=(0.12, 0.003, 0.01)), "all axes in the plane of the yaw axis"),
        (_changed(0, offset=(0.01, 0.0, 0.06)), "all axes in the plane of the yaw axis"),
        (replace(CRANE, tool_in_hand=(0.09, 0.0, 0.01)), "a tool point on the roll axis"),
        (_changed(4, axis="Z"), "a tool point on the roll axis"),
    ],
)
def test_an_arm_that_is_no_such_chain_is_refused(arm, expected):
    with pytest.raises(ValueError, match=f"crane: the closed form needs {expected}"):
        Chain.of(arm)


##
# xArm 1S
##


def test_the_order_of_the_joints():
    assert list(XARM1S.names) == [*ARM, *FINGERS]
    assert [joint.name for joint in XARM1S.arm_joints] == ARM
    assert [joint.name for joint in XARM1S.gripper_joints] == FINGERS
    assert [joint.label for joint in XARM1S.joints[3:]] == ["wrist pitch", "wrist roll", "left finger", "right finger"]


def test_the_links():
    assert ["base", *(joint.child for joint in XARM1S.joints)] == LINKS == list(XARM1S.link_masses)


def test_six_servos_drive_seven_joints():
    assert [joint.servo_id for joint in XARM1S.joints] == [6, 5, 4, 3, 2, 1, 1]
    assert XARM1S.servo_ids == (6, 5, 4, 3, 2, 1)


def test_both_fingers_are_driven_alike():
    left, right = (JOINTS[name] for name in FINGERS)
    for name in ("kind", "parent", "lower", "upper", "effort_limit", "velocity_limit", "stiffness", "damping"):
        assert getattr(left, name) == getattr(right, name)
    assert left.kind == "prismatic" and {left.axis, right.axis} == {"Y", "-Y"}
    assert XARM1S.home_by_name[left.name] == XARM1S.home_by_name[right.name]


def test_no_joint_turns_further_than_its_servo():
    travel = 2.0944  # 120 degrees
    for name in ARM:
        assert -travel <= JOINTS[name].lower < 0 < JOINTS[name].upper <= travel + 1e-4
    assert JOINTS["shoulder_joint"].upper == pytest.approx(1.5708, abs=1e-4)


def test_servo_counts():
    assert xarm1s.COUNTS_PER_RADIAN == pytest.approx(238.732, abs=1e-3)
    assert xarm1s.SERVO_TRAVEL * xarm1s.COUNTS_PER_RADIAN == pytest.approx(500)


def test_no_joint_is_stronger_or_faster_than_its_servo():
    strength = dict.fromkeys(ARM, 1.47) | {"shoulder_joint": 2.45}  # 15 and 25 kg·cm
    speed = dict.fromkeys(ARM, 4.76) | {"shoulder_joint": 4.55}  # 0.22 and 0.23 s for 60 degrees
    for name in ARM:
        assert JOINTS[name].effort_limit == pytest.approx(strength[name], rel=0.01)
        assert JOINTS[name].velocity_limit == pytest.approx(speed[name], rel=0.01)
    grip = 1.47 / 0.031  # stall torque at the end of the crank
    assert JOINTS["left_finger_joint"].effort_limit < 0.25 * grip


def test_commanded_speeds():
    assert (XARM1S.speed_cap, XARM1S.gripper.speed_cap) == (2.0, 0.06)


def test_an_arm_servo_gives_its_full_torque_at_four_degrees():
    assert JOINTS["elbow_joint"].stiffness == pytest.approx(21.06, abs=0.02)
    assert JOINTS["shoulder_joint"].stiffness == pytest.approx(35.1, abs=0.05)


def test_fingers_hold_a_ball_below_their_force_cap():
    """At the cap both fingers would push with equal forces wherever the ball is, and it could drift."""
    squeeze = 0.015 * JOINTS["left_finger_joint"].stiffness  # commanded shut, stopped by a ball of 15 mm radius
    assert 10 * (0.010 * 9.81) < 2 * squeeze
    assert squeeze < 0.5 * JOINTS["left_finger_joint"].effort_limit


def test_control_rate_divides_the_physics_rate():
    assert timing.PHYSICS_RATE_HZ % timing.CONTROL_RATE_HZ == 0
    assert timing.CONTROL_RATE_HZ == 20


def test_the_masses_sum_to_the_stated_total():
    assert sum(XARM1S.link_masses.values()) == pytest.approx(0.84, abs=0.005)


@pytest.mark.parametrize(("name", "links"), [("shoulder_joint", LINKS[2:]), ("elbow_joint", LINKS[3:])])
def test_servos_hold_the_arm_stretched_forward(name, links):
    """The worst case of gravity, with every link's centre of mass out on one line."""
    heights = {"upper_arm": 0.0, "forearm": 0.0964, "wrist": 0.1921, "hand": 0.2478}
    heights |= {"left_finger": 0.2861, "right_finger": 0.2861}
    pivot = {"shoulder_joint": 0.0, "elbow_joint": 0.0964}[name]
    torque = sum(9.81 * XARM1S.link_masses[link] * (heights[link] + MASS_BOXES[link][1][2] - pivot) for link in links)
    assert 0.1 < torque < 0.5 * JOINTS[name].effort_limit


def test_the_link_lengths_add_up_to_the_drawing():
    assert xarm1s.FINGER_LENGTH == pytest.approx(0.0787, abs=1e-4)
    assert xarm1s.WRIST + XARM1S.tool_in_hand[2] == pytest.approx(0.1627, abs=1e-4)
    offsets = [joint.offset for joint in XARM1S.joints]
    assert sum(offset[2] for offset in offsets[:2]) == pytest.approx(0.065)
    assert sum(offset[2] for offset in offsets[:6]) + xarm1s.FINGER_LENGTH == pytest.approx(0.4298, abs=1e-4)


def test_home_of_the_xarm_has_more_room():
    for name in ARM:
        assert JOINTS[name].lower + 0.3 < XARM1S.home_by_name[name] < JOINTS[name].upper - 0.3
    assert all(0.015 < XARM1S.home_by_name[name] <= xarm1s.FINGER_TRAVEL for name in FINGERS)


def test_home_holds_the_tool_over_the_table(tool_point):
    # By hand: pitches -0.2, 0.75, 2.2 rad; -11.35 - 19.15 + 65.23 + 131.54 mm forward, 65 + 94.48 + 70.02 - 95.75 up.
    assert tool_point(XARM1S.home_by_name) == pytest.approx((0.1663, 0.0, 0.1338), abs=2e-4)


def test_the_tool_point_of_simple_poses(tool_point):
    assert tool_point({}) == pytest.approx((-0.01135, 0.0, 0.4198), abs=1e-6)
    level = {"shoulder_joint": math.pi / 2}
    assert tool_point(level) == pytest.approx((0.34345, 0.0, 0.065), abs=1e-6)
    assert tool_point(level | {"base_joint": math.pi / 2}) == pytest.approx((0.0, 0.34345, 0.065), abs=1e-6)


def test_the_margins_are_those_of_the_sources():
    counts_per_metre = 238.732 / (0.013 / math.radians(30))
    for joint in XARM1S.arm_joints:
        assert joint.reading_margin * 238.732 == pytest.approx(32 + 41, rel=1e-5)
    for joint in XARM1S.gripper_joints:
        assert joint.reading_margin * counts_per_metre == pytest.approx(200 + 41, rel=1e-5)


##
# Whoever reads them
##

FACTS = "from alice import arms, contract; from alice.transfer import objects, outcome, timing"


def test_facts_need_the_standard_library_only():
    """Without site-packages and environment there is nothing else to import."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {FACTS}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_facts_load_neither_torch_nor_isaac_lab():
    program = f"import sys; {FACTS}; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-I", "-c", program], text=True).split()
    assert {"alice.arms.xarm1s", "alice.contract.fit"} <= set(loaded)
    assert not {"torch", "numpy", "isaaclab", "warp", "pxr"} & set(loaded)
