"""Refuses what no arm can have reported: by the joint's name, with value, limits and remedy. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np

from alice.arms import Arm

FURTHEST = 1.0
"""Largest coordinate of a ball or dish [m]: three times the reach of the arm, so only another unit is larger."""
LARGEST_RADIUS = 0.1
"""Largest ball radius [m]: twice what the gripper opens to."""


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


def joints(arm: Arm, values: Any, what: str, count: int) -> np.ndarray:
    """Return joint positions or targets, (count, J) float32 [rad, m].

    Args:
        arm: The kind of arm, with J joints.
        values: What an arm reported.
        what: Name for the message.
        count: Number of arms.

    Raises:
        ReadingError: If one is not finite or further outside of its joint's limits than its ``reading_margin``.
        ValueError: If the shape is another one.
    """
    made = array(values, what, (count, len(arm.joints)))
    margins = np.array([joint.reading_margin for joint in arm.joints])
    # A comparison with NaN is false.
    is_good = (made >= np.array(arm.lower) - margins) & (made <= np.array(arm.upper) + margins)
    if not is_good.all():
        row, column = np.argwhere(~is_good)[0]
        joint, unit = arm.joints[column], arm.joints[column].unit
        raise ReadingError(
            f"{what}: {of_arm(row, count)}{joint.name} is {made[row, column]:.6g} {unit}, its limits are"
            f" {joint.lower:.4g} to {joint.upper:.4g} {unit} and {joint.reading_margin:.2g} {unit} either side; hold"
            f" the last targets, read servo {joint.servo_id} again, and see that counts become {unit} (a time-out is no"
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
            f"{what}: {of_arm(row, count)}{'xyz'[column]} is {made[row, column]:.6g} m, more than {FURTHEST:g} m from"
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
            f"{what}: {of_arm(row, count)}{made[row]:.6g} m is no ball's radius, need 0 to {LARGEST_RADIUS:g} m; give"
            " metres"
        )
    return made


def ages(values: Any, what: str, count: int) -> np.ndarray | None:
    """Return how long ago something was, (count,) float32 [s]; None stays None.

    Raises:
        ReadingError: If one is not a number.
        ValueError: If the shape is another one.
    """
    if values is None:
        return None
    made = array(values, what, (count,))
    if np.isnan(made).any():
        row = int(np.argmax(np.isnan(made)))
        raise ReadingError(f"{what}: {of_arm(row, count)}{made[row]} is no time; give seconds")
    return made


def of_arm(row: int, count: int) -> str:
    """Return which of several arms is meant, for a message."""
    return f"arm {row}, " if count > 1 else ""
