"""Variants of the task times seeds: what each choice of the design is worth.

What a finished cell showed is a small file in the output folder, ``ablation/<variant>_s<seed>.json``: figures and
curve. What has such a file is done, also on another machine; each of the others is a trial (``trials.py``).
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alice.cli import files
from alice.cli.usage import UsageError
from alice.runs import provenance, records, scalars
from alice.studies import learning_speed, trials

TASK = "Alice-Ball-Transfer"
EXPERIMENT = "ablation"
LAST = "training"
"""Folder of a training, or of its last part."""
GOOD = 0.9
"""Success rate of home episodes that a training should reach soon."""

BANK_OFF = tuple(
    f"env.events.reset_transfer.params.shares.{kind}=0.0" for kind in ("pregrasp", "in_hand", "above_dish", "in_dish")
)


SWITCH = 0.75
"""Share of the iterations after which a variant in two parts is told :attr:`Variant.then`.

After half of 200 iterations the clean policy lifted and did not release yet, and with randomization it never learned
to: 0 % of 1,024 at the end (seed 1, a48d935).
"""


@dataclass(frozen=True)
class Variant:
    """One way to train."""

    name: str
    question: str
    """Variants of one question are drawn in one panel."""
    words: tuple[str, ...] = ()
    """What ``train.py`` is told; from the start, or up to :data:`SWITCH` of the iterations with ``then``."""
    then: tuple[str, ...] = ()
    """What the rest of the training is told; it starts from the first part's policy."""
    audits: tuple[str, ...] = ("clean",)
    """Worlds of the audits: ``clean`` and ``domain_rand``."""


VARIANTS: tuple[Variant, ...] = (
    Variant("baseline", "baseline"),
    Variant("no_curriculum", "curriculum", ("env.curriculum=none",)),
    Variant("no_start_bank", "start bank", BANK_OFF),
    Variant("rent_reward", "reward", ("env.rewards=rent", "env.curriculum=none")),
    Variant("binary_gripper", "gripper", ("env.actions=binary_gripper",)),
    Variant("randomized_from_start", "randomization", ("--domain_rand",), audits=("clean", "domain_rand")),
    Variant("randomized_after", "randomization", then=("--domain_rand",), audits=("clean", "domain_rand")),
)
"""The baseline is the task as it is: staged curriculum, progress rewards, start bank, continuous gripper."""

NAMES = tuple(variant.name for variant in VARIANTS)


@dataclass(frozen=True)
class Cell:
    """One variant with one seed."""

    variant: Variant
    seed: int
    iterations: int

    words: tuple[str, ...] = ()
    """Overrides of all cells; those of the agent are for the training alone."""
    episodes: int = 1024
    """Home starts of an audit."""

    @property
    def name(self) -> str:
        """What the cell is called everywhere."""
        return f"{self.variant.name}_s{self.seed}"

    @property
    def parts(self) -> list[tuple[str, tuple[str, ...], int]]:
        """Folder, words and iterations of each part of the training."""
        if not self.variant.then:
            return [(LAST, self.variant.words, self.iterations)]
        first = int(SWITCH * self.iterations)
        return [("first", self.variant.words, first), (LAST, self.variant.then, self.iterations - first)]

    def trial(self) -> trials.Trial:
        """Return the doors that train and audit the cell."""
        steps, before = [], ()
        for folder, words, count in self.parts:
            run = f"{trials.FOLDER}/{folder}"
            given = ("--task", TASK, "--seed", str(self.seed), "--max_iterations", str(count), "--run", run)
            steps.append(trials.Step("train", (*given, *before, *words, *self.words)))
            before = ("--checkpoint", run)
        actions = [word for word in self.variant.words if word.startswith("env.actions=")]
        plain = [word for word in self.words if not word.startswith(("agent.", "--"))]
        for world in self.variant.audits:
            product = audit_file(world)
            given = ("--task", TASK, *before, "--episodes", str(self.episodes), "--seed", str(trials.AUDIT_SEED))
            flags = ["--domain_rand"] if world == "domain_rand" else []
            words = (*given, "--json", f"{trials.FOLDER}/{product}", *flags, *actions, *plain)
            steps.append(trials.Step("evaluate", words, product))
        return trials.Trial(self.name, tuple(steps))


def audit_file(world: str) -> str:
    """Return the name of the audit in a world, in the folder of a trial."""
    return f"audit_{world}.json"


##
# Results
##


def result_file(cell: Cell, output: Path) -> Path:
    """Return the file that keeps what a cell showed."""
    return output / EXPERIMENT / f"{cell.name}.json"


def is_done(cell: Cell, output: Path) -> bool:
    """Whether a cell has been trained for as long as asked, and audited."""
    file = result_file(cell, output)
    return file.is_file() and _read(file, "iterations") == cell.iterations


def _read(file: Path, key: str) -> Any:
    """Return an entry of a file that a training, an audit or an ablation left; a damaged one is told in one line."""
    remedy = "delete it, and what it says is made anew"
    content = files.read_json(file, "the result", remedy)
    if key not in content:
        raise UsageError(f"the result {str(file)!r} has no entry {key!r}; {remedy}")
    return content[key]


def keep(cell: Cell, output: Path, folder: Path) -> None:
    """Write what a trained and audited cell showed into the output folder.

    Args:
        cell: The cell.
        output: Folder of the results.
        folder: Folder of its trial.
    """
    curve = success_curve(cell, folder)
    good = next((steps for steps, rate in curve if rate >= GOOD), None)
    record = records.read(folder / LAST) or {}
    row = {"question": cell.variant.question, "variant": cell.variant.name, "seed": cell.seed}
    row |= {"commit": (record.get("git_commit") or "")[:7], "env_steps": curve[-1][0], "env_steps_to_90": good}
    for world in ("clean", "domain_rand"):
        file = folder / audit_file(world)
        audit = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
        row |= {"episodes": audit["episodes"]} if audit else {}
        row |= {f"{world}_success": audit and audit["success"]["rate"]}
        row |= {f"{world}_lifted": audit and audit["stages"]["lifted"]}
    file = result_file(cell, output)
    file.parent.mkdir(parents=True, exist_ok=True)
    points = [(steps, round(rate, 4)) for steps, rate in curve]
    provenance.write_json(file, {"iterations": cell.iterations, "row": row, "curve": points})


def collect(cells: list[Cell], output: Path) -> dict[str, dict[str, Any]]:
    """Return what the finished ones of the cells showed.

    Args:
        cells: What was asked for.
        output: Folder of the results.

    Returns:
        By name of the cell ``row``, its figures, and ``curve``, points of environment steps and success rate.
    """
    done = [cell for cell in cells if is_done(cell, output)]
    return {cell.name: {key: _read(result_file(cell, output), key) for key in ("row", "curve")} for cell in done}


def success_curve(cell: Cell, folder: Path) -> list[tuple[int, float]]:
    """Return environment steps and success rate of the last 1,000 home episodes, per iteration of a training."""
    rates: dict[int, float] = {}
    for name, _, _ in cell.parts:
        rates |= dict(scalars.read(folder / name).get(learning_speed.SUCCESS, []))
    size = learning_speed.steps_per_iteration(folder / LAST)
    return [((iteration + 1) * size, rate) for iteration, rate in sorted(rates.items())]


def write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the rows as a table; empty where a figure does not exist."""
    with files.writing(path) as fresh, fresh.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def plot(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw success over environment steps, a panel per question, a line per seed; the baseline is in all of them.

    Args:
        results: What :func:`collect` returned.
        path: PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    questions = list(dict.fromkeys(v.question for v in VARIANTS if v.question != "baseline"))
    figure, axes = pyplot.subplots(1, len(questions), figsize=(4 * len(questions), 3.2), sharey=True)
    for axis, question in zip(axes, questions, strict=True):
        shown = [result for result in results.values() if result["row"]["question"] in ("baseline", question)]
        names = list(dict.fromkeys(result["row"]["variant"] for result in shown))
        for result in shown:
            steps, rates = zip(*result["curve"], strict=True)
            colour = f"C{names.index(result['row']['variant'])}"
            axis.plot([step / 1e6 for step in steps], rates, color=colour, linewidth=1)
        for index, name in enumerate(names):
            axis.plot([], [], color=f"C{index}", label=name.replace("_", " "))
        axis.set(title=question, xlabel="million environment steps", ylim=(0, 1))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="upper left")
    axes[0].set_ylabel("success of home episodes in training")
    figure.tight_layout()
    with files.writing(path) as fresh:
        figure.savefig(fresh, dpi=110)
    pyplot.close(figure)
