"""Servo buses: what is said to the servos and heard from them, one module for each protocol. No PyTorch."""

from __future__ import annotations

from .interface import Bus, BusError, Health, Position
from .lines import PortError
from .opening import open_bus
