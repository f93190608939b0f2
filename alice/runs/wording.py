"""What a command line of a training asks for, in a form that can be kept and compared with a later one.

The order of words does not matter, nor where a file lies: a path counts by its last part, a file by its content, so
that a folder of a run can be moved to another machine and the same command goes on there.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from alice.runs import overrides, provenance, resume

FLAGS = ("task", "agent", "num_envs", "seed", "phase", "checkpoint", "encoder_weights", "teacher", "servo")
"""Flags of ``scripts/train.py`` that say what is trained. The others say how long, where and what is kept."""
ITERATIONS = "agent.max_iterations"


def of(args: argparse.Namespace, words: list[str], others: list[str]) -> dict[str, str]:
    """Return the words of a command line by their names.

    Args:
        args: Flags of ``scripts/train.py``.
        words: The ``name=value`` overrides; of two of a name the last one counts, presets add up.
        others: Words for Isaac Lab's entry point.
    """
    found = {f"--{name}": _content(getattr(args, name)) for name in FLAGS if getattr(args, name) is not None}
    if "--task" in found:
        found["--task"] = found["--task"].split(":")[-1]
    words = overrides.with_preset(words, "domain_rand") if args.domain_rand else words
    presets = set()
    for word in words:
        name, _, value = word.partition("=")
        if name == "presets":
            presets |= {part.strip() for part in value.split(",")}
        elif name != ITERATIONS:
            found[name] = os.path.basename(value) if os.path.isabs(value) else value
    if presets:
        found["presets"] = ",".join(sorted(presets))
    return found | _flags(resume.lasting(others))


def _content(value: Any) -> str:
    """Return what a flag names: a file by its content, a folder by its last part, anything else as it is."""
    if not isinstance(value, Path):
        return str(value)
    return f"sha256:{provenance.sha256(value)[:16]}" if value.is_file() else value.resolve().name


def _flags(words: list[str]) -> dict[str, str]:
    """Return flags with their values, however they were written: ``--a=b`` is ``--a b``."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found[name] = [value] if equals else []
        else:
            found.setdefault(name, []).append(word)
    return {name: " ".join(values) for name, values in found.items()}


def differences(begun: dict[str, str], now: dict[str, str], implied: dict[str, Any]) -> list[str]:
    """Return how two command lines differ, a few words for each difference.

    Args:
        begun: :func:`of` the command that a run was begun with.
        now: The same of this command.
        implied: What the run has where its command said nothing, by the names of the flags.
    """
    found = []
    for name in sorted(begun.keys() | now.keys()):
        old, new = begun.get(name), now.get(name)
        if old is None and str(implied.get(name)) != new:
            found.append(f"{shown(name, new)} was not given")
        elif new is None:
            found.append(f"{shown(name, old)} is missing")
        elif old is not None and overrides.parse_value(old) != overrides.parse_value(new):
            found.append(f"{shown(name, new)} was {shown(name, old)}")
    return found


def shown(name: str, value: str) -> str:
    """Return a word as it is typed."""
    return f"{name} {value}".rstrip() if name.startswith("--") else f"{name}={value}"


def iterations(args: argparse.Namespace, words: list[str]) -> int | None:
    """Return how many iterations a command line asks for, None if it does not; a flag wins over an override."""
    values = [word.partition("=")[2] for word in words if word.partition("=")[0] == ITERATIONS]
    return args.max_iterations or (resume.whole(f"{ITERATIONS}={values[-1]}") if values else None)
