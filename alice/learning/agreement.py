"""What the processes of a distributed training tell each other once an iteration; a process alone tells itself."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist


def is_alone() -> bool:
    """Whether this process trains by itself."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1


def gathered(own: Any) -> list[Any]:
    """Return what every process has given, in the order of their ranks. All of them must call it, and wait here.

    Args:
        own: Anything that can be pickled; tensors on the CPU.
    """
    if is_alone():
        return [own]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, own)
    return found


def first(own: Any) -> Any:
    """Return what the first process has given that has given anything but None, None if none has."""
    return next((item for item in gathered(own) if item is not None), None)
