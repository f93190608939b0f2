"""Many emulated arms that make the same moves at once: the plant of :mod:`alice.deploy.emulator` without the bytes.

Fifty arms take as long as one. What the wire would have taken is counted by the bytes of each protocol, so that moments
are those of a driver on that line; a test holds one arm here against the same arm behind its bus.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alice.arms import Arm
from alice.deploy.bus.opening import BAUDS
from alice.deploy.emulator.bench import joint_positions, servo_angles
from alice.deploy.emulator.plant import Plant
from alice.deploy.emulator.world import World

from . import statics
from .motion import Move
from .recording import SWEEP, Recording

COMMAND = {"lx": (10, 6), "sts": (7, 8)}
"""Bytes of a command for each servo, and beside them."""
QUESTION = {"lx": 6, "sts": 14}
"""Bytes of a question: to one servo, or to all six."""
ANSWER = {"lx": 8, "sts": 8}


def command_time(arm: Arm, protocol: str) -> float:
    """Return the time from the call to the last byte of a command to all servos [s]."""
    each, beside = COMMAND[protocol]
    return 10.0 * (each * len(arm.servo_ids) + beside) / BAUDS[protocol]


class Rehearsal:
    """N emulated arms on benches.

    Args:
        arm: The kind of arm.
        world: What is off about them, N arms.
        protocol: ``lx`` or ``sts``.
        seed: Of jitter and noise.
        joint_pos: Where they stand, (J,) [rad, m]; at home if None.
    """

    def __init__(self, arm: Arm, world: World, protocol: str, seed: int, joint_pos=None):
        self.arm, self.world, self.protocol = arm, world, protocol
        pose = np.tile(np.array(arm.home if joint_pos is None else joint_pos, float), (world.count, 1))
        # Nothing befalls these arms: their faults are never looked at.
        self.plant = Plant(arm, world, pose, [], np.random.default_rng(seed), 0.0)
        mass = world.of("link_mass")
        # The bench weighs one arm after the other; this is the same for all at once.
        self.plant.links.weight = lambda: statics.weight(arm, joint_positions(arm, self.plant.links.angles)) * mass
        self._byte = 10.0 / BAUDS[protocol]
        self._answer_time = float(world.per_arm("answer_time")[0])

    def command(self, counts: np.ndarray, span: float, now: float) -> None:
        """Send all arms to the same counts (S,), or each to its own (N, S)."""
        at = now + command_time(self.arm, self.protocol)
        goals = np.broadcast_to(counts, (self.world.count, len(self.arm.servo_ids)))
        self.plant.advance(at)
        # An LX line starts all servos by one frame; STS servos are late each for itself.
        groups = [[column] for column in range(goals.shape[1])] if self.protocol == "sts" else [range(goals.shape[1])]
        for row in range(self.world.count):
            for columns in map(list, groups):
                spans = [max(span, 1e-3)] * len(columns)
                self.plant.servos.command(row, columns, goals[row, columns].tolist(), spans, at)

    def round(self, columns: Sequence[int], now: float) -> tuple[list[tuple[float, int, np.ndarray]], float]:
        """Return one round of readings: when each is dated [s], its servo and the counts (N,); and when it is over."""
        rows, asked = [], now
        is_shared = self.protocol == "sts"
        heard = now + QUESTION["sts"] * self._byte
        at = heard + self._answer_time
        for column in columns:
            if not is_shared:
                heard = asked + QUESTION["lx"] * self._byte
                at = heard + self._answer_time
            self.plant.advance(heard)
            at += ANSWER[self.protocol] * self._byte
            rows.append(((asked + at) / 2, column, self._read(column)))
            asked = at
        return rows, at

    def be_even(self) -> None:
        """Let every command be as late as the next: two curves are compared, not two draws."""
        self.plant.servos._jitter = np.zeros(self.world.count)

    def reported(self) -> np.ndarray:
        """Return where the joints are by their servos' own zero and scale, without noise, (N, J) [rad, m]."""
        return joint_positions(self.arm, self.plant.servos.reported(self.plant.links.angles))

    def _read(self, column: int) -> np.ndarray:
        """Return what a servo of every arm reports, (N,) counts."""
        servos, links = self.plant.servos, self.plant.links.angles
        noise = self.world.of("servo_read_noise")[:, column] * servos._generator.standard_normal(self.world.count)
        seen = servos.reported(links)[:, column] + noise
        counts = np.rint(seen * servos.per_radian[column])
        return (servos._centre[column] + servos.sign[column] * counts).astype(int)

    def record(self, moves: Sequence[Move]) -> list[Recording]:
        """Let all arms make moves; return what a recorder would have taken down of each."""
        now, calls, rows = 0.0, [], []
        start = np.rint(
            self.plant.servos.sign * self.plant.servos.per_radian * servo_angles(self.arm, self.plant.joint_pos())[0]
            + self.plant.servos._centre
        ).astype(int)
        for move in [Move("go", moves[0].goals, 3.0, 3.2, 0.0, ()), *moves]:
            calls.append((now, move))
            self.command(move.goals, move.span, now)
            until = now + move.wait + move.listen
            now += move.wait
            while now < until - 0.002:
                found, over = self.round(move.columns, now)
                rows += [(*item, len(calls) - 1) for item in found]
                now = min(until, max(over, now + SWEEP * len(move.columns) / len(start)))
            now = until + move.rest
        return self._recordings(calls, rows)

    def _recordings(self, calls, rows) -> list[Recording]:
        at, moves = zip(*calls, strict=True)
        kind, goals = np.array([move.kind for move in moves]), np.array([move.goals for move in moves])
        span, wait = np.array([move.span for move in moves]), np.array([move.wait for move in moves])
        read_at, column, counts, number = (np.array(part) for part in zip(*rows, strict=True))
        common = (self.arm.name, self.protocol, True, np.array(at), kind, goals, span, wait, read_at, column)
        return [Recording(*common, counts[:, row], number) for row in range(self.world.count)]
