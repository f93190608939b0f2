"""Emulated arms with a driver on their wire, in simulated time: what the tests of buses and emulator talk over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alice.arms import ARMS
from alice.deploy.bus.opening import bus_on
from alice.deploy.clock import SteppedClock
from alice.deploy.emulator import EmulatedArm
from alice.deploy.emulator import world as worlds

WIRES = {"lx": "xarm1s", "sts": "so101", "lsc-serial": "xarm1s", "lsc-hid": "xarm1s"}
"""Every protocol, and an arm that speaks it."""
QUICK = ("lx", "sts")
"""Protocols in which servos are read within a control step."""


@dataclass
class Talk:
    """One emulated arm and the driver that talks to it."""

    bus: Any
    arm: EmulatedArm
    clock: SteppedClock

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of its servos."""
        return self.arm.arm.servo_ids

    def counts(self, budget: float = 0.02) -> dict[int, int]:
        """Return what the servos that answered report [counts], in an LSC board's own time."""
        found = self.bus.positions(self.ids, budget if self.bus.reads_back else 0.5)
        return {servo_id: position.counts for servo_id, position in found.items()}

    def true_counts(self) -> dict[int, float]:
        """Return the counts at which servos without fault would stand where the links are."""
        self.arm.plant.advance(self.clock.now())
        servos = self.arm.plant.servos
        angles = self.arm.plant.links.angles[0]
        counts = servos._centre + servos.sign * angles * servos.per_radian
        return dict(zip(self.ids, counts.tolist(), strict=True))

    def true_ints(self) -> dict[int, int]:
        """Return :meth:`true_counts` as whole numbers."""
        return {servo_id: round(counts) for servo_id, counts in self.true_counts().items()}

    def wait(self, seconds: float) -> None:
        """Let time pass [s]."""
        self.clock.advance(seconds)


def talk(protocol: str, seed: int = 0, stiffness: tuple[float, float] = (1.0, 1.0), **world: Any) -> Talk:
    """Return an arm with nothing off about it but what is named, and the driver of a protocol on its wire."""
    arm, clock = ARMS[WIRES[protocol]], SteppedClock(100.0)
    made = EmulatedArm(arm, worlds.nominal(arm, **world), clock, protocol, seed)
    return Talk(bus_on(arm, made.wire(), clock, protocol, stiffness), made, clock)


class Script:
    """A line that answers each question with given bytes."""

    def __init__(self, clock, answers, baud=115200):
        self._clock, self._answers, self.baud, self._waiting = clock, list(answers), baud, b""

    def write(self, data):
        self._waiting += self._answers.pop(0) if self._answers else b""

    def read(self, until):
        data, self._waiting = self._waiting, b""
        if not data:
            self._clock.sleep_until(until)
        return data

    def close(self):
        """Nothing to do."""
