"""The bank of start states: moments of the job, settled by physics, for episodes that begin in the middle of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path

import torch

from alice.cli import files

START_KINDS: tuple[str, ...] = ("home", "pregrasp", "in_hand", "above_dish", "in_dish")
"""Ways an episode can begin. Evaluation uses ``home`` alone, and the bank holds all others."""

SIZE_TOLERANCE = 0.0008
"""Largest difference between a ball and the one that a state was made with [m]; the pads give way by as much."""

Area = tuple[tuple[float, float], tuple[float, float]]


@dataclass
class StartBank:
    """M states at rest. Lengths in the base frame with the table's surface at z = 0 [m].

    ``scripts/build_starts.py`` makes them.
    """

    kind: torch.Tensor
    """Index into :data:`START_KINDS`, (M,) long."""
    radius: torch.Tensor
    """Ball radius, (M,) [m]."""
    joint_pos: torch.Tensor
    """(M, J) [rad, m]."""
    targets: torch.Tensor
    """Joint targets that hold the arm there, (M, J) [rad, m]."""
    ball: torch.Tensor
    """Ball centre, (M, 3)."""
    nest: torch.Tensor
    """Nest centre, (M, 2)."""
    dish: torch.Tensor
    """Dish centre, (M, 2)."""
    _places: dict[Area, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = field(default_factory=dict, repr=False)
    _sizes: torch.Tensor | None = field(default=None, repr=False)

    @staticmethod
    @lru_cache(maxsize=2)
    def load(path: str, device: str) -> StartBank:
        """Read a bank; the same file is read once.

        Args:
            path: File written by :meth:`save`.
            device: Torch device.
        """
        return StartBank(**torch.load(path, weights_only=True, map_location=device))

    def save(self, path: Path) -> None:
        """Write the bank, whole or not at all."""
        with files.writing(path) as fresh, fresh.open("wb") as file:
            torch.save({name: value.cpu() for name, value in self._columns().items()}, file)

    def draw(self, kind: torch.Tensor, radius: torch.Tensor, area: Area) -> StartBank:
        """Draw one state for each environment, uniform among those that fit.

        Args:
            kind: Wanted kinds, index into :data:`START_KINDS`, (K,).
            radius: Ball radii, (K,) [m].
            area: Rectangle that nest and dish lie in, ((x_min, x_max), (y_min, y_max)) [m].

        Raises:
            ValueError: If the bank has no state of a wanted kind and size in the area.
        """
        area = tuple(map(tuple, area))  # an override makes lists of it
        if self._sizes is None:
            self._sizes, _ = self.radius.unique().sort()
        sizes = self._sizes
        off, size = (radius.unsqueeze(-1) - sizes).abs().min(dim=-1)
        order, first, count = self._lookup(area, len(sizes))
        code = kind * len(sizes) + size
        unfit = ~(off <= SIZE_TOLERANCE) | (count[code] == 0)
        if unfit.any():
            worst = unfit.nonzero()[0, 0]
            raise ValueError(
                f"no start state {START_KINDS[kind[worst]]!r} is stored for a ball of {float(radius[worst]):.4g} m"
                f" in {area}; its balls: {[round(value, 5) for value in sizes.tolist()]} m. Train with the share of"
                " starts of that kind at 0, or make others with scripts/build_starts.py"
            )
        pick = (torch.rand(len(kind), device=kind.device) * count[code]).long().clamp(max=count[code] - 1)
        rows = order[first[code] + pick]
        return self.take(rows)

    def take(self, rows: torch.Tensor) -> StartBank:
        """Return the states of some rows, (K,) long."""
        return StartBank(**{name: value[rows] for name, value in self._columns().items()})

    @staticmethod
    def concatenate(parts: list[StartBank]) -> StartBank:
        """Return the states of several banks in one."""
        columns = [part._columns() for part in parts]
        return StartBank(**{name: torch.cat([part[name] for part in columns]) for name in columns[0]})

    def _lookup(self, area: Area, size_count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return rows sorted by kind and size, and where each of those groups begins and how long it is."""
        if area not in self._places:
            bounds = torch.tensor(area, device=self.radius.device)
            inside = torch.ones_like(self.radius, dtype=torch.bool)
            for place in (self.nest, self.dish):
                inside &= ((place >= bounds[:, 0]) & (place <= bounds[:, 1])).all(dim=-1)
            rows = inside.nonzero().squeeze(-1)
            size = self.radius.unique(return_inverse=True)[1]
            code = (self.kind * size_count + size)[rows]
            count = torch.bincount(code, minlength=len(START_KINDS) * size_count)
            self._places[area] = rows[code.argsort(stable=True)], count.cumsum(0) - count, count
        return self._places[area]

    def _columns(self) -> dict[str, torch.Tensor]:
        return {item.name: getattr(self, item.name) for item in fields(self) if not item.name.startswith("_")}
