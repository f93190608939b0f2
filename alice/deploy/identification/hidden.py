"""Arms drawn from the table of randomization whose numbers are found again: how far off, how often refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alice.arms import Arm
from alice.arms.fitted import BUS, FittedServos
from alice.deploy import calibration
from alice.deploy.emulator import world as worlds
from alice.deploy.emulator.world import World

from . import fit, motion, rehearsal

SEED = 20264
"""Of the worlds that the page tells of."""
BEGIN, END = "<!-- hidden worlds: written by audit_identification.py -->", "<!-- end of the hidden worlds -->"


@dataclass(frozen=True)
class Wanted:
    """One line of the table."""

    title: str
    unit: str
    bound: float | None
    """Largest error that is wanted; None for a line that only tells."""
    errors: np.ndarray
    """Absolute errors of what was not refused."""
    refused: int
    count: int

    @property
    def is_met(self) -> bool:
        """Whether median and 90 % are within the bound, and at most 10 % were refused."""
        if self.bound is None:
            return True
        return bool(
            len(self.errors) and np.quantile(self.errors, 0.9) <= self.bound and self.refused <= 0.1 * self.count
        )


def identify(arm: Arm, world: World, seed: int, moves=None) -> Iterator[FittedServos]:
    """Yield what is found out of each of N arms.

    Args:
        arm: The kind of arm.
        world: What is off about them; nothing else of it is looked at.
        seed: Of jitter and noise.
        moves: What they are told; that of :class:`.motion.Planner` if None.
    """
    known = calibration.nominal(arm)
    moves = motion.Planner(known).plan() if moves is None else moves
    recordings = rehearsal.Rehearsal(arm, world, arm.joints[0].servo.bus, seed).record(moves)
    for recording in recordings:
        yield fit.fit(recording, known, is_bench=True)


def compare(arm: Arm, world: World, found: list[FittedServos]) -> list[Wanted]:
    """Return how far what was found is from a world of as many arms."""
    wire = rehearsal.command_time(arm, arm.joints[0].servo.bus)
    mass, stiffness = world.of("link_mass"), world.of("drive_stiffness")
    shoulder, elbow, wrist = (arm.action_names.index(joint.name) for joint in arm.pitch_joints)
    columns = [shoulder, elbow]
    everyone = range(len(arm.action_names))

    def line(title, unit, bound, quantity, truth, which=everyone, scale=1.0, relative=False) -> Wanted:
        fits = [[each.quantities[quantity][arm.action_names[column]] for column in which] for each in found]
        pairs = [
            (fit.value, truth[row, column])
            for row, fits in enumerate(fits)
            for fit, column in zip(fits, which, strict=True)
        ]
        errors = [abs(v - t) / (t if relative else 1.0) * scale for v, t in pairs if v is not None]
        return Wanted(title, unit, bound, np.array(errors), len(pairs) - len(errors), len(pairs))

    def bus(title, bound, quantity, truth) -> Wanted:
        values = [each.quantities[quantity][BUS].value for each in found]
        errors = [1e3 * abs(v - t) for v, t in zip(values, truth, strict=True) if v is not None]
        return Wanted(title, "ms", bound, np.array(errors), len(values) - len(errors), len(values))

    return [
        line("backlash", "degrees", 0.4, "servo_backlash", world.of("servo_backlash"), scale=float(np.degrees(1.0))),
        bus("delay", 5.0, "servo_delay", world.per_arm("servo_delay") + wire),
        line(
            "stiffness of shoulder and elbow, masses known",
            "%",
            15.0,
            "drive_stiffness",
            stiffness / mass,
            columns,
            100.0,
            True,
        ),
        line("the same, masses as drawn", "%", None, "drive_stiffness", stiffness, columns, 100.0, True),
        line(
            "stiffness of wrist pitch, masses known",
            "%",
            None,
            "drive_stiffness",
            stiffness / mass,
            [wrist],
            100.0,
            True,
        ),
        bus("jitter", None, "servo_jitter", world.per_arm("servo_jitter")),
        line(
            "dead band, in whole counts",
            "degrees",
            None,
            "servo_dead_band",
            _middle(arm, world.of("servo_dead_band")),
            scale=float(np.degrees(1.0)),
        ),
        line("noise of a reading", "%", None, "servo_read_noise", world.of("servo_read_noise"), everyone, 100.0, True),
    ]


def _middle(arm: Arm, dead_band: np.ndarray) -> np.ndarray:
    """Return the middle of the widths that a servo cannot tell from these [rad]: it acts in whole counts."""
    per_radian = arm.joints[0].servo.counts_per_radian
    return (np.floor(dead_band * per_radian + 1e-3) + 0.5) / per_radian


def table(lines: list[Wanted]) -> str:
    """Return the comparison as a table in Markdown."""
    rows = ["| | wanted | median | 90 % | worst | refused | |", "|---|---|---|---|---|---|---|"]
    for line in lines:
        wanted = "" if line.bound is None else f"{line.bound:g} {line.unit}"
        if len(line.errors):
            numbers = [f"{value:.2g} {line.unit}" for value in np.quantile(line.errors, (0.5, 0.9, 1.0))]
        else:
            numbers = ["", "", ""]
        verdict = "" if line.bound is None else "met" if line.is_met else "**not met**"
        cells = [line.title, wanted, *numbers, f"{line.refused} of {line.count}", verdict]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def report(arm: Arm, count: int, seed: int) -> tuple[str, bool]:
    """Return the table of an arm's hidden worlds under its title, and whether everything that is wanted is met."""
    world = worlds.drawn(arm, seed, count)
    lines = compare(arm, world, list(identify(arm, world, seed)))
    return f"### {arm.title}, {count} worlds, seed {seed}\n\n{table(lines)}\n", all(line.is_met for line in lines)


def into_page(text: str, arm: Arm, part: str) -> str:
    """Return a page with the part of one arm replaced."""
    before, _, rest = text.partition(BEGIN)
    inside, _, after = rest.partition(END)
    parts = {piece.split(",")[0]: f"### {piece}" for piece in inside.split("### ")[1:]}
    parts[arm.title.split(",")[0]] = part + "\n"
    return before + BEGIN + "\n" + "".join(parts[key].rstrip() + "\n\n" for key in sorted(parts)) + END + after
