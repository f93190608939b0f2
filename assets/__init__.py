"""Matter: the robot, the ball, the dish, the table, and the released policies."""

if not __name__.startswith("alice."):
    raise ImportError(f"import alice.assets, not {__name__!r}: the bare name would load this folder twice")

from pathlib import Path

DATA_DIR = Path(__file__).parent / "data"
"""Folder of the USD files."""

POLICIES_DIR = Path(__file__).parent / "policies"
"""Folder of the released policies and their provenance."""


def look(colour: tuple[float, float, float]) -> str:
    """Return where an asset's material of a linear RGB colour lies, relative to the asset's root."""
    return "looks/colour_" + "_".join(f"{round(1000 * channel):03d}" for channel in colour)
