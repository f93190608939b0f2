"""Compares policies on equal starts: all checkpoints of a run, and the best ones of several runs."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from alice.cli import files, terminal
from alice.cli.usage import UsageError
from alice.evaluation.audit import audit, intervals
from alice.runs import checkpoints, provenance
from alice.transfer import outcome

if TYPE_CHECKING:
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper


@dataclass
class Candidate:
    """One checkpoint on the selection starts."""

    run: str
    path: Path
    iteration: int
    rate: float
    low: float
    high: float


def runs_of(names: Sequence[str], seed: int) -> dict[str, Path]:
    """Return the folders of the runs to compare, by their names.

    Args:
        names: What the user gave.
        seed: Seed of the audit.

    Raises:
        UsageError: If a folder has no checkpoint, is given twice, or the audit would count the selection starts.
    """
    found: dict[str, Path] = {}
    for name in names:
        folder = Path(name)
        if not folder.is_dir() or checkpoints.newest_in(folder) is None:
            raise UsageError(f"--checkpoints {name!r} is no folder with model_<number>.pt; give run folders")
        if folder.resolve() in [other.resolve() for other in found.values()]:
            raise UsageError(f"--checkpoints {name!r} is given twice; give each run once")
        found[folder.name if folder.name not in found else str(folder)] = folder
    if seed == outcome.SELECTION_SEED:  # 777 chose designs, which is no reason not to compare on it
        raise UsageError(f"--seed {seed} is the seed that checkpoints are chosen with; give another one")
    return found


def select(
    env: RslRlVecEnvWrapper, policy: torch.nn.Module, runs: dict[str, Path], task: str, episodes: int, progress: bool
) -> list[Candidate]:
    """Audit every checkpoint of the runs on the selection starts.

    Args:
        env: Environment in play mode.
        policy: Network that takes the weights of one checkpoint after the other.
        runs: Folders of runs by name.
        task: Task id.
        episodes: Episodes per checkpoint.
        progress: Whether to draw a bar on standard error.

    Returns:
        One candidate per sound checkpoint, in the order of the runs and iterations.

    Raises:
        UsageError: If a run has no sound checkpoint.
    """
    found = []
    files = [(name, path) for name, folder in runs.items() for path in reversed(checkpoints.newest_first(folder))]
    for name, path in terminal.bar(files, unit="checkpoint", disable=not progress):
        try:
            load(policy, path, task)
        except UsageError as error:  # one file that a machine left damaged says nothing about the others
            terminal.note(f"warning: {error}; left out of the comparison")
            continue
        counted = audit.run_audit(env, policy, episodes, outcome.SELECTION_SEED, show_progress=False)
        rate = audit.rate(counted.stages[:, -1])
        found.append(Candidate(name, path, checkpoints.number(path), **rate))
    for name in runs.keys() - {item.run for item in found}:
        raise UsageError(f"--checkpoints {name!r}: none of its checkpoints can be audited; leave the run out")
    return found


def load(policy: torch.nn.Module, path: Path, task: str) -> None:
    """Give a network the weights of a checkpoint; raise :class:`UsageError` if they do not fit."""
    checkpoints.fill(policy, checkpoints.policy_weights(checkpoints.load(path)), path, task)


def best(candidates: Sequence[Candidate], run: str) -> Candidate:
    """Return the candidate of a run with the highest success; of equals the last one."""
    return max((item for item in candidates if item.run == run), key=lambda item: (item.rate, item.iteration))


def compare(first: torch.Tensor, second: torch.Tensor) -> dict[str, Any]:
    """Return how two policies differ on equal starts.

    Args:
        first: Successes of the one, (E,) bool.
        second: Successes of the other on the same starts, (E,) bool.

    Returns:
        ``difference`` of the rates (second minus first) with its 95 % interval, the number of starts that only one of
        them managed, and the two-sided ``p_value`` of the exact McNemar test.
    """
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    low, high = intervals.paired_difference(both, only_first, only_second, neither)
    return {
        "difference": (only_second - only_first) / len(first),
        "low": low,
        "high": high,
        "only_first": only_first,
        "only_second": only_second,
        "p_value": intervals.mcnemar(only_first, only_second),
    }


def lines(candidates: Sequence[Candidate], chosen: dict[str, dict[str, Any]], pairs: list[dict]) -> Iterator[str]:
    """Yield the table on standard output.

    Args:
        candidates: All checkpoints.
        chosen: For each run ``checkpoint`` and ``headlines`` of its best one in the audit.
        pairs: Comparisons of the runs with the first, with ``first`` and ``second`` naming them.
    """
    for item in candidates:
        mark = "  <- best" if chosen[item.run]["checkpoint"] == item.path.name else ""
        yield f"{item.run}  {item.iteration:6d}  {item.rate:7.2%}  ({item.low:.2%} to {item.high:.2%}){mark}"
    for name, result in chosen.items():
        figures = ", ".join(
            f"{what.replace('_', ' ')} {figure['rate']:.2%} ({figure['low']:.2%} to {figure['high']:.2%})"
            for what, figure in result["headlines"].items()
        )
        yield f"audit of {name}/{result['checkpoint']}: {figures}"
    for pair in pairs:
        yield (
            f"{pair['second']} minus {pair['first']} on equal starts: {100 * pair['difference']:+.2f} points"
            f" ({100 * pair['low']:+.2f} to {100 * pair['high']:+.2f}), exact McNemar p = {pair['p_value']:.2g}"
        )


def table(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Return the candidates as rows for JSON and CSV."""
    return [{**vars(item), "path": item.path.name} for item in candidates]


def write(folder: Path, candidates: Sequence[Candidate], content: dict[str, Any]) -> None:
    """Write ``sweep.json``, ``sweep.csv`` and ``sweep.png``.

    Args:
        folder: Where to.
        candidates: All checkpoints.
        content: Everything else for the JSON file.
    """
    from alice.evaluation.pictures import plots

    rows = table(candidates)
    provenance.write_json(folder / "sweep.json", {**content, "checkpoints": rows})
    with files.writing(folder / "sweep.csv") as fresh, fresh.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    curves = {run: [row for row in rows if row["run"] == run] for run in dict.fromkeys(row["run"] for row in rows)}
    files.write_bytes(folder / "sweep.png", plots.png(plots.sweep(curves)))
