"""Marks tests by their folder, leaves out the slow ones and skips those that need a GPU where there is none."""

import functools
import importlib.util
import sys
from pathlib import Path

import pytest

from alice.system import surroundings

surroundings.settle()  # as the tasks do when they are registered, before any library looks at the user and the home

HERE = Path(__file__).resolve().parent


class BesideUnitTests:
    """Finds modules that several tests share: importlib mode keeps the folders of tests off sys.path."""

    names = {file.stem for file in (HERE / "unit").glob("*.py") if not file.name.startswith(("test_", "conftest"))}

    def find_spec(self, name, path=None, target=None):
        """Return where a module is, None if it is none of them."""
        file = HERE / "unit" / f"{name}.py"
        return importlib.util.spec_from_file_location(name, file) if name in self.names else None


sys.meta_path.append(BesideUnitTests())


@functools.cache
def _has_cuda() -> bool:
    """Whether PyTorch can use a GPU. Imports PyTorch, so it is asked only when a GPU test is about to run."""
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that lets the slow tests run too."""
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


@pytest.hookimpl(tryfirst=True)  # before pytest applies -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every test below tests/sim and tests/gpu the marker of that name, and leave out the slow ones."""
    for item in items:
        ring = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        if ring in ("sim", "gpu"):
            item.add_marker(ring)
    if not config.getoption("--slow"):
        left_out = [item for item in items if item.get_closest_marker("slow")]
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=left_out)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a GPU test with the reason where PyTorch finds no CUDA device."""
    if item.get_closest_marker("gpu") and not _has_cuda():
        pytest.skip("needs CUDA: PyTorch finds no CUDA device on this machine")
