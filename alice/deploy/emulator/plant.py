"""N emulated arms as their servos feel them: motors, links, heat and supply, advanced in time. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alice.arms import Arm

from .bench import Bench, GivenLinks, joint_positions, servo_angles
from .faults import Faults
from .servos import Servos
from .world import World

STEP = 0.01
"""Longest step of links, heat and supply [s]."""
SELF_STOP = 5.0
"""How much hotter than the arm's own limit a servo is when it stops itself [K]."""
RESET_AT = 0.75
"""Supply over the lowest that a servo may have at which it forgets everything and lets go."""
STALLS_FROM = 0.9
"""Share of its stall torque from which a servo counts as stalled."""
STALL_TIME = 3.0
"""How long it stalls until it says so [s] (guess)."""


class Plant:
    """N arms.

    Args:
        arm: The kind of arm.
        world: What is off about them.
        joint_pos: Where they stand, (N, J) [rad, m].
        faults: The faults of each.
        generator: Draws jitter and noise.
        now: Time at the beginning [s].
        are_links_given: Whether somebody else moves the links (:class:`.bench.GivenLinks`), in control steps; else they
            move on a bench whenever somebody looks.
    """

    def __init__(
        self,
        arm: Arm,
        world: World,
        joint_pos: np.ndarray,
        faults: Sequence[Faults],
        generator: np.random.Generator,
        now: float,
        are_links_given: bool = False,
    ):
        self.arm, self.world, self.faults = arm, world, faults
        angles = servo_angles(arm, np.asarray(joint_pos, float))
        self.servos = Servos(arm, world, angles, generator)
        self.links = GivenLinks(angles) if are_links_given else Bench(arm, world, angles)
        self._are_links_given = are_links_given
        self._columns = {servo_id: column for column, servo_id in enumerate(arm.servo_ids)}
        joints = [next(joint for joint in arm.joints if joint.servo_id == servo_id) for servo_id in arm.servo_ids]
        supplies = np.array([joint.servo.supply for joint in joints])
        self.nominal_supply = float(supplies.mean())
        self._reset_at = RESET_AT * float(supplies[:, 0].max())
        self._hottest = np.array([joint.servo.hottest for joint in joints]) + SELF_STOP
        self.temperature = world.of("ambient_temperature").copy()
        """Of each servo, (N, S) [°C]."""
        self.supply = world.per_arm("supply_voltage") * self.nominal_supply
        """Of each arm, (N,) [V]."""
        self.is_too_hot = np.zeros(angles.shape, bool)
        """Which servos have stopped themselves for heat, (N, S), until they are switched off and on."""
        self._stalling = np.zeros(angles.shape)
        self.now = now
        """How far it has got [s]."""
        self.step_began: float | None = None
        """Where set, the moment that commands count from [s]: servos move once per control step then."""

    ##
    # Time
    ##

    def advance(self, now: float) -> np.ndarray:
        """Let time pass until a moment [s]; return where the links are driven to, (N, S) [rad]."""
        motors = self.servos.follow(self.now)
        while self.now < now - 1e-9:
            seconds = now - self.now if self._are_links_given else min(STEP, now - self.now)
            self.now += seconds
            motors = self.servos.follow(self.now)
            self._befall(seconds)
            supply = (self.supply / self.nominal_supply)[:, None]
            self.links.step(motors, self.servos.is_loaded & ~self.is_too_hot, supply, seconds)
            self._warm(seconds)
        return motors

    def joint_pos(self) -> np.ndarray:
        """Return the true joint positions, (N, J) [rad, m]."""
        return joint_positions(self.arm, self.links.angles)

    def driven(self, now: float) -> np.ndarray:
        """Let time pass until a moment [s]; return where the joints are driven to, (N, J) [rad, m].

        Joints of servos without torque are driven to where they are.
        """
        motors = self.advance(now)
        is_driven = self.servos.is_loaded & ~self.is_too_hot
        return joint_positions(self.arm, np.where(is_driven, motors, self.links.angles))

    def set_joint_pos(self, joint_pos: np.ndarray) -> None:
        """Tell where the links are that somebody else moves, (N, J) [rad, m]."""
        self.links.angles = servo_angles(self.arm, np.asarray(joint_pos, float))

    def place(self, rows: np.ndarray, joint_pos: np.ndarray, targets: np.ndarray | None = None) -> None:
        """Let arms stand somewhere else, at rest, cold and loaded: where an episode begins.

        Args:
            rows: Indices, (K,).
            joint_pos: (K, J) [rad, m].
            targets: What they were told, (K, J) [rad, m]; what brings them there if None.
        """
        angles = servo_angles(self.arm, np.asarray(joint_pos, float))
        commands = None if targets is None else servo_angles(self.arm, np.asarray(targets, float))
        self.links.angles[rows] = angles
        self.servos.place(rows, angles, commands)
        self.temperature[rows] = self.world.of("ambient_temperature")[rows]
        self.is_too_hot[rows], self._stalling[rows] = False, 0.0

    def _befall(self, seconds: float) -> None:
        """Let the faults act that are no answers'."""
        for row, faults in enumerate(self.faults):
            if not faults.given and not self._was_befallen(row):
                continue
            for servo_id, column in self._columns.items():
                heat = faults.on("overheat", self.now, servo_id)
                if heat is not None:
                    self.temperature[row, column] = heat.numbers["to"]
                if isinstance(self.links, Bench):
                    push = faults.on("push", self.now, servo_id)
                    self.links.pushed[row, column] = push.numbers["by"] if push is not None else 0.0
                    self.links.is_stuck[row, column] = faults.on("stuck", self.now, servo_id) is not None
                if faults.on("dead", self.now, servo_id) is not None:
                    self.servos.is_loaded[row, column] = False

    def _was_befallen(self, row: int) -> bool:
        """Whether something is to be taken back from an arm whose faults have been cleared."""
        links = self.links
        return isinstance(links, Bench) and bool(links.pushed[row].any() or links.is_stuck[row].any())

    def _warm(self, seconds: float) -> None:
        """Let servos warm and cool and the supply sag, and switch off what is too hot or without supply."""
        load, world = self.links.load, self.world
        target = world.of("ambient_temperature") + world.of("heat_rise") * load**2
        share = 1.0 - np.exp(-seconds / world.of("heat_time"))
        self.temperature += (target - self.temperature) * share
        self.is_too_hot |= self.temperature >= self._hottest
        self._stalling = np.where(np.abs(load) >= STALLS_FROM, self._stalling + seconds, 0.0)
        sag = world.per_arm("supply_sag") * np.abs(load).mean(axis=1)
        self.supply = world.per_arm("supply_voltage") * self.nominal_supply - sag
        for row, faults in enumerate(self.faults):
            brown = faults.on("brown_out", self.now) if faults.given else None
            if brown is not None:
                self.supply[row] = brown.numbers["to"]
        self.servos.is_loaded[self.supply < self._reset_at] = False

    ##
    # What a servo does and says
    ##

    def column(self, servo_id: int) -> int:
        """Return which of an arm's servos has an id."""
        return self._columns[servo_id]

    def hears(self, row: int, servo_id: int, at: float) -> bool:
        """Whether a servo is there, alive and powered."""
        is_dead = self.faults[row].on("dead", at, servo_id) is not None
        brown = self.faults[row].on("brown_out", at)
        supply = self.supply[row] if brown is None else brown.numbers["to"]
        return servo_id in self._columns and not is_dead and supply >= self._reset_at

    def command(self, row: int, goals: dict[int, tuple[int, float]], at: float) -> None:
        """Let servos go to goals: by id, counts and how long it takes [s] or, below 0, how fast -[counts/s]."""
        columns = [self.column(servo_id) for servo_id in goals]
        counts = [goal for goal, _ in goals.values()]
        per_radian = [self.servos.per_radian[column] for column in columns]
        spans = [s / k if s < 0.0 else s for (_, s), k in zip(goals.values(), per_radian, strict=True)]
        self.servos.command(row, columns, counts, spans, at if self.step_began is None else self.step_began)

    def load(self, row: int, servo_ids: Sequence[int], is_on: bool, at: float) -> None:
        """Switch the torque of servos."""
        columns = [self.column(servo_id) for servo_id in servo_ids]
        self.look(at)
        if not is_on:
            self.is_too_hot[row, columns] = False
            self._stalling[row, columns] = 0.0
        self.servos.load(row, columns, is_on, self.servos.reported(self.links.angles)[row])

    def stop(self, row: int, servo_ids: Sequence[int], at: float) -> None:
        """Let servos stay where they are."""
        self.look(at)
        self.servos.stop(row, [self.column(servo_id) for servo_id in servo_ids], max(at, self.now))

    def is_loaded(self, row: int, servo_id: int) -> bool:
        """Whether a servo drives."""
        return bool(self.servos.is_loaded[row, self.column(servo_id)])

    def counts(self, row: int, servo_id: int, at: float) -> int:
        """Return what a servo reports as its position [counts]."""
        self.look(at)
        return self.servos.read(row, self.column(servo_id), self.links.angles)

    def health(self, row: int, servo_id: int, at: float) -> tuple[float, float, float]:
        """Return supply [V], temperature [°C] and load of a servo as it feels them."""
        self.look(at)
        column = self.column(servo_id)
        load = self.links.load[row, column] * self.servos.sign[column]
        heat = self.faults[row].on("overheat", at, servo_id)
        temperature = self.temperature[row, column] if heat is None else heat.numbers["to"]
        brown = self.faults[row].on("brown_out", at)
        return (self.supply[row] if brown is None else brown.numbers["to"]), temperature, load

    def is_stalled(self, row: int, servo_id: int) -> bool:
        """Whether a servo says that it has stalled."""
        return bool(self._stalling[row, self.column(servo_id)] >= STALL_TIME)

    def has_overheated(self, row: int, servo_id: int, at: float) -> bool:
        """Whether a servo says that it is too hot."""
        column = self.column(servo_id)
        return bool(self.is_too_hot[row, column] or self.health(row, servo_id, at)[1] >= self._hottest[column])

    def look(self, at: float) -> None:
        """Let time pass up to a look at the arms, where nobody else does."""
        if not self._are_links_given:
            self.advance(at)
