"""One arm's servos as they were fitted: values with their standard errors, and what the data could not tell.

    {"schema": 1, "arm": "…", "name": "…", "made_at": "…", "plant": "drives",
     "quantities": {"servo_delay": {"unit": "s", "of": {"bus": {"value": 0.041, "standard_error": 0.001}}},
                    "servo_backlash": {"unit": "rad", "of": {"base_joint": {"value": 0.02, "standard_error": 0.0005},
                                                             "elbow_joint": {"refused": "…"}, …, "gripper": {…}}}}}

Quantities are those of :mod:`alice.arms.quantities`. What an arm has one of stands under ``bus``, everything else under
the arm joints' names and ``gripper``. ``plant`` is what moved the links: ``drives`` of a real arm, or a ``bench`` with
links that follow without inertia and friction. Standard library only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .arm import Arm
from .quantities import QUANTITIES

SCHEMA = 1
BUS = "bus"
BUS_WIDE = ("servo_delay", "servo_jitter")
"""Quantities that an arm has one of."""
PLANTS = ("drives", "bench")
WIDTH = math.sqrt(3.0)
"""Half the width of a uniform range over its standard deviation."""
TAKEN = (
    *(name for name in QUANTITIES if name.startswith("servo_")),
    "torque_cap",
    "drive_stiffness",
    "drive_damping",
    "joint_friction",
    "joint_armature",
    "link_mass",
)
"""Quantities that a file may have."""
LEAST = {"servo_offset": -0.5, "servo_gain": 0.5, "drive_stiffness": 0.01, "torque_cap": 0.01, "joint_friction": -10.0}
MOST = {"servo_delay": 0.2, "servo_gain": 2.0, "servo_offset": 0.5}
Ends = tuple[float, float]


class FittedError(ValueError):
    """A servo file that cannot be used. The message is one line."""


@dataclass(frozen=True)
class Fit:
    """One number of one servo."""

    value: float | None = None
    standard_error: float | None = None
    refused: str = ""
    """Why there is no number."""


@dataclass(frozen=True)
class FittedServos:
    """All numbers of one arm."""

    arm: str
    quantities: Mapping[str, Mapping[str, Fit]]
    name: str = ""
    made_at: str = ""
    plant: str = PLANTS[0]
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What else was seen, for people."""
    schema: int = SCHEMA

    def span(self, quantity: str, key: str) -> Ends | None:
        """Return the range of a quantity of one servo: uniform, as wide as its standard error says; None if refused."""
        fit = self.quantities.get(quantity, {}).get(key, Fit())
        if fit.value is None:
            return None
        half = WIDTH * (fit.standard_error or 0.0)
        low, high = LEAST.get(quantity, 0.0), MOST.get(quantity, math.inf)
        return tuple(min(max(end, low), high) for end in (fit.value - half, fit.value + half))

    def to_json(self) -> str:
        """Return it as the text of its file."""
        content: dict[str, Any] = {"schema": self.schema, "arm": self.arm, "name": self.name, "made_at": self.made_at}
        content["plant"] = self.plant
        content["quantities"] = {
            name: {"unit": QUANTITIES[name].unit, "of": {key: _said(fit) for key, fit in fits.items()}}
            for name, fits in self.quantities.items()
        }
        return json.dumps({**content, "notes": dict(self.notes)}, indent=1, allow_nan=False) + "\n"


def keys(arm: Arm, quantity: str) -> tuple[str, ...]:
    """Return what a quantity's numbers of an arm stand under."""
    return (BUS,) if quantity in BUS_WIDE else arm.action_names


def _said(fit: Fit) -> dict[str, Any]:
    if fit.value is None:
        return {"refused": fit.refused}
    return {"value": fit.value, "standard_error": fit.standard_error}


def read(path: str | Path, arm: Arm) -> FittedServos:
    """Read a servo file.

    Args:
        path: The file.
        arm: The arm that it is used for.

    Raises:
        FittedError: If it cannot be read, is another arm's, or says what is none of an arm's quantities.
    """
    name = Path(path).name
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:80]
        raise FittedError(f"{name!r} cannot be read ({reason}); give the servo.json of identify_arm.py") from error
    if not isinstance(data, dict) or not isinstance(data.get("quantities"), dict) or "schema" not in data:
        raise FittedError(f"{name!r} is no servo file; give the servo.json of identify_arm.py")
    if data["schema"] != SCHEMA:
        raise FittedError(
            f"{name!r} has schema {data['schema']!r}, this version reads {SCHEMA}; identify the arm again"
        )
    if data.get("arm") != arm.name:
        raise FittedError(f"{name!r} is of the arm {data.get('arm')!r}, this is {arm.name!r}; give this arm's file")
    if data.get("plant") not in PLANTS:
        raise FittedError(f"{name!r}: plant is {data.get('plant')!r}, need {' or '.join(PLANTS)}")
    problem = next(_problems(data["quantities"], arm), None)
    if problem:
        raise FittedError(f"{name!r}: {problem}")
    quantities = {
        quantity: {key: Fit(**{**Fit().__dict__, **fit}) for key, fit in entry["of"].items()}
        for quantity, entry in data["quantities"].items()
    }
    texts = (str(data.get(key, "")) for key in ("name", "made_at"))
    notes = data.get("notes") if isinstance(data.get("notes"), dict) else {}
    return FittedServos(arm.name, quantities, *texts, data["plant"], notes)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _problems(quantities: dict[str, Any], arm: Arm):
    """Yield what of a file's content cannot be meant, one sentence each."""
    for name, entry in quantities.items():
        if name not in TAKEN:
            yield f"unknown quantity {name!r}; quantities: {', '.join(TAKEN)}"
            return
        if not isinstance(entry, dict) or not isinstance(entry.get("of"), dict):
            yield f"{name} is damaged; need a unit and numbers by joint"
            return
        if entry.get("unit") != QUANTITIES[name].unit:
            yield f"{name} is in {entry.get('unit')!r}, need {QUANTITIES[name].unit!r}"
        for key, fit in entry["of"].items():
            if key not in keys(arm, name):
                yield f"{name}: {arm.title} has no {key!r}; it has {', '.join(keys(arm, name))}"
            yield from _about(name, key, fit)


def _about(name: str, key: str, fit: Any):
    """Yield what of one number cannot be meant."""
    if not isinstance(fit, dict) or not fit.keys() <= {"value", "standard_error", "refused"}:
        yield f"{name} of {key} is damaged; need value and standard_error, or refused"
    elif "refused" in fit:
        if not isinstance(fit["refused"], str) or "value" in fit:
            yield f"{name} of {key} is both refused and given, or refused for no reason"
    elif not _is_number(fit.get("value")) or not _is_number(fit.get("standard_error")) or fit["standard_error"] < 0.0:
        yield f"{name} of {key}: value and standard_error must be numbers, the error 0 or more"
    elif not LEAST.get(name, 0.0) <= fit["value"] <= MOST.get(name, 1e3):
        low, high = LEAST.get(name, 0.0), MOST.get(name, 1e3)
        yield f"{name} of {key} is {fit['value']:g} {QUANTITIES[name].unit}, need {low:g} to {high:g}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
