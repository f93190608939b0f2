"""Runs a function on a module as soon as somebody imports it, without importing it first. Standard library only."""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Callable
from types import ModuleType

Action = Callable[[ModuleType], object]


def call(name: str, action: Action) -> None:
    """Call ``action(module)`` once a module has been executed, now if that has happened already.

    A module that is thrown out of ``sys.modules`` and imported again (Isaac Sim's Kit does that) is acted on again.

    Args:
        name: Absolute dotted name. Importing a package does not import the modules in it.
        action: Must be harmless when it meets a module a second time.
    """
    finder = next((one for one in sys.meta_path if isinstance(one, _Watcher)), None)
    if finder is None:
        finder = _Watcher()
        sys.meta_path.insert(0, finder)
    finder.actions.setdefault(name, []).append(action)
    if name in sys.modules:
        action(sys.modules[name])


class _Watcher(importlib.abc.MetaPathFinder):
    """Lets the other finders find a module and puts the actions behind its execution."""

    def __init__(self):
        self.actions: dict[str, list[Action]] = {}

    def find_spec(self, name: str, path=None, target=None):
        """Return the specification that the next finder gives, None for a module that nobody waits for."""
        if name not in self.actions:
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next((spec for finder in others if (spec := finder.find_spec(name, path, target))), None)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return spec
        stock = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            stock(module)
            for action in self.actions[name]:
                action(module)

        # On this one loader and not around it: whoever asks the module for its source or its resources finds its own.
        spec.loader.exec_module = exec_module
        return spec
