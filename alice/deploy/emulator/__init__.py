"""An arm that is not there: servos with all their faults behind the bytes of their bus. NumPy only."""

from __future__ import annotations

from .arm import EmulatedArm, EmulatedArms
from .camera import EmulatedCamera
from .faults import KINDS, FaultError
from .world import World, WorldError
