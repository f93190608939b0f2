"""Faults that an emulated arm can be given, by name: at once, at a time, for a time, or for a number of answers."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

ANSWERS, SERVO, WHOLE, CAMERA = "answers", "servo", "arm", "camera"


@dataclass(frozen=True)
class Kind:
    """One kind of fault."""

    what: str
    """What it befalls: ``answers``, a ``servo``, the ``arm`` or the ``camera``."""
    meaning: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Numbers that it takes, and what they are where they are not given."""


KINDS: dict[str, Kind] = {
    "drop": Kind(ANSWERS, "answers do not come"),
    "late": Kind(ANSWERS, "answers come `by` [s] later", {"by": 0.03}),
    "garble": Kind(ANSWERS, "one bit in each of `bytes` bytes of an answer is wrong", {"bytes": 1}),
    "echo": Kind(WHOLE, "the adapter hears what it sends"),
    "foreign": Kind(ANSWERS, "before an answer comes one that nobody asked for, of servo `from`", {"from": 99}),
    "split": Kind(ANSWERS, "answers come in two pieces, `gap` [s] apart", {"gap": 0.004}),
    "dead": Kind(SERVO, "the servo says nothing, hears nothing and holds nothing"),
    "overheat": Kind(SERVO, "the servo is as warm as `to` [°C]", {"to": 90.0}),
    "stuck": Kind(SERVO, "the servo's gear is stuck"),
    "push": Kind(SERVO, "a hand pushes the servo's link `by` [rad]", {"by": 0.3}),
    "brown_out": Kind(WHOLE, "the supply is `to` [V]", {"to": 4.0}),
    "unplug": Kind(WHOLE, "the adapter is pulled out"),
    "camera_freeze": Kind(
        CAMERA, "no newer picture comes; with `stamped` 1 it comes again with a new time", {"stamped": 0}
    ),
    "camera_blank": Kind(CAMERA, "pictures are black"),
    "camera_vanish": Kind(CAMERA, "the camera is gone"),
}
"""All faults by name."""
WORDS = ("fault", "at", "for", "count", "share", "servo")
"""What every fault takes beside its own numbers: when it begins, for how long [s], how often, how probably, whom."""


class FaultError(ValueError):
    """A fault that there is none of. The message is one line."""


@dataclass
class Fault:
    """One fault, given."""

    name: str
    begins: float
    """[s]."""
    ends: float = math.inf
    """[s]."""
    left: float = math.inf
    """How many answers it befalls still."""
    share: float = 1.0
    """Probability that it befalls one."""
    servo: int | None = None
    """Whose; None for all."""
    numbers: dict[str, float] = field(default_factory=dict)

    def is_on(self, now: float, servo: int | None = None) -> bool:
        """Whether it is on at a moment [s], for a servo if it is one's."""
        is_whose = servo is None or self.servo is None or self.servo == servo
        return self.begins <= now < self.ends and self.left > 0 and is_whose


class Faults:
    """The faults of one arm.

    Args:
        servo_ids: Its servos.
        now: Its clock.
    """

    def __init__(self, servo_ids: tuple[int, ...], now: Callable[[], float]):
        self._servo_ids, self.now = servo_ids, now
        self.given: list[Fault] = []
        self._began = now()

    def inject(self, fault: str, **words: Any) -> Fault:
        """Give the arm a fault.

        Args:
            fault: Name, one of :data:`KINDS`.
            words: ``at`` [s] from the arm's beginning (now), ``for`` [s] (for ever), ``count`` of answers, ``share`` of
                them, ``servo`` (all), and the kind's own numbers.

        Raises:
            FaultError: If there is no such fault, or it does not take such a word.
        """
        if fault not in KINDS:
            close = difflib.get_close_matches(str(fault), KINDS, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise FaultError(f"unknown fault {fault!r}; {hint}faults: {', '.join(KINDS)}")
        kind = KINDS[fault]
        known = {*WORDS[1:], *kind.numbers}
        if unknown := sorted(words.keys() - known):
            raise FaultError(f"{fault} takes no {unknown[0]!r}; it takes {', '.join(sorted(known))}")
        for name, value in words.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise FaultError(f"{fault}: {name} must be a number, it is {value!r}")
        servo = words.get("servo")
        if servo is not None and servo not in self._servo_ids:
            raise FaultError(f"{fault}: there is no servo {servo}; this arm has {', '.join(map(str, self._servo_ids))}")
        begins = self._began + words["at"] if "at" in words else self.now()
        made = Fault(
            name=fault,
            begins=begins,
            ends=begins + words.get("for", math.inf),
            left=words.get("count", math.inf),
            share=words.get("share", 1.0),
            servo=servo,
            numbers={**kind.numbers, **{name: words[name] for name in kind.numbers if name in words}},
        )
        self.given.append(made)
        return made

    def schedule(self, rows: Any) -> None:
        """Give the arm a list of faults, each ``{"at": 2.0, "fault": "drop", "for": 0.5, …}``.

        Raises:
            FaultError: If one of them is none.
        """
        if not isinstance(rows, list) or not all(isinstance(row, dict) and "fault" in row for row in rows):
            raise FaultError('a schedule is a list of objects, each with a "fault"')
        for row in rows:
            self.inject(**{"at": 0.0, **row})

    def clear(self) -> None:
        """End all faults; what they have done stays."""
        self.given.clear()

    def on(self, name: str, now: float, servo: int | None = None) -> Fault | None:
        """Return the fault of a name that is on at a moment [s]; None if none is."""
        if not self.given:
            return None
        return next((fault for fault in self.given if fault.name == name and fault.is_on(now, servo)), None)
