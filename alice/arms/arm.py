"""An arm as a value: joints with their servos, gripper, tool point, limits of what is commanded, camera mount.

Facts of single arms are in modules beside this one, and nothing else of alice knows any of them by heart: whoever needs
an arm is given one. Units are SI unless a name ends in ``_deg``, ``_ms`` or ``_counts``. The base frame sits on the
table under the yaw axis: x forward, y left, z up. Standard library only: it also runs on the robot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from .gripper import CoupledFingers, SingleJaw
from .lerobot import LeRobotKind

Vector = tuple[float, float, float]
AXES: dict[str, Vector] = {
    f"{sign}{name}": tuple(-value if sign else value for value in axis)
    for sign in ("", "-")
    for name, axis in (("X", (1.0, 0.0, 0.0)), ("Y", (0.0, 1.0, 0.0)), ("Z", (0.0, 0.0, 1.0)))
}
"""Unit vectors by the names that tables use: ``X`` to ``-Z``."""


@dataclass(frozen=True)
class Servo:
    """One servo type."""

    name: str
    bus: str
    """Protocol that it speaks: ``lx`` (Hiwonder LX) or ``sts`` (Feetech STS)."""
    stall_torque: float
    """Stall torque [N·m]."""
    no_load_speed: float
    """No-load speed [rad/s]."""
    counts_per_radian: float
    """Resolution of goals and readings [counts/rad]."""
    centre_counts: int
    """Count in the middle of the servo's travel."""
    travel: float
    """Largest angle either side of the centre [rad]."""
    counts: tuple[int, int]
    """Lowest and highest count that may be commanded."""
    supply: tuple[float, float]
    """Lowest and highest supply that the arm is driven at [V]."""
    hottest: float
    """Temperature at which the arm is stopped, under that at which the servo stops itself [°C]."""
    position_gain: int | None = None
    """P of its firmware that the drives of the arm's table have; None where the firmware has none to be read."""


@dataclass(frozen=True)
class Joint:
    """One joint: its axis in the parent link, its limits and the servo behind it."""

    name: str
    kind: str
    """``revolute`` or ``prismatic``."""
    parent: str
    child: str
    axis: str
    """Axis in the parent link frame, a name of :data:`AXES`."""
    offset: Vector
    """Joint origin in the parent link frame [m]; no link is turned against another where all joints are zero."""
    lower: float
    """Lower limit [rad or m]."""
    upper: float
    """Upper limit [rad or m]."""
    effort_limit: float
    """Largest drive effort [N·m or N]."""
    velocity_limit: float
    """Largest speed the hardware reaches [rad/s or m/s]."""
    stiffness: float
    """Drive stiffness [N·m/rad or N/m]."""
    damping: float
    """Drive damping [N·m·s/rad or N·s/m]."""
    armature: float
    """Inertia of rotor and gears seen at the joint [kg·m² or kg]."""
    servo: Servo
    servo_id: int
    """Bus id of the servo that moves the joint."""
    reading_margin: float
    """How far outside of its limits an arm that stands there may report the joint [rad or m]."""
    friction: float = 0.0
    """Coulomb friction of the joint [N·m or N]."""
    viscous_friction: float = 0.0
    """Friction that grows with speed [N·m·s/rad or N·s/m]."""
    counts_sign: int = 1
    """Whether the servo's counts grow with the joint (1) or against it (-1)."""
    stops: tuple[float, float] | None = None
    """Angles of its hard stops where they are known [rad]."""

    @property
    def unit(self) -> str:
        """Unit of its position."""
        return "rad" if self.kind == "revolute" else "m"

    @property
    def label(self) -> str:
        """The name as a person reads it."""
        return self.name.removesuffix("_joint").replace("_", " ")


@dataclass(frozen=True)
class Camera:
    """A pinhole camera on a link. The bottom of its picture is on the side that it is tilted towards."""

    link: str
    position: Vector
    """Optical centre in the link's frame [m]."""
    along: str
    """Axis of the link that the camera looks along without tilt, a name of :data:`AXES`."""
    towards: str
    """Axis of the link that it is tilted towards."""
    tilt: float
    """Angle of the optical axis from ``along`` towards ``towards`` [rad]."""
    horizontal_fov: float
    """[rad]."""
    width: int
    """[pixels]."""
    height: int
    """[pixels]."""
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """Lens distortion as OpenCV has it: k1, k2, p1, p2, k3."""

    @property
    def axes(self) -> tuple[Vector, Vector, Vector]:
        """Right, down and forward of the picture as unit vectors in the link's frame."""
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        pairs = tuple(zip(AXES[self.along], AXES[self.towards], strict=True))
        forward = tuple(cos * a + sin * t for a, t in pairs)
        down = tuple(cos * t - sin * a for a, t in pairs)
        return cross(down, forward), down, forward

    @property
    def rotation(self) -> tuple[float, float, float, float]:
        """Orientation in the link's frame in the ROS convention (z forward, x right, y down), (x, y, z, w)."""
        return quaternion(*self.axes)


@dataclass(frozen=True)
class Mirror:
    """How joints go over into those of the arm's mirror image in the plane y = 0 of the base frame."""

    order: tuple[int, ...]
    """Which joint takes each one's place."""
    signs: tuple[float, ...]
    """Sign of each joint."""


@dataclass(frozen=True)
class Arm:
    """One kind of arm."""

    name: str
    """Name that files and commands use."""
    title: str
    """Name that people use."""
    joints: tuple[Joint, ...]
    """All joints in the order of every joint vector of this arm: yaw, three pitch joints, roll, then the gripper's."""
    gripper: CoupledFingers | SingleJaw
    tool_in_hand: Vector
    """Tool point in the frame of the hand link [m]: on the roll axis, between the pads."""
    tool_to_tip: float
    """How far behind the finger tips the tool point lies [m]."""
    opens_along: str
    """Direction in which the gripper opens in the hand's frame with roll at zero, a name of :data:`AXES`."""
    home: tuple[float, ...]
    """Pose that an episode begins in, in the order of :attr:`joints` [rad, m]."""
    speed_cap: float
    """Largest commanded speed of an arm joint [rad/s]."""
    fastest_control_rate_hz: float
    """Fastest policy rate that the arm's bus was seen to serve [Hz]."""
    link_masses: dict[str, float]
    """Mass of each link [kg]."""
    camera: Camera
    mirror: Mirror | None
    """Its mirror symmetry; None where a mirrored arm would do what this one never does."""
    finger_links: tuple[str, ...]
    """Links whose faces touch the ball."""
    source: str
    """File that its numbers are in."""
    lerobot: LeRobotKind | None = None
    """How LeRobot counts its joints (:mod:`alice.arms.lerobot`); None where it knows no such arm."""

    hand_link = "hand"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all joints."""
        return tuple(joint.name for joint in self.joints)

    @cached_property
    def arm_columns(self) -> slice:
        """Which numbers of a joint vector are the arm's."""
        return slice(0, len(self.joints) - len(self.gripper.closed))

    @cached_property
    def gripper_columns(self) -> slice:
        """Which numbers of a joint vector are the gripper's."""
        return slice(self.arm_columns.stop, len(self.joints))

    @property
    def arm_joints(self) -> tuple[Joint, ...]:
        """The joints without the gripper's."""
        return self.joints[self.arm_columns]

    @property
    def gripper_joints(self) -> tuple[Joint, ...]:
        """The joints of the gripper."""
        return self.joints[self.gripper_columns]

    @property
    def pitch_columns(self) -> slice:
        """Which numbers of a joint vector, and of the servos' angles, are the pitch joints'."""
        return slice(1, 4)

    @property
    def pitch_joints(self) -> tuple[Joint, ...]:
        """The three parallel joints that lift the hand."""
        return self.joints[self.pitch_columns]

    @cached_property
    def upright(self) -> tuple[float, ...]:
        """Arm joints with all links straight up, as near to it as the limits allow [rad]."""
        first, second, third = self.chain.pitches
        wanted = (0.0, -first, first - second, second - third, 0.0)
        return tuple(min(max(q, j.lower), j.upper) for q, j in zip(wanted, self.arm_joints, strict=True))

    @property
    def roll_column(self) -> int:
        """Which number of a joint vector is the roll of the hand."""
        return self.arm_columns.stop - 1

    @property
    def action_names(self) -> tuple[str, ...]:
        """What the numbers of an action move: each arm joint, and the gripper."""
        return (*(joint.name for joint in self.arm_joints), "gripper")

    @property
    def servo_ids(self) -> tuple[int, ...]:
        """Bus ids of the servos, arm from the base outwards, then the gripper."""
        return tuple(dict.fromkeys(joint.servo_id for joint in self.joints))

    @property
    def lower(self) -> tuple[float, ...]:
        """Lower limit of each joint [rad or m]."""
        return tuple(joint.lower for joint in self.joints)

    @property
    def upper(self) -> tuple[float, ...]:
        """Upper limit of each joint [rad or m]."""
        return tuple(joint.upper for joint in self.joints)

    @property
    def home_by_name(self) -> dict[str, float]:
        """:attr:`home` by joint name."""
        return dict(zip(self.names, self.home, strict=True))

    @cached_property
    def chain(self) -> Chain:
        """What the closed form of the kinematics needs, from the joints' own table."""
        return Chain.of(self)


@dataclass(frozen=True)
class Chain:
    """A yaw axis, three parallel pitch axes in its plane, and a roll axis through the tool point.

    The pitch of a link is the angle of its effective line from straight up, forward positive.
    """

    yaw_sign: float
    """Sign of the yaw joint: +1 turns left."""
    shoulder: tuple[float, float]
    """Shoulder axis: radius from the yaw axis and height over the table [m]."""
    lengths: Vector
    """Shoulder to elbow axis, elbow to wrist axis, wrist axis to tool point [m]."""
    pitches: Vector
    """Pitch of these three where all joints are zero [rad]."""
    roll_sign: float
    """Sign of the roll joint: +1 turns about the direction of the hand."""
    opening: float
    """Angle of the opening direction about the hand where roll is zero, from the direction of growing pitch [rad]."""

    @staticmethod
    def of(arm: Arm) -> Chain:
        """Read the chain off an arm's table.

        Raises:
            ValueError: If its joints are no such chain.
        """
        yaw, shoulder, elbow, wrist, roll = arm.arm_joints
        if yaw.axis not in ("Z", "-Z") or any(joint.axis != "Y" for joint in (shoulder, elbow, wrist)):
            raise ValueError(f"{arm.name}: the closed form needs a yaw joint about Z and three pitch joints about Y")
        tool = tuple(sum(pair) for pair in zip(roll.offset, arm.tool_in_hand, strict=True))
        places = (*(joint.offset for joint in (yaw, shoulder, elbow, wrist)), tool)
        if any(abs(place[1]) > 1e-9 for place in places) or yaw.offset[0] != 0.0:
            raise ValueError(f"{arm.name}: the closed form needs all axes in the plane of the yaw axis")
        links = (elbow.offset, wrist.offset, tool)
        pitches = tuple(math.atan2(x, z) for x, _, z in links)
        forward = (math.sin(pitches[2]), 0.0, math.cos(pitches[2]))
        roll_sign = dot(AXES[roll.axis], forward)
        if abs(abs(roll_sign) - 1.0) > 1e-9:
            raise ValueError(f"{arm.name}: the closed form needs a tool point on the roll axis")
        opens = AXES[arm.opens_along]
        growing = (math.cos(pitches[2]), 0.0, -math.sin(pitches[2]))
        return Chain(
            yaw_sign=AXES[yaw.axis][2],
            shoulder=(shoulder.offset[0], yaw.offset[2] + shoulder.offset[2]),
            lengths=tuple(math.hypot(x, z) for x, _, z in links),
            pitches=pitches,
            roll_sign=float(round(roll_sign)),
            opening=math.atan2(opens[1], dot(opens, growing)),
        )


def dot(one: Vector, other: Vector) -> float:
    """Return the inner product of two vectors."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def cross(one: Vector, other: Vector) -> Vector:
    """Return the vector product of two vectors."""
    (a, b, c), (x, y, z) = one, other
    return b * z - c * y, c * x - a * z, a * y - b * x


def quaternion(x_axis: Vector, y_axis: Vector, z_axis: Vector) -> tuple[float, float, float, float]:
    """Return the rotation that has these unit vectors as the images of x, y and z, as (x, y, z, w) with w >= 0."""
    # The largest of the four squares is taken as the pivot, which keeps the divisions well-conditioned.
    (a, d, g), (b, e, h), (c, f, i) = x_axis, y_axis, z_axis
    squares = (1.0 + a - e - i, 1.0 - a + e - i, 1.0 - a - e + i, 1.0 + a + e + i)
    rows = (
        (squares[0], b + d, c + g, h - f),
        (b + d, squares[1], f + h, c - g),
        (c + g, f + h, squares[2], d - b),
        (h - f, c - g, d - b, squares[3]),
    )
    row = rows[squares.index(max(squares))]
    length = math.copysign(math.sqrt(sum(value * value for value in row)), row[3])
    return tuple(value / length for value in row)
