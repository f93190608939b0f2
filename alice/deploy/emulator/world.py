"""What is off about an emulated arm: numbers by the names of :mod:`alice.arms.quantities`, drawn or from a file.

A world file is JSON, a number for all servos or one for each, in the order of ``arm.servo_ids`` or by id::

    {"servo_delay": 0.04, "servo_offset": {"6": 0.02, "3": -0.01}, "servo_backlash": [0.02, 0.01, 0, 0, 0.03, 0],
     "supply_voltage": 7.2}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alice.arms import Arm, spreads
from alice.arms.quantities import QUANTITIES, Quantity, of_servo

SERVO = tuple(f"servo_{name}" for name in of_servo())
TAKEN = (*SERVO, "torque_cap", "drive_stiffness", "link_mass")
"""Quantities that an emulated arm has."""
BUS_WIDE = ("servo_delay", "servo_jitter")
"""Those of which an arm has one."""
OWN: dict[str, Quantity] = {
    "supply_voltage": Quantity("of nominal", 1.0, "supply without load over the middle of what the servos take"),
    "supply_sag": Quantity("V", 0.6, "how much lower the supply is while all servos stall (guess)"),
    "ambient_temperature": Quantity("°C", 25.0, "temperature of the room"),
    "heat_rise": Quantity("K", 40.0, "how much warmer than the room a servo gets that stalls for ever (guess)"),
    "heat_time": Quantity("s", 300.0, "time in which it gets two thirds of that (guess)"),
    "answer_time": Quantity("s", 0.0005, "time from the last byte of a question to the first of the answer (guess)"),
    "board_time": Quantity("s", 0.3, "time the xArm's board needs over USB to ask its servos (up to 0.45 was seen)"),
    "echo": Quantity("", 0.0, "1: the adapter hears what it sends, 0: it does not"),
    "position_gain": Quantity("of nominal", 1.0, "P of the servos' firmware over that of the arm's table"),
}
"""What an emulated arm has beside them; one of each for an arm."""
LIMITS = dict.fromkeys((*TAKEN, *OWN), (0.0, np.inf)) | {"servo_offset": (-0.5, 0.5), "servo_gain": (0.5, 2.0)}
LIMITS |= {"ambient_temperature": (-40.0, 100.0), "torque_cap": (0.01, 10.0), "drive_stiffness": (0.01, 100.0)}
LIMITS |= {"servo_delay": (0.0, 0.2), "heat_time": (0.1, 1e6), "position_gain": (0.0, 15.0)}


class WorldError(ValueError):
    """A world that is none. The message is one line."""


@dataclass(frozen=True)
class World:
    """What is off about N arms of S servos each: a number (N, S) for each name."""

    values: Mapping[str, np.ndarray]

    def of(self, name: str) -> np.ndarray:
        """Return a quantity of each servo, (N, S)."""
        return self.values[name]

    def per_arm(self, name: str) -> np.ndarray:
        """Return a quantity of each arm, (N,)."""
        return self.values[name][:, 0]

    @property
    def count(self) -> int:
        """Number of arms."""
        return len(next(iter(self.values.values())))

    def to_json(self, arm: Arm) -> str:
        """Return a single arm's world as the text of a world file: a number for each servo's id, or one for all."""
        rows = {name: value[0] for name, value in self.values.items()}
        ids = [str(servo_id) for servo_id in arm.servo_ids]
        data = {
            name: float(row[0]) if (row == row[0]).all() else dict(zip(ids, map(float, row), strict=True))
            for name, row in rows.items()
        }
        return json.dumps(data, indent=1)


def nominal(arm: Arm, count: int = 1, **changes: Any) -> World:
    """Return arms as their table has them, but for some quantities: a number, one for each servo, or (N, S)."""
    values = {name: np.full((count, len(arm.servo_ids)), q.nominal) for name, q in _known().items()}
    for name, value in changes.items():
        if name not in values:
            raise WorldError(f"an emulated arm has no {name!r}; it has {', '.join(sorted(values))}")
        values[name] = values[name] + (np.asarray(_row(arm, name, value), float) - values[name])
    return World(_checked(values))


def drawn(arm: Arm, seed: int, count: int = 1) -> World:
    """Return arms drawn from the ranges of the randomization table (:mod:`alice.arms.spreads`)."""
    generator = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for name, spread in spreads.of(arm).items():
        if name in TAKEN:
            columns = 1 if name in BUS_WIDE else len(arm.servo_ids)
            found[name] = generator.uniform(spread.low, spread.high, (count, columns)) * np.ones(len(arm.servo_ids))
    return nominal(arm, count, **found)


def read(arm: Arm, path: str | Path) -> World:
    """Return the world of a file.

    Raises:
        WorldError: If it cannot be read, or says something that no arm has or can have.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WorldError(f"world {Path(path).name!r} cannot be read ({' '.join(str(error).split())[:80]})") from error
    if not isinstance(data, dict):
        raise WorldError(f"world {Path(path).name!r} must be an object: names of quantities and their values")
    return nominal(arm, 1, **data)


def _known() -> dict[str, Quantity]:
    return {**{name: QUANTITIES[name] for name in TAKEN}, **OWN}


def _row(arm: Arm, name: str, value: Any) -> Any:
    """Return a value as a world file has it as a number or an array; raise :class:`WorldError` for another form."""
    if isinstance(value, np.ndarray):
        return value
    ids = [str(servo_id) for servo_id in arm.servo_ids]
    if isinstance(value, Mapping):
        if foreign := sorted(set(map(str, value)) - set(ids)):
            raise WorldError(f"{name}: {arm.title} has no servo {', '.join(foreign)}; it has {', '.join(ids)}")
        by_id = {str(key): number for key, number in value.items()}
        value = [by_id.get(servo_id, _known()[name].nominal) for servo_id in ids]
    is_list = isinstance(value, (list, tuple))
    numbers = value if is_list else [value]
    if not all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers):
        raise WorldError(f"{name} must be a number, or one for each servo, or an object of servo ids; it is {value!r}")
    if is_list and len(value) != len(ids):
        raise WorldError(f"{name} has {len(value)} numbers, {arm.title} has {len(ids)} servos")
    if name in (*BUS_WIDE, *OWN) and len(set(numbers)) > 1:
        raise WorldError(f"{name}: an arm has one, give one number")
    return value


def _checked(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for name, value in values.items():
        low, high = LIMITS[name]
        if not ((value >= low) & (value <= high) & np.isfinite(value)).all():
            raise WorldError(f"{name} must be {low:g} to {high:g} {_known()[name].unit}".rstrip())
    return values
