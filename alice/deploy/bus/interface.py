"""What every servo bus can do, whatever its protocol: the only thing that the loop above knows of a bus.

Positions are counts as the servo has them; radians, zeros and signs belong to the arm's calibration. Standard library
only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


class BusError(OSError):
    """A bus that cannot be used any more: the adapter is gone, or the port refuses. The message is one line."""


@dataclass(frozen=True)
class Position:
    """Where one servo said that it is."""

    counts: int
    at: float
    """Time by the bus's clock that it is not older than [s]: of the reply, or of the question where that is slow or was
    asked before."""


@dataclass(frozen=True)
class Health:
    """What one servo said of itself; None where the protocol has no word for it or no reply came."""

    at: float
    """Time of the last reply by the bus's clock [s]."""
    voltage: float | None = None
    """Supply [V]."""
    temperature: float | None = None
    """[°C]."""
    load: float | None = None
    """Torque that it drives with over its stall torque, -1 to 1."""
    faults: tuple[str, ...] = ()
    """Error bits that are set, in words: ``over-temperature``, ``over-voltage``, ``stalled``, ``overload``, …"""


class Bus(Protocol):
    """A bus with servos. Every call ends within its ``budget`` [s], lost replies included.

    Calls raise :class:`BusError` where the port itself is lost. A servo that does not answer is no error: it is missing
    in what comes back, and who called decides how long that may go on.
    """

    protocol: str
    """``lx``, ``lsc-hid``, ``lsc-serial`` or ``sts``."""
    reads_back: bool
    """Whether positions come often enough for a policy that was trained with read-back."""
    counters: Mapping[str, int]
    """Frames ``sent`` and ``received``, ``timeouts``, ``damaged``, ``foreign`` and ``late`` replies, ``retries``."""

    def positions(self, servo_ids: Iterable[int], budget: float) -> dict[int, Position]:
        """Return the positions of the servos that answered in time."""

    def move(self, goals: Mapping[int, int], duration: float, budget: float) -> None:
        """Let servos go to goals [counts], all beginning together, so that they arrive after ``duration`` [s]."""

    def hold(self, servo_ids: Iterable[int], budget: float) -> None:
        """Let servos stay where they are, with torque."""

    def torque(self, servo_ids: Iterable[int], is_on: bool, budget: float) -> None:
        """Switch the torque of servos."""

    def health(self, servo_ids: Iterable[int], budget: float) -> dict[int, Health]:
        """Return what servos say of themselves, those that answered in time."""

    def close(self) -> None:
        """Give the port back; the servos keep what they were told last."""
