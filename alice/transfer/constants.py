"""Numbers that are the same at every step, as tensors: a list that becomes one on a GPU makes the processor wait."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch


def constant(values: float | Sequence, device: str | torch.device, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return numbers as a tensor that is made once. Never change it in place.

    Args:
        values: A number, or numbers in as many dimensions as there are.
        device: Torch device.
        dtype: Type; that of ``torch.tensor`` if None.
    """
    return _made(_hashable(values), str(device), dtype)


def _hashable(values: float | Sequence) -> float | tuple:
    return tuple(map(_hashable, values)) if isinstance(values, Sequence) else values


@lru_cache(maxsize=256)
def _made(values: float | tuple, device: str, dtype: torch.dtype | None) -> torch.Tensor:
    with torch.inference_mode(False):  # a training may use it after an audit
        return torch.tensor(values, device=device, dtype=dtype)
