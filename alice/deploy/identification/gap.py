"""How far an arm goes from where a simulated one would have gone with the same commands: joints and tool over time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alice import arms
from alice.arms import Arm, kinematics
from alice.arms.fitted import FittedServos
from alice.cli.usage import UsageError
from alice.deploy import black_box, calibration

from . import session
from .rehearsal import Rehearsal

LEAST = 10
"""Fewest commands in a row that are worth a comparison."""


@dataclass(frozen=True)
class Run:
    """What an arm was told and where it was, K control steps and J joints."""

    arm: Arm
    protocol: str
    period: float
    """[s]"""
    at: np.ndarray
    """When each command was sent, (K,) [s]."""
    command: np.ndarray
    """(K, J) [rad, m]."""
    read_at: np.ndarray
    """When joints were read, (K,) [s]."""
    joints: np.ndarray
    """As they were reported, (K, J) [rad, m]."""


def read(path: str | Path) -> Run:
    """Return the longest stretch of a black box in which a command was sent in every control step.

    Raises:
        UsageError: If there is none.
    """
    box = black_box.read(path)
    columns, name = box.columns, box.about.get("arm")
    if name not in arms.ARMS:
        raise UsageError(f"{Path(path).name!r} is of the arm {name!r}; arms: {', '.join(arms.ARMS)}")
    is_told = np.isfinite(columns["sent_at"]) & np.isfinite(columns["command"]).all(axis=1)
    is_told &= np.isfinite(columns["joints"]).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_told.astype(int), [0]))))
    stretches = edges.reshape(-1, 2)
    begin, end = max(stretches.tolist(), key=lambda pair: pair[1] - pair[0], default=(0, 0))
    if end - begin < LEAST:
        raise UsageError(f"{Path(path).name!r} has no {LEAST} commands in a row; give the box of a run that moved")
    rows = slice(begin, end)
    return Run(
        arms.named(name),
        str(box.about.get("bus")),
        float(box.about["period"]),
        columns["sent_at"][rows],
        columns["command"][rows],
        columns["read_at"][rows].mean(axis=1),
        columns["joints"][rows],
    )


def on_bench(run: Run, found: FittedServos | None) -> np.ndarray:
    """Return where the joints of an emulated arm would have been reported at the readings of a run, (K, J) [rad, m].

    Args:
        run: The run.
        found: Its servos; as its table has them if None.
    """
    known, arm = calibration.nominal(run.arm), run.arm
    protocol = "sts" if arm.joints[0].servo.bus == "sts" else "lx"
    world = session.world_of(arm, found or FittedServos(arm.name, {}))
    bench = Rehearsal(arm, world, protocol, 0, run.joints[0])
    bench.be_even()
    bench.plant.now = float(min(run.at[0], run.read_at[0]))
    places, told = [], 0
    for moment in run.read_at:
        while told < len(run.at) and run.at[told] <= moment:
            bench.command(known.counts(run.command[told]), run.period, float(run.at[told]))
            told += 1
        bench.plant.advance(float(moment))
        places.append(bench.reported()[0])
    return np.array(places)


@dataclass(frozen=True)
class Gap:
    """Errors of one simulation over a run."""

    joints: np.ndarray
    """Simulated minus measured, (K, J) [rad, m]."""
    tool: np.ndarray
    """Distance of the tool points, (K,) [m]."""


def gap(run: Run, simulated: np.ndarray) -> Gap:
    """Compare where a simulation went, (K, J), with where the arm was."""
    tools = [kinematics.forward(run.arm, joints)[0] for joints in (simulated, run.joints)]
    return Gap(simulated - run.joints, np.linalg.norm(tools[0] - tools[1], axis=-1))


def table(run: Run, gaps: dict[str, Gap]) -> str:
    """Return root mean square and largest error of every joint and of the tool, for each simulation."""
    width = max(len(joint.label) for joint in run.arm.joints) + 2
    head = " " * width + "".join(f"{name:>26s}" for name in gaps)
    lines = [head, " " * width + f"{'rms':>16s}{'largest':>10s}" * len(gaps)]
    for column, joint in enumerate(run.arm.joints):
        factor, unit = (1e3, "mm") if joint.unit == "m" else (np.degrees(1.0), "°")
        cells = [_cells(factor * found.joints[:, column], unit) for found in gaps.values()]
        lines.append(joint.label.ljust(width) + "".join(cells))
    lines.append("tool".ljust(width) + "".join(_cells(1e3 * found.tool, "mm") for found in gaps.values()))
    seconds = run.read_at[-1] - run.read_at[0]
    return "\n".join([*lines, f"{len(run.at)} commands in {seconds:.1f} s"])


def _cells(errors: np.ndarray, unit: str) -> str:
    rms, most = np.sqrt(np.mean(errors**2)), np.abs(errors).max()
    return f"{f'{rms:.2f} {unit}':>16s}{f'{most:.2f} {unit}':>10s}"
