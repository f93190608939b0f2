"""Inputs that a policy met in simulation and what it did, kept to prove exports on the numbers that matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alice.assets import POLICIES_DIR
from alice.contract import Contract
from alice.usage import UsageError

COUNT = 1000
"""Number of rows of a recording."""


def of_task(task: str) -> Path:
    """Return the recording that belongs to a task's released policy."""
    return POLICIES_DIR / f"{task}.npz"


def load(path: Path, contract: Contract) -> dict[str, np.ndarray]:
    """Return recorded inputs by name, (R, …) each, without the recorded actions.

    Args:
        path: File written by :func:`save`.
        contract: What the policy takes.

    Raises:
        UsageError: If it cannot be read or holds inputs of other sizes.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            recorded = {name: file[name] for name in file.files if name != contract.output}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"recorded inputs {path.name!r} cannot be read ({' '.join(str(error).split())[:100]}); make them with"
            " scripts/evaluate.py --record FILE.npz and give them with --inputs"
        ) from error
    theirs = {name: (values.shape[1:], str(values.dtype)) for name, values in recorded.items()}
    ours = {item.name: (item.shape, item.dtype) for item in contract.inputs}
    if theirs != ours:
        raise UsageError(f"recorded inputs {path.name!r} are {theirs}, the policy takes {ours}; record them anew")
    return recorded


def save(rows: dict[str, np.ndarray], path: Path) -> None:
    """Write recorded inputs and actions by name, (R, …) each; pictures stay uint8."""
    kinds = {name: np.uint8 if values.dtype == np.uint8 else np.float32 for name, values in rows.items()}
    np.savez_compressed(path, **{name: values.astype(kinds[name]) for name, values in rows.items()})
