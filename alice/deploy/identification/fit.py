"""All fits of one recording, and what of them is believed: the numbers of a servo file (:mod:`alice.arms.fitted`)."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np

from alice.arms.fitted import BUS, Fit, FittedServos
from alice.deploy.calibration import Calibration

from . import levels, timing
from .recording import Recording

BACKLASH = 0.0035
"""Largest standard error of a backlash that is believed [rad], half of the 0.4 degrees that are wanted."""
DELAY = 0.0025
"""Largest standard error of the delay [s]."""
STIFFNESS = 0.07
"""Largest relative standard error of a stiffness."""
TIMING = 0.0005
"""What the dating of readings leaves [s]."""
LAG = 0.015
"""Least lag that is told from a dead band at a ramp's end [s]."""
ZERO, SCALE = 0.003, 0.003
"""Standard errors that a verified calibration leaves: a zero within 0.3 degrees, a gain within 0.5 %."""
FRICTION = "it looks like backlash to a reading at rest"
HIDDEN = "command against read-back hides it: the same zero and scale are in both; calibrate_arm.py measures it"


def fit(found: Recording, calibration: Calibration, is_bench: bool, name: str = "") -> FittedServos:
    """Fit everything that a recording can tell.

    Args:
        found: The recording.
        calibration: The arm.
        is_bench: Whether its links have neither inertia nor friction, as an emulated arm's: what a real drive does by
            itself is not taken off then.
        name: What its owner calls the arm.
    """
    arm, servo = calibration.kind, levels.Servo.of(calibration.kind)
    seen = levels.levels(found, servo)
    columns = range(len(arm.servo_ids))
    rests = [levels.rest(found, seen, calibration, column) for column in columns]
    bands = [levels.dead_band(found, seen, servo, column) for column in columns]
    stiffness = [_stiffness(rests[column], servo, column) for column in columns]
    give = np.array([_give(fit, servo, column) for column, fit in enumerate(stiffness)])
    onsets = timing.onsets(found, seen, calibration, give)
    lags = [_lag(found, seen, servo, onsets, column) for column in columns]
    delay, jitter = _delay(found, onsets, bands, lags, servo)
    damping = [_damping(lags[c], stiffness[c], arm, c, is_bench) for c in columns]
    table = {
        "servo_dead_band": [_dead_band(band, servo, column) for column, band in enumerate(bands)],
        "servo_backlash": [_backlash(rests[c], arm, servo, c, is_bench) for c in columns],
        "servo_read_noise": [_noise(rests[column]) for column in columns],
        **_calibrated(calibration),
        "drive_stiffness": stiffness,
        "drive_damping": damping,
        "joint_friction": [_friction(rests[column], servo, column) for column in columns],
        "torque_cap": [Fit(refused="no joint was driven to its largest torque, which wears gears")] * len(columns),
        "joint_armature": [Fit(refused="moves slow enough to be safe do not feel the rotor")] * len(columns),
        "link_mass": [Fit(refused="taken as known: sag is mass over stiffness, one of both must be")] * len(columns),
    }
    quantities = {"servo_delay": {BUS: delay}, "servo_jitter": {BUS: jitter}}
    quantities |= {key: dict(zip(arm.action_names, fits, strict=True)) for key, fits in table.items()}
    speeds = [timing.speed(found, servo, column) for column in columns]
    notes = {"protocol": found.protocol, "readings": len(found.read_at), "joint_speed_rad_s": _told(arm, speeds)}
    notes["lag_s"] = _told(arm, lags)
    made_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return FittedServos(arm.name, quantities, name, made_at, "bench" if is_bench else "drives", notes)


def _told(arm, pairs) -> dict[str, list[float] | None]:
    """Return values with standard errors by joint, None where there is none."""
    return {
        key: [float(f"{value:.4g}"), float(f"{error:.2g}")] if np.isfinite([value, error]).all() else None
        for key, (value, error) in zip(arm.action_names, pairs, strict=True)
    }


def _stiffness(rest: levels.Rest | None, servo: levels.Servo, column: int) -> Fit:
    if rest is None:
        return Fit(refused="too few readings at rest")
    give, error = rest.give
    if np.isnan(give) or np.isnan(servo.stiffness[column]):
        return Fit(refused="gravity does not pull on it")
    if give <= 0.0 or error / give > STIFFNESS:
        least = 1.0 / (max(give, 0.0) + 2.0 * error) / servo.stiffness[column]
        return Fit(refused=f"it sags too little to be told from noise; it is at least {least:.2f} of nominal")
    value = 1.0 / (give * servo.stiffness[column])
    return Fit(float(value), float(value * error / give))


def _give(fit: Fit, servo: levels.Servo, column: int) -> float:
    return 0.0 if fit.value is None else 1.0 / (fit.value * servo.stiffness[column])


def _backlash(rest: levels.Rest | None, arm, servo: levels.Servo, column: int, is_bench: bool) -> Fit:
    if rest is None:
        return Fit(refused="too few readings at rest")
    value, error = rest.backlash
    if error > BACKLASH:
        return Fit(refused=f"its readings scatter too much (standard error {np.degrees(error):.2f} degrees)")
    if not is_bench and column < len(arm.arm_joints):
        # Friction of the table's drive makes as much play by itself, in the simulator too.
        value -= 2.0 * arm.joints[column].friction / servo.stiffness[column]
    return Fit(max(0.0, value), error)


def _dead_band(band: tuple[int, float], servo: levels.Servo, column: int) -> Fit:
    width, worse = band
    if worse < levels.CERTAIN or width >= levels.WIDEST:
        return Fit(refused="its readings do not tell one width from the next")
    count = 1.0 / servo.per_radian[column]
    return Fit(float((width + 0.5) * count), float(count / np.sqrt(12.0)))


def _noise(rest: levels.Rest | None) -> Fit:
    return Fit(refused="too few readings at rest") if rest is None else Fit(*rest.noise)


def _friction(rest: levels.Rest | None, servo: levels.Servo, column: int) -> Fit:
    stiffness = servo.stiffness[column]
    if rest is None or np.isnan(stiffness):
        return Fit(refused=FRICTION)
    most = stiffness * (max(rest.backlash[0], 0.0) + 2.0 * rest.backlash[1]) / 2.0
    return Fit(refused=f"{FRICTION}; it is at most {most:.2g} N·m with the table's stiffness")


def _lag(found: Recording, seen: levels.Levels, servo: levels.Servo, onsets: timing.Onsets, column: int):
    """Return a joint's lag and standard error [s]."""
    return timing.lag(found, seen, servo, onsets.late[:, column], column)


def _has_lag(lag: tuple[float, float]) -> bool:
    return np.isfinite(lag[0]) and lag[0] > max(LAG, 4.0 * lag[1]) and lag[0] < 0.9 * timing.SLOWEST_LAG


def _delay(found: Recording, onsets: timing.Onsets, bands, lags, servo: levels.Servo) -> tuple[Fit, Fit]:
    """Return delay and jitter of the bus from all servos' onsets."""
    if not found.reads_back:
        reason = (
            f"positions over {found.protocol} come too late to time a motion by; use an adapter on the servos' line"
        )
        return Fit(refused=reason), Fit(refused=reason)
    values, errors, extra, noise = [], [], [], []
    for column in range(onsets.late.shape[1]):
        late = onsets.late[:, column]
        good = ~np.isnan(late)
        if good.sum() < 6:
            continue
        pace = np.median(np.abs(timing.paces(found, servo, column)))
        # A servo that moves is behind its goal by none to all of its dead band.
        behind = bands[column][0] / servo.per_radian[column] / pace
        lag, lag_error = lags[column] if _has_lag(lags[column]) else (0.0, 0.0)
        values.append(late[good].mean() - behind / 3.0 - lag)
        errors.append((behind / 6.0) ** 2 + lag_error**2 + late[good].var(ddof=1) / good.sum())
        extra.append(late[good].var(ddof=1))
        noise.append(onsets.variance[good, column].mean())
    if not values:
        reason = "too few of its ramps could be followed"
        return Fit(refused=reason), Fit(refused=reason)
    ramps = len(onsets.late)
    error = float(np.sqrt(np.mean(errors) + np.var(values) / len(values) + TIMING**2))
    jitter = float(np.sqrt(max(0.0, np.mean(extra) - np.mean(noise))))
    jitter_error = max(jitter, np.sqrt(np.mean(noise))) / np.sqrt(2.0 * max(ramps - 1, 1))
    told = Fit(jitter, float(jitter_error))
    if error > DELAY:
        return Fit(refused=f"its ramps began too unevenly (standard error {1e3 * error:.1f} ms)"), told
    return Fit(max(0.0, float(np.mean(values))), error), told


def _damping(lag, stiffness: Fit, arm, column: int, is_bench: bool) -> Fit:
    """Return the damping that makes the lag: lag times stiffness over the table's."""
    if is_bench:
        return Fit(refused="the links of a bench follow without a lag")
    if not _has_lag(lag) or column >= len(arm.arm_joints):
        return Fit(refused="its lag cannot be told from delay and dead band")
    joint = arm.joints[column]
    own = joint.damping + joint.viscous_friction
    factor = stiffness.value if stiffness.value is not None else 1.0
    value = (lag[0] * factor * joint.stiffness - joint.viscous_friction) / joint.damping
    error = lag[1] * factor * joint.stiffness / joint.damping
    return Fit(max(0.05, float(value)), float(error)) if own > 0.0 else Fit(refused="its table has no damping")


def _calibrated(calibration: Calibration) -> dict[str, list[Fit]]:
    """Return what is left of offset and gain: a verified calibration has taken them out."""
    count = len(calibration.servo_ids)
    if not calibration.verified:
        return {name: [Fit(refused=HIDDEN)] * count for name in ("servo_offset", "servo_gain")}
    return {"servo_offset": [Fit(0.0, ZERO)] * count, "servo_gain": [Fit(1.0, SCALE)] * count}
