"""Marks tests by the folder they lie in and skips those that need a GPU where there is none."""

import functools
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@functools.cache
def _has_cuda() -> bool:
    """Whether PyTorch can use a GPU. Imports PyTorch, so it is asked only when a GPU test is about to run."""
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


@pytest.hookimpl(tryfirst=True)  # before pytest applies -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test below tests/sim and tests/gpu the marker of that name."""
    for item in items:
        ring = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        if ring in ("sim", "gpu"):
            item.add_marker(ring)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a GPU test with the reason where PyTorch finds no CUDA device."""
    if item.get_closest_marker("gpu") and not _has_cuda():
        pytest.skip("needs CUDA: PyTorch finds no CUDA device on this machine")
