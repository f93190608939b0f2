"""What servos say, from one control step to the next: positions that can be meant, and how the servos are.

One answer alone proves nothing: an LX servo's checksum lets one damaged reply in 256 through, an LSC board has none.
A position that no servo can have turned to, and a health that would end the run, count when the next answer agrees.
NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alice.deploy.bus.interface import Health, Position
from alice.deploy.calibration import Calibration

JUMP = 0.12
"""How far a servo may be from its last position besides what it can turn in the time [rad]: noise and a hand's push."""
WITHOUT_HEALTH = ("lsc",)
"""How the names of protocols begin that know a supply voltage alone."""


class Encoders:
    """The last positions of an arm's servos that can be meant. S servos, J joints.

    Args:
        calibration: What counts mean.
    """

    def __init__(self, calibration: Calibration):
        self._calibration, arm = calibration, calibration.kind
        self.ids = arm.servo_ids
        servo = {joint.servo_id: joint.servo for joint in arm.joints}
        self._rates = np.array([1.3 * servo[i].no_load_speed * servo[i].counts_per_radian for i in self.ids])
        self._jumps = np.array([JUMP * servo[i].counts_per_radian for i in self.ids])
        column = {joint.servo_id: number for number, joint in enumerate(arm.joints)}
        at_zero, at_one = (calibration.joints(np.full(len(self.ids), count)) for count in (0.0, 1.0))
        columns = [column[servo_id] for servo_id in self.ids]
        self._meaning = [(arm.joints[k], at_zero[k], at_one[k] - at_zero[k]) for k in columns]
        """A joint of each servo: where it is at no counts, and how much further at each."""
        self.counts = np.full(len(self.ids), np.nan)
        """(S,); NaN before the first answer."""
        self.at = np.full(len(self.ids), -np.inf)
        """When they were read, (S,) [s]."""
        self._doubtful: dict[int, Position] = {}
        self._outside: dict[int, tuple[int, str]] = {}

    def take(self, positions: Mapping[int, Position]) -> None:
        """Take in what servos answered."""
        for row, servo_id in enumerate(self.ids):
            answer = positions.get(servo_id)
            if answer is None:
                continue
            if problem := self._misplaced(row, answer.counts):
                self._outside[servo_id] = (self._outside.get(servo_id, (0, ""))[0] + 1, problem)
                continue
            self._outside.pop(servo_id, None)
            if self._is_near(row, answer, self.counts[row], self.at[row]) or self._is_confirmed(row, answer):
                self.counts[row], self.at[row] = answer.counts, answer.at
                self._doubtful.pop(servo_id, None)
            else:
                self._doubtful[servo_id] = answer

    def _is_near(self, row: int, answer: Position, counts: float, at: float) -> bool:
        """Whether a servo can have turned to an answer from where it was."""
        if np.isnan(counts):
            return True
        return abs(answer.counts - counts) <= self._jumps[row] + self._rates[row] * max(0.0, answer.at - at)

    def _is_confirmed(self, row: int, answer: Position) -> bool:
        """Whether an answer agrees with the doubtful one before it."""
        before = self._doubtful.get(self.ids[row])
        return before is not None and self._is_near(row, answer, before.counts, before.at)

    def _misplaced(self, row: int, counts: int) -> str:
        """Return which joint is where none can be, if its servo is at some counts."""
        joint, at_zero, per_count = self._meaning[row]
        value = at_zero + per_count * counts
        if not joint.lower - joint.reading_margin <= value <= joint.upper + joint.reading_margin:
            return (
                f"servo {joint.servo_id} says {counts}, so {joint.name} is at {value:.3g} {joint.unit} and its limits"
                f" are {joint.lower:.3g} to {joint.upper:.3g}"
            )
        return ""

    @property
    def outside(self) -> str:
        """Which joint was twice in a row reported where none can be; empty if none was."""
        return next((text for count, text in self._outside.values() if count >= 2), "")

    @property
    def joints(self) -> np.ndarray | None:
        """Joint positions, (J,) [rad, m]; None until every servo has answered."""
        return None if np.isnan(self.counts).any() else self._calibration.joints(self.counts)

    @property
    def oldest_first(self) -> tuple[int, ...]:
        """Ids in the order in which to ask, so that a budget that ends early does not always end at the same servo."""
        return tuple(self.ids[row] for row in np.argsort(self.at, kind="stable"))


class Vitals:
    """How an arm's servos are, and which is asked next.

    Args:
        calibration: The arm.
        protocol: Of its bus.
    """

    def __init__(self, calibration: Calibration, protocol: str):
        arm = calibration.kind
        self.ids = arm.servo_ids
        servo = {joint.servo_id: joint.servo for joint in arm.joints}
        self._hottest = {i: servo[i].hottest for i in self.ids}
        self._supply = {i: servo[i].supply for i in self.ids}
        self._has_temperature = not protocol.startswith(WITHOUT_HEALTH)
        self.temperature = np.full(len(self.ids), np.nan)
        """(S,) [°C]; NaN where none was said."""
        self.voltage = np.full(len(self.ids), np.nan)
        """(S,) [V]; likewise."""
        self.load = np.full(len(self.ids), np.nan)
        self._temperature_at = np.full(len(self.ids), -np.inf)
        self._voltage_at = -np.inf
        self._strikes: dict[tuple[str, int], tuple[int, str]] = {}
        self._turn = 0
        self.unheard = 0
        """Questions in a row that nobody answered, of those that are answered at once."""

    def next_ids(self) -> tuple[int, ...]:
        """Return which servos to ask in this control step: one after the other, and a doubtful one again."""
        doubtful = tuple(dict.fromkeys(servo_id for _, servo_id in self._strikes))[:2]
        self._turn += 1
        return tuple(dict.fromkeys((*doubtful, self.ids[self._turn % len(self.ids)])))

    def take(self, healths: Mapping[int, Health]) -> None:
        """Take in what servos said of themselves when they were asked."""
        self.unheard = 0 if healths or not self._has_temperature else self.unheard + 1
        for row, servo_id in enumerate(self.ids):
            said = healths.get(servo_id)
            if said is None:
                continue
            if said.temperature is not None:
                self.temperature[row], self._temperature_at[row] = said.temperature, said.at
                hottest = self._hottest[servo_id]
                text = f"servo {servo_id} has {said.temperature:.0f} °C, at most {hottest:.0f} are allowed"
                self._strike("hot", servo_id, text if said.temperature > hottest else "")
            if said.voltage is not None:
                self.voltage[row], self._voltage_at = said.voltage, max(self._voltage_at, said.at)
                low, high = self._supply[servo_id]
                text = f"servo {servo_id} has {said.voltage:.1f} V, {low:.1f} to {high:.1f} are allowed"
                self._strike("voltage", servo_id, text if not low <= said.voltage <= high else "")
            if said.load is not None:
                self.load[row] = said.load
            self._strike("fault", servo_id, f"servo {servo_id}: {', '.join(said.faults)}" if said.faults else "")

    def _strike(self, what: str, servo_id: int, text: str) -> None:
        """Count answers in a row that are bad in one respect."""
        if text:
            self._strikes[what, servo_id] = (self._strikes.get((what, servo_id), (0, ""))[0] + 1, text)
        else:
            self._strikes.pop((what, servo_id), None)

    def trouble(self, what: str) -> str:
        """Return what was said twice in a row: of ``hot``, ``voltage`` or ``fault``; empty if nothing was."""
        return next((text for (kind, _), (count, text) in self._strikes.items() if kind == what and count >= 2), "")

    def age(self, now: float) -> float:
        """Return how old the oldest temperature, or the newest voltage, is [s]."""
        oldest = min(self._voltage_at, self._temperature_at.min() if self._has_temperature else np.inf)
        return now - oldest
