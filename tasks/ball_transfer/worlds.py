"""What the task must know of each arm beside the arm's own table: where it works and which starts it has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alice.arms import SO101, SO101_12V, XARM1S
from alice.assets import DATA_DIR

MIN_SEPARATION = 0.08
"""Smallest distance of ball and dish [m]: the open gripper fits between ball and rim."""


@dataclass(frozen=True)
class World:
    """Where an arm works."""

    workspace: tuple[tuple[float, float], tuple[float, float]]
    """Rectangle of ball and dish centres, base frame ((x), (y)) [m], all of it in reach of the tool."""
    nearest: float
    """Distance from the yaw axis within which a ball is lost [m]."""
    furthest: float
    """Distance from the yaw axis beyond which a ball is lost [m]."""
    transfer_work: float
    """Work of a calm transfer [J], which the cost of work counts in: about what policies of the last stage need."""
    starts: Path
    """Bank of start states (:class:`alice.transfer.start_bank.StartBank`)."""


WORLDS: dict[str, World] = {
    XARM1S.name: World(
        workspace=((0.09, 0.29), (-0.12, 0.12)),
        nearest=0.05,
        furthest=0.36,
        transfer_work=1.0,
        starts=DATA_DIR / "xarm1s_starts.pt",
    ),
    SO101.name: World(
        workspace=((0.14, 0.34), (-0.12, 0.12)),
        nearest=0.09,
        furthest=0.41,
        transfer_work=5.0,
        starts=DATA_DIR / "so101_starts.pt",
    ),
}
"""Every arm's world by the arm's name."""
WORLDS[SO101_12V.name] = WORLDS[SO101.name]
