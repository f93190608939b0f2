"""A search over words of the configuration: what may be chosen, a trial for each choice, and what came of all of them.

Ray's environment imports this file: standard library only.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alice.cli import files
from alice.cli.usage import UsageError
from alice.studies import trials

FILE = "search.json"
"""What is searched for, in the folder of the search."""
TABLE = "search.csv"
"""What came of it, there, the best first."""
FIGURES = ("trial", "success", "low", "high", "episodes")
"""Its columns beside those of the choice."""
SYNTAX = "give name=LOW..HIGH, name=log:LOW..HIGH or name=ONE|OTHER"


def is_searched(word: str) -> bool:
    """Whether a ``name=value`` word leaves its value to the search."""
    value = word.partition("=")[2]
    return ".." in value or "|" in value


def parse(word: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a word and where its value is drawn from.

    Args:
        word: Such as ``agent.algorithm.entropy_coef=log:1e-4..1e-2``, see :data:`SYNTAX`.

    Returns:
        The name; ``kind``, one of ``choice``, ``whole``, ``log`` and ``plain``, and ``options``, its texts or its ends.

    Raises:
        UsageError: If it cannot be read so.
    """
    name, _, value = word.partition("=")
    if "|" in value:
        options = value.split("|")
        if not all(options) or len(set(options)) < len(options):
            raise UsageError(f"{word!r} has an option that is empty or there twice; {SYNTAX}")
        return name, {"kind": "choice", "options": options}
    is_log = value.startswith("log:")
    texts = value.removeprefix("log:").split("..")
    try:
        low, high = map(float, texts)
        whole = [] if is_log else [int(text) for text in texts if text.lstrip("-").isdigit()]
    except ValueError:
        raise UsageError(f"{word!r} has no two numbers; {SYNTAX}") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high and (low > 0 or not is_log)):
        raise UsageError(f"{word!r} goes from nowhere to nowhere; {SYNTAX}, LOW below HIGH, with log: above 0")
    if len(whole) == 2:
        return name, {"kind": "whole", "options": whole}
    return name, {"kind": "log" if is_log else "plain", "options": [low, high]}


def edges(space: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Return words that try the ends of every range and all options, to see whether the configuration takes them."""
    count = max(len(given["options"]) for given in space.values())
    return [
        [f"{name}={g['options'][min(n, len(g['options']) - 1)]}" for name, g in space.items()] for n in range(count)
    ]


def trial(search: dict[str, Any], values: dict[str, Any]) -> trials.Trial:
    """Return the trial of a choice. Equal choices have equal names, and so one folder.

    Args:
        search: What is searched for: ``space``, and the words of all trainings and audits, ``train`` and ``audit``.
        values: The choice, by the name of the word.
    """
    values = {name: values[name] for name in search["space"]}
    words = [f"{name}={value}" for name, value in values.items()]
    name = "trial_" + hashlib.sha256(" ".join(words).encode()).hexdigest()[:8]
    run = f"{trials.FOLDER}/training"
    train = (*search["train"], "--run", run, *words)
    audit = (*search["audit"], "--checkpoint", run, "--json", f"{trials.FOLDER}/{trials.AUDIT}")
    return trials.Trial(name, (trials.Step("train", train), trials.Step("evaluate", audit, trials.AUDIT)), values)


def refuse_others(folder: Path, search: dict[str, Any]) -> None:
    """Raise :class:`UsageError` if a folder holds another search, or anything else."""
    file, now = folder / FILE, json.loads(json.dumps(search))
    if file.is_file():
        begun = files.read_json(file, "the search", "give another folder")
        if differing := [name for name in now if name != "trials" and begun.get(name) != now[name]]:
            raise UsageError(
                f"FOLDER: {str(folder)!r} was begun with other words ({differing[0]} in {FILE}); give another folder"
            )
    elif folder.is_dir() and any(path.name != "lost+found" and path.name[0] != "." for path in folder.iterdir()):
        raise UsageError(f"FOLDER: {str(folder)!r} holds something and no search; give a new folder")


def known(folder: Path) -> list[trials.Trial]:
    """Return the trials that were begun, those that are done among them."""
    found = sorted(folder.glob(f"trial_*/{trials.FILE}"))
    return [trials.Trial.of(files.read_json(file, "the trial", "delete its folder")) for file in found]


def split(
    begun: Sequence[trials.Trial], folder: Path
) -> tuple[list[tuple[dict[str, Any], float]], list[dict[str, Any]]]:
    """Return choices with their success rates, and choices whose trials are not done."""
    done = [(t.values, trials.success(folder / t.name / trials.AUDIT)) for t in begun if t.is_done(folder)]
    return done, [t.values for t in begun if not t.is_done(folder)]


def rows(begun: Sequence[trials.Trial], folder: Path) -> list[dict[str, Any]]:
    """Return what the trials showed that are done, the best first."""
    found = []
    for one in begun:
        if one.is_done(folder):
            audit = files.read_json(folder / one.name / trials.AUDIT, "the audit", "delete it")
            rate = audit["success"]
            figures = {"success": rate["rate"], "low": rate.get("low"), "high": rate.get("high")}
            found.append({"trial": one.name, **one.values, **figures, "episodes": audit.get("episodes")})
    return sorted(found, key=lambda row: (-row["success"], row["trial"]))


def write_csv(table: list[dict[str, Any]], path: Path) -> None:
    """Write rows as a table; empty where a figure does not exist."""
    with files.writing(path) as fresh, fresh.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(table[0]))
        writer.writeheader()
        writer.writerows(table)


def shown(table: list[dict[str, Any]], count: int = 5) -> str:
    """Return the best rows as lines for the terminal."""
    lines = []
    for row in table[:count]:
        values = [f"{name}={_short(value)}" for name, value in row.items() if name not in FIGURES]
        lines.append(f"{row['success']:8.2%}  {' '.join(values)}  {row['trial']}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
