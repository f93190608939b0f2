"""The table of the arm agrees with itself, with the vendor's numbers and with a pencil."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from alice.arms import XARM1S, xarm1s
from alice.assets.xarm1s_parts import MASS_BOXES
from alice.transfer import timing

ROOT = Path(__file__).resolve().parents[2]
ARM = ["base_joint", "shoulder_joint", "elbow_joint", "wrist_pitch_joint", "wrist_roll_joint"]
LINKS = ["base", "turret", "upper_arm", "forearm", "wrist", "hand", "left_finger", "right_finger"]
JOINTS = {joint.name: joint for joint in XARM1S.joints}


def test_the_order_of_the_joints():
    assert list(XARM1S.names) == [*ARM, "left_finger_joint", "right_finger_joint"]
    assert XARM1S.names[:5] + XARM1S.names[5:] == XARM1S.names
    assert list(XARM1S.names[:5]) == ARM
    assert len(set(XARM1S.names)) == 7


def test_the_links_form_one_tree_from_the_base():
    known = ["base"]
    for joint in XARM1S.joints:
        assert joint.parent in known and joint.child not in known
        known.append(joint.child)
    assert known == LINKS == list(XARM1S.link_masses)


def test_six_servos_drive_seven_joints():
    assert [joint.servo_id for joint in XARM1S.joints] == [6, 5, 4, 3, 2, 1, 1]
    assert list(XARM1S.servo_ids) == list(dict.fromkeys(joint.servo_id for joint in XARM1S.joints))


def test_both_fingers_are_driven_alike():
    left, right = (JOINTS[name] for name in XARM1S.names[5:])
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


def test_commanded_speeds_leave_the_hardware_room():
    assert all(XARM1S.speed_cap < 0.5 * JOINTS[name].velocity_limit for name in ARM)
    assert all(XARM1S.gripper.speed_cap < JOINTS[name].velocity_limit for name in XARM1S.names[5:])


def test_drives_are_positive():
    for joint in XARM1S.joints:
        assert min(joint.stiffness, joint.damping, joint.armature, joint.effort_limit, joint.velocity_limit) > 0


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
    assert all(mass > 0 for mass in XARM1S.link_masses.values())


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


def test_home_is_inside_the_limits_with_room():
    assert list(XARM1S.home_by_name) == list(XARM1S.names)
    for name in ARM:
        assert JOINTS[name].lower + 0.3 < XARM1S.home_by_name[name] < JOINTS[name].upper - 0.3
    assert all(0.015 < XARM1S.home_by_name[name] <= xarm1s.FINGER_TRAVEL for name in XARM1S.names[5:])


def test_home_holds_the_tool_over_the_table(tool_point):
    # By hand: pitches -0.2, 0.75, 2.2 rad; -11.35 - 19.15 + 65.23 + 131.54 mm forward, 65 + 94.48 + 70.02 - 95.75 up.
    assert tool_point(XARM1S.home_by_name) == pytest.approx((0.1663, 0.0, 0.1338), abs=2e-4)


def test_the_tool_point_of_simple_poses(tool_point):
    assert tool_point({}) == pytest.approx((-0.01135, 0.0, 0.4198), abs=1e-6)
    level = {"shoulder_joint": math.pi / 2}
    assert tool_point(level) == pytest.approx((0.34345, 0.0, 0.065), abs=1e-6)
    assert tool_point(level | {"base_joint": math.pi / 2}) == pytest.approx((0.0, 0.34345, 0.065), abs=1e-6)


def test_facts_need_the_standard_library_only():
    """Without site-packages and environment there is nothing else to import."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from alice import robot, objects, outcome"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_facts_load_neither_torch_nor_isaac_lab():
    program = "import sys; from alice import robot, objects, outcome; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-I", "-c", program], text=True).split()
    assert "alice.robot" in loaded
    assert not {"torch", "numpy", "isaaclab", "warp", "pxr"} & set(loaded)
