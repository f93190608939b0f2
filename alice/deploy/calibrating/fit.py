"""Zeros, gains and the shoulder's height from holds and marks: least squares with uncertainties, and what they refuse.

A joint stands at ``gain * reading + offset``, its reading by the table. A hold says that angle; a mark says where the
tip is: table and sheet may be a little off, the shoulder higher. Gains are known before by their spread between servos.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from alice.arms import Arm, spreads
from alice.deploy.calibration import SHOULDER_SLACK

from . import tasks
from .plausible import SHORT, Finding, angle, joint_of, stops
from .recording import Measurement
from .tasks import Task

HAND = math.radians(0.2)
"""Standard deviation of where a hand holds a link at a set square [rad]."""
TOUCH = 0.0007
"""Standard deviation of a touch beside the hand's [m]."""
SHEET = 0.002
"""How far the sheet with the marks may be off [m], a standard deviation."""
WIDE = (0.5, 0.03)
"""What is known of an offset [rad] and of the shoulder's height [m] before: standard deviations."""
ZERO_WITHIN, GAIN_WITHIN = math.radians(0.3), 0.005
"""What zeros [rad] and gains must be within; the data must tell them twice as well (two standard deviations)."""
HEIGHT_WITHIN = 0.003
FAR = 5.0
"""Residual over its standard deviation from which on a reference is a mistake."""


@dataclass(frozen=True)
class Fit:
    """What the measurements say. A is the number of arm joints."""

    offset: np.ndarray
    """True angle where the servo reports zero by its table, (A,) [rad]."""
    gain: np.ndarray
    """(A,)."""
    lift: float
    """How much higher than its table's the shoulder is [m]."""
    sheet: np.ndarray
    """Where the sheet's origin truly is, (2,) [m]."""
    offset_sd: np.ndarray
    gain_sd: np.ndarray
    lift_sd: float
    residuals: Mapping[str, float]
    """Of each measurement, over its standard deviation, in a fit that mistakes do not bend."""

    def zero_counts(self, arm: Arm, signs: np.ndarray) -> np.ndarray:
        """Return the counts at joint angle zero, (A,)."""
        servos = [joint.servo for joint in arm.arm_joints]
        centre = np.array([servo.centre_counts for servo in servos])
        return centre - signs * self.offset / self.gain * [servo.counts_per_radian for servo in servos]

    def refused(self, arm: Arm) -> Iterator[Finding]:
        """Yield the joints of which the data do not tell enough."""
        for column, joint in enumerate(arm.arm_joints):
            zero, gain = 2 * self.offset_sd[column], 2 * self.gain_sd[column]
            if zero > ZERO_WITHIN:
                yield Finding(
                    "unknown zero",
                    joint.name,
                    f"known within {math.degrees(zero):.2f}° only, need {math.degrees(ZERO_WITHIN):.1f}°; hold it at"
                    " more references",
                )
            elif gain > GAIN_WITHIN:
                yield Finding(
                    "unknown gain",
                    joint.name,
                    f"known within {gain:.2%} only, need {GAIN_WITHIN:.1%}; hold it at references further apart",
                )

    def findings(self, arm: Arm, made: Mapping[str, Measurement], signs: np.ndarray) -> Iterator[Finding]:
        """Yield what the fit shows to be wrong: mistaken references and marks, missed stops, the shoulder's height."""
        for key, size in self.residuals.items():
            if size > FAR:
                what = "mistaken mark" if key.startswith(tasks.TOUCH) else "mistaken reference"
                text = f"it is {size:.0f} standard deviations from what all others say; do it again"
                yield Finding(what, key.partition(" ")[2], text)
        yield from self._about_stops(arm, made, signs)
        if abs(self.lift) > SHOULDER_SLACK:
            yield Finding(
                "shoulder height",
                "arm",
                f"the shoulder axis is {(arm.chain.shoulder[1] + self.lift) * 1e3:.1f} mm over the table (within"
                f" {2e3 * self.lift_sd:.1f} mm), {arm.source} has {arm.chain.shoulder[1] * 1e3:.1f} mm, and kinematics"
                f" make up for {SHOULDER_SLACK * 1e3:g} mm; put the arm or the table's plate on that height",
            )
        elif 2 * self.lift_sd > HEIGHT_WITHIN:
            text = f"known within {2e3 * self.lift_sd:.1f} mm only, need {HEIGHT_WITHIN * 1e3:g} mm; touch all marks"
            yield Finding("unknown shoulder height", "arm", text)

    def _about_stops(self, arm: Arm, made, signs) -> Iterator[Finding]:
        for column, joint in enumerate(arm.arm_joints):
            ends = stops(made[f"sweep {joint.name}"], column) if f"sweep {joint.name}" in made else None
            if ends is None:
                continue
            found = self.gain[column] * angle(joint, ends, int(signs[column])) + self.offset[column]
            for short, side in ((joint.upper - max(found), "upper"), (min(found) - joint.lower, "lower")):
                if short > SHORT:
                    yield Finding(
                        "missed stop",
                        joint.name,
                        f"its {side} stop is {math.degrees(short):.1f}° in front of its limit in {arm.source}: the"
                        " sweep ended early, or something is in the way",
                    )


def fit(arm: Arm, plan: tuple[Task, ...], made: Mapping[str, Measurement], signs: np.ndarray) -> Fit:
    """Fit all holds and marks that were measured.

    Args:
        arm: The arm.
        plan: What was asked for; what was not measured of it is left out.
        made: Measurements by key.
        signs: Whether counts grow with each arm joint, (A,).
    """
    rows = _Rows(arm, plan, made, signs)
    start = np.concatenate((np.zeros(rows.joints), np.ones(rows.joints), np.zeros(3)))
    steady = least_squares(rows.residuals, start, loss="cauchy", x_scale=rows.scale)
    best = least_squares(rows.residuals, steady.x, x_scale=rows.scale)
    covariance = np.linalg.inv(best.jac.T @ best.jac)
    covariance *= max(1.0, float((best.fun**2).sum()) / max(len(rows.keys), 1))  # more scatter than was assumed
    sd, n = np.sqrt(np.diag(covariance)), rows.joints
    return Fit(
        offset=best.x[:n],
        gain=best.x[n : 2 * n],
        lift=float(best.x[2 * n]),
        sheet=best.x[2 * n + 1 :],
        offset_sd=sd[:n],
        gain_sd=sd[n : 2 * n],
        lift_sd=float(sd[2 * n]),
        residuals=rows.by_key(steady.x),
    )


class _Rows:
    """Residuals of all measurements over their standard deviations, and of what is known before."""

    def __init__(self, arm: Arm, plan, made: Mapping[str, Measurement], signs: np.ndarray):
        self.arm, self.joints = arm, len(arm.arm_joints)
        holds, touches = [], []
        for task in plan:
            if task.key in made:
                {tasks.HOLD: holds, tasks.TOUCH: touches}.get(task.kind, []).append(task)
        self.keys = [*(task.key for task in holds), *(task.key for task in touches for _ in range(3))]
        self._column = np.array([task.column for task in holds], int)
        self._angle = np.array([task.angle for task in holds], float)
        self._read = np.array([_reading(arm, made[task.key], signs)[task.column] for task in holds])
        self._noise = np.array([_noise(arm, made[task.key])[task.column] for task in holds])
        self._touched = np.array([_reading(arm, made[task.key], signs) for task in touches]).reshape(-1, self.joints)
        self._point = np.array([task.point for task in touches], float).reshape(-1, 3)
        self._whiten = [self._whitener(row) for row in self._touched]
        spread = spreads.of(arm)["servo_gain"]
        self._gain = (spread.low + spread.high) / 2, max((spread.high - spread.low) / math.sqrt(12), 1e-4)
        self.scale = np.concatenate(
            (np.full(self.joints, 0.01), np.full(self.joints, self._gain[1]), [0.001, SHEET, SHEET])
        )

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Return all residuals over their standard deviations."""
        n = self.joints
        offset, gain, lift, sheet = x[:n], x[n : 2 * n], x[2 * n], x[2 * n + 1 :]
        held = gain[self._column] * self._read + offset[self._column] - self._angle
        held = held / np.hypot(HAND, self._noise)
        tips = tasks.tip(self.arm, gain * self._touched + offset) + np.array([0.0, 0.0, lift])
        missed = tips - self._point - [*sheet, 0.0]
        touched = [white @ row for white, row in zip(self._whiten, missed, strict=True)]
        before = (offset / WIDE[0], (gain - self._gain[0]) / self._gain[1], [lift / WIDE[1]], sheet / SHEET)
        return np.concatenate((held, *touched, *before))

    def by_key(self, x: np.ndarray) -> dict[str, float]:
        """Return the length of each measurement's residuals."""
        found: dict[str, float] = {}
        for key, value in zip(self.keys, self.residuals(x), strict=False):
            found[key] = math.hypot(found.get(key, 0.0), value)
        return found

    def _whitener(self, reading: np.ndarray) -> np.ndarray:
        """Return what makes a miss of the tip a vector of standard deviations, (3, 3): all joints were led at once."""
        step, here = 1e-5, tasks.tip(self.arm, reading)
        turns = [(tasks.tip(self.arm, reading + step * one) - here) / step for one in np.eye(self.joints)]
        turned = np.array(turns).T
        covariance = HAND**2 * turned @ turned.T + TOUCH**2 * np.eye(3)
        return np.linalg.inv(np.linalg.cholesky(covariance))


def _reading(arm: Arm, made: Measurement, signs: np.ndarray) -> np.ndarray:
    """Return the angles of all arm joints by their table, (A,) [rad]."""
    found = (angle(joint_of(arm, c), made.counts[c], int(sign)) for c, sign in enumerate(signs))
    return np.array([float(value) for value in found])


def _noise(arm: Arm, made: Measurement) -> np.ndarray:
    """Return the standard deviation of the mean of the readings of all arm joints, (A,) [rad]."""
    return np.array(
        [
            max(made.spread[column], 0.3) / math.sqrt(max(made.readings, 1)) / joint.servo.counts_per_radian
            for column, joint in enumerate(arm.arm_joints)
        ]
    )
