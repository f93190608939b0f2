"""From a command line to a servo file: opens the arm, lets it move, fits what it said."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from alice import arms
from alice.arms import Arm
from alice.arms.fitted import Fit, FittedServos, keys
from alice.arms.quantities import QUANTITIES
from alice.cli.usage import UsageError
from alice.deploy import calibration as calibrations
from alice.deploy.bus.interface import BusError
from alice.deploy.bus.opening import EMULATED, open_bus
from alice.deploy.calibration import Calibration, CalibrationError
from alice.deploy.clock import MachineClock, SteppedClock
from alice.deploy.emulator import world as worlds
from alice.deploy.emulator.world import World, WorldError

from . import fit, motion, recording, rehearsal
from .recording import Recording

ANY_STIFFNESS = (0.0, 15.0)
"""P of STS servos that is taken: how stiff they are is what is asked [of nominal]."""


def run(args: Any) -> tuple[FittedServos, Recording, Calibration]:
    """Do what the command line of ``identify_arm.py`` says.

    Raises:
        UsageError: If something about arm, port or files is wrong, or the arm had to be stopped.
    """
    arm = arms.named(args.arm)
    try:
        known = _calibration(args, arm)
        if args.recording:
            found = recording.read(args.recording)
            if found.arm != arm.name:
                raise UsageError(f"--recording {args.recording.name!r} is of the arm {found.arm!r}, not {arm.name!r}")
            return fit.fit(found, known, args.port == EMULATED, known.name), found, known
        if args.port is None:
            raise UsageError("--port is missing; give a serial port, hid for the xArm's own board, or emulated")
        moves = motion.Planner(known).plan()
        found = _record(args, arm, known, moves)
    except (CalibrationError, WorldError, BusError, motion.NoRoomError, recording.TroubleError) as problem:
        raise UsageError(str(problem)) from problem
    return fit.fit(found, known, args.port == EMULATED, known.name), found, known


def _calibration(args: Any, arm: Arm) -> Calibration:
    if args.calibration:
        return calibrations.read(args.calibration, arm)
    if args.port not in (EMULATED, None):
        raise UsageError("--calibration is missing: an arm whose zeros nobody knows is not moved")
    return calibrations.nominal(arm)


def _record(args: Any, arm: Arm, known: Calibration, moves: list[motion.Move]) -> Recording:
    """Let the arm make moves: an emulated one in simulated time."""
    extra, clock = {}, MachineClock()
    if args.port == EMULATED:
        clock = SteppedClock()
        world = worlds.read(arm, args.world) if args.world else worlds.nominal(arm)
        extra = {"world": world, "seed": args.seed}
    bus = open_bus(arm, args.port, clock, args.protocol, ANY_STIFFNESS, **extra)
    try:
        return recording.Recorder(bus, clock, known, _progress if sys.stderr.isatty() else lambda _: None).run(moves)
    finally:
        bus.close()


def _progress(share: float) -> None:
    print(f"\r{share:4.0%}", end="\n" if share >= 1.0 else "", file=sys.stderr, flush=True)


def table(found: FittedServos) -> str:
    """Return what was found as a table, angles in degrees, times in ms."""
    rows = []
    for name, fits in found.quantities.items():
        reasons: dict[str, list[str]] = {}
        for key, one in fits.items():
            if one.value is None:
                reasons.setdefault(one.refused, []).append(key)
                continue
            factor, unit = {"rad": (np.degrees(1.0), "°"), "s": (1e3, "ms")}.get(QUANTITIES[name].unit, (1.0, ""))
            told = f"{factor * one.value:.3f} ± {factor * one.standard_error:.3f} {unit}".rstrip()
            rows.append((name, key, told))
        for reason, which in reasons.items():
            rows.append((name, ", ".join(which) if len(which) < len(fits) else "all", f"refused: {reason}"))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join("  ".join((*(c.ljust(w) for c, w in zip(row[:2], widths, strict=True)), row[2])) for row in rows)


def world_of(arm: Arm, found: FittedServos) -> World:
    """Return an emulated arm that is as was fitted, and as its table has it in all that was refused.

    Its wire takes the time that its command's bytes take, so its servos' own delay is as much shorter.
    """
    values: dict[str, Any] = {}
    for name, fits in found.quantities.items():
        if name not in worlds.TAKEN:
            continue
        nominal = QUANTITIES[name].nominal
        row = [nominal if one.value is None else one.value for one in fits.values()]
        if name == "servo_delay":
            row = [max(0.0, row[0] - rehearsal.command_time(arm, arm.joints[0].servo.bus))]
        values[name] = np.array(row * len(arm.servo_ids) if len(row) == 1 else row)[None]
    return worlds.nominal(arm, 1, **values)


def truth(args: Any) -> FittedServos:
    """Return the truth about the emulated arm of a command line."""
    arm = arms.named(args.arm)
    return truth_of(arm, worlds.read(arm, args.world))


def truth_of(arm: Arm, world: World) -> FittedServos:
    """Return what a perfect identification of an emulated arm would find: to audit a policy in a hidden world.

    Sag is weight over stiffness, and a simulator that is given one for each joint needs no other masses.
    """
    wire = rehearsal.command_time(arm, arm.joints[0].servo.bus)
    values = {name: world.of(name)[0] for name in worlds.SERVO}
    values["servo_delay"] = values["servo_delay"] + wire
    values["drive_stiffness"] = (world.of("drive_stiffness") / world.of("link_mass"))[0]
    values["torque_cap"] = (world.of("torque_cap") / world.of("link_mass"))[0]
    values["link_mass"] = np.ones(len(arm.servo_ids))
    quantities = {
        name: {key: Fit(float(value), 0.0) for key, value in zip(keys(arm, name), row, strict=False)}
        for name, row in values.items()
    }
    return FittedServos(arm.name, quantities, "the truth", plant="bench")


def rehearse(found: Recording, calibration: Calibration, world: World) -> np.ndarray:
    """Return what a bench of some world would have said to a recording's commands at its readings, (R,) [counts]."""
    arm = calibration.kind
    start = calibration.joints(found.goals[0])
    bench = rehearsal.Rehearsal(arm, world, "sts" if found.protocol == "sts" else "lx", 0, start)
    bench.be_even()
    told, counts = 0, np.zeros(len(found.read_at))
    for number in np.argsort(found.read_at, kind="stable"):
        while told < len(found.at) and found.at[told] <= found.read_at[number]:
            bench.command(found.goals[told], float(found.span[told]), float(found.at[told]))
            told += 1
        bench.plant.advance(found.read_at[number])
        column = found.column[number]
        seen = bench.plant.servos.reported(bench.plant.links.angles)[0, column]
        servos = bench.plant.servos
        counts[number] = servos._centre[column] + servos.sign[column] * servos.per_radian[column] * seen
    return counts
