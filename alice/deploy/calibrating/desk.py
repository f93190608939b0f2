"""Opens what a calibration from the command line needs: the bus and the person, or an emulated arm and its hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alice.arms import Arm
from alice.deploy.bus.interface import Bus
from alice.deploy.bus.opening import EMULATED, open_bus
from alice.deploy.clock import Clock, MachineClock, SteppedClock

from .person import Person, Terminal

ANY_STIFFNESS = (0.0, 16.0)
"""Drives are off: any P will do."""


@dataclass
class Desk:
    """What stands on the table."""

    bus: Bus
    clock: Clock
    person: Person


def of(arm: Arm, port: str, protocol: str | None, world: Path | None) -> Desk:
    """Open the bus of an arm, and whoever leads it.

    Args:
        arm: The arm.
        port: Serial port, ``hid`` or ``emulated``.
        protocol: What the port speaks; None for what the arm suggests.
        world: What is off about an emulated arm; None for nothing.

    Raises:
        PortError: If it cannot be opened.
        WorldError: If the world's file is none.
    """
    if port != EMULATED:
        clock = MachineClock()
        return Desk(open_bus(arm, port, clock, protocol, ANY_STIFFNESS), clock, Terminal())
    return _emulated(arm, world)


def _emulated(arm: Arm, world: Path | None) -> Desk:
    """Return an emulated arm that an emulated hand leads, in simulated time; its servos are read without bytes."""
    from alice.deploy.emulator import EmulatedArm  # whoever has an arm needs no other
    from alice.deploy.emulator import world as worlds
    from alice.deploy.emulator.direct import DirectBus
    from alice.deploy.emulator.hand import EmulatedHand

    class Seen(EmulatedHand):
        """A hand that prints what it is asked to, as a person would read it."""

        def tell(self, line: str) -> None:
            print(line, flush=True)

        def begin(self, task) -> None:
            print(f"  {task.words}", flush=True)
            super().begin(task)

    clock = SteppedClock()
    emulated = EmulatedArm(arm, None if world is None else worlds.read(arm, world), clock)
    return Desk(DirectBus(emulated), clock, Seen(emulated))
