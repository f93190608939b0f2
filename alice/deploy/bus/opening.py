"""Opens the bus of an arm by the name of its port."""

from __future__ import annotations

from typing import Any

from alice.arms import Arm
from alice.deploy.clock import Clock

from . import lsc, lx, sts
from .lines import Line, PortError, SerialLine, open_hid

BAUDS = {"lx": lx.BAUD, "lsc-serial": lsc.BAUD, "sts": sts.BAUD}
HID, EMULATED = "hid", "emulated"
PROTOCOLS = {"lx": ("lx", "lsc-hid", "lsc-serial"), "sts": ("sts",)}
"""Protocols that an arm may be spoken to in, by its servos' bus; the first is that of an adapter on a serial port."""
WITHOUT_READ_BACK = ("lsc-hid", "lsc-serial")
"""Those on which positions come too seldom to steer by."""
CHECK_BUDGET = 0.5
"""Time to look at the settings of all servos [s]."""


def open_bus(
    arm: Arm,
    port: str,
    clock: Clock,
    protocol: str | None = None,
    stiffness: tuple[float, float] = (1.0, 1.0),
    **emulated: Any,
) -> lx.LxBus | lsc.LscBus | sts.StsBus:
    """Open a bus.

    Args:
        arm: The arm.
        port: A serial port, such as ``/dev/ttyUSB0``; ``hid`` for the xArm's own board; ``emulated`` for an arm in this
            process.
        clock: Clock of the machine, or for ``emulated`` any.
        protocol: ``lx``, ``lsc-hid``, ``lsc-serial`` or ``sts``; None for what port and arm suggest.
        stiffness: Stiffness of the drives over the nominal one that a policy was trained for, lowest and highest
            (``trained_for["drive_stiffness"]`` of its contract). STS servos with another P are refused.
        emulated: For the port ``emulated``: arguments of :class:`alice.deploy.emulator.EmulatedArm`.

    Raises:
        PortError: If the port does not fit the arm or cannot be opened, or servos are not set up as they must be.
    """
    protocol = protocol_of(arm, port, protocol)
    if port == EMULATED:
        from alice.deploy.emulator import EmulatedArm  # whoever has an arm needs no other

        line: Line = EmulatedArm(arm, clock=clock, protocol=protocol, **emulated).wire()
    else:
        line = open_hid(clock) if port == HID else SerialLine(port, BAUDS[protocol], clock)
    try:
        return bus_on(arm, line, clock, protocol, stiffness)
    except BaseException:
        line.close()
        raise


def bus_on(
    arm: Arm, line: Line, clock: Clock, protocol: str, stiffness: tuple[float, float] = (1.0, 1.0)
) -> lx.LxBus | lsc.LscBus | sts.StsBus:
    """Return the bus of an arm on a line that is open; see :func:`open_bus`."""
    if protocol == "lx":
        return lx.LxBus(line, clock)
    if protocol == "sts":
        bus = sts.StsBus(line, clock)
        bus.check(arm.servo_ids, _gains(arm, stiffness), CHECK_BUDGET)
        return bus
    fastest = max(joint.servo.no_load_speed * joint.servo.counts_per_radian for joint in arm.joints)
    return lsc.LscBus(line, clock, fastest, protocol)


def protocol_of(arm: Arm, port: str, protocol: str | None) -> str:
    """Return the protocol that an arm is spoken to in on a port.

    Raises:
        PortError: If the arm does not speak it, or not on that port.
    """
    spoken = PROTOCOLS[arm.joints[0].servo.bus]
    if protocol is None:
        protocol = "lsc-hid" if port == HID else spoken[0]
    if protocol not in spoken:
        on = " (USB-HID is the xArm's own board)" if port == HID else ""
        raise PortError(f"{arm.title} does not speak {protocol}{on}; it speaks {', '.join(spoken)}")
    if port != EMULATED and (protocol == "lsc-hid") != (port == HID):
        raise PortError(f"{protocol} does not go over port {port!r}; lsc-hid has the port hid, others a serial port")
    return protocol


def _gains(arm: Arm, stiffness: tuple[float, float]) -> tuple[float, float] | None:
    """Return the lowest and highest P that gives a stiffness; None where the arm's table has no P."""
    nominal = {joint.servo.position_gain for joint in arm.joints}
    if len(nominal) != 1 or None in nominal:
        return None
    (gain,) = nominal
    return gain * stiffness[0], gain * stiffness[1]
