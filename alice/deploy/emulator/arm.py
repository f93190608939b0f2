"""Emulated arms as Python values: one on a bench, or many whose links a simulator moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alice.arms import Arm
from alice.deploy.bus.lines import HidLine
from alice.deploy.bus.opening import BAUDS, EMULATED, bus_on, protocol_of
from alice.deploy.clock import Clock, MachineClock, SteppedClock

from . import firmware
from . import world as worlds
from .faults import Fault, Faults
from .plant import Plant
from .wire import MemoryLine, Wire, line_of
from .world import World


class EmulatedArm:
    """One arm on a bench: it moves whenever its clock does.

    Args:
        arm: The kind of arm.
        world: What is off about it; as its table has it if None.
        clock: Its clock, and that of the driver that talks to it; the machine's if None.
        protocol: ``lx``, ``lsc-hid``, ``lsc-serial`` or ``sts``; that of the arm's servos if None.
        seed: Of what is drawn: jitter, noise, damage.
        joint_pos: Where it stands, (J,) [rad, m]; at home if None.
        are_links_given: Whether somebody else moves its links (:attr:`plant`), such as a simulator; else a bench does.

    Raises:
        PortError: If the arm does not speak that protocol.
    """

    def __init__(
        self,
        arm: Arm,
        world: World | None = None,
        clock: Clock | None = None,
        protocol: str | None = None,
        seed: int = 0,
        joint_pos: Sequence[float] | None = None,
        are_links_given: bool = False,
    ):
        self.arm, self.clock = arm, clock or MachineClock()
        self.world = world or worlds.nominal(arm)
        self.protocol = protocol_of(arm, EMULATED, protocol)
        self.faults = Faults(arm.servo_ids, self.clock.now)
        generator = np.random.default_rng(seed)
        pose = np.array([arm.home if joint_pos is None else joint_pos], float)
        self.plant = Plant(arm, self.world, pose, [self.faults], generator, self.clock.now(), are_links_given)
        self.firmware = firmware.of(self.protocol, self.plant, 0)
        self.bytes = _wire(self.firmware, self.protocol, self.world, 0, self.faults, generator)
        """The wire itself, for who gives it bytes and their times."""

    def wire(self) -> MemoryLine | HidLine:
        """Return the line that a driver opens instead of a port."""
        return line_of(self.bytes, self.clock, self.protocol)

    def joint_angles(self) -> np.ndarray:
        """Return where its joints truly are now, (J,) [rad, m]."""
        self.plant.look(self.clock.now())
        return self.plant.joint_pos()[0]

    def inject(self, fault: str, **words: Any) -> Fault:
        """Give it a fault; see :meth:`alice.deploy.emulator.faults.Faults.inject`."""
        return self.faults.inject(fault, **words)

    @property
    def refused(self) -> list[str]:
        """What was written that survives the power switch, in words."""
        return self.firmware.refused


class EmulatedArms:
    """N arms whose links somebody else moves in control steps, such as a simulator: goals go out, angles come in.

    Each arm has a wire, a clock and a bus of its own; servos of all arms are computed at once. In every control step::

        arms.begin_step(now)                 # clocks of all arms stand there
        for bus in arms.buses: ...           # what the robot side does in a control step
        targets = arms.end_step(now + step)  # (N, J): where the drives pull to until then
        ...                                  # the simulator moves
        arms.set_joint_pos(joint_pos)        # (N, J): where the links are

    Servos move once per control step: a command counts from the beginning of the step in which it was sent, and its
    delay from there, as in training (:class:`alice.mdp.servos.ServoModel`); the time that its bytes took is in
    ``servo_delay``, as it is there.

    Args:
        arm: The kind of arm.
        world: What is off about them, N arms.
        protocol: As of :class:`EmulatedArm`.
        seed: As of :class:`EmulatedArm`.
    """

    def __init__(self, arm: Arm, world: World, protocol: str | None = None, seed: int = 0):
        self.arm, self.world, self.count = arm, world, world.count
        self.protocol = protocol_of(arm, EMULATED, protocol)
        self.clocks = [SteppedClock() for _ in range(self.count)]
        self.faults = [Faults(arm.servo_ids, clock.now) for clock in self.clocks]
        generator = np.random.default_rng(seed)
        pose = np.tile(np.array(arm.home, float), (self.count, 1))
        self.plant = Plant(arm, world, pose, self.faults, generator, 0.0, are_links_given=True)
        self.plant.step_began = 0.0
        self.lines = []
        for row, (clock, faults) in enumerate(zip(self.clocks, self.faults, strict=True)):
            made = firmware.of(self.protocol, self.plant, row)
            wire = _wire(made, self.protocol, world, row, faults, generator)
            self.lines.append(line_of(wire, clock, self.protocol))

    def buses(self) -> list:
        """Return a driver on each arm's line."""
        pairs = zip(self.lines, self.clocks, strict=True)
        gain = float(self.world.per_arm("position_gain").min()), float(self.world.per_arm("position_gain").max())
        return [bus_on(self.arm, line, clock, self.protocol, gain) for line, clock in pairs]

    def begin_step(self, now: float) -> None:
        """Begin a control step at a moment [s]; a clock that is further by then stays."""
        for clock in self.clocks:
            clock.sleep_until(now)
        self.plant.step_began = now

    def end_step(self, until: float) -> np.ndarray:
        """Return where the drives are to pull to by the end of the control step, (N, J) [rad, m]."""
        return self.plant.driven(until)

    def set_joint_pos(self, joint_pos: np.ndarray) -> None:
        """Tell where the links are now, (N, J) [rad, m]."""
        self.plant.set_joint_pos(joint_pos)

    def place(self, rows: np.ndarray, joint_pos: np.ndarray, targets: np.ndarray | None = None) -> None:
        """Let arms begin an episode; see :meth:`alice.deploy.emulator.plant.Plant.place`."""
        self.plant.place(rows, joint_pos, targets)


def _wire(made, protocol: str, world: World, row: int, faults: Faults, generator: np.random.Generator) -> Wire:
    """Return the wire of one arm."""
    baud = BAUDS.get(protocol, 0)
    answer_time, echo = world.per_arm("answer_time")[row], world.per_arm("echo")[row]
    return Wire(made, baud, faults, answer_time, bool(echo), generator)
