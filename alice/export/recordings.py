"""Inputs that a policy met in simulation and what it did, kept to prove exports on the numbers that matter."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from alice.assets import POLICIES_DIR
from alice.cli import files
from alice.cli.usage import UsageError
from alice.contract import Contract, ImageInput, VectorInput, same

COUNT = 1000
"""Number of rows of a recording."""
REMEDY = "make them with scripts/evaluate.py --record FILE.npz and give them with --inputs"


def of_task(task: str) -> Path:
    """Return the recording that belongs to a task's released policy."""
    return POLICIES_DIR / f"{task}.npz"


def load(path: Path, contract: Contract) -> dict[str, np.ndarray]:
    """Return recorded inputs by name, (R, …) each, without the recorded actions.

    Args:
        path: File written by :func:`save`.
        contract: What the policy takes.

    Raises:
        UsageError: If it cannot be read, holds inputs of another form or scale, none at all, or what is no number.
    """
    recorded, form = _read(path)
    recorded.pop(contract.output, None)
    theirs = {name: (values.shape[1:], str(values.dtype)) for name, values in recorded.items()}
    ours = {item.name: (item.shape, item.dtype) for item in contract.inputs}
    if theirs != ours:
        raise UsageError(f"recorded inputs {path.name!r} are {theirs}, the policy takes {ours}; {REMEDY}")
    if len({len(values) for values in recorded.values()} - {0}) != 1 or not all(map(len, recorded.values())):
        raise UsageError(f"recorded inputs {path.name!r} have no rows, or not as many of each; {REMEDY}")
    if bad := [name for name, values in recorded.items() if not np.isfinite(values).all()]:
        raise UsageError(f"recorded inputs {path.name!r}: {', '.join(bad)} holds what is no number; {REMEDY}")
    if not same(form, _form(contract.inputs)):
        raise UsageError(
            f"recorded inputs {path.name!r} are of a policy with other terms, cuts, scales or another camera; {REMEDY}"
        )
    return recorded


def _read(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    """Return the arrays of a file by name and their form; raise :class:`UsageError` if it is no recording."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
        with zipfile.ZipFile(path) as archive:
            return arrays, json.loads(archive.comment or "null")
    except Exception as error:  # a damaged archive raises nearly anything
        is_array = isinstance(error, (AttributeError, TypeError)) and path.is_file()
        reason = "one array (.npy)" if is_array else " ".join(str(error).split())[:100] or type(error).__name__
        raise UsageError(f"recorded inputs {path.name!r} cannot be read ({reason}); {REMEDY}") from error


def _form(inputs: Iterable[VectorInput | ImageInput]) -> list[dict[str, Any]]:
    """Return what the numbers of a policy's inputs mean: terms with cut and scale, or the camera."""
    return [asdict(item) for item in inputs]


def save(rows: dict[str, np.ndarray], path: Path, inputs: Iterable[VectorInput | ImageInput]) -> None:
    """Write recorded inputs and actions by name, (R, …) each, whole or not at all; pictures stay uint8.

    What the numbers mean is in the comment of the archive: they prove nothing of a policy that sees them scaled.

    Args:
        rows: By name, the actions among them.
        path: File.
        inputs: Inputs of the policy's contract.
    """
    kinds = {name: np.uint8 if values.dtype == np.uint8 else np.float32 for name, values in rows.items()}
    arrays = {name: values.astype(kinds[name]) for name, values in rows.items()}
    with files.writing(path) as fresh:
        np.savez_compressed(fresh, **arrays)
        with zipfile.ZipFile(fresh, "a") as archive:
            archive.comment = json.dumps(_form(inputs)).encode()
