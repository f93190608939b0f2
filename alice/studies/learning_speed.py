"""How fast trainings have learned: when each reached a success rate, and when each stage of the curriculum began.

The success is that of the training itself: of the last 1,000 home episodes, with noise. A rate that was never reached
is a value like any other, :data:`NEVER`, and later than every moment: where two of three runs never got there, the
median is never.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alice.cli import files
from alice.cli.usage import UsageError
from alice.runs import provenance, records, scalars
from alice.transfer.curriculum import NAMES

RATES = (0.5, 0.9, 0.97)
"""Success rates that a training should reach soon."""
SUCCESS, STAGE = "Metrics/transfer/success_rate", "Curriculum/stage/number"
SPENT = ("Perf/collection_time", "Perf/learning_time")
NEVER = math.inf
"""Steps and seconds to what never happened; ``null`` in JSON."""


@dataclass(frozen=True)
class Moment:
    """A moment of a training."""

    steps: float
    """Environment steps from the beginning."""
    seconds: float
    """Time of collecting and learning, pauses left out [s]."""


_NEVER = Moment(NEVER, NEVER)


@dataclass(frozen=True)
class Speed:
    """How fast one training has learned."""

    run: str
    seed: int | None
    end: Moment
    success: float
    """Success rate at the end, in [0, 1]."""
    reached: dict[float, Moment]
    """First moment at which each of :data:`RATES` was reached."""
    stages: dict[str, Moment]
    """First moment of each stage of the curriculum; empty for a training without."""
    curve: list[tuple[int, float]]
    """Environment steps and success rate."""


def measure(folder: Path) -> Speed:
    """Return how fast a run has learned.

    Args:
        folder: Run folder, whoever started the run.

    Raises:
        UsageError: If it is none, or the run has logged no success rate.
    """
    logged = scalars.read(folder)
    rates = logged.get(SUCCESS, [])
    if not rates:
        raise UsageError(f"run {str(folder)!r} has logged no success rate; give a run of Alice-Ball-Transfer")
    size, moments, seconds = steps_per_iteration(folder), {}, 0.0
    spent = [dict(logged.get(tag, [])) for tag in SPENT]
    for iteration in sorted(set().union(*spent, dict(rates))):
        seconds += sum(part.get(iteration, 0.0) for part in spent)
        moments[iteration] = Moment((iteration + 1) * size, seconds)
    # The log has the mean over an iteration, so a stage that begins in the middle of one shows as a fraction.
    stages = {
        name: _first(moments, logged[STAGE], number - 1.0 + 0.001)
        for number, name in enumerate(NAMES)
        if STAGE in logged
    }
    return Speed(
        run=folder.resolve().name,
        seed=(records.read(folder) or {}).get("seed"),
        end=moments[rates[-1][0]],
        success=rates[-1][1],
        reached={rate: _first(moments, rates, rate) for rate in RATES},
        stages=stages,
        curve=[(int(moments[iteration].steps), rate) for iteration, rate in rates],
    )


def _first(moments: dict[int, Moment], points: list[tuple[int, float]], least: float) -> Moment:
    """Return the first moment with a value of at least ``least``, give or take the log's single precision."""
    return next((moments[iteration] for iteration, value in points if value > least - 1e-6), _NEVER)


def steps_per_iteration(folder: Path) -> int:
    """Return the number of environment steps between two updates of a run.

    Raises:
        UsageError: If its record does not say.
    """
    record = records.read(folder) or {}
    try:
        return int(record["num_envs"]) * int(record["steps_per_env"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"run {str(folder)!r}: its {records.RECORD} does not say how many steps an iteration has; give a run of"
            " scripts/train.py"
        ) from error


def summarize(speeds: list[Speed]) -> dict[str, dict[float, Moment]]:
    """Return median and worst moment of several runs for each of :data:`RATES`.

    Of an even number the median is the later one of the two in the middle: it is always a moment of one of the runs.
    """
    found: dict[str, dict[float, Moment]] = {"median": {}, "worst": {}}
    for rate in RATES:
        for name, choose in (("median", statistics.median_high), ("worst", max)):
            steps = choose([speed.reached[rate].steps for speed in speeds])
            seconds = choose([speed.reached[rate].seconds for speed in speeds])
            found[name][rate] = Moment(steps, seconds)
    return found


##
# What is shown and written
##


def table(speeds: list[Speed]) -> str:
    """Return the runs as lines of text, with median and worst below if there are several."""
    head = ["run", "seed", *(f"{rate:.0%}" for rate in RATES), "end", "success"]
    rows = []
    for speed in speeds:
        times = [_shown(speed.reached[rate]) for rate in RATES]
        seed = "" if speed.seed is None else str(speed.seed)
        rows.append([speed.run, seed, *times, _shown(speed.end), f"{speed.success:.1%}"])
    if len(speeds) > 1:
        for name, moments in summarize(speeds).items():
            rows.append([f"{name} of {len(speeds)}", "", *(_shown(moments[rate]) for rate in RATES), "", ""])
    stages = [["stage begins", *NAMES]]
    stages += [[speed.run, *(_shown(speed.stages[name]) for name in NAMES)] for speed in speeds if speed.stages]
    return "\n".join([*_aligned([head, *rows]), "", *(_aligned(stages) if len(stages) > 1 else ["no curriculum"])])


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _shown(moment: Moment) -> str:
    """Return steps in millions and time in minutes and seconds."""
    if moment.steps == NEVER:
        return "never"
    minutes, seconds = divmod(round(moment.seconds), 60)
    return f"{moment.steps / 1e6:.2f} M, {minutes}:{seconds:02d}"


def write(speeds: list[Speed], path: Path) -> None:
    """Write runs, median and worst as JSON; steps and seconds of what never happened are null."""
    runs = [
        {
            "run": speed.run,
            "seed": speed.seed,
            "end": _plain(speed.end),
            "success": speed.success,
            "reached": _plain_rates(speed.reached),
            "stages": {name: _plain(moment) for name, moment in speed.stages.items()},
            "curve": [(steps, round(rate, 4)) for steps, rate in speed.curve],
        }
        for speed in speeds
    ]
    over = {name: _plain_rates(moments) for name, moments in summarize(speeds).items()}
    provenance.write_json(path, {"runs": runs, **over})


def _plain_rates(moments: dict[float, Moment]) -> dict[str, Any]:
    return {f"{rate:g}": _plain(moment) for rate, moment in moments.items()}


def _plain(moment: Moment) -> dict[str, float | None]:
    if moment.steps == NEVER:
        return {"steps": None, "seconds": None}
    return {"steps": int(moment.steps), "seconds": round(moment.seconds, 1)}


def plot(speeds: list[Speed], path: Path) -> None:
    """Draw success over environment steps, a line for each run, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6.4, 3.6))
    for speed in speeds:
        steps, rates = zip(*speed.curve, strict=True)
        label = speed.run if speed.seed is None else f"{speed.run} (seed {speed.seed})"
        axis.plot([step / 1e6 for step in steps], rates, linewidth=1, label=label)
    for rate in RATES:
        axis.axhline(rate, color="0.7", linewidth=0.5)
    axis.set(xlabel="million environment steps", ylabel="success of home episodes in training", ylim=(0, 1))
    axis.legend(fontsize=7)
    figure.tight_layout()
    with files.writing(path) as fresh:
        figure.savefig(fresh, dpi=110)
    pyplot.close(figure)
