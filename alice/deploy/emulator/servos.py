"""Hobby servos between what a bus tells them and where their motors drive the links. NumPy only.

The quantities mean what they mean in training (:class:`alice.mdp.servos.ServoModel`), but time is continuous here and
commands arrive when they arrive: a command moves a servo evenly from where the one before it has brought it to its
goal, and begins ``servo_delay`` after its last byte has reached the servo. ``tests/unit/test_emulated_servos.py``
holds both against each other. Torque, speed and what hangs on the servo are the links' (:mod:`.bench`, or a simulator).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alice.arms import Arm

from .world import World

NEVER = np.inf
QUEUE = 8
"""Commands that can be on their way to a servo: those of a delay of 0.2 s at 40 Hz."""


class Servos:
    """The servos of N arms, S each, in the order of ``arm.servo_ids``. Angles are the joints', not the counts'.

    Args:
        arm: The kind of arm.
        world: What is off about them.
        angles: Where they stand at the beginning, (N, S) [rad].
        generator: Draws jitter and noise.
    """

    def __init__(self, arm: Arm, world: World, angles: np.ndarray, generator: np.random.Generator):
        joints = [next(joint for joint in arm.joints if joint.servo_id == servo_id) for servo_id in arm.servo_ids]
        self.per_radian = np.array([joint.servo.counts_per_radian for joint in joints])
        self._centre = np.array([joint.servo.centre_counts for joint in joints])
        self.sign = np.array([joint.counts_sign for joint in joints])
        self._generator = generator
        shape = angles.shape
        self._delay, self._jitter = world.per_arm("servo_delay"), world.per_arm("servo_jitter")
        self._dead_band = np.floor(world.of("servo_dead_band") * self.per_radian + 1e-3)
        """In whole counts: between numbers of radians the last bit would decide."""
        self._backlash, self._offset = world.of("servo_backlash"), world.of("servo_offset")
        self._gain, self._noise = world.of("servo_gain"), world.of("servo_read_noise")
        self._from = (angles - self._offset) / self._gain
        self._to, self._begin, self._span = self._from.copy(), np.zeros(shape), np.zeros(shape)
        self._next_begin = np.full((QUEUE, *shape), NEVER)
        self._next_to, self._next_span = np.zeros((QUEUE, *shape)), np.zeros((QUEUE, *shape))
        self._command = self._from.copy()
        self._motor = angles.copy()
        self._followed = -NEVER
        """The moment that was asked for last [s]."""
        self.is_loaded = np.ones(shape, bool)
        """Which of them drive, (N, S)."""

    def angle_of(self, counts: np.ndarray | int, columns: Sequence[int] | slice = slice(None)) -> np.ndarray:
        """Return the angle that counts mean to a servo without fault [rad]."""
        return (counts - self._centre[columns]) * self.sign[columns] / self.per_radian[columns]

    def command(
        self, row: int, columns: Sequence[int], goals: Sequence[int], spans: Sequence[float], at: float
    ) -> None:
        """Let servos of one arm go to goals.

        Args:
            row: The arm.
            columns: Its servos.
            goals: Where to [counts].
            spans: How long they take [s]; below 0, how fast they go instead, -[rad/s].
            at: When the command's last byte is there [s].
        """
        columns = np.asarray(columns)
        begin = at + max(0.0, self._delay[row] + self._jitter[row] * self._generator.standard_normal())
        # A command does not overtake the one before it.
        queued = self._next_begin[:, row, columns]
        last = np.where(np.isfinite(queued), queued, -NEVER).max(axis=0)
        slots = np.minimum(np.isfinite(queued).sum(axis=0), QUEUE - 1)
        self._next_begin[slots, row, columns] = np.maximum(begin, last)
        self._next_to[slots, row, columns] = self.angle_of(np.asarray(goals), columns)
        self._next_span[slots, row, columns] = spans
        self._followed = -NEVER

    def stop(self, row: int, columns: Sequence[int], at: float) -> None:
        """Let servos of one arm stay where their commands have brought them."""
        self.follow(at)
        columns = np.asarray(columns)
        self._stand(row, columns, self._setpoint(at)[row, columns])

    def load(self, row: int, columns: Sequence[int], is_on: bool, reported: np.ndarray) -> None:
        """Switch the torque of servos of one arm; those that are switched on stand where they report to be.

        Args:
            row: The arm.
            columns: Its servos.
            is_on: Whether they drive.
            reported: Where all of the arm's servos report to be, without noise, (S,) [rad].
        """
        columns = np.asarray(columns)
        if is_on:
            fresh = columns[~self.is_loaded[row, columns]]
            self._stand(row, fresh, reported[fresh])
            self._command[row, fresh] = reported[fresh]
            self._motor[row, fresh] = (self._gain * reported + self._offset)[row, fresh]
        else:
            self._next_begin[:, row, columns] = NEVER
        self.is_loaded[row, columns] = is_on

    def place(self, rows: np.ndarray, angles: np.ndarray, commands: np.ndarray | None = None) -> None:
        """Let arms stand somewhere else, at rest and loaded.

        Args:
            rows: Indices, (K,).
            angles: Angles of their links, (K, S) [rad].
            commands: What their servos were told, (K, S) [rad]; what brings the links there if None.
        """
        command = (angles - self._offset[rows]) / self._gain[rows] if commands is None else commands
        self._stand(rows, slice(None), command)
        self._command[rows] = command
        self._motor[rows] = angles
        self.is_loaded[rows] = True

    def follow(self, now: float) -> np.ndarray:
        """Return where the links are driven to at a moment, not before the last one asked for, (N, S) [rad]."""
        if now == self._followed:
            return self._motor
        self._followed = now
        while (due := self._next_begin[0] <= now).any():
            here = self._setpoint(self._next_begin[0])
            self._from[due], self._to[due] = here[due], self._next_to[0][due]
            span, way = self._next_span[0][due], np.abs(self._to - self._from)[due]
            self._begin[due] = self._next_begin[0][due]
            self._span[due] = np.where(span < 0.0, way / np.maximum(-span, 1e-9), span)
            for queue, empty in ((self._next_begin, NEVER), (self._next_to, 0.0), (self._next_span, 0.0)):
                queue[:-1, due] = queue[1:, due]
                queue[-1, due] = empty
        wanted = np.rint(self._setpoint(now) * self.per_radian) / self.per_radian
        change = np.abs(np.rint((wanted - self._command) * self.per_radian))
        self._command = np.where(change > self._dead_band, wanted, self._command)
        motor = self._gain * self._command + self._offset
        # A loose gear: the link moves only when the motor has crossed the play.
        self._motor = np.minimum(np.maximum(self._motor, motor - self._backlash / 2), motor + self._backlash / 2)
        return self._motor

    def reported(self, links: np.ndarray) -> np.ndarray:
        """Return where servos find their links by their own zero and scale, without noise, (N, S) [rad]."""
        return (links - self._offset) / self._gain

    def read(self, row: int, column: int, links: np.ndarray) -> int:
        """Return what one servo reports [counts].

        Args:
            row: The arm.
            column: The servo.
            links: True angles of all links, (N, S) [rad].
        """
        seen = (links[row, column] - self._offset[row, column]) / self._gain[row, column]
        seen += self._noise[row, column] * self._generator.standard_normal()
        angle = seen * self.per_radian[column]
        return int(self._centre[column] + self.sign[column] * np.rint(angle))

    def _setpoint(self, now: np.ndarray | float) -> np.ndarray:
        """Return what the commands so far want at a moment, (N, S) [rad]."""
        share = (now - self._begin) / np.maximum(self._span, 1e-9)
        return self._from + (self._to - self._from) * np.minimum(np.maximum(share, 0.0), 1.0)

    def _stand(self, row: int | np.ndarray, columns: np.ndarray | slice, angles: np.ndarray) -> None:
        self._next_begin[:, row, columns] = NEVER
        self._from[row, columns] = self._to[row, columns] = angles
        self._begin[row, columns] = self._span[row, columns] = 0.0
        self._followed = -NEVER
