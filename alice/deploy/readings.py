"""Refuses what no arm can have reported: by the joint's name, with value, limits and remedy. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np

from alice import robot

OVERRUN = 41
"""How far beyond its travel a bus servo was seen to report itself [counts]."""
MARGIN = (32 + OVERRUN) / robot.COUNTS_PER_RADIAN
"""How far outside of its limits an arm joint may be reported [rad], 0.31: arms were seen with servos 32 counts off."""
FINGER_MARGIN = (200 + OVERRUN) / robot.COUNTS_PER_RADIAN * robot.FINGER_PER_RADIAN
"""The same for a finger [m], 0.025: arms were seen with their pads together at 500 and at 700 counts. It has to be this
wide for the simulator, too, where a blow against the table pushes one finger 8 mm beyond its stop."""
FURTHEST = 1.0
"""Largest coordinate of a ball or dish [m]: three times the reach of the arm, so only another unit is larger."""
LARGEST_RADIUS = 0.1
"""Largest ball radius [m]: twice what the gripper opens to."""

_LOWER = np.array([joint.lower for joint in robot.JOINTS])
_UPPER = np.array([joint.upper for joint in robot.JOINTS])
_MARGINS = np.array([MARGIN if joint.kind == "revolute" else FINGER_MARGIN for joint in robot.JOINTS])


class ReadingError(ValueError):
    """A number that no arm or sensor can have meant. The message is one line."""


def array(values: Any, what: str, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """Return values as an array.

    Args:
        values: Array, list or list of lists.
        what: Name for the message.
        shape: The shape it must have.
        dtype: Type of the numbers.

    Raises:
        ValueError: If they are no numbers, or of another shape.
    """
    try:
        with np.errstate(over="ignore"):
            made = np.asarray(values, dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} cannot be read as numbers; give an array of shape {shape}") from error
    if made.shape != shape:
        raise ValueError(f"{what} has the shape {made.shape}, need {shape}: one row for each arm")
    return made


def joints(values: Any, what: str, count: int) -> np.ndarray:
    """Return joint positions or targets, (count, 7) float32 [rad, m].

    Args:
        values: What an arm reported.
        what: Name for the message.
        count: Number of arms.

    Raises:
        ReadingError: If one is not finite or further outside of its joint's limits than :data:`MARGIN` or, of a finger,
            :data:`FINGER_MARGIN`.
        ValueError: If the shape is another one.
    """
    made = array(values, what, (count, len(robot.JOINTS)))
    is_good = (made >= _LOWER - _MARGINS) & (made <= _UPPER + _MARGINS)  # a comparison with NaN is false
    if not is_good.all():
        row, column = np.argwhere(~is_good)[0]
        joint, unit = robot.JOINTS[column], "rad" if robot.JOINTS[column].kind == "revolute" else "m"
        raise ReadingError(
            f"{what}: {_of_arm(row, count)}{joint.name} is {made[row, column]:.6g} {unit}, its limits are"
            f" {joint.lower:.4g} to {joint.upper:.4g} {unit} and {_MARGINS[column]:.2g} {unit} either side; hold the"
            f" last targets, read servo {joint.servo_id} again, and see that counts become {unit} (a time-out is no"
            " reading)"
        )
    return made


def places(values: Any, what: str, count: int) -> np.ndarray | None:
    """Return places in the base frame, (count, 3) float32 [m]; None stays None.

    Raises:
        ReadingError: If a coordinate is not finite or larger than :data:`FURTHEST`.
        ValueError: If the shape is another one.
    """
    if values is None:
        return None
    made = array(values, what, (count, 3))
    is_good = np.abs(made) <= FURTHEST
    if not is_good.all():
        row, column = np.argwhere(~is_good)[0]
        raise ReadingError(
            f"{what}: {_of_arm(row, count)}{'xyz'[column]} is {made[row, column]:.6g} m, more than {FURTHEST:g} m from"
            " the base; hold the last targets, and give metres in the base frame"
        )
    return made


def radii(values: Any, what: str, count: int) -> np.ndarray | None:
    """Return ball radii, (count,) float32 [m]; None stays None.

    Raises:
        ReadingError: If one is not above 0 and at most :data:`LARGEST_RADIUS`.
        ValueError: If the shape is another one.
    """
    if values is None:
        return None
    made = array(values, what, (count,))
    is_good = (made > 0) & (made <= LARGEST_RADIUS)
    if not is_good.all():
        row = int(np.argmin(is_good))
        raise ReadingError(
            f"{what}: {_of_arm(row, count)}{made[row]:.6g} m is no ball's radius, need 0 to {LARGEST_RADIUS:g} m; give"
            " metres"
        )
    return made


def _of_arm(row: int, count: int) -> str:
    """Return which of several arms is meant, for a message."""
    return f"arm {row}, " if count > 1 else ""
