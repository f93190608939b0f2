"""Facts of the SO-101 (TheRobotStudio and Hugging Face), follower arm, Feetech STS3215 servos geared 1/345.

Angles are zero in the middle pose of the "new calib" URDF (LeRobot since June 2025): upper arm up, forearm forward,
hand forward. Positive shoulder_pan turns the arm to the right, as LeRobot has it. The base frame sits on the table,
which is the underside of the base, under the pan axis: that of the URDF is 38.8 mm behind it and 2.4 mm higher.

Sources, named in the comments:

* TRS: TheRobotStudio/SO-ARM100, so101_new_calib.urdf and parts (numbers only). menagerie: MuJoCo Menagerie, the same to
  1 um.
* NV-B: drives identified on a real arm, NVIDIA/so101-typing-task gtc_berlin. NV-A: another arm, Isaac Lab's asset.
* LER: huggingface/lerobot, robots/so_follower. DRK: hard stops of the CAD parts, nmalik126/so101-drake.
* BAM, KSC: single servos identified on a pendulum, Rhoban/bam and kscalelabs/sysid. ROB: Robonine's tests of the servo.
* guess: no measurement was found; the value is plausible and belongs to the randomization table.
"""

from __future__ import annotations

import math
from dataclasses import replace

from .arm import Arm, Camera, Joint, Servo
from .gripper import SingleJaw
from .lerobot import LeRobotKind

##
# Servos
##

COUNTS_PER_RADIAN = 4096 / math.tau
"""Resolution of the encoder on the output: 651.9 counts/rad (LER)."""
CENTRE_COUNTS = 2048
"""Count in the middle of the turn; the zero of each joint is the arm's own calibration."""


COUNTS = (0, 4095)
HOTTEST = 65.0
"""Stop before the servo does, at 70 °C (its register 13)."""
POSITION_GAIN = 16
"""P that LeRobot sets and that the identified arms ran with (LER); the factory's is 32 and twice as stiff."""


def _servo(name: str, stall_torque: float, no_load_speed: float, supply: tuple[float, float]) -> Servo:
    return Servo(
        name=name,
        bus="sts",
        stall_torque=stall_torque,
        no_load_speed=no_load_speed,
        counts_per_radian=COUNTS_PER_RADIAN,
        centre_counts=CENTRE_COUNTS,
        travel=math.pi,
        counts=COUNTS,
        supply=supply,
        hottest=HOTTEST,
        position_gain=POSITION_GAIN,
    )


STS3215_7V4 = _servo("STS3215 7.4 V", stall_torque=1.9, no_load_speed=5.0, supply=(4.5, 8.4))
"""Data sheet: 1.91 N·m and 5.45 rad/s at 7.4 V, 1.62 N·m and 4.4 rad/s at 6 V; between both for a supply that sags. On
the 5 V adapter of the parts list it has 1.3 N·m and 3.5 rad/s."""

STS3215_12V = _servo("STS3215 12 V", stall_torque=2.9, no_load_speed=4.7, supply=(9.0, 13.0))
"""Data sheet: 2.94 N·m, 4.7 rad/s (ROB measured 3.4 N·m and 4.8 rad/s)."""

##
# Zeros
##

ROLL_ZERO = 0.0486795
"""Roll of LeRobot and of the URDF at which the jaw opens in the vertical plane [rad]; here that is zero: our roll is
theirs less this (TRS: the new calibration turned the hand by it, the old one had 0)."""
SWEEP_MIDDLE = {"shoulder_pan": 0.071, "shoulder_lift": -0.030, "elbow_flex": -0.121, "wrist_flex": -0.019}
"""Our angle where LeRobot's degrees are zero [rad]: the middle of the swept range, here of the CAD's hard stops (DRK).
A fit on one real arm found 0.023, -0.177 and 0.025 for lift, elbow and wrist (NVIDIA/so101-typing-task). Which way the
offset counts is inferred. Measure yours."""

STOPS = {
    "shoulder_pan": (-2.010, 2.152),
    "shoulder_lift": (-1.827, 1.768),
    "elbow_flex": (-1.814, 1.573),
    "wrist_flex": (-1.817, 1.779),
}
"""Hard stops of the CAD parts [rad] (DRK); the sweeps of 16 real arms are as wide within 3.6 degrees."""

MARGIN = 0.41
"""How far outside of its limits a joint may be reported [rad]: hard stops lie up to 0.23 rad beyond (DRK), zeros were
seen 0.18 rad off. For the roll that is all of its turn."""

##
# Geometry [m] (TRS = menagerie)
##

WRIST_TO_ROLL = 0.0611
"""Wrist pitch axis to the origin of the roll joint, along the hand."""
ROLL_TO_TOOL = 0.098
"""Origin of the roll joint to the tool point, on the roll axis beside the flat end of the fixed jaw (95 to 104.4 mm
out)."""
TOOL_TO_TIP = 0.0085
"""The fixed tip is 6.4 mm further out, the moving one 8.3 mm where it is furthest."""
PIVOT = (0.0234, 0.0188, 0.0202)
"""Origin of the jaw's joint in the hand."""
FIXED_FACE = -0.0079
"""Face of the fixed jaw at the tool point, in the opening direction; further back it steps away (TRS parts)."""
MOVING_FACE = -0.0123
"""Face of the moving jaw from the line through its axis, 72 to 82 mm out; further back it steps away (TRS parts)."""

JAW_CLOSED = -0.197
"""Angle of the jaw where both tips meet [rad] (computed from the faces; DRK: -0.200). The URDF stops at -0.175, 1.8 mm
open."""
JAW_OPEN = 0.50
"""Widest opening that is commanded [rad]: a gap of 51 mm at the tool point; the jaw itself opens to 1.745."""

##
# Joints
##

BACK_EMF = STS3215_7V4.stall_torque / STS3215_7V4.no_load_speed
"""Torque that a servo loses per speed [N·m·s/rad], 0.38."""
JAW_SOFTNESS = 0.01
"""Share of stiffness, damping and armature of the identified drive that the simulated jaw has (guess). It moves as that
drive does and squeezes a ball with 1.5 to 2.7 N instead of the 6 to 13 N of LeRobot's caps. At the tool point the
identified armature weighs 9 kg, which PhysX cannot press on a ball of 10 g: docs/so101.md has what was tried."""
JAW_EFFORT = 0.5
"""Share of the stall torque that LeRobot lets the jaw have; the soft drive never needs it."""


def _joint(name, parent, child, axis, offset, limits, drive, servo_id) -> Joint:
    """Return a joint with a drive of NV-B: stiffness, damping, armature, Coulomb friction, viscous friction.

    NV-B tells the two dampings apart by a fit in which the drive never saturated, where only their sum counts. A drive
    that gives at most its stall torque would not pass 1.6 rad/s against that much viscous friction, and a servo turns
    at 5. What is more than the data sheet's own loss of torque with speed is therefore counted as the drive's.
    """
    stiffness, damping, armature, friction, viscous = drive
    return Joint(
        name=name,
        kind="revolute",
        parent=parent,
        child=child,
        axis=axis,
        offset=offset,
        lower=limits[0],
        upper=limits[1],
        effort_limit=STS3215_7V4.stall_torque,
        velocity_limit=STS3215_7V4.no_load_speed,
        stiffness=stiffness,
        damping=damping + max(0.0, viscous - BACK_EMF),
        armature=armature,
        servo=STS3215_7V4,
        servo_id=servo_id,
        reading_margin=MARGIN,
        friction=friction,
        viscous_friction=min(viscous, BACK_EMF),
        stops=STOPS.get(name),
    )


def _jaw(joint: Joint) -> Joint:
    """Return the jaw's joint, softened; what friction a soft drive could not overcome goes with it."""
    return replace(
        joint,
        effort_limit=JAW_EFFORT * joint.servo.stall_torque,
        stiffness=JAW_SOFTNESS * joint.stiffness,
        damping=JAW_SOFTNESS * (joint.damping + joint.viscous_friction),
        armature=JAW_SOFTNESS * joint.armature,
        friction=0.0,
        viscous_friction=0.0,
    )


def _within(limit: float) -> tuple[float, float]:
    return -limit, limit


# Names, order and ids are those of LeRobot; limits those of the URDF, the roll's what its cable allows.
_JOINTS: tuple[Joint, ...] = (
    _joint(
        "shoulder_pan",
        "base",
        "shoulder",
        "-Z",
        (0.0, 0.0, 0.0648),
        _within(math.radians(110)),
        (48.94, 2.310, 0.0582, 0.215, 1.073),
        1,
    ),
    _joint(
        "shoulder_lift",
        "shoulder",
        "upper_arm",
        "Y",
        (0.0304, 0.0, 0.0542),
        _within(math.radians(100)),
        (51.34, 2.783, 0.0443, 0.318, 0.877),
        2,
    ),
    _joint(
        "elbow_flex",
        "upper_arm",
        "lower_arm",
        "Y",
        (0.0280, 0.0, 0.11257),
        (-1.69, math.radians(90)),
        (18.57, 0.535, 0.0545, 0.402, 0.493),
        3,
    ),
    _joint(
        "wrist_flex",
        "lower_arm",
        "wrist",
        "Y",
        (0.1349, 0.0, 0.0052),
        _within(math.radians(95)),
        (43.03, 2.719, 0.0511, 0.296, 0.517),
        4,
    ),
    _joint(
        "wrist_roll",
        "wrist",
        "hand",
        "-X",
        (WRIST_TO_ROLL, 0.0, 0.0),
        _within(2.74),
        (47.14, 1.790, 0.0514, 0.283, 0.450),
        5,
    ),
    _jaw(
        _joint(
            "gripper",
            "hand",
            "jaw",
            "-Y",
            PIVOT,
            (JAW_CLOSED, 1.745),
            (50.83, 2.345, 0.0434, 0.312, 1.139),
            6,
        )
    ),
)

SO101 = Arm(
    name="so101",
    title="SO-101",
    joints=_JOINTS,
    gripper=SingleJaw(
        closed_angle=JAW_CLOSED,
        open_angle=JAW_OPEN,
        pivot=(PIVOT[0] - ROLL_TO_TOOL, PIVOT[2]),
        fixed_face=FIXED_FACE,
        moving_face=MOVING_FACE,
        speed_cap=1.5,
        squeeze=0.008,
        # A servo zeroed to 0.02 rad is 1.5 mm of the gap at the tool point; half of a backlash of 0.03 rad is 1.1 mm.
        gap_error=0.003,
    ),
    tool_in_hand=(ROLL_TO_TOOL, 0.0, 0.0),
    tool_to_tip=TOOL_TO_TIP,
    opens_along="Z",
    # Open gripper over the middle of the workspace, 220 mm from the pan axis and 160 mm up. With the hand straight down
    # the tool cannot rise above 92 mm: it leans by 34 degrees. It opens to the right; with the roll the other way round
    # the camera would be between hand and base.
    home=(0.0, -0.4271, 0.0158, 1.3871, -math.pi / 2, 0.40),
    # Under half of the no-load speed, so that the servo can follow.
    speed_cap=2.0,
    # LeRobot runs at 30 Hz, others at 50 (nvidia/so101-reach); reading and writing six servos takes 1 ms on the wire.
    fastest_control_rate_hz=50,
    # CAD, not weighed. Total 0.63 kg.
    link_masses={
        "base": 0.147,
        "shoulder": 0.100,
        "upper_arm": 0.103,
        "lower_arm": 0.104,
        "wrist": 0.079,
        "hand": 0.087,
        "jaw": 0.012,
    },
    # The usual mount, on the side of the hand: position, 33 degrees and a field of view of 77 as Menagerie has it
    # (squint: 35 and 71; NVIDIA's workshop 45 and 76). Of 96 mounts that are a little off, 94 see the ball from home;
    # with more tilt, or the hand lower, balls at the far end or behind the fixed jaw are lost.
    camera=Camera(
        link="hand",
        position=(0.059, 0.050, -0.005),
        along="X",
        towards="-Y",
        tilt=math.radians(33),
        horizontal_fov=math.radians(77),
        width=64,
        height=48,
    ),
    # The home pose opens to the right, its mirror image to the left, and rolling there is half a turn that no episode
    # makes.
    mirror=None,
    finger_links=("hand", "jaw"),
    source="alice/arms/so101.py",
    lerobot=LeRobotKind("so_follower", (*SWEEP_MIDDLE.values(), -ROLL_ZERO)),
)
"""The arm with servos of 7.4 V."""


def _with_servo(joint: Joint, servo: Servo) -> Joint:
    """Return a joint with another servo: the same share of its torque, and its speed."""
    effort = joint.effort_limit / joint.servo.stall_torque * servo.stall_torque
    return replace(joint, servo=servo, effort_limit=effort, velocity_limit=servo.no_load_speed)


SO101_12V = replace(
    SO101,
    name="so101_12v",
    title="SO-101, 12 V",
    joints=tuple(_with_servo(joint, STS3215_12V) for joint in SO101.joints),
)
"""The arm with servos of 12 V: stronger, a little slower; nothing was identified that would tell their drives apart."""
