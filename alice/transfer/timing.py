"""How often the arm is looked at and told where to go. Standard library only."""

from __future__ import annotations

CONTROL_RATE_HZ = 20
"""Policy rate [Hz]. 20-25 Hz is what users of the xArm 1S reach over its bus; an SO-101 is mostly driven at 30 Hz."""

PHYSICS_RATE_HZ = 120
"""Simulation rate [Hz]; a multiple of :data:`CONTROL_RATE_HZ`."""
