"""A bus without a wire: servos that go evenly to their goals in simulated time, and what can be wrong with them."""

from __future__ import annotations

import numpy as np

from alice.deploy.bus.interface import BusError, Health, Position
from alice.deploy.clock import SteppedClock


class FakeBus:
    """Servos at some counts.

    Args:
        clock: Moves when a call takes its time.
        counts: Where servos are, by id.
        protocol: See :class:`alice.deploy.bus.interface.Bus`.
        reads_back: Likewise.
    """

    def __init__(self, clock: SteppedClock, counts: dict[int, int], protocol: str = "lx", reads_back: bool = True):
        self.protocol, self.reads_back, self.counters = protocol, reads_back, {}
        self._clock = clock
        self._from = {servo: (float(count), clock.now()) for servo, count in counts.items()}
        self._to = {servo: (float(count), clock.now()) for servo, count in counts.items()}
        self.is_loaded = dict.fromkeys(counts, False)
        self.said: list[str] = []
        """Calls that make servos do something, in their order."""
        self.jumps = dict.fromkeys(counts, 0.0)
        """Furthest that a goal of each servo was from the one before it [counts]."""
        self.silent: set[int] = set()
        self.stuck: dict[int, int] = {}
        self.garbled: dict[int, int] = {}
        self.voltage, self.temperature, self.faults = 7.5, {}, {}
        self.cost = {"positions": 0.006, "move": 0.001, "health": 0.004}
        self.is_lost = False
        self.is_closed = False

    def _spend(self, what: str, budget: float) -> None:
        if self.is_lost:
            raise BusError("the adapter is gone")
        self._clock.advance(min(budget, self.cost.get(what, 0.001)))

    def count_of(self, servo: int) -> float:
        """Return where a servo is [counts]."""
        if servo in self.stuck:
            return self.stuck[servo]
        (begin, begin_at), (end, end_at) = self._from[servo], self._to[servo]
        return float(np.interp(self._clock.now(), [begin_at, max(end_at, begin_at + 1e-9)], [begin, end]))

    def positions(self, servo_ids, budget):
        self._spend("positions", budget)
        known = [servo for servo in servo_ids if servo in self._to and servo not in self.silent]
        now = self._clock.now()
        return {servo: Position(self.garbled.get(servo, round(self.count_of(servo))), now) for servo in known}

    def move(self, goals, duration, budget):
        self._spend("move", budget)
        self.said.append("move")
        for servo, goal in goals.items():
            now = self._clock.now()
            if self.is_loaded[servo]:
                self.jumps[servo] = max(self.jumps[servo], abs(goal - self._to[servo][0]))
            self._from[servo] = self.count_of(servo), now
            self._to[servo] = float(goal), now + duration
            self.is_loaded[servo] = True

    def hold(self, servo_ids, budget):
        self._spend("hold", budget)
        self.said.append("hold")
        for servo in servo_ids:
            self._from[servo] = self._to[servo] = self.count_of(servo), self._clock.now()
            self.is_loaded[servo] = True

    def torque(self, servo_ids, is_on, budget):
        self._spend("torque", budget)
        self.said.append(f"torque {'on' if is_on else 'off'}")
        self.is_loaded.update(dict.fromkeys(servo_ids, is_on))

    def health(self, servo_ids, budget):
        self._spend("health", budget)
        known = [servo for servo in servo_ids if servo in self._to and servo not in self.silent]
        return {
            servo: Health(
                self._clock.now(), self.voltage, self.temperature.get(servo, 30.0), faults=self.faults.get(servo, ())
            )
            for servo in known
        }

    def close(self):
        self.is_closed = True
