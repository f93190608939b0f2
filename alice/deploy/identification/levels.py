"""Where servos stand for what they were told: backlash, stiffness, dead band and noise from readings at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alice.arms import Arm
from alice.deploy.calibration import Calibration

from . import statics
from .recording import Recording

LEAST = 3
"""Fewest readings of a level."""
WIDEST = 16
"""Widest dead band that is looked for [counts]."""
CERTAIN = 9.0
"""By how much the second-best dead band must fit worse [chi²]."""
MISFIT = 4.0
"""Chi² per degree of freedom from which a model does not describe what was seen."""


@dataclass(frozen=True)
class Servo:
    """What a servo's table says that the fits need."""

    per_radian: np.ndarray
    """(S,) [counts/rad]."""
    sign: np.ndarray
    """(S,)."""
    stiffness: np.ndarray
    """(S,) [N·m/rad]; NaN for the gripper."""

    @staticmethod
    def of(arm: Arm) -> Servo:
        """Read it off an arm's table."""
        joints = [next(joint for joint in arm.joints if joint.servo_id == i) for i in arm.servo_ids]
        arm_joints = len(arm.arm_joints)
        return Servo(
            np.array([joint.servo.counts_per_radian for joint in joints]),
            np.array([joint.counts_sign for joint in joints]),
            np.array([j.stiffness if k < arm_joints else np.nan for k, j in enumerate(joints)]),
        )


@dataclass(frozen=True)
class Levels:
    """Mean readings between moves, in the angles of the servos [rad]. M moves, S servos."""

    goal: np.ndarray
    """(M, S) [rad]."""
    side: np.ndarray
    """Which way each servo was told to go last, (M, S) in -1, 0, 1."""
    mean: np.ndarray
    """(M, S) [rad]; NaN where there were too few readings."""
    count: np.ndarray
    """Readings, (M, S)."""
    spread: np.ndarray
    """Standard deviation of a reading at rest, (S,) [rad]."""
    readings: np.ndarray
    """How many :attr:`spread` is from, (S,)."""


def angles_of(counts: np.ndarray, servo: Servo, columns=slice(None)) -> np.ndarray:
    """Return counts as angles [rad] from count zero, by the servos' nominal scale."""
    return counts * servo.sign[columns] / servo.per_radian[columns]


def levels(found: Recording, servo: Servo) -> Levels:
    """Return what was read at rest."""
    goal = angles_of(found.goals, servo)
    count, servos = goal.shape
    change = np.sign(np.diff(goal, axis=0, prepend=goal[:1]))
    side = change.copy()
    for row in range(1, count):
        side[row] = np.where(change[row] == 0.0, side[row - 1], change[row])
    read = angles_of(found.counts, servo, found.column)
    standing = np.isin(found.kind[found.move], ("snap", "stair"))
    standing &= found.read_at >= found.at[found.move] + found.wait[found.move]
    mean, number = np.full((count, servos), np.nan), np.zeros((count, servos), int)
    squares, freedom = np.zeros(servos), np.zeros(servos, int)
    for column in range(servos):
        mine = standing & (found.column == column)
        moves, values = found.move[mine], read[mine]
        number[:, column] = np.bincount(moves, minlength=count)
        sums = np.bincount(moves, values, minlength=count)
        enough = number[:, column] >= LEAST
        mean[enough, column] = sums[enough] / number[enough, column]
        off = (values - mean[moves, column])[enough[moves]]
        squares[column], freedom[column] = (off**2).sum(), len(off) - enough.sum()
    spread = np.sqrt(squares / np.maximum(freedom, 1))
    return Levels(goal, side, mean, number, spread, freedom)


def variance(seen: Levels, servo: Servo) -> np.ndarray:
    """Return the variance of each level's mean, (M, S) [rad²]: what is not rounded away by noise stays as an error."""
    step = 1.0 / servo.per_radian
    noise = np.maximum(seen.spread, 0.05 * step)
    rounding = step**2 / 12.0 * np.exp(-2.0 * (np.pi * noise / step) ** 2)
    return noise**2 / np.maximum(seen.count, 1) + rounding


@dataclass(frozen=True)
class Rest:
    """What one servo's levels say: value and standard error of each."""

    backlash: tuple[float, float]
    """[rad]."""
    give: tuple[float, float]
    """Angle per torque of gravity [rad/(N·m)]; NaN where gravity pulls too evenly."""
    noise: tuple[float, float]
    """[rad]."""
    misfit: float
    """Chi² per degree of freedom."""


def rest(found: Recording, seen: Levels, calibration: Calibration, column: int) -> Rest | None:
    """Fit one servo's levels: goal, half the backlash behind the way it came, and weight over stiffness.

    Returns:
        The fit; None where there are too few levels.
    """
    arm, servo = calibration.kind, Servo.of(calibration.kind)
    rows = np.flatnonzero((found.kind == "snap") & ~np.isnan(seen.mean[:, column]) & (seen.side[:, column] != 0.0))
    if len(rows) < 8 or len(set(seen.side[rows, column])) < 2:
        return None
    torque = statics.weight(arm, calibration.joints(found.goals[rows]))[:, column]
    parts = [np.ones(len(rows)), -seen.side[rows, column] / 2]
    pulls = column < len(arm.arm_joints) and np.ptp(torque) > 1e-3
    parts += [torque] if pulls else []
    weights = 1.0 / np.sqrt(variance(seen, servo)[rows, column])
    matrix = np.stack(parts, -1) * weights[:, None]
    target = (seen.mean - seen.goal)[rows, column] * weights
    solution, *_ = np.linalg.lstsq(matrix, target, rcond=None)
    left = target - matrix @ solution
    misfit = float(left @ left) / max(len(rows) - len(parts), 1)
    errors = np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)) * max(1.0, misfit))
    step = 1.0 / servo.per_radian[column]
    spread, readings = seen.spread[column], max(int(seen.readings[column]), 1)
    noise = np.sqrt(max(0.0, spread**2 - step**2 / 12.0))
    return Rest(
        (float(solution[1]), float(errors[1])),
        (float(solution[2]), float(errors[2])) if pulls else (np.nan, np.nan),
        (float(noise), float(max(spread / np.sqrt(2.0 * readings), 0.02 * step))),
        misfit,
    )


def dead_band(found: Recording, seen: Levels, servo: Servo, column: int) -> tuple[int, float]:
    """Return the dead band that explains a staircase of single counts best [counts], and by how much [chi²].

    A servo with a dead band of k counts stands still until its goal is more than k counts away, and then goes there.
    """
    stairs = np.flatnonzero(found.kind == "stair")
    rows = stairs[~np.isnan(seen.mean[stairs, column])]
    if len(rows) < WIDEST or rows[0] == 0:
        return 0, 0.0
    goals = np.rint(found.goals[stairs, column]).astype(int)
    read = seen.mean[rows, column] * servo.per_radian[column] * servo.sign[column]
    weights = 1.0 / (variance(seen, servo)[rows, column] * servo.per_radian[column] ** 2)
    worse = []
    for width in range(WIDEST + 1):
        told, path = found.goals[stairs[0] - 1, column], {}
        for row, goal in zip(stairs, goals, strict=True):
            told = goal if abs(goal - told) > width else told
            path[row] = told
        off = read - np.array([path[row] for row in rows])
        off -= np.average(off, weights=weights)
        worse.append(float(weights @ off**2))
    order = np.argsort(worse)
    scale = max(1.0, worse[order[0]] / (len(rows) - 1))
    return int(order[0]), (worse[order[1]] - worse[order[0]]) / scale
