"""The body of each arm."""

from __future__ import annotations

from alice.arms import SO101, SO101_12V, XARM1S, Arm

from .body import Body
from .so101_parts import SO101_BODY
from .xarm1s_parts import XARM1S_BODY

BODIES: dict[str, Body] = {XARM1S.name: XARM1S_BODY, SO101.name: SO101_BODY, SO101_12V.name: SO101_BODY}
"""Every body by the name of an arm."""


def body_of(arm: Arm) -> Body:
    """Return the body of an arm.

    Raises:
        ValueError: If it has none.
    """
    if arm.name not in BODIES:
        raise ValueError(f"arm {arm.name!r} has no body, use one of {', '.join(BODIES)} or add one to assets/bodies.py")
    return BODIES[arm.name]
