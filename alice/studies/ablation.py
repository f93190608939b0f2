"""Trains and audits variants of the task one after another: what each choice of the design is worth.

What a finished run showed is a small file in the output folder, ``ablation/<variant>_s<seed>.json``: figures and curve.
Whatever stops an ablation, the same command goes on, also on another machine: what has such a file is done, a run that
has a folder in ``logs/rsl_rl/ablation`` is resumed, the others are started.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from alice.cli import files
from alice.cli.usage import UsageError
from alice.runs import checkpoints, provenance, scalars, training
from alice.runs.provenance import ROOT
from alice.studies import learning_speed
from alice.system import affinity

TASK = "Alice-Ball-Transfer"
EXPERIMENT = "ablation"
AUDIT_SEED = 777
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

    @property
    def parts(self) -> list[tuple[str, tuple[str, ...], int]]:
        """Run name, words and last iteration of each part of the training."""
        name = f"{self.variant.name}_s{self.seed}"
        if not self.variant.then:
            return [(name, self.variant.words, self.iterations)]
        first = int(SWITCH * self.iterations)
        return [(f"{name}_first", self.variant.words, first), (name, self.variant.then, self.iterations)]


class CommandFailed(RuntimeError):
    """A training or an audit left with an error; its log tells why."""


def run(cells: list[Cell], output: Path, jobs: int, episodes: int, tell=print) -> list[Cell]:
    """Train and audit what is missing.

    Args:
        cells: What to have in the end.
        output: Folder of the results.
        jobs: Number of cells at a time; with more than one, each has its share of the processor's cores.
        episodes: Home starts of an audit.
        tell: Takes a line of text whenever something begins or ends.

    Returns:
        The cells that failed.
    """
    cores = affinity.cores()
    places: SimpleQueue[list[int]] = SimpleQueue()
    for job in range(jobs):
        places.put(cores[job::jobs] if jobs > 1 else cores)
    failed = []

    def work(cell: Cell) -> None:
        place = places.get()
        try:
            if not is_done(cell, output):
                _complete(cell, episodes, place, tell)
                _keep(cell, output)
        except CommandFailed as error:
            tell(str(error))
            failed.append(cell)
        finally:
            places.put(place)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, cells))
    return failed


def _complete(cell: Cell, episodes: int, cores: list[int], tell) -> None:
    """Do what is missing of one cell."""
    before = None
    for name, words, last in cell.parts:
        folder = find(name)
        newest = checkpoints.newest_in(folder) if folder else None
        if newest is None:
            count = last if before is None else last - checkpoints.number(before) - 1
            given = ["--task", TASK, "--seed", str(cell.seed), "--max_iterations", str(count), "--run_name", name]
            given += ["--experiment_name", EXPERIMENT, *words, *(["--checkpoint", str(before)] if before else [])]
            _call("train.py", given, name, cores, tell)
        elif checkpoints.number(newest) + 1 < last:
            _call("train.py", ["--resume", str(folder)], name, cores, tell)
        folder = find(name)
        before = checkpoints.newest_in(folder)
    for world in cell.variant.audits:
        target = folder / f"audit_{world}.json"
        if not target.is_file():
            flags = ["--domain_rand"] if world == "domain_rand" else []
            actions = [word for word in cell.variant.words if word.startswith("env.actions=")]
            given = ["--task", TASK, "--checkpoint", str(folder), "--episodes", str(episodes)]
            given += ["--seed", str(AUDIT_SEED), "--json", str(target), *flags, *actions]
            _call("evaluate.py", given, name, cores, tell)


def find(name: str) -> Path | None:
    """Return the newest folder of a run name, None if there is none."""
    folders = sorted((checkpoints.LOG_ROOT / EXPERIMENT).glob(f"*_{name}"))
    folders = [folder for folder in folders if folder.name.split("_", 2)[-1] == name]
    return folders[-1] if folders else None


def _call(door: str, words: list[str], name: str, cores: list[int], tell) -> None:
    """Run a door in a process of its own; what it prints goes to ``<name>.log`` beside the runs.

    Raises:
        CommandFailed: If it leaves with an error.
        KeyboardInterrupt: If it was interrupted.
    """
    tell(f"{name}: {door} {' '.join(words)}")
    log = checkpoints.LOG_ROOT / EXPERIMENT / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    pin = partial(affinity.pin, cores)
    with log.open("a", encoding="utf-8") as file:
        command = [sys.executable, str(ROOT / "scripts" / door), *words]
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, preexec_fn=pin, check=False).returncode
    if code:
        raise CommandFailed(f"{name}: {door} left with {code}, see {log}")


##
# Results
##


def result_file(cell: Cell, output: Path) -> Path:
    """Return the file that keeps what a cell showed."""
    return output / EXPERIMENT / f"{cell.parts[-1][0]}.json"


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


def _keep(cell: Cell, output: Path) -> None:
    """Write what a trained and audited cell showed into the output folder."""
    folder = find(cell.parts[-1][0])
    curve = success_curve(cell)
    good = next((steps for steps, rate in curve if rate >= GOOD), None)
    record = json.loads((folder / training.RECORD).read_text(encoding="utf-8"))
    row = {"question": cell.variant.question, "variant": cell.variant.name, "seed": cell.seed}
    row |= {"commit": (record["git_commit"] or "")[:7], "env_steps": curve[-1][0], "env_steps_to_90": good}
    for world in ("clean", "domain_rand"):
        file = folder / f"audit_{world}.json"
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
    return {
        cell.parts[-1][0]: {key: _read(result_file(cell, output), key) for key in ("row", "curve")} for cell in done
    }


def success_curve(cell: Cell) -> list[tuple[int, float]]:
    """Return environment steps and success rate of the last 1,000 home episodes, per iteration of a training."""
    rates: dict[int, float] = {}
    for name, _, _ in cell.parts:
        folder = find(name)
        rates |= dict(scalars.read(folder).get(learning_speed.SUCCESS, []))
    size = learning_speed.steps_per_iteration(folder)
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
