"""Facts of all that the arm works with: ball, dish, nest and table. Lengths in m, masses in kg, colours linear RGB."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ball:
    """A hard ball, heavier than a table-tennis ball and lighter than glass."""

    radius: float = 0.015
    mass: float = 0.010
    friction: float = 1.0
    angular_damping: float = 1.0
    """Rolling loss [1/s] on PhysX (guess): a ball at 10 cm/s slows by 3 cm/s in a second."""
    rolling_friction: float = 0.0005
    """Rolling loss on Newton: MuJoCo's rolling friction length [m] (guess)."""
    colour: tuple[float, float, float] = (0.80, 0.05, 0.02)


@dataclass(frozen=True)
class Dish:
    """A shallow round dish with a sloping rim."""

    floor_side: float = 0.031
    floor_thickness: float = 0.002
    floor_radius: float = 0.022
    rim_radius: float = 0.038
    rim_height: float = 0.018
    panel_thickness: float = 0.0025
    panels: int = 8
    friction: float = 0.6
    colour: tuple[float, float, float] = (0.06, 0.22, 0.50)
    floor_colour: tuple[float, float, float] = (0.10, 0.34, 0.68)


@dataclass(frozen=True)
class Nest:
    """A thin ring, like a rubber washer, that holds the ball at its start."""

    inner_radius: float = 0.0085
    outer_radius: float = 0.0135
    height: float = 0.002
    segments: int = 16
    friction: float = 0.6
    colour: tuple[float, float, float] = (0.10, 0.10, 0.10)


@dataclass(frozen=True)
class Table:
    """The table top; its surface is z = 0 of the base frame."""

    size: tuple[float, float, float] = (0.70, 0.80, 0.04)
    centre: tuple[float, float, float] = (0.15, 0.0, -0.02)
    friction: float = 0.6
    colour: tuple[float, float, float] = (0.62, 0.55, 0.46)


BALL = Ball()
DISH = Dish()
NEST = Nest()
TABLE = Table()
