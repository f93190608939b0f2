"""Lets one formula serve NumPy and PyTorch alike."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def namespace(array: Any) -> ModuleType:
    """Return the module with the functions for an array: ``torch`` for a tensor, else ``numpy``."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return torch
    import numpy  # not before a formula is asked for: the tables need the standard library alone

    return numpy
