"""Grippers: what their joint positions mean for a ball between the pads.

All functions take floats, NumPy arrays and PyTorch tensors. J is the number of the gripper's joints; positions come
in the order of the arm's joint vector. *Gap* is the diameter of the ball that touches both faces at the tool point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .namespace import namespace


@dataclass(frozen=True)
class CoupledFingers:
    """Two fingers that slide apart evenly, moved by one servo. The ball sits midway between them."""

    travel: float
    """Travel of each finger from closed to open [m]."""
    per_radian: float
    """Travel of each finger per radian of the servo [m/rad]."""
    speed_cap: float
    """Largest commanded speed of a finger [m/s]."""
    squeeze: float
    """How much further closed than the ball's surface each finger is commanded when it holds a ball [m]."""
    gap_error: float
    """How far off the gap may be that a calibrated servo reports, beyond what a pinch allows for a true one [m]."""

    kind = "coupled fingers"

    @property
    def closed(self) -> tuple[float, ...]:
        """Joint positions with the pads together [m]."""
        return 0.0, 0.0

    @property
    def opened(self) -> tuple[float, ...]:
        """Joint positions at the widest opening [m]."""
        return self.travel, self.travel

    def gap(self, positions: Any) -> Any:
        """Return the gap of joint positions, (..., 2) [m] to (...) [m]."""
        return positions[..., 0] + positions[..., 1]

    def at_gap(self, gap: Any) -> Any:
        """Return the joint positions of a gap, (...) [m] to (..., 2) [m]; those nearest to it where there are none."""
        xp = namespace(gap)
        finger = xp.clip(gap / 2.0, 0.0, self.travel)
        return xp.stack((finger, finger), -1)

    def held_at(self, radius: Any) -> Any:
        """Return how far in the opening direction from the tool point a held ball's centre lies, (...) [m]."""
        return 0.0 * radius

    def servo_angle(self, positions: Any) -> Any:
        """Return the angle of the servo that stands behind joint positions, (..., 2) [m] to (..., 1) [rad]."""
        return (positions[..., :1] + positions[..., 1:]) / (2.0 * self.per_radian)

    def from_servo(self, angle: Any) -> Any:
        """Return the joint positions of a servo angle, (..., 1) [rad] to (..., 2) [m]."""
        xp = namespace(angle)
        finger = angle * self.per_radian
        return xp.concatenate((finger, finger), -1)


@dataclass(frozen=True)
class SingleJaw:
    """One jaw that turns against a fixed one, straight on the servo. A held ball leans on the fixed jaw.

    Lengths are counted in the plane of the opening, from the tool point: forward along the hand, and up in the opening
    direction.
    """

    closed_angle: float
    """Angle of the jaw where it meets the fixed one [rad]."""
    open_angle: float
    """Angle of the widest opening that is commanded [rad]."""
    pivot: tuple[float, float]
    """Axis of the jaw: forward and up [m]."""
    fixed_face: float
    """Face of the fixed jaw: up [m]."""
    moving_face: float
    """Face of the moving jaw: up from the line through the axis along the jaw, where the angle is zero [m]."""
    speed_cap: float
    """Largest commanded speed of the jaw [rad/s]."""
    squeeze: float
    """How much narrower than the ball the gap is commanded when it holds one, per side [m]."""
    gap_error: float
    """How far off the gap may be that a calibrated servo reports, beyond what a pinch allows for a true one [m]."""

    kind = "single jaw"

    @property
    def closed(self) -> tuple[float, ...]:
        """Joint position with the jaws together [rad]."""
        return (self.closed_angle,)

    @property
    def opened(self) -> tuple[float, ...]:
        """Joint position at the widest opening [rad]."""
        return (self.open_angle,)

    def gap(self, positions: Any) -> Any:
        """Return the gap of joint positions, (..., 1) [rad] to (...) [m]; negative where the faces would overlap."""
        # A ball of radius r leans on the fixed face straight beside the tool point, at (0, fixed_face + r). Its
        # distance from the moving face is r as well; this is linear in r.
        xp, angle = namespace(positions), positions[..., 0]
        sin, cos = xp.sin(angle), xp.cos(angle)
        forward, up = -self.pivot[0], self.fixed_face - self.pivot[1]
        return 2.0 * (forward * sin - up * cos + self.moving_face) / (1.0 + cos)

    def at_gap(self, gap: Any) -> Any:
        """Return the joint position of a gap, (...) [m] to (..., 1) [rad]; the nearest one where there is none."""
        xp = namespace(gap)
        forward, up = -self.pivot[0], self.fixed_face - self.pivot[1] + gap / 2.0
        length = xp.hypot(forward + 0.0 * gap, up)
        angle = xp.arcsin(xp.clip((gap / 2.0 - self.moving_face) / length, -1.0, 1.0)) + xp.arctan2(
            up, forward + 0.0 * gap
        )
        return xp.clip(angle, self.closed_angle, self.open_angle)[..., None]

    def held_at(self, radius: Any) -> Any:
        """Return how far in the opening direction from the tool point a held ball's centre lies, (...) [m]."""
        return radius + self.fixed_face

    def servo_angle(self, positions: Any) -> Any:
        """Return the angle of the servo that stands behind joint positions, (..., 1) [rad], the same."""
        return positions

    def from_servo(self, angle: Any) -> Any:
        """Return the joint positions of a servo angle, (..., 1) [rad], the same."""
        return angle
