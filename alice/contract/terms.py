"""The parts of the vectors that a policy may see."""

from __future__ import annotations

from dataclasses import dataclass

from alice.arms import Arm


@dataclass(frozen=True)
class Term:
    """One part of a vector that the policy sees."""

    name: str
    size: int
    unit: str
    """Unit of each number, or of groups of them."""
    meaning: str
    clip: tuple[float, float] | None = None
    """Range that the numbers are cut to before the network sees them."""
    scale: float = 1.0
    """Factor on the numbers after the cut."""
    history: int = 1
    """Number of control steps that the network sees of it."""


def terms_of(arm: Arm) -> dict[str, Term]:
    """Return every observation term that an actor of an arm may use, by its name in the task's observation groups."""
    count = len(arm.joints)
    joints = ", ".join(f"{joint.label} [{joint.unit}]" for joint in arm.joints)
    units = ", ".join(dict.fromkeys(joint.unit for joint in arm.joints))
    speeds = ", ".join(dict.fromkeys(f"{joint.unit}/s" for joint in arm.joints))
    made = (
        Term("joint_pos", count, units, f"joint positions as the servos report them: {joints}"),
        Term("picture_joint_pos", count, units, "joint_pos when the newest picture was taken, by its time stamp"),
        Term("joint_vel", count, speeds, "change of the reported joint positions since the last control step"),
        Term("tool_pos", 3, "m", "point between the pads on the roll axis, base frame, from the reported joints"),
        Term("ball_pos", 3, "m", "centre of the ball, base frame"),
        Term("tool_to_ball", 3, "m", "ball_pos - tool_pos"),
        Term("ball_to_dish", 3, "m", "centre of the dish on the table - ball_pos"),
        Term("dish_place", 2, "m", "x and y of the dish's centre, base frame"),
        Term("gripper_gap", 1, "m", "diameter of the ball that would fit between the pads, from the reported joints"),
        Term("pinch_flag", 1, "0 or 1", "whether the ball is pinched: near, pads a diameter apart, told to close"),
        Term("dish_flag", 1, "0 or 1", "whether the ball is in the dish or over it: inside the rim, up to 8 cm high"),
        Term("joint_targets", count, units, "joint targets that the servos are driving to"),
        Term("last_action", len(arm.action_names), "-1 to 1", "last action after the cut; zeros at first"),
    )
    return {term.name: term for term in made}


TERM_NAMES = (
    "joint_pos",
    "picture_joint_pos",
    "joint_vel",
    "tool_pos",
    "ball_pos",
    "tool_to_ball",
    "ball_to_dish",
    "dish_place",
    "gripper_gap",
    "pinch_flag",
    "dish_flag",
    "joint_targets",
    "last_action",
)
"""Names of all terms, which are those of every arm."""
