"""The servos of an emulated arm that a hand leads, read without bytes: many worlds in little time.

Offsets, gains, noise and whole counts are the servos' own; what is left out is the wire, and all that moves by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from alice.deploy.bus.interface import Position

from .arm import EmulatedArm

READ_TIME = 0.005
"""How long a reading takes [s]."""


class DirectBus:
    """What a calibration needs of a bus (:class:`alice.deploy.bus.interface.Bus`): positions, and torque that is off.

    Args:
        arm: The arm; its clock must be one that moves when somebody sleeps.
    """

    protocol, reads_back = "direct", True

    def __init__(self, arm: EmulatedArm):
        self._arm = arm
        self.counters: dict[str, int] = {}

    def torque(self, servo_ids: Iterable[int], is_on: bool, budget: float) -> None:
        """Switch the torque off.

        Raises:
            ValueError: If it is to be switched on.
        """
        if is_on:
            raise ValueError("an arm that is read without bytes is led by hand; torque stays off")
        self._arm.plant.servos.is_loaded[:] = False

    def positions(self, servo_ids: Iterable[int], budget: float) -> dict[int, Position]:
        """Return where the servos say that they are."""
        plant, clock = self._arm.plant, self._arm.clock
        clock.sleep_until(clock.now() + READ_TIME)
        links = plant.links
        links.angles = np.clip(np.where(np.isnan(links.held), links.angles, links.held), links.lower, links.upper)
        now = clock.now()
        return {i: Position(plant.servos.read(0, plant.column(i), links.angles), now) for i in servo_ids}

    def close(self) -> None:
        """Do nothing."""
