"""How well calibrations of emulated arms come out: hidden worlds, a hand of 0.2 degrees, and the truth beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from alice.arms import Arm
from alice.deploy.bus.interface import Bus
from alice.deploy.calibration import Calibration, CalibrationError
from alice.deploy.clock import SteppedClock
from alice.deploy.emulator import EmulatedArm
from alice.deploy.emulator import world as worlds
from alice.deploy.emulator.direct import DirectBus
from alice.deploy.emulator.hand import EmulatedHand

from . import guide as guides
from .fit import GAIN_WITHIN, ZERO_WITHIN
from .guide import Guide
from .recording import Notes

BALL = 0.030
"""Diameter of the gauge ball [m]."""
LIFT = 0.002
"""Most that shoulders of hidden worlds are higher or lower than their table's [m]."""


@dataclass
class Result:
    """What came of one world. Errors are found minus true, those of refused joints left out as NaN."""

    seed: int
    zero: np.ndarray
    """(A,) [rad]."""
    gain: np.ndarray
    """(A,), of the true gain."""
    lift: float = math.nan
    """[m]."""
    gap: float = math.nan
    """Error of the gripper's gap at the gauge ball and at twice that or the widest opening, the larger [m]."""
    is_verified: bool = False
    worst_mark: float = math.nan
    """Largest miss of the check run [m]."""
    refused: str = ""
    """Why no file was made."""
    refused_joints: set[str] = field(default_factory=set)


def of_world(arm: Arm, seed: int, offset: float | None = None, repeatability: float | None = None) -> Result:
    """Calibrate and check an emulated arm of a hidden world.

    Args:
        arm: The arm.
        seed: Of world, hand and noise.
        offset: Largest offset of a servo [rad]; None for the table of randomization.
        repeatability: Standard deviation of the hand [rad]; None for that of the emulated hand.
    """
    generator = np.random.default_rng([seed, 7])
    world = worlds.drawn(arm, seed)
    if offset is not None:
        world.of("servo_offset")[:] = generator.uniform(-offset, offset, len(arm.servo_ids))
    lift, clock = generator.uniform(-LIFT, LIFT), SteppedClock()
    emulated = EmulatedArm(arm, world, clock, seed=seed + 1)
    words = {} if repeatability is None else {"repeatability": repeatability}
    hand, bus = EmulatedHand(emulated, seed=seed + 2, lift=lift, **words), DirectBus(emulated)
    return judged(arm, emulated, hand, bus, lift, seed)


def judged(arm: Arm, emulated: EmulatedArm, hand: EmulatedHand, bus: Bus, lift: float, seed: int) -> Result:
    """Calibrate an emulated arm over a bus, and hold what came out against the truth."""
    world, columns = emulated.world, arm.arm_columns
    guide = Guide(arm, bus, emulated.clock, hand, Notes(None, arm, {}), BALL)
    unknown = np.full(len(arm.arm_joints), np.nan)
    result = Result(seed, unknown.copy(), unknown.copy())
    try:
        guide.measure()
        found = guide.fit()
        result.refused_joints = {finding.where for finding in found.refused(arm)}
        made = guide.finish(found, f"world {seed}", "in simulated time")
    except CalibrationError as error:
        result.refused = str(error)
        return result
    is_told = np.array([joint.name not in result.refused_joints for joint in arm.arm_joints])
    gain = np.array([servo.servo_gain for servo in made.servos[columns]])
    counts = np.array([servo.zero_counts for servo in made.servos[columns]])
    result.zero = np.where(is_told, -_true_angle(arm, world, counts), np.nan)
    result.gain = np.where(is_told, gain / world.of("servo_gain")[0, columns] - 1.0, np.nan)
    result.lift, result.gap = made.lift - lift, _gap_error(arm, world, made)
    made, checked = guides.check(arm, made, bus, emulated.clock, hand)
    result.is_verified, result.worst_mark = made.verified, max(checked.misses.values())
    return result


def _true_angle(arm: Arm, world: worlds.World, counts: np.ndarray) -> np.ndarray:
    """Return where the arm joints truly are at counts, (A,) [rad]."""
    columns = arm.arm_columns
    signs = np.array([joint.counts_sign for joint in arm.arm_joints])
    servos = [joint.servo for joint in arm.arm_joints]
    seen = signs * (counts - [s.centre_counts for s in servos]) / [s.counts_per_radian for s in servos]
    return world.of("servo_gain")[0, columns] * seen + world.of("servo_offset")[0, columns]


def _gap_error(arm: Arm, world: worlds.World, made: Calibration) -> float:
    """Return the largest error of the gap by the calibration, at the gauge ball and at twice that [m]."""
    worst, joint = 0.0, arm.gripper_joints[0]
    gain, offset = world.of("servo_gain")[0, -1], world.of("servo_offset")[0, -1]
    for wanted in (BALL, min(2 * BALL, float(arm.gripper.gap(np.array(arm.gripper.opened))))):
        angle = float(arm.gripper.servo_angle(arm.gripper.at_gap(np.float64(wanted)))[0])
        seen = joint.servo.centre_counts + joint.counts_sign * joint.servo.counts_per_radian * (angle - offset) / gain
        joints = made.joints(np.array([*np.zeros(len(arm.arm_joints)), seen]))
        worst = max(worst, abs(float(arm.gripper.gap(joints[arm.gripper_columns])) - wanted))
    return worst


##
# The table
##


def table(arm: Arm, results: list[Result]) -> Iterator[str]:
    """Yield the lines of a table of results, in Markdown."""
    finished = [result for result in results if not result.refused]
    refused = sum(len(result.refused_joints) or len(arm.arm_joints) for result in results if result.refused)
    zero = np.degrees([result.zero for result in finished]).reshape(-1, len(arm.arm_joints))
    gain = 100 * np.array([result.gain for result in finished]).reshape(zero.shape)
    yield f"{arm.title}: {len(results)} worlds, {len(finished)} finished,"
    yield f"{refused} of {len(results) * len(arm.arm_joints)} joints refused,"
    yield f"{sum(result.is_verified for result in finished)} of {len(finished)} passed the check run."
    yield ""
    yield "| Quantity | Bound | In bounds | Median | 90 % | Worst |"
    yield "|---|---|---|---|---|---|"
    for column, joint in enumerate(arm.arm_joints):
        yield _row(f"zero of {joint.label} [°]", math.degrees(ZERO_WITHIN), zero[:, column])
    yield _row("**zero, all joints** [°]", math.degrees(ZERO_WITHIN), zero)
    for column, joint in enumerate(arm.arm_joints):
        yield _row(f"gain of {joint.label} [%]", 100 * GAIN_WITHIN, gain[:, column])
    yield _row("**gain, all joints** [%]", 100 * GAIN_WITHIN, gain)
    yield _row("shoulder height [mm]", 3.0, 1e3 * np.array([result.lift for result in finished]))
    yield _row("gap of the gripper [mm]", None, 1e3 * np.array([result.gap for result in finished]))
    marks = 1e3 * np.array([result.worst_mark for result in finished])
    yield _row("furthest of three marks [mm]", 1e3 * guides.CHECK_WITHIN, marks)
    for result in results:
        if result.refused:
            yield f"\nWorld {result.seed} refused: {result.refused}"


def _row(name: str, bound: float | None, values: np.ndarray) -> str:
    sizes = np.abs(np.asarray(values).ravel())
    sizes = sizes[np.isfinite(sizes)]
    if sizes.size == 0:
        return f"| {name} | {bound or '-'} | - | - | - | - |"
    share = "-" if bound is None else f"{np.mean(sizes <= bound):.1%}"
    median, ninety, worst = np.quantile(sizes, [0.5, 0.9, 1.0])
    return (
        f"| {name} | {'-' if bound is None else f'{bound:g}'} | {share} | {median:.3f} | {ninety:.3f} | {worst:.3f} |"
    )
