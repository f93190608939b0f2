"""The arms that alice knows, each a value of :class:`Arm`; nothing else of alice holds a number of one."""

from __future__ import annotations

from typing import Any

from . import kinematics
from .arm import AXES, Arm, Camera, Chain, Joint, Mirror, Servo
from .gripper import CoupledFingers, SingleJaw
from .so101 import SO101, SO101_12V
from .xarm1s import XARM1S

ARMS: dict[str, Arm] = {arm.name: arm for arm in (XARM1S, SO101, SO101_12V)}
"""Every arm by its name."""


def of(env: Any) -> Arm:
    """Return the arm of an environment: the one that its configuration names."""
    return named(env.cfg.arm)


def named(name: str) -> Arm:
    """Return the arm of a name.

    Raises:
        ValueError: If there is none.
    """
    if name not in ARMS:
        raise ValueError(f"arm {name!r} is unknown, use one of {', '.join(ARMS)}")
    return ARMS[name]
