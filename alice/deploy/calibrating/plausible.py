"""What in a measurement cannot be meant, by name, told while the person still has the arm in his hands.

A finding's name and joint (``missed stop elbow_joint``) are what ``--accept`` takes for an arm that is really so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alice.arms import Arm, Joint

from . import tasks
from .recording import Measurement
from .tasks import Task

STOP_AGREES = math.radians(3.0)
"""How far apart two visits at one stop may be [rad]."""
SPAN_AGREES = math.radians(5.0)
"""How much less than the table's stops a sweep may be [rad]; 16 real arms agree with the CAD within 3.6 degrees."""
SHORT = math.radians(2.0)
"""How far a stop may be short of a joint's limit [rad], once the zero is known."""
MOVED = math.radians(15.0)
"""From where on a joint was led [rad]."""
LEAP = 0.5
"""Share of a servo's range that it never goes from one reading to the next."""
SHAKY = math.radians(1.0)
"""Standard deviation of readings from which on a hold was none [rad]; LX servos read with 0.3 degrees."""
DWELL = 5
"""Readings at most that are looked for a stop among: those furthest out."""
BALL_AGREES = {"coupled fingers": (0.6, 1.6), "single jaw": (0.85, 1.15)}
"""Turn of the gripper's servo from closed to the gauge ball over that of its table which is believed, by the gripper's
kind: linkages differ, a jaw on the servo itself does not."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    name: str
    where: str
    """Joint, servo or mark."""
    text: str
    """What, and the remedy."""

    @property
    def key(self) -> str:
        """What ``--accept`` takes."""
        return f"{self.name} {self.where}"

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


def joint_of(arm: Arm, column: int) -> Joint:
    """Return the joint that a servo moves, one of them if it is the gripper's."""
    return next(joint for joint in arm.joints if joint.servo_id == arm.servo_ids[column])


def angle(joint: Joint, counts, sign: int | None = None):
    """Return the angles of a servo by its table [rad], of its counts."""
    sign = joint.counts_sign if sign is None else sign
    return sign * (np.asarray(counts, float) - joint.servo.centre_counts) / joint.servo.counts_per_radian


def about(arm: Arm, task: Task, made: Measurement, sign: int | None = None) -> Iterator[Finding]:
    """Yield what is wrong with a measurement alone.

    Args:
        arm: The arm.
        task: What was asked for.
        made: What came of it.
        sign: Whether the led servo's counts grow with its joint; None for the table's.
    """
    for servo_id, counts in zip(arm.servo_ids, made.counts, strict=True):
        if counts is None:
            yield Finding("silent servo", str(servo_id), "it never answered; see to its cable, its id and the supply")
            return
    columns = range(len(arm.servo_ids)) if task.column is None else [task.column]
    for column in columns:
        joint = joint_of(arm, column)
        if made.spread[column] > SHAKY * joint.servo.counts_per_radian and task.kind != tasks.SWEEP:
            yield Finding(
                "moved hold",
                _name(arm, column),
                f"its readings spread by {made.spread[column]:.0f} counts while it was to be held; hold it still",
            )
            return
    if task.kind == tasks.SWEEP:
        yield from _about_sweep(arm, task, made)
    elif task.kind == tasks.HOLD:
        yield from _about_hold(arm, task, made, sign)


def _name(arm: Arm, column: int) -> str:
    return arm.action_names[column]


def _about_sweep(arm: Arm, task: Task, made: Measurement) -> Iterator[Finding]:
    """Yield what is wrong with a sweep: the first of leaps, a foreign servo, a wrong way and a missed stop."""
    track, joint = np.array(made.track, float), joint_of(arm, task.column)
    name, per_radian = joint.name, joint.servo.counts_per_radian
    own = track[:, task.column]
    own = own[np.isfinite(own)]
    low, high = joint.servo.counts
    leaps = np.abs(np.diff(own)) > LEAP * (high - low)
    if leaps.any():
        at = int(np.argmax(leaps))
        yield Finding(
            "wrapped count",
            name,
            f"its count leaps from {own[at]:.0f} to {own[at + 1]:.0f}: the servo passes the end of its range inside of"
            " the joint's; mount its horn the right way, or set its homing offset (STS: lerobot-calibrate), then again",
        )
        return
    spans = np.array([np.ptp(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0 for column in track.T])
    radians = spans / np.array([joint_of(arm, c).servo.counts_per_radian for c in range(len(arm.servo_ids))])
    most = int(np.argmax(radians))
    if radians[task.column] < MOVED:
        if radians[most] >= MOVED:
            yield Finding(
                "swapped servo",
                name,
                f"servo {arm.servo_ids[task.column]} stood still and servo {arm.servo_ids[most]}, which is that of"
                f" {_name(arm, most)}, turned by {math.degrees(radians[most]):.0f}°: their ids are swapped, or another"
                " joint was led",
            )
        else:
            yield Finding("still servo", name, "its count did not change: another joint was led, or its horn is loose")
        return
    visits = _visits(own)
    if visits is None:
        yield Finding("missed stop", name, "the sweep did not go to both stops twice; lead it there, and stay a moment")
        return
    if joint.counts_sign * (visits[0][0] - visits[1][0]) < 0:
        yield Finding(
            "mirrored sign",
            name,
            f"its counts {'fall' if joint.counts_sign > 0 else 'grow'} {tasks.positive_way(arm, task.column)}, in"
            f" {arm.source} they do not: it was led the other way first, or the servo is mounted the other way round",
        )
        return
    yield from _about_stops(joint, visits, per_radian)


def _about_stops(joint: Joint, visits, per_radian: float) -> Iterator[Finding]:
    """Yield a missed stop: two visits that do not agree, or less way than the table has."""
    for pair in visits:
        if abs(pair[0] - pair[1]) > STOP_AGREES * per_radian:
            yield Finding(
                "missed stop",
                joint.name,
                f"its visits at one stop are {math.degrees(abs(pair[0] - pair[1]) / per_radian):.1f}° apart"
                f" ({pair[0]:.0f} and {pair[1]:.0f} counts); lead it all the way both times",
            )
            return
    least, most = joint.stops or (joint.lower, joint.upper)
    span = abs(np.mean(visits[0]) - np.mean(visits[1])) / per_radian
    if span < most - least - (SPAN_AGREES if joint.stops else SHORT):
        yield Finding(
            "missed stop",
            joint.name,
            f"from stop to stop it turns {math.degrees(span):.1f}°, its table has {math.degrees(most - least):.1f}°;"
            " lead it all the way",
        )
    elif joint.stops and span > most - least + SPAN_AGREES:
        yield Finding(
            "wide sweep",
            joint.name,
            f"from stop to stop it turns {math.degrees(span):.1f}°, its table has {math.degrees(most - least):.1f}°:"
            " the id is another joint's, or a part is missing",
        )


def stops(made: Measurement, column: int) -> tuple[float, float] | None:
    """Return the counts of both stops of a sweep, that which was visited first and the other; None without both."""
    own = np.array([row[column] for row in made.track if row[column] is not None], float)
    visits = _visits(own)
    return None if visits is None else (float(np.mean(visits[0])), float(np.mean(visits[1])))


def _visits(own: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return the counts at both visits of the stop that was visited first, and of the other; None without both.

    The track is cut where it goes over from one end's part to the other's; what lies between two cuts is one visit. The
    last four count: the arm may have stood on the other side when it began.
    """
    if own.size == 0:
        return None
    low, high = own.min(), own.max()
    share = (own - low) / max(high - low, 1e-9)
    known = np.where(share > 0.6, 1, np.where(share < 0.4, 0, -1))
    known = known[np.maximum.accumulate(np.where(known >= 0, np.arange(known.size), 0))]
    cuts = np.flatnonzero(np.diff(known)) + 1
    visits = list(zip(np.split(own, cuts), np.split(known, cuts), strict=True))[-4:]
    if len(visits) < 4:
        return None
    counts = [_end(part, bool(sides[-1]), high - low) for part, sides in visits]
    return (counts[0], counts[2]), (counts[1], counts[3])


def _end(part: np.ndarray, is_upper: bool, span: float) -> float:
    """Return the count of a stop that a part of a track dwells at."""
    number = max(1, min(DWELL, part.size // 4))  # the xArm's board gives two readings in a second
    furthest = np.sort(part)[-number:] if is_upper else np.sort(part)[:number]
    near = part[np.abs(part - np.median(furthest)) < max(0.01 * span, 4.0)]
    return float(np.median(near))


def _about_hold(arm: Arm, task: Task, made: Measurement, sign: int | None) -> Iterator[Finding]:
    """Yield a hold that is far from where the table has the reference."""
    joint = joint_of(arm, task.column)
    seen = float(angle(joint, made.counts[task.column], sign))
    if abs(seen - task.angle) > joint.reading_margin:
        yield Finding(
            "mistaken reference",
            joint.name,
            f"it reads {math.degrees(seen):.0f}° where the square says {math.degrees(task.angle):.0f}°, and zeros are"
            f" within {math.degrees(joint.reading_margin):.0f}° on such arms: it is at another side of the square, or"
            " its horn is some teeth off",
        )


def about_gripper(arm: Arm, made: dict[str, Measurement], ball: float) -> Iterator[Finding]:
    """Yield what is wrong with closed, open and ball together, once all are there.

    Args:
        arm: The arm.
        made: All measurements by key.
        ball: Diameter of the gauge ball [m].
    """
    keys = [f"grip {name}" for name in (tasks.CLOSED, tasks.OPENED, tasks.BALL)]
    if not all(key in made for key in keys):
        return
    column = len(arm.arm_joints)
    joint, name = joint_of(arm, column), _name(arm, column)
    closed, opened, at_ball = (float(angle(joint, made[key].counts[column])) for key in keys)
    closed_by_table, ball_by_table, open_by_table = gripper_angles(arm, ball)
    way = math.copysign(1.0, open_by_table - closed_by_table)
    if way * (opened - closed) <= 0:
        yield Finding(
            "swapped grip",
            name,
            "open is on the other side of closed than in the table: they were held in each other's"
            " place, or the servo is mounted the other way round",
        )
        return
    share = (at_ball - closed) / (ball_by_table - closed_by_table)
    least, most = BALL_AGREES[arm.gripper.kind]
    if not least <= share <= most or way * (opened - at_ball) < -SHAKY:
        yield Finding(
            "mistaken ball",
            name,
            f"from closed to the gauge ball the servo turns {share:.2f} of what a ball of {ball * 1e3:g} mm asks for;"
            " is the ball another one, or were the pads not together?",
        )


def gripper_angles(arm: Arm, ball: float) -> tuple[float, float, float]:
    """Return the angle of the gripper's servo closed, on a ball of a diameter [m], and at the widest opening [rad]."""
    gripper = arm.gripper
    places = (np.array(gripper.closed), gripper.at_gap(np.float64(ball)), np.array(gripper.opened))
    return tuple(float(gripper.servo_angle(np.asarray(place, float))[0]) for place in places)
