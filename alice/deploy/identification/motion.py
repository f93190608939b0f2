"""What an arm is told so that its servos can be told apart: moves in counts, all within its limits and above the table.

All joints move at once about one pose with room all around: quick ramps up and down that end in a snap of some counts
(no dead band is left at their ends), a staircase of single counts, a chirp. Then holds at poses where gravity pulls
most and least, each from both sides, and leaps of one joint after the other at its own speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alice.arms import Arm
from alice.deploy.calibration import Calibration
from alice.deploy.emulator.bench import joint_positions, servo_angles

from . import statics

AMPLITUDE = 0.36
"""Reach of a ramp either side of the middle [rad]."""
RAMP = 0.3
"""Time of a ramp [s]: 1.2 rad/s, less than the arms' speed caps."""
CYCLES = 6
SNAP = 0.012
"""Last step of every approach [rad], more than any dead band."""
CLEARANCE = 0.05
"""Change of direction that crosses any backlash [rad]."""
SETTLE = 0.15
"""From a snap until a joint stands: delay, jitter and the way [s]."""
LISTEN = 0.2
QUIET = 0.21
"""Silence before a ramp [s]: an STS driver takes a joint that it has just heard as the ramp's beginning, and backlash
would make the ramp faster than it says."""
STAIRS = 30
LEAP = 0.25
"""Step at the servo's own speed [rad]."""
WAVE = 0.12
"""Amplitude of the chirp [rad]."""
ROOM = 0.05
"""Least distance from table and base in every pose [m]."""
SLOW = 0.6
"""Speed between poses [rad/s]."""
HOLD = 0.8
"""How long a pose is listened to from each side [s]."""
TORQUE = 0.5
"""Most that a pose may ask of a servo, share of its stall torque."""


class NoRoomError(ValueError):
    """An arm that cannot be moved safely. The message is one line."""


@dataclass(frozen=True)
class Move:
    """One command and what follows it."""

    kind: str
    """``go``, ``ramp``, ``snap``, ``stair``, ``wave`` or ``leap``."""
    goals: np.ndarray
    """Counts of all servos, (S,)."""
    span: float
    """How long the servos take [s]."""
    wait: float
    """Time without a reading after the command [s]."""
    listen: float
    """Time with readings after that [s]."""
    columns: tuple[int, ...]
    """Which servos are read."""
    rest: float = 0.0
    """Time without a reading at the end [s]."""


class Planner:
    """Makes the moves of one arm.

    Args:
        calibration: The arm.

    Raises:
        NoRoomError: If its limits leave no pose to move about.
    """

    def __init__(self, calibration: Calibration):
        self._calibration, self.arm = calibration, calibration.kind
        joints = [next(joint for joint in self.arm.joints if joint.servo_id == i) for i in self.arm.servo_ids]
        self.slopes = np.array([joint.servo.counts_per_radian for joint in joints])
        self._stall = np.array([joint.servo.stall_torque for joint in joints])
        self._sign = np.array([joint.counts_sign for joint in joints])
        self._all = tuple(range(len(joints)))
        self._pitch, self._gripper = self._all[self.arm.pitch_columns], self._all[-1]
        self.lower, self.upper = _servo_limits(calibration)
        self.middle = self._middle()
        self.moves: list[Move] = []

    def plan(self) -> list[Move]:
        """Return all moves; the arm is led to the middle first and ends there."""
        middle = self._counts(self.middle)
        swing = np.rint(np.minimum(AMPLITUDE, 0.4 * (self.upper - self.lower)) * self.slopes).astype(int)
        self.moves = []
        self._go(middle)
        self._arrive(middle, -1)
        for offset in (1, 0, -1, 0) * CYCLES:
            self._ramp(middle + offset * swing)
        self._stairs(middle)
        self._wave(middle)
        for pose in self.poses():
            self._sag(self._counts(pose))
            self._go(middle)
        self._leaps(middle)
        return self.moves

    ##
    # Poses: angles of the servos
    ##

    def poses(self) -> list[np.ndarray]:
        """Return the poses in which gravity pulls most and least at each pitch joint, (S,) [rad] each."""
        candidates = self._grid(0.06)
        is_free = np.ones(len(candidates), bool)
        for side in (-1, 0, 1):  # it is come to from below and from above
            goals = candidates + side * CLEARANCE * self._sign
            path = self.middle + np.linspace(0.0, 1.0, 12)[:, None, None] * (goals - self.middle)
            is_free &= (self._room(path) >= ROOM).all(axis=0)
        torque = statics.weight(self.arm, joint_positions(self.arm, candidates))
        is_held = (np.abs(torque) < TORQUE * self._stall).all(axis=-1)
        candidates, torque = candidates[is_free & is_held], torque[is_free & is_held]
        if not len(candidates):
            raise NoRoomError("no pose in which its weight could be felt can be reached; see to its limits")
        rows = [find(torque[:, column]) for column in self._pitch for find in (np.argmax, np.argmin)]
        return [candidates[row] for row in dict.fromkeys(map(int, rows))]

    def _middle(self) -> np.ndarray:
        """Return the pose nearest to home about which all joints can swing, (S,) [rad]."""
        arm = self.arm
        home = servo_angles(arm, np.array(arm.home))
        candidates = self._grid(AMPLITUDE + CLEARANCE)
        corners = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
        around = np.repeat(candidates[None], len(corners), axis=0)
        around[..., self.arm.pitch_columns] += (AMPLITUDE + CLEARANCE) * corners
        candidates = candidates[(self._room(around) >= ROOM).all(axis=0)]
        if not len(candidates):
            raise NoRoomError("its limits leave no pose about which all joints could swing; see to its calibration")
        return candidates[np.argmin(np.abs(candidates - home).sum(axis=-1))]

    def _grid(self, margin: float) -> np.ndarray:
        """Return poses with all pitches, yaw and roll at home, the gripper half open, (K, S) [rad]."""
        home = servo_angles(self.arm, np.array(self.arm.home))
        if (self.upper - self.lower)[self.arm.pitch_columns].min() < 2.0 * margin:
            raise NoRoomError("its limits leave no pose about which all joints could swing; see to its calibration")
        axes = [np.linspace(self.lower[c] + margin, self.upper[c] - margin, 14) for c in self._pitch]
        pitches = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        poses = np.tile(home, (len(pitches), 1))
        poses[:, self.arm.pitch_columns] = pitches
        poses[:, self._gripper] = (self.lower[self._gripper] + self.upper[self._gripper]) / 2
        return poses

    def _room(self, angles: np.ndarray) -> np.ndarray:
        return statics.room(self.arm, joint_positions(self.arm, angles)) + min(0.0, self._calibration.lift)

    def _counts(self, angles: np.ndarray) -> np.ndarray:
        return self._calibration.counts(joint_positions(self.arm, angles))

    ##
    # Moves
    ##

    @property
    def _last(self) -> np.ndarray:
        return self.moves[-1].goals if self.moves else self._counts(self.middle)

    def _add(self, kind: str, goals: np.ndarray, span=0.0, wait=0.0, listen=0.0, columns=None, rest=0.0) -> None:
        self.moves.append(Move(kind, goals.copy(), span, wait, listen, columns or self._all, rest))

    def _go(self, goals: np.ndarray) -> None:
        """Go somewhere slowly."""
        span = max(0.3, float((np.abs(goals - self._last) / self.slopes).max()) / SLOW)
        self._add("go", goals, span, wait=span + SETTLE)

    def _snaps(self) -> np.ndarray:
        return np.ceil(SNAP * self.slopes).astype(int)

    def _arrive(self, goals: np.ndarray, side: int, listen: float = LISTEN, columns=None) -> None:
        """Come to a pose from one side of all joints, -1 from below, and listen there."""
        self._add("go", goals + side * np.ceil(CLEARANCE * self.slopes).astype(int), 0.3, wait=0.3 + SETTLE)
        self._add("go", goals + side * self._snaps(), 0.2, wait=0.2 + SETTLE)
        self._add("snap", goals, wait=SETTLE, listen=listen, columns=columns, rest=QUIET)

    def _ramp(self, goals: np.ndarray) -> None:
        """Ramp to a pose, and snap into it."""
        side = np.sign(goals - self._last)
        self._add("ramp", goals - side * self._snaps(), RAMP, wait=0.01, listen=RAMP + 0.13)
        self._add("snap", goals, wait=SETTLE, listen=LISTEN, rest=QUIET)

    def _stairs(self, middle: np.ndarray) -> None:
        """Climb count by count, the backlash crossed before."""
        self._arrive(middle, -1)
        for number in range(1, STAIRS + 1):
            self._add("stair", middle + number, wait=0.11, listen=0.11)

    def _wave(self, middle: np.ndarray, seconds: float = 5.0, period: float = 0.05) -> None:
        """Follow a chirp, as a policy would: a command in each period."""
        self._arrive(middle, -1)
        size = np.minimum(WAVE, 0.3 * (self.upper - self.lower)) * self.slopes
        for step in range(round(seconds / period)):
            time = step * period
            phase = 2.0 * np.pi * (0.3 * time + 0.5 * (2.0 - 0.3) / seconds * time**2)
            self._add("wave", middle + np.rint(size * np.sin(phase)).astype(int), period, listen=period)

    def _sag(self, goals: np.ndarray) -> None:
        """Stand at a pose, come from below and from above."""
        below = goals - np.ceil(CLEARANCE * self.slopes).astype(int)
        self._go(below)
        for side in (-1, 1):
            self._arrive(goals, side, HOLD, self._pitch)

    def _leaps(self, middle: np.ndarray) -> None:
        """Let one joint after the other go as fast as it can, over a short way."""
        self._arrive(middle, -1)
        for column in self._all:
            size = round(min(LEAP, 0.35 * (self.upper - self.lower)[column]) * self.slopes[column])
            for side in (1, -1, 1, -1):
                goals = middle.copy()
                goals[column] += side * size // 2
                self._add("leap", goals, listen=0.32, columns=(column,))
        self._go(middle)


def _servo_limits(calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest angle of each servo, (S,) [rad]; the gripper from closed to open."""
    arm: Arm = calibration.kind
    ends = np.array(calibration.limits)
    ends[:, arm.gripper_columns] = arm.gripper.closed, arm.gripper.opened
    ends = np.sort(servo_angles(arm, ends), axis=0)
    return ends[0], ends[1]
