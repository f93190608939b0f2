"""Figures of a report, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.patches import Patch

from alice.evaluation.audit import intervals
from alice.transfer import outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alice.evaluation.audit.audit import Episodes

GOOD, BAD, PLAIN, EMPTY = "#1e823c", "#be3228", "#3b6ea5", "#d5d5d5"
CELL = 0.025
"""Side of a cell of the workspace map [m]."""


def png(figure: Figure) -> bytes:
    """Return a figure as PNG and close it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight")
    pyplot.close(figure)
    return buffer.getvalue()


def funnel(figures: dict[str, Any]) -> Figure:
    """Draw the share of episodes that passed each stage, with 95 % intervals."""
    rates = figures["stages"]
    figure, axis = pyplot.subplots(figsize=(5.2, 2.6))
    names = list(rates)[::-1]
    values = np.array([rates[name] for name in names])
    count = figures["episodes"]
    bounds = np.array([intervals.wilson(round(value * count), count) for value in values])
    errors = np.clip(np.stack((values - bounds[:, 0], bounds[:, 1] - values)), 0.0, None)
    axis.barh(names, values, xerr=errors, color=PLAIN, error_kw={"linewidth": 1})
    for row, value in enumerate(values):
        axis.text(bounds[row, 1] + 0.015, row, f"{value:.2%}", va="center", fontsize=8)
    axis.set(xlim=(0, 1.18), xticks=np.linspace(0, 1, 6), xlabel="share of the episodes")
    return figure


def failures(figures: dict[str, Any]) -> Figure:
    """Draw how often each failure happened."""
    counts = {name: result["count"] for name, result in figures["outcomes"].items() if name != "success"}
    figure, axis = pyplot.subplots(figsize=(5.2, 2.6))
    names = list(counts)[::-1]
    axis.barh([name.replace("_", " ") for name in names], [counts[name] for name in names], color=BAD)
    for row, name in enumerate(names):
        axis.text(counts[name], row, f" {counts[name]}", va="center", fontsize=8)
    axis.set(xlabel=f"episodes of {figures['episodes']}", xlim=(0, max(1, *counts.values()) * 1.12))
    axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def times(episodes: Episodes, step_dt: float) -> Figure:
    """Draw when successes came and how high the ball was lifted."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8, 2.4))
    steps = episodes.stage_steps[episodes.stages[:, -1], -1].numpy()
    left.set(xlabel="time to success [s]", ylabel="episodes")
    if len(steps):  # bins of whole control steps: others would hold now one, now two of them
        left.hist(steps * step_dt, bins=step_dt * (np.arange(steps.min(), steps.max() + 2) - 0.5), color=GOOD)
    else:
        _say(left, "no episode succeeded")
    heights = 100 * episodes.max_height.numpy()
    right.set(xlabel="greatest height of the held ball [cm]")
    if heights.max() > 0.0:
        right.hist(heights, bins=40, color=PLAIN)
        right.axvline(100 * outcome.LIFTED_HEIGHT, color="black", linewidth=1, linestyle="--")
    else:
        _say(right, "the ball was never held and raised")
    return figure


def _say(axis: Axes, text: str) -> None:
    """Write into an empty plot why it is empty."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color="#555")
    axis.set(xticks=[], yticks=[])


def drives(episodes: Episodes) -> Figure:
    """Draw the peaks of effort and speed of each joint as shares of what its servo can."""
    figure, panels = pyplot.subplots(1, 2, figsize=(8, 2.6), sharey=True)
    joints = episodes.arm.joints
    names = [joint.label for joint in joints]
    limits = {
        "effort": ([joint.effort_limit for joint in joints], episodes.peak_effort),
        "speed": ([joint.velocity_limit for joint in joints], episodes.peak_speed),
    }
    for axis, (kind, (limit, peaks)) in zip(panels, limits.items(), strict=True):
        shares = peaks.numpy() / np.array(limit)
        axis.barh(names, np.median(shares, axis=0), color=PLAIN, label="median episode")
        axis.plot(shares.max(axis=0), names, "|", color=BAD, markersize=12, markeredgewidth=2, label="largest")
        axis.axvline(1.0, color="black", linewidth=1, linestyle="--")
        axis.set(xlabel=f"peak {kind} / servo limit")
        axis.set_xlim(left=0.0)
    panels[0].invert_yaxis()
    panels[0].legend(fontsize=8)
    return figure


def workspace(episodes: Episodes) -> Figure:
    """Draw success over where the ball began and over where the dish stood, seen from above."""
    figure, panels = pyplot.subplots(1, 2, figsize=(8, 3.8), sharey=True, layout="constrained")
    success = episodes.stages[:, -1].numpy()
    keys = {}
    places = {"ball at the start": episodes.ball_start.numpy(), "dish": episodes.dish.numpy()}
    for axis, (name, place) in zip(panels, places.items(), strict=True):
        # The arm looks up the page: x upwards, y (its left) to the left.
        lowest, counts = place.min(axis=0), np.floor(np.ptp(place, axis=0) / CELL).astype(int) + 1
        edges = [lowest[k] + CELL * np.arange(counts[k] + 1) for k in (0, 1)]
        total, _, _ = np.histogram2d(place[:, 0], place[:, 1], bins=edges)
        good, _, _ = np.histogram2d(place[success, 0], place[success, 1], bins=edges)
        with np.errstate(invalid="ignore"):
            shares = good / total
        worst = min(0.9, float(np.nanmin(shares)))
        mesh = axis.pcolormesh(edges[1], edges[0], shares, cmap="RdYlGn", vmin=worst, vmax=1.0)
        axis.set_facecolor(EMPTY)
        if np.isnan(shares).any():
            keys["no episode"] = Patch(color=EMPTY)
        failed = place[~success]
        if len(failed):
            (keys["a failure"],) = axis.plot(failed[:, 1], failed[:, 0], "x", color="black", markersize=4)
        axis.set(title=name, xlabel="y [m]", aspect="equal", xlim=edges[1][[-1, 0]], ylim=edges[0][[0, -1]])
        figure.colorbar(mesh, ax=axis, shrink=0.8, label="success in a cell")
    panels[0].set_ylabel("x [m]")
    if keys:
        figure.legend(keys.values(), keys.keys(), loc="outside lower center", ncols=len(keys), fontsize=8)
    return figure


def radii(figures: dict[str, Any]) -> Figure:
    """Draw success over the ball's radius, with 95 % intervals."""
    sizes = figures["ball_radii"]
    figure, axis = pyplot.subplots(figsize=(4.4, 2.4))
    at = [1000 * size["radius_m"] for size in sizes]
    rates = np.array([size["rate"] for size in sizes])
    bounds = np.array([(size["low"], size["high"]) for size in sizes])
    errors = np.clip(np.stack((rates - bounds[:, 0], bounds[:, 1] - rates)), 0.0, None)
    axis.errorbar(at, rates, yerr=errors, fmt="o-", color=PLAIN, capsize=3)
    axis.set(xlabel="ball radius [mm]", ylabel="success", ylim=(min(0.9, bounds.min() - 0.02), 1.005))
    axis.grid(alpha=0.3)
    return figure


def rows(settings: Sequence[dict[str, Any]]) -> Figure:
    """Draw success over the share of its width that each row of the randomization is opened to, with 95 % intervals.

    Args:
        settings: Fields of :class:`alice.evaluation.audit.rows.Setting`.
    """
    names = list(dict.fromkeys(item["row"] for item in settings))
    columns = min(4, len(names))
    lines = -(-len(names) // columns)
    size = (2.6 * columns, 2.0 * lines)
    figure, panels = pyplot.subplots(
        lines, columns, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for axis, name in zip(panels.flat, names, strict=False):
        points = [item for item in settings if item["row"] == name]
        at = [item["factor"] for item in points]
        axis.plot(at, [item["success"] for item in points], "o-", markersize=3, color=PLAIN)
        bounds = [[item[bound] for item in points] for bound in ("success_low", "success_high")]
        axis.fill_between(at, *bounds, color=PLAIN, alpha=0.2)
        axis.set_title(name, fontsize=9)
        axis.set(ylim=(0, 1.02))
        axis.grid(alpha=0.3)
    for axis in panels.flat[len(names) :]:
        axis.axis("off")
    figure.supxlabel("share of the row's width", fontsize=9)
    figure.supylabel("success", fontsize=9)
    return figure


def sweep(curves: dict[str, Sequence[dict[str, Any]]]) -> Figure:
    """Draw success over iterations of one or more runs, with 95 % intervals.

    Args:
        curves: For each run its checkpoints: ``iteration``, ``rate``, ``low`` and ``high``.
    """
    figure, axis = pyplot.subplots(figsize=(6, 3))
    for name, points in curves.items():
        at = [point["iteration"] for point in points]
        (line,) = axis.plot(at, [point["rate"] for point in points], "o-", markersize=3, label=name)
        low, high = ([point[bound] for point in points] for bound in ("low", "high"))
        axis.fill_between(at, low, high, color=line.get_color(), alpha=0.2)
    axis.set(xlabel="iteration", ylabel="success on the selection starts", ylim=(0, 1.02))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return figure
