"""A hand that leads an emulated arm as a person is asked to, with a repeatability, and with mistakes where wanted.

It does :class:`alice.deploy.calibrating.tasks.Task` and knows the arm's true angles, as a set square and marks on a
table do; what the servos report it never sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from alice.deploy.calibrating import tasks
from alice.deploy.calibrating.tasks import Task

from .arm import EmulatedArm
from .bench import Bench, servo_angles

REPEATABILITY = math.radians(0.2)
"""Standard deviation of where it holds a link [rad]."""
SPEED = 1.5
"""Speed at which it leads a link [rad/s]."""
DWELL = 0.3
"""How long it stays at a stop [s]."""


class EmulatedHand:
    """A hand (:class:`alice.deploy.calibrating.person.Person`).

    Args:
        arm: The arm, on a bench.
        seed: Of its errors.
        lift: How much higher over the table than its table has it the arm stands [m].
        repeatability: Standard deviation of where it holds a link [rad].
        mistakes: What it does to a task before it does it, by the beginning of the task's key: takes the task and the
            true angles (K, S) [rad] that it is about to go through, and returns others.
    """

    def __init__(
        self,
        arm: EmulatedArm,
        seed: int = 0,
        lift: float = 0.0,
        repeatability: float = REPEATABILITY,
        mistakes: Mapping[str, Callable[[Task, np.ndarray], np.ndarray]] | None = None,
    ):
        if not isinstance(arm.plant.links, Bench):
            raise TypeError("a hand leads an arm on a bench, not one that a simulator moves")
        self._arm, self._links, self._lift = arm, arm.plant.links, lift
        self._repeatability, self._mistakes = repeatability, dict(mistakes or {})
        self._generator = np.random.default_rng(seed)
        self._times, self._path = np.zeros(1), self._links.angles[:1].copy()
        self.told: list[str] = []
        """What it was told."""
        self._hold(self._path[0])

    def tell(self, line: str) -> None:
        """Remember a line."""
        self.told.append(line)

    def begin(self, task: Task) -> None:
        """Begin to lead the arm."""
        here = self._links.angles[0].copy()
        way = self._way(task, here)
        for prefix, mistake in self._mistakes.items():
            if task.key.startswith(prefix):
                way = mistake(task, way)
        way = np.clip(way, self._links.lower, self._links.upper)
        times, path = [self._arm.clock.now()], [here]
        for place in way:
            times.append(times[-1] + float(np.abs(place - path[-1]).max()) / SPEED + 1e-6)
            path.append(place)
            times.append(times[-1] + DWELL)
            path.append(place)
        self._times, self._path = np.array(times), np.array(path)

    def reply(self) -> str | None:
        """Lead on to where the arm is due by its clock; ``""`` at the end of the way."""
        now = self._arm.clock.now()
        self._hold([np.interp(now, self._times, column) for column in self._path.T])
        return "" if now >= self._times[-1] else None

    def _hold(self, angles) -> None:
        self._links.held[0] = angles

    def _way(self, task: Task, here: np.ndarray) -> np.ndarray:
        """Return the places that it goes through, (K, S) [rad]."""
        if task.kind == tasks.READY:
            return here[None]
        if task.kind == tasks.SWEEP:
            way = np.tile(here, (4, 1))
            way[:, task.column] = [np.inf, -np.inf, np.inf, -np.inf]
            return np.clip(way, self._links.lower, self._links.upper)
        goal = here.copy()
        if task.kind == tasks.HOLD:
            goal[task.column] = task.angle
        elif task.kind == tasks.GRIP:
            goal[task.column] = self._grip(task)
        else:
            point = np.array(task.point) - [0.0, 0.0, self._lift]
            goal[self._arm.arm.arm_columns] = tasks.pose_at(self._arm.arm, point)
            goal[-1] = self._grip(task)
        is_led = np.arange(goal.size) == task.column if task.column is not None else np.ones(goal.size, bool)
        error = self._repeatability * self._generator.standard_normal(goal.size)
        # Pads that touch each other do so without an error
        is_led[-1] = is_led[-1] and task.grip not in (None, tasks.CLOSED)
        return (goal + error * is_led)[None]

    def _grip(self, task: Task) -> float:
        """Return the angle of the gripper's servo [rad]."""
        gripper = self._arm.arm.gripper
        if task.grip == tasks.OPENED:
            column = self._links.upper.size - 1
            ends = self._links.lower[column], self._links.upper[column]
            return max(ends, key=lambda end: abs(end - float(self._angle(gripper.closed))))
        if task.grip == tasks.BALL:
            return float(self._angle(gripper.at_gap(np.float64(task.gap))))
        return float(self._angle(gripper.closed))

    def _angle(self, positions) -> float:
        arm = self._arm.arm
        joint_pos = np.array(arm.home, float)
        joint_pos[arm.gripper_columns] = positions
        return servo_angles(arm, joint_pos[None])[0, -1]
