"""What an arm's body is made of: parts to draw and to touch with, how each link's mass is spread, colours, friction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alice.arms import Arm

from . import DATA_DIR

Vector = tuple[float, float, float]
Colour = tuple[float, float, float]
"""Linear RGB."""


@dataclass(frozen=True)
class Part:
    """One primitive of a link."""

    link: str
    name: str
    size: Vector
    """Edge lengths of a box [m]; a cylinder has (diameter, diameter, height) along ``axis``."""
    centre: Vector
    """Centre in the link frame [m]."""
    colour: Colour
    axis: str = ""
    """Empty for a box, ``X``, ``Y`` or ``Z`` for a cylinder."""
    collides: bool = False
    """Whether a box of this size collides; cylinders do not."""
    friction: float = 0.5
    """Static and dynamic friction of a collider (guess: plastic and metal on plastic)."""


@dataclass(frozen=True)
class Inertia:
    """How a link's mass is spread."""

    centre: Vector
    """Centre of mass in the link frame [m]."""
    moments: Vector
    """Moments of inertia about it, along the axes of the link: xx, yy, zz [kg·m²]."""
    products: Vector = (0.0, 0.0, 0.0)
    """Products of inertia, the off-diagonal elements of the tensor: xy, xz, yz [kg·m²]."""

    @staticmethod
    def of_box(mass: float, size: Vector, centre: Vector) -> Inertia:
        """Return that of a solid box.

        Args:
            mass: Mass [kg].
            size: Edge lengths [m].
            centre: Its centre in the link frame [m].
        """
        x, y, z = (edge * edge for edge in size)
        return Inertia(centre, (mass * (y + z) / 12, mass * (x + z) / 12, mass * (x + y) / 12))


@dataclass(frozen=True)
class Body:
    """An arm's body."""

    arm: Arm
    """The arm whose numbers are in the file; variants of it that only drive differently share the file."""
    parts: tuple[Part, ...]
    inertias: dict[str, Inertia]
    """How the mass of each link is spread."""
    looks: dict[str, Colour]
    """Colours that a camera may find otherwise, by what they are on."""
    pad_friction: float
    """Friction of what holds the ball."""
    position_iterations: int
    """PhysX position iterations, of the arm and all that touches it."""
    velocity_iterations: int = 0
    """PhysX velocity iterations."""

    @property
    def file(self) -> Path:
        """Its USD file."""
        return DATA_DIR / f"{self.arm.name}.usda"
