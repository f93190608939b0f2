"""The visualizers of Isaac Lab, and the packages that they need."""

from __future__ import annotations

import importlib.util

from alice.cli.usage import UsageError, suggest

VISUALIZERS = {"viser": "viser", "rerun": "rerun", "newton_gl": "pyglet", "newton_rtx": "ovrtx", "kit": "isaacsim"}
"""Module that each visualizer of Isaac Lab needs."""


def require(name: str) -> None:
    """Raise :class:`UsageError` if a visualizer is unknown or its package is missing."""
    name = {"newton": "newton_gl"}.get(name, name)
    if name == "none":
        return
    if name not in VISUALIZERS:
        raise UsageError(f"--viz {name!r} is unknown; {suggest(name, VISUALIZERS, 'visualizers')}")
    if importlib.util.find_spec(VISUALIZERS[name]) is None:
        there = [other for other, module in VISUALIZERS.items() if importlib.util.find_spec(module)]
        raise UsageError(
            f"--viz {name} needs the package {VISUALIZERS[name]}, which is not installed; install it into this"
            f" environment, or take one that is there: {', '.join(there) or 'none'}"
        )
