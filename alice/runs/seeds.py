"""Where audits take their random numbers from, and the seed that a release is audited on.

Any whole number of at least 0 is a seed. What is drawn for a purpose follows from the seed and the purpose's number
alone (:class:`numpy.random.SeedSequence`), whatever was drawn before.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

RELEASE = "release"
"""The word of ``--seed`` for :func:`of_release`."""
SIMULATOR_LIMIT = 2**32
"""Isaac Lab and NumPy's global generator take seeds below this."""
EXACT_IN_JSON = 2**53
"""Whole numbers from here on lose digits in readers that keep JSON's numbers as doubles."""


def sow(seed: int, *purpose: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch, those of all CUDA devices included.

    Args:
        seed: Any whole number of at least 0.
        purpose: What the numbers are for; equal seeds and purposes give equal numbers.
    """
    import torch

    python, numpy, pytorch = np.random.SeedSequence(seed, spawn_key=purpose).generate_state(3, np.uint64).tolist()
    random.seed(python)
    np.random.seed(numpy % SIMULATOR_LIMIT)
    torch.manual_seed(pytorch)


def for_simulator(seed: int) -> int:
    """Return a seed that Isaac Lab can take: the seed itself where it is small enough, else 32 bits of it."""
    return seed if seed < SIMULATOR_LIMIT else int(np.random.SeedSequence(seed).generate_state(1)[0])


def in_json(seed: int) -> int | str:
    """Return a seed as a JSON file keeps it without loss: a large one in decimal digits."""
    return seed if seed < EXACT_IN_JSON else str(seed)


def of_release(weights: Mapping[str, torch.Tensor]) -> int:
    """Return the seed that a policy is audited on when it is released, below 2**64.

    It is the first 64 bits (big-endian) of a SHA-256 over the tensors of the network that acts: nobody can have looked
    at its episodes while the network was still being trained or chosen. Of each tensor, in the order of the sorted
    names, these bytes are hashed one after another: a line of UTF-8 ``<name> <type> <shape>`` that ends in a line feed,
    such as ``mlp.0.weight float32 256,41`` (a scalar's shape is empty), then its elements, little-endian, the last axis
    fastest. What else a checkpoint holds (critic, optimizer, counters) and how it is packed does not matter.

    Args:
        weights: State of the acting network by names: ``actor_state_dict`` or ``student_state_dict`` of a checkpoint.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = weights[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype.name} {','.join(map(str, array.shape))}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return int.from_bytes(digest.digest()[:8], "big")
