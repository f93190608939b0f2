"""Measured against simulated joint curves, as one page without other files."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot

from alice.cli import files
from alice.deploy.identification import session
from alice.deploy.identification.gap import Gap, Run
from alice.deploy.identification.levels import Servo, angles_of
from alice.evaluation.pictures.plots import BAD, GOOD, PLAIN, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from alice.arms.fitted import FittedServos
    from alice.deploy.calibration import Calibration
    from alice.deploy.identification.recording import Recording

COLOURS = (BAD, GOOD)
SECTIONS = {"ramp": "Ramps", "stair": "Stairs", "wave": "Chirp", "leap": "Leap"}
"""Kinds of moves that are shown, and their titles."""
LONGEST = 6.0
"""How much of each is shown [s]."""


def of_recording(path: Path, found: Recording, calibration: Calibration, fitted: FittedServos) -> Path:
    """Write the page of an identification: readings, and what a bench says with the table's servos and the fitted.

    Returns:
        The page.
    """
    arm, servo = calibration.kind, Servo.of(calibration.kind)
    plain = session.rehearse(found, calibration, session.world_of(arm, type(fitted)(arm.name, {})))
    fine = session.rehearse(found, calibration, session.world_of(arm, fitted))
    kinds, parts = found.kind[found.move], []
    for column, name in enumerate(arm.action_names):
        figure, axes = pyplot.subplots(1, len(SECTIONS), figsize=(15.0, 2.6), constrained_layout=True)
        for axis, (kind, title) in zip(axes, SECTIONS.items(), strict=True):
            mine = (found.column == column) & np.isin(kinds, (kind, "snap") if kind == "ramp" else (kind,))
            if not mine.any():
                continue
            begin = found.read_at[mine][0]
            mine &= (found.read_at >= begin) & (found.read_at < begin + LONGEST)
            time = found.read_at[mine] - begin
            level = np.median(found.counts[mine])
            for counts, style in ((found.counts, "."), (plain, "-"), (fine, "-")):
                angle = np.degrees(angles_of(counts[mine] - level, servo, column))
                colour = {0: PLAIN, 1: BAD, 2: GOOD}[
                    [found.counts is counts, plain is counts, fine is counts].index(True)
                ]
                axis.plot(time, angle, style, color=colour, markersize=2.0, linewidth=0.9)
            axis.set(title=title, xlabel="s", ylabel="degrees")
        parts.append((name.replace("_", " "), figure))
    rows = []
    for label, simulated in (("as its table has it", plain), ("as fitted", fine)):
        off = [
            float(
                np.degrees(np.sqrt(np.mean(((found.counts - simulated) / servo.per_radian[found.column])[where] ** 2)))
            )
            for where in ((found.column == column) for column in range(len(arm.action_names)))
        ]
        rows.append(f"{label}: rms " + ", ".join(f"{n} {v:.2f}°" for n, v in zip(arm.action_names, off, strict=True)))
    told = "\n".join([*rows, "", session.table(fitted)])
    return _write(
        path, f"{arm.title}: measured (blue), simulated by its table (red) and as fitted (green)", told, parts
    )


def of_run(path: Path, run: Run, simulated: dict[str, np.ndarray], gaps: dict[str, Gap], told: str) -> Path:
    """Write the page of a replay: every joint as measured and simulated, and how far the tool is off over time."""
    time, parts = run.read_at - run.read_at[0], []
    for column, joint in enumerate(run.arm.joints):
        factor, unit = (1e3, "mm") if joint.unit == "m" else (np.degrees(1.0), "degrees")
        figure, axis = pyplot.subplots(figsize=(12.0, 2.4), constrained_layout=True)
        axis.plot(time, factor * run.joints[:, column], ".", color=PLAIN, markersize=3.0, label="measured")
        for colour, (name, places) in zip(COLOURS, simulated.items(), strict=False):
            axis.plot(time, factor * places[:, column], color=colour, linewidth=1.0, label=name)
        axis.set(xlabel="s", ylabel=unit)
        axis.legend(fontsize=7)
        parts.append((joint.label, figure))
    figure, axis = pyplot.subplots(figsize=(12.0, 2.4), constrained_layout=True)
    for colour, (name, one) in zip(COLOURS, gaps.items(), strict=False):
        axis.plot(time, 1e3 * one.tool, color=colour, linewidth=1.0, label=name)
    axis.set(xlabel="s", ylabel="mm")
    axis.legend(fontsize=7)
    return _write(
        path, f"{run.arm.title}: where it was and where a simulated one was", told, [*parts, ("tool", figure)]
    )


def _write(path: Path, title: str, told: str, parts: list[tuple[str, Figure]]) -> Path:
    body = [f"<h1>{html.escape(title)}</h1><pre style='white-space: pre-wrap'>{html.escape(told)}</pre>"]
    for name, figure in parts:
        data = base64.b64encode(png(figure)).decode()
        body.append(f'<h2>{html.escape(name)}</h2><img alt="{html.escape(name)}" src="data:image/png;base64,{data}">')
    style = "body{font-family:sans-serif;max-width:1500px;margin:2em}img{max-width:100%}"
    head = f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><style>{style}</style>'
    files.write_text(path, head + "".join(body))
    return path
