"""Lets one formula serve NumPy and PyTorch alike."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy


def namespace(array: Any) -> ModuleType:
    """Return the module with the functions for an array: ``torch`` for a tensor, else ``numpy``."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(array, torch.Tensor) else numpy
