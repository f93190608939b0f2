"""When servos move after they were told to, and how fast: delay, jitter, lag and speed from readings on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from alice.deploy.calibration import Calibration

from . import statics
from .levels import Levels, Servo, angles_of
from .recording import Recording

WINDOW = (0.3, 0.95)
"""Part of a ramp that tells when it began: its beginning may be backlash."""
LEAST = 4
"""Fewest readings of a ramp."""
TAIL = 0.12
"""How long after a ramp's end its lag is looked for [s]."""
SLOWEST_LAG = 0.2
"""[s]"""
SHARES = np.linspace(0.0, 1.0, 9)
"""Places on a ramp where its weight is worked out."""


@dataclass(frozen=True)
class Onsets:
    """When ramps began: from the call to the motion, less what the joint lags behind. N ramps, S servos."""

    late: np.ndarray
    """(N, S) [s]; NaN where it could not be seen."""
    variance: np.ndarray
    """Of each by the noise of the readings, (N, S) [s²]."""


def onsets(found: Recording, seen: Levels, calibration: Calibration, give: np.ndarray) -> Onsets:
    """Return when the ramps began, from the time at which each was at the places that it was to pass.

    Where a joint stands after the snap says how far it is behind its goal while it moves that way, but for what its
    weight has changed until there.

    Args:
        found: The recording.
        seen: Its levels.
        calibration: The arm.
        give: Angle per torque of each servo, (S,) [rad/(N·m)]; 0 where it is not known.
    """
    ramps, servo = found_ramps(found), Servo.of(calibration.kind)
    late = np.full((len(ramps), seen.goal.shape[1]), np.nan)
    spread = np.full_like(late, np.nan)
    read = angles_of(found.counts, servo, found.column)
    for number, row in enumerate(ramps):
        goals = found.goals[row - 1] + SHARES[:, None] * (found.goals[row] - found.goals[row - 1])
        torque = statics.weight(calibration.kind, calibration.joints(goals))
        sag = give * (torque - torque[-1])
        for column in range(late.shape[1]):
            time, value, way, behind = _ramp(found, seen, read, row, column)
            value = value - np.interp(value / way if way else value, SHARES, sag[:, column])
            if way == 0.0 or np.isnan(behind):
                continue
            share = (value - behind) / way
            # The window is one of time: one of places would take more of the early readings that noise has raised.
            guess = np.median((time - share * found.span[row])[(share > 0.3) & (share < 0.9)]) if len(time) else np.nan
            told = (time - guess) / found.span[row]
            inside = (told > WINDOW[0]) & (told < WINDOW[1])
            if np.isnan(guess) or inside.sum() < LEAST:
                continue
            late[number, column] = np.mean(time[inside] - share[inside] * found.span[row])
            pace = abs(way) / found.span[row]
            spread[number, column] = max(seen.spread[column], 0.3 / servo.per_radian[column]) ** 2 / pace**2
            spread[number, column] /= inside.sum()
    return Onsets(late, spread)


def _ramp(found: Recording, seen: Levels, read: np.ndarray, row: int, column: int):
    """Return time since the call, readings from the ramp's beginning, its way, and how far the joint stands behind."""
    mine = (found.move == row) & (found.column == column)
    begin, end = seen.goal[row - 1, column], seen.goal[row, column]
    behind = seen.mean[row + 1, column] - seen.goal[row + 1, column]
    return found.read_at[mine] - found.at[row], read[mine] - begin, end - begin, behind


def lag(found: Recording, seen: Levels, servo: Servo, late: np.ndarray, column: int) -> tuple[float, float]:
    """Return the time constant with which a joint follows its motor, and its standard error [s].

    While a ramp lasts a lag looks like a delay. At its end a late joint stops at once and a lagging one creeps on.
    """
    read = angles_of(found.counts, servo, found.column)
    times, values, paces = [], [], []
    for number, row in enumerate(found_ramps(found)):
        time, value, way, behind = _ramp(found, seen, read, row, column)
        began = late[number]
        if np.isnan(began) or way == 0.0:
            continue
        since = time - began - found.span[row]
        inside = (since > -0.06) & (since < TAIL)
        times.append(since[inside])
        values.append((value - behind - way)[inside])
        paces.append(np.full(inside.sum(), way / found.span[row]))
    if not times:
        return np.nan, np.inf
    time, value, pace = map(np.concatenate, (times, values, paces))

    def left(unknown: np.ndarray) -> np.ndarray:
        constant, short = unknown
        # The lag is in `late` already: the motor has stopped that much earlier.
        since = time + constant
        behind = np.where(since < 0.0, since - constant, -constant * np.exp(-np.maximum(since, 0.0) / constant))
        return value - pace * behind + short * np.sign(pace)

    spread = max(seen.spread[column], 0.3 / servo.per_radian[column])
    fit = optimize.least_squares(left, (0.01, 0.0), bounds=((5e-4, -0.02), (SLOWEST_LAG, 0.02)), x_scale=(0.01, 0.002))
    scale = max(spread**2, 2.0 * fit.cost / max(len(time) - 2, 1))
    covariance = np.linalg.pinv(fit.jac.T @ fit.jac) * scale
    return float(fit.x[0]), float(np.sqrt(covariance[0, 0]))


def found_ramps(found: Recording) -> list[int]:
    """Return the rows of the ramps, as :func:`onsets` has them."""
    return [row for row in np.flatnonzero(found.kind == "ramp") if row + 1 < len(found.kind)]


def paces(found: Recording, servo: Servo, column: int) -> np.ndarray:
    """Return how fast the ramps of a servo went, (N,) [rad/s]."""
    rows = np.array(found_ramps(found))
    return (found.goals[rows, column] - found.goals[rows - 1, column]) / servo.per_radian[column] / found.span[rows]


def speed(found: Recording, servo: Servo, column: int) -> tuple[float, float]:
    """Return how fast a joint goes at its own speed, and the standard error [rad/s]."""
    read = angles_of(found.counts, servo, found.column)
    fits = []
    for row in np.flatnonzero(found.kind == "leap"):
        mine = (found.move == row) & (found.column == column)
        if mine.sum() < 12:
            continue
        time, value = found.read_at[mine] - found.at[row], read[mine]
        fits.append(_leap(time, value))
    rates = np.array([rate for rate in fits if rate is not None])
    if len(rates) < 3:
        return np.nan, np.inf
    return float(np.median(rates)), float(1.25 * rates.std(ddof=1) / np.sqrt(len(rates)))


def _leap(time: np.ndarray, value: np.ndarray) -> float | None:
    """Return the pace of one leap [rad/s]; None where it cannot be told."""
    begin, end = np.median(value[time < 0.015]) if (time < 0.015).any() else value[0], np.median(value[time > 0.25])
    way = end - begin
    if abs(way) < 0.05:
        return None

    def left(unknown: np.ndarray) -> np.ndarray:
        pace, start, first, last = unknown
        share = np.clip((time - start) * pace / abs(way), 0.0, 1.0)
        return value - first - (last - first) * share

    middle = time[np.argmin(np.abs(value - (begin + end) / 2))]
    guess = (4.0, max(middle - 0.03, 0.0), begin, end)
    fit = optimize.least_squares(left, guess, x_scale=(1.0, 0.01, 0.01, 0.01), loss="soft_l1", f_scale=0.01)
    return float(fit.x[0]) if fit.success and 0.2 < fit.x[0] < 30.0 else None
