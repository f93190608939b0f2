"""What a person is asked to do with an arm, in words and in numbers: sweeps, holds, a grip and marks on the table.

Holds are the reference outside of the arm that a zero needs: a set square, or the inclinometer of a phone, says that
one link stands at a multiple of a right angle to the one before. Marks say where the tip is. NumPy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from alice.arms import Arm, kinematics

READY, SWEEP, HOLD, GRIP, TOUCH, CHECK, LOOK = "ready", "sweep", "hold", "grip", "touch", "check", "look"
CLOSED, OPENED, BALL = "closed", "open", "ball"
QUARTER = math.pi / 2
HOLDS = 6
"""Fewest holds of a joint, all references together; each reference is held twice at least."""
REFERENCE_SLACK = 1e-3
"""How far outside of a joint's limits a reference may lie [rad]: limits of 90 degrees are written in digits."""
PITCH = math.radians(150)
"""Pitch of the hand at marks: every mark is in reach with it, and the tip is in sight."""
MARKS = {"P": (0.75, -60), "Q": (0.75, 60), "R": (1.15, -20), "S": (1.15, 20)}
"""Marks that are fitted: radius over the length of upper arm and forearm, azimuth [degrees]."""
CHECKS = {"A": (0.80, 0), "B": (1.0, -45), "C": (1.0, 45)}
"""Marks that are checked, others than those."""


@dataclass(frozen=True)
class Task:
    """One thing to do by hand."""

    key: str
    """Name in the file of measurements."""
    kind: str
    words: str
    """What the person reads."""
    column: int | None = None
    """Which of the arm's servos is led, in the order of ``arm.servo_ids``."""
    angle: float | None = None
    """Where it is held [rad]."""
    point: tuple[float, float, float] | None = None
    """Where the tip touches, base frame [m]."""
    grip: str | None = None
    gap: float | None = None
    """Diameter between the pads [m]."""


LET_GO = Task("ready", READY, "hold the arm: its servos let go when you press Enter")
"""Before the torque is switched off."""


def references(joint) -> tuple[float, ...]:
    """Return the multiples of a right angle that a joint reaches [rad], none that its stop may be in front of."""
    found = [quarters * QUARTER for quarters in (-1, 0, 1)]
    low, high = joint.lower, joint.upper
    if joint.stops is not None:
        low, high = max(low, joint.stops[0] + 0.03), min(high, joint.stops[1] - 0.03)
    return tuple(angle for angle in found if low - REFERENCE_SLACK <= angle <= high + REFERENCE_SLACK)


def positive_way(arm: Arm, column: int) -> str:
    """Return in words which way an arm joint turns while its angle grows."""
    chain = arm.chain
    if column == 0:
        return "to the left, seen from above" if chain.yaw_sign > 0 else "to the right, seen from above"
    if column == arm.roll_column:
        return "clockwise, seen from behind the hand" if chain.roll_sign > 0 else "anticlockwise, seen from behind"
    return "forwards and down"


def negative_way(arm: Arm, column: int) -> str:
    """Return in words which way an arm joint turns while its angle falls."""
    pairs = {"left": "right", "right": "left", "clockwise": "anticlockwise", "anticlockwise": "clockwise"}
    words = positive_way(arm, column).replace(",", " ,").split(" ")
    turned = " ".join(pairs.get(word, word) for word in words).replace(" ,", ",")
    return "up and backwards" if turned == positive_way(arm, column) else turned


def _reference_words(arm: Arm, column: int, angle: float) -> str:
    """Return in words where a joint is at a reference."""
    degrees = f"{math.degrees(angle):+.0f}°" if angle else "0°"
    if column == 0:
        side = arm.chain.yaw_sign * angle
        line = "the line straight ahead" if not angle else f"the line to the {'left' if side > 0 else 'right'}"
        return f"arm exactly over {line} of the sheet ({degrees})"
    if column == arm.roll_column:
        return f"roll at {degrees}: the plane in which the gripper opens square to the wrist's"
    way = "" if not angle else ", " + (positive_way if angle > 0 else negative_way)(arm, column) + " from zero"
    joint = arm.joints[column]
    parent, child = ("table" if column == 1 else _link(joint.parent)), _link(joint.child)
    return f"{joint.label} at {degrees}{way}: set square between {child} and {parent}"


def _link(name: str) -> str:
    return name.replace("_", " ")


def of_joint(arm: Arm, column: int) -> tuple[Task, ...]:
    """Return what is done with one arm joint.

    Args:
        arm: The arm.
        column: The joint.
    """
    joint, marks = arm.joints[column], references(arm.joints[column])
    ahead, back = positive_way(arm, column), negative_way(arm, column)
    sweep = Task(
        f"sweep {joint.name}",
        SWEEP,
        f"{joint.label}: lead it to its stop {ahead}, then to the other, {back}, and to both once more; then Enter",
        column,
    )
    rounds = max(2, math.ceil(HOLDS / len(marks))) if marks else 0
    holds = (
        Task(
            f"hold {joint.name} {math.degrees(angle):.0f} {turn + 1}",
            HOLD,
            f"{_reference_words(arm, column, angle)}; hold it there, then Enter",
            column,
            angle,
        )
        for turn in range(rounds)
        for angle in (marks if turn % 2 == 0 else marks[::-1])
    )
    return (sweep, *holds)


def of_gripper(arm: Arm, ball: float) -> tuple[Task, ...]:
    """Return what is done with the gripper.

    Args:
        arm: The arm.
        ball: Diameter of the gauge ball [m].
    """
    column, millimetres = len(arm.arm_joints), f"{ball * 1e3:g} mm"
    words = {
        CLOSED: "gripper: press the pads together by hand, then Enter",
        OPENED: "gripper: open it by hand as wide as it goes, then Enter",
        BALL: f"gripper: close it by hand on the gauge ball ({millimetres}) at the tool point, then Enter",
    }
    return tuple(
        Task(f"grip {name}", GRIP, text, column, grip=name, gap=ball if name == BALL else None)
        for name, text in words.items()
    )


def of_marks(arm: Arm, kind: str = TOUCH) -> tuple[Task, ...]:
    """Return the marks that the tip touches: those that are fitted (``touch``) or checked (``check``)."""
    return tuple(
        Task(
            f"{kind} {name}",
            kind,
            f"pads together: touch mark {name} ({point[0] * 1e3:.0f}, {point[1] * 1e3:.0f} mm) with the tip, the wrist"
            " a little nearer to the base than the tip; then Enter",
            point=point,
        )
        for name, point in marks(arm, MARKS if kind == TOUCH else CHECKS).items()
    )


def marks(arm: Arm, table: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float, float]]:
    """Return the places of marks on the table, whole centimetres in the base frame [m]."""
    reach, found = sum(arm.chain.lengths[:2]), {}
    for name, (share, degrees) in table.items():
        x, y = (share * reach * turn(math.radians(degrees)) for turn in (math.cos, math.sin))
        found[name] = (round(x, 2), round(y, 2), 0.0)
    return found


def plan(arm: Arm, ball: float) -> tuple[Task, ...]:
    """Return all that is measured, in order; see :func:`of_gripper`."""
    joints = [task for column in range(len(arm.arm_joints)) for task in of_joint(arm, column)]
    return (*joints, *of_gripper(arm, ball), *of_marks(arm))


def tip(arm: Arm, joint_pos: np.ndarray) -> np.ndarray:
    """Return where the closed gripper ends, base frame (..., 3) [m], at joint positions (..., J) [rad, m]."""
    joint_pos = np.asarray(joint_pos, float)
    _, along = kinematics.forward(arm, joint_pos)
    return kinematics.grip_point(arm, joint_pos, np.zeros(joint_pos.shape[:-1])) + arm.tool_to_tip * along


def pose_at(arm: Arm, point: np.ndarray, pitch: float = PITCH) -> np.ndarray:
    """Return arm joint angles that put the closed gripper's end to a point.

    Args:
        arm: The arm.
        point: Base frame, (3,) [m].
        pitch: Pitch of the hand [rad].

    Returns:
        (A,) [rad].

    Raises:
        ValueError: If it is out of reach.
    """
    point, wanted, roll = np.asarray(point, float), np.asarray(point, float), arm.home[arm.roll_column]
    for _ in range(8):  # the tip lies along the hand, whose azimuth the solution decides
        angles, is_reached = kinematics.inverse_grip(arm, wanted[None], np.zeros(1), np.full(1, pitch), roll)
        wanted = wanted + point - tip(arm, angles)[0]
    if not is_reached[0]:
        raise ValueError(f"{arm.title} does not reach {np.round(point * 1e3).tolist()} mm with its tip")
    return angles[0]
