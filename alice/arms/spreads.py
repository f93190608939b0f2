"""How far single arms of a kind are from their table: ranges of servos, drives and links.

Names are those of :mod:`alice.arms.quantities`. The table of randomization has them as rows; an emulated arm is drawn
from them. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from . import so101, xarm1s
from .arm import Arm


@dataclass(frozen=True)
class Spread:
    """The range of one quantity."""

    low: float
    high: float
    unit: str
    source: str
    """``measured``, ``data sheet``, where it was published, or ``guess``."""
    when: str = "episode"
    """How often it is another one: in each ``episode``, or in each control ``step``."""
    distribution: str = "uniform"


SPREADS: dict[str, dict[str, Spread]] = {
    xarm1s.XARM1S.name: {
        "joint_friction": Spread(0.0, 0.02, "N·m", "guess: gear friction of a small servo"),
        "joint_armature": Spread(0.5, 2.0, "of nominal", "guess", distribution="log_uniform"),
        "drive_stiffness": Spread(0.7, 1.4, "of nominal", "guess: error at full torque 3 to 6 degrees"),
        "drive_damping": Spread(0.7, 1.4, "of nominal", "guess"),
        "torque_cap": Spread(0.75, 1.05, "of nominal", "servo strength +-7 %, and supply 7.4 to 6.6 V"),
        "link_mass": Spread(0.85, 1.15, "of nominal", "guess: spread of the shop lists"),
        "servo_delay": Spread(0.020, 0.060, "s", "presets of other Hiwonder arms; count of the bus traffic"),
        "servo_jitter": Spread(0.005, 0.005, "s", "the same preset; a standard deviation", when="step"),
        "servo_dead_band": Spread(0.0, math.radians(0.48), "rad", "guess: no count or one; none is published"),
        "servo_backlash": Spread(0.0, math.radians(2.0), "rad", "comparable bus servos; none is published"),
        "servo_offset": Spread(-0.02, 0.02, "rad", "after calibration; without it up to 0.14 rad"),
        "servo_gain": Spread(0.985, 1.015, "of nominal", "spread of 0.24 degrees per count between servos"),
        "servo_read_noise": Spread(
            0.005, 0.005, "rad", "presets of other Hiwonder arms; a standard deviation", when="step"
        ),
    },
    so101.SO101.name: {
        "joint_friction": Spread(0.5, 1.5, "of nominal", "spread of two identified arms"),
        "joint_armature": Spread(0.7, 1.5, "of nominal", "spread of four identifications"),
        "drive_stiffness": Spread(0.6, 1.4, "of nominal", "spread of two identified arms"),
        "drive_damping": Spread(0.7, 1.4, "of nominal", "guess"),
        "torque_cap": Spread(0.7, 1.05, "of nominal", "supply 7.4 to 5 V of the parts list"),
        "link_mass": Spread(0.9, 1.2, "of nominal", "CAD, not weighed; users say 0.8 kg"),
        # The lag of an identified arm is in its damping already: what comes on top is the way over the bus.
        "servo_delay": Spread(0.0, 0.020, "s", "guess: one loop of LeRobot's at 50 Hz; the bus itself takes 1 ms"),
        "servo_jitter": Spread(0.005, 0.005, "s", "guess: USB; a standard deviation", when="step"),
        "servo_dead_band": Spread(0.0, 0.010, "rad", "friction over stiffness at LeRobot's gain of 16"),
        "servo_backlash": Spread(0.009, 0.030, "rad", "measured 0.9 to 1 degree, users 2"),
        "servo_offset": Spread(
            -0.02, 0.02, "rad", "after calibration, as the xArm's; LeRobot's own leaves up to 0.18 rad"
        ),
        "servo_gain": Spread(0.998, 1.002, "of nominal", "magnetic encoder of 4,096 counts on the output"),
        "servo_read_noise": Spread(0.0015, 0.0015, "rad", "one count; a standard deviation", when="step"),
    },
}
"""Ranges of each arm, by its name."""
SPREADS[so101.SO101_12V.name] = SPREADS[so101.SO101.name]


def of(arm: Arm) -> dict[str, Spread]:
    """Return the ranges of an arm."""
    return SPREADS[arm.name]


def hull(span: Sequence[float | Sequence[float]]) -> tuple[float, float]:
    """Return the range that holds a range of which each end may be one for each servo or joint."""
    low, high = ([float(end)] if isinstance(end, (int, float)) else [float(one) for one in end] for end in span)
    return min(low), max(high)
