"""Facts of the Hiwonder xArm 1S. Angles are zero with the arm stretched straight up (servo count 500).

Sources, named in the comments:

* CAD: Werewolf-Leader/xArm_1s-Description-Package (numbers only; its meshes are not free).
* drawing: engineering drawing constants of an xArm 1S kinematics class, June 2026.
* vendor: Hiwonder course material. MIG: migsdigs/Hiwonder_xArm_ESP32 README. RSH: rshorton/xArm_Lewansoul_ROS.
* guess: no measurement was found; the value is plausible and belongs to the randomization table.
"""

from __future__ import annotations

import math

from .arm import Arm, Camera, Joint, Mirror, Servo
from .gripper import CoupledFingers
from .lerobot import LeRobotKind

##
# Servos
##

COUNTS_PER_RADIAN = 1000 / math.radians(240)
"""Servo resolution: 1000 counts over 240 degrees (LX bus protocol text) = 238.73 counts/rad."""

SERVO_TRAVEL = math.radians(120)
"""Largest angle either side of the centre [rad]: LX servos turn 240 degrees in total."""

CENTRE_COUNTS = 500
"""Count of an arm servo at joint angle zero; single arms were seen up to 32 counts off (three sets of zeros)."""

GRIPPER_CLOSED_COUNTS = 500
"""Count of the gripper servo with the pads together (vendor; users' arms: 605, 650, 700). Fewer counts open it (vendor,
RSH, ME439 course)."""

COUNTS = (0, 1000)
"""Lowest and highest goal (LX bus protocol text)."""
SUPPLY = (6.0, 8.4)
"""Data sheet: LX-15D 5 to 8.4 V, LX-16A from 6 V; 7.6 V was measured on the stock adapter (MIG)."""
HOTTEST = 70.0
"""Stop before the servo does, whose own limit may be set from 50 to 100 °C (guess; MIG saw 47 °C on a gripper)."""


def _servo(name: str, stall_torque: float, no_load_speed: float) -> Servo:
    return Servo(
        name, "lx", stall_torque, no_load_speed, COUNTS_PER_RADIAN, CENTRE_COUNTS, SERVO_TRAVEL, COUNTS, SUPPLY, HOTTEST
    )


LX_15D = _servo("LX-15D", stall_torque=1.47, no_load_speed=4.76)
"""15 kg·cm, 0.22 s/60° (MIG)."""

LX_225 = _servo("LX-225", stall_torque=2.45, no_load_speed=4.55)
"""0.23 s/60° (MIG); 25 kg·cm is inferred from the family naming, no data sheet was found."""

STALL_ERROR = math.radians(4.0)
"""Position error at which a servo drives with its full torque [rad] (guess). Sets the drive stiffness."""

OVERRUN = 41
"""How far beyond its travel a bus servo was seen to report itself [counts]."""
MARGIN = (32 + OVERRUN) / COUNTS_PER_RADIAN
"""How far outside of its limits an arm joint may be reported [rad], 0.31: arms were seen with servos 32 counts off."""

##
# Geometry [m]
##

SHOULDER_HEIGHT = 0.065
"""Table to shoulder axis. Sources range from 57.5 to 87 mm; a ruler on a bare base gave 65 mm. Measure yours."""
SHOULDER_OFFSET = -0.01135
"""Shoulder axis behind the yaw axis (CAD)."""
UPPER_ARM = 0.0964
"""Shoulder axis to elbow axis (CAD and drawing agree)."""
FOREARM = 0.0957
"""Elbow axis to wrist pitch axis (CAD 95.72, drawing 95.71)."""
WRIST = 0.0557
"""Wrist pitch axis to the roll servo's output plane (CAD)."""
HAND = 0.0383
"""Roll servo's output plane to the fingers' roots (CAD: 38.05 mm to the finger pivots)."""
PITCH_TO_TIP = 0.1727
"""Wrist pitch axis to the closed finger tips (drawing; CAD 175.5, vendor 169)."""
FINGER_LENGTH = PITCH_TO_TIP - WRIST - HAND
"""Finger root to tip. The real plates are 56.7 mm on a 31 mm crank; here both are one straight plate."""
FINGER_WIDTH = 0.018
"""Plate width near the tip (CAD plate 28.2 mm, tapered)."""
FINGER_THICKNESS = 0.006
"""Finger plate with its pad (plate 3 mm, CAD)."""
TOOL_TO_TIP = 0.010
"""The tool point lies between the pads, this far behind the tips."""

FINGER_TRAVEL = 0.025
"""Travel of each finger from closed to open: 50 mm opening in total (RSH measured 56 mm at the hard stop)."""

##
# Joints
##

ARM_ARMATURE = 0.002
"""Reflected rotor inertia of an LX servo [kg·m²] (guess)."""
GRIPPER_FORCE = 8.0
"""Squeeze of each finger [N] (guess): 17 % of the 47 N that 1.47 N·m give on the 31 mm crank, so it never stalls."""
FINGER_STIFFNESS = 100.0
"""Give of servo and linkage at the pad [N/m] (guess). Soft enough that the fingers never drive at their force cap with
a ball between them, where two equal forces would let the pair drift sideways: the real fingers are one linkage."""
FINGER_PER_RADIAN = 0.013 / math.radians(30)
"""Travel of each finger per radian of the gripper servo [m]: 13 mm for 30° of crank (CAD)."""
GRIPPER_SPEED = 0.067
"""Finger speed [m/s]: :data:`FINGER_PER_RADIAN` at 0.39 s/60° (MIG)."""
FINGER_MARGIN = (200 + OVERRUN) / COUNTS_PER_RADIAN * FINGER_PER_RADIAN
"""How far outside of its limits a finger may be reported [m], 0.025: arms were seen with their pads together at 500 and
at 700 counts. It has to be this wide for the simulator, too, where a blow against the table pushes one finger 8 mm
beyond its stop."""


def _arm_joint(name, parent, child, axis, offset, limit, servo: Servo, damping, servo_id, sign=1) -> Joint:
    """Return a revolute joint whose stiffness gives full torque at :data:`STALL_ERROR`."""
    return Joint(
        name=name,
        kind="revolute",
        parent=parent,
        child=child,
        axis=axis,
        offset=offset,
        lower=-limit,
        upper=limit,
        effort_limit=servo.stall_torque,
        velocity_limit=servo.no_load_speed,
        stiffness=servo.stall_torque / STALL_ERROR,
        damping=damping,
        armature=ARM_ARMATURE,
        servo=servo,
        servo_id=servo_id,
        reading_margin=MARGIN,
        counts_sign=sign,
    )


# The damping of the arm joints is critical for the inertia that hangs on each joint: 2·sqrt(stiffness · inertia), with
# inertia 0.019, 0.019, 0.006, 0.0015 and 0.0003 kg·m² (arm stretched) plus the armature.
_JOINTS: tuple[Joint, ...] = (
    _arm_joint("base_joint", "base", "turret", "Z", (0.0, 0.0, 0.045), SERVO_TRAVEL, LX_15D, 1.3, 6),
    _arm_joint(
        "shoulder_joint",
        "turret",
        "upper_arm",
        "Y",
        (SHOULDER_OFFSET, 0.0, SHOULDER_HEIGHT - 0.045),
        math.radians(90),
        LX_225,
        1.7,
        5,
    ),
    _arm_joint("elbow_joint", "upper_arm", "forearm", "Y", (0.0, 0.0, UPPER_ARM), SERVO_TRAVEL, LX_15D, 0.8, 4, -1),
    _arm_joint("wrist_pitch_joint", "forearm", "wrist", "Y", (0.0, 0.0, FOREARM), SERVO_TRAVEL, LX_15D, 0.55, 3),
    _arm_joint("wrist_roll_joint", "wrist", "hand", "Z", (0.0, 0.0, WRIST), SERVO_TRAVEL, LX_15D, 0.45, 2),
    *(
        Joint(
            name=f"{side}_finger_joint",
            kind="prismatic",
            parent="hand",
            child=f"{side}_finger",
            axis=axis,
            offset=(0.0, sign * FINGER_THICKNESS / 2, HAND),
            # Each joint counts outwards, so that both fingers read 0 closed and FINGER_TRAVEL open.
            lower=0.0,
            upper=FINGER_TRAVEL,
            effort_limit=GRIPPER_FORCE,
            velocity_limit=GRIPPER_SPEED,
            stiffness=FINGER_STIFFNESS,
            damping=5.0,
            armature=0.05,
            servo=LX_15D,
            servo_id=1,
            reading_margin=FINGER_MARGIN,
            counts_sign=-1,
        )
        for side, sign, axis in (("left", 1, "Y"), ("right", -1, "-Y"))
    ),
)
# Servo ids: MIG and three more sources agree. All sources have the elbow's counts fall where others' grow.

XARM1S = Arm(
    name="xarm1s",
    title="Hiwonder xArm 1S",
    joints=_JOINTS,
    # The finger's cap is just under GRIPPER_SPEED.
    gripper=CoupledFingers(
        travel=FINGER_TRAVEL,
        per_radian=FINGER_PER_RADIAN,
        speed_cap=0.06,
        squeeze=0.008,
        gap_error=0.0,  # zeroed to 0.02 rad its gap is 1 mm off, and a pinch allows 2 mm
    ),
    tool_in_hand=(0.0, 0.0, PITCH_TO_TIP - TOOL_TO_TIP - WRIST),
    tool_to_tip=TOOL_TO_TIP,
    opens_along="Y",
    # Open gripper 13 cm above the middle of the workspace.
    home=(0.0, -0.20, 0.95, 1.45, 0.0, 0.020, 0.020),
    # Under half of the no-load speed, so that the servo can follow.
    speed_cap=2.0,
    fastest_control_rate_hz=25,  # MIG; ME439 course
    # Guess: 52-60 g per servo (shop lists of the LX-16A) plus brackets. Total 0.84 kg.
    link_masses={
        "base": 0.30,
        "turret": 0.11,
        "upper_arm": 0.11,
        "forearm": 0.10,
        "wrist": 0.09,
        "hand": 0.10,
        "left_finger": 0.015,
        "right_finger": 0.015,
    },
    # A small USB camera on a bracket 75 mm behind the palm, looking across the finger tips (guess: the arm ships
    # without one). Measured at 400 home starts: the ball is in 97.5 % of the first pictures. On a bracket of 45 mm,
    # tilted by 20 degrees, it was in 75 % of them: a ball near the base was behind the picture's edge.
    camera=Camera(
        link="hand",
        position=(-0.075, 0.0, 0.010),
        along="Z",
        towards="X",
        tilt=math.radians(50),
        horizontal_fov=math.radians(85),
        width=64,
        height=48,
    ),
    # Yaw and roll turn the other way; left and right finger change places.
    mirror=Mirror(order=(0, 1, 2, 3, 4, 6, 5), signs=(-1.0, 1.0, 1.0, 1.0, -1.0, 1.0, 1.0)),
    finger_links=("left_finger", "right_finger"),
    source="alice/arms/xarm1s.py",
    # The plugin in lerobot_robot_xarm1s: our angles in degrees.
    lerobot=LeRobotKind("xarm1s", (0.0, 0.0, 0.0, 0.0, 0.0)),
)
"""The arm."""
