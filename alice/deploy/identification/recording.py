"""Lets an arm make moves and takes down what it was told and what it said, on any bus and any clock. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alice.cli import files
from alice.cli.usage import UsageError
from alice.deploy.bus.interface import Bus
from alice.deploy.calibration import Calibration
from alice.deploy.clock import Clock

from . import statics
from .motion import ROOM, SLOW, Move, NoRoomError

BUDGET = 0.05
"""Time for a command or one round of readings [s]."""
SWEEP = 0.008
"""Least time from one round of readings of all servos to the next [s]: more would say nothing new."""
FORMAT = 1


class TroubleError(RuntimeError):
    """An arm that had to be stopped. The message is one line."""


@dataclass(frozen=True)
class Recording:
    """Moves M and readings R of one arm with S servos, by one clock."""

    arm: str
    protocol: str
    reads_back: bool
    """Whether readings came at once (:class:`alice.deploy.bus.interface.Bus`)."""
    at: np.ndarray
    """When each move was called for, (M,) [s]."""
    kind: np.ndarray
    """Names of the moves, (M,)."""
    goals: np.ndarray
    """(M, S) [counts]."""
    span: np.ndarray
    """(M,) [s]."""
    wait: np.ndarray
    """Time after each move in which servos need not stand yet, (M,) [s]."""
    read_at: np.ndarray
    """When a reading was taken, (R,) [s]."""
    column: np.ndarray
    """Which servo said it, (R,)."""
    counts: np.ndarray
    """(R,)."""
    move: np.ndarray
    """Which move it followed, (R,)."""

    def write(self, path: str | Path) -> None:
        """Write it as a NumPy archive, whole or not at all."""
        with files.writing(path) as fresh, open(fresh, "wb") as file:
            np.savez_compressed(file, format=FORMAT, **vars(self))


def read(path: str | Path) -> Recording:
    """Read a recording; raise :class:`UsageError` if it is none."""
    try:
        with np.load(path) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if found.pop("format") != FORMAT:
            raise ValueError("of another format")
        for name in ("arm", "protocol", "reads_back"):
            found[name] = found[name].item()
        return Recording(**found)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UsageError(f"{Path(path).name!r} is no recording of identify_arm.py; make it again") from error


class Recorder:
    """Leads one arm through its moves.

    Args:
        bus: Its servos.
        clock: Clock of the bus.
        calibration: The arm.
        tell: Called with how far it is, in [0, 1].
    """

    def __init__(
        self, bus: Bus, clock: Clock, calibration: Calibration, tell: Callable[[float], None] = lambda _: None
    ):
        self._bus, self._clock, self._calibration, self._tell = bus, clock, calibration, tell
        self._ids = calibration.servo_ids
        self._moved: list[tuple[float, Move]] = []
        self._rows: list[tuple[float, int, int, int]] = []

    def run(self, moves: Sequence[Move]) -> Recording:
        """Make all moves; whatever goes wrong, the arm is left standing with torque.

        Raises:
            TroubleError: If a servo is too hot, has a wrong supply or does not answer.
            NoRoomError: If the way from where the arm stands to the first pose is not clear.
        """
        try:
            self._begin(moves[0].goals)
            for number, move in enumerate(moves):
                if move.kind == "go":
                    self._check()
                self._make(move)
                self._tell((number + 1) / len(moves))
        except BaseException:
            self._bus.hold(self._ids, BUDGET)
            raise
        return self._recording()

    def _begin(self, goals: np.ndarray) -> None:
        """Load the servos where they stand and lead the arm to the first pose."""
        found = self._patiently()
        here = np.array([found[servo_id] for servo_id in self._ids])
        joints = self._calibration.joints(np.stack((here, goals)))
        path = joints[0] + np.linspace(0.0, 1.0, 20)[:, None] * (joints[1] - joints[0])
        room = statics.room(self._calibration.kind, path) + min(0.0, self._calibration.lift)
        if room.min() < min(ROOM, room[0]) - 0.01:
            raise NoRoomError(
                f"on the way to its first pose the arm would come within {room.min() * 1e3:.0f} mm of table or base;"
                " lead it by hand to where its hand is in the open, and begin again"
            )
        self._bus.hold(self._ids, BUDGET)
        slopes = np.abs(self._calibration.lines[1])
        span = max(1.0, float((np.abs(goals - here) / slopes).max()) / SLOW)
        self._make(Move("go", goals, span, span, 0.0, ()))

    def _patiently(self) -> dict[int, int]:
        """Return the counts of all servos."""
        found: dict[int, int] = {}
        for _ in range(20):
            missing = [servo_id for servo_id in self._ids if servo_id not in found]
            if not missing:
                return found
            answers = self._bus.positions(self._ids, 0.1)
            found.update({servo_id: answer.counts for servo_id, answer in answers.items()})
        raise TroubleError(f"no position from servo {', '.join(map(str, missing))}: see power, wires and ids")

    def _check(self) -> None:
        """Look whether a servo is too hot or its supply wrong."""
        for servo_id, health in self._bus.health(self._ids, 0.2).items():
            servo = next(joint.servo for joint in self._calibration.kind.joints if joint.servo_id == servo_id)
            if health.temperature is not None and health.temperature > servo.hottest:
                raise TroubleError(f"servo {servo_id} has {health.temperature:.0f} °C; let it cool and begin again")
            if health.voltage is not None and not servo.supply[0] <= health.voltage <= servo.supply[1]:
                raise TroubleError(f"servo {servo_id} has {health.voltage:.1f} V; see to the supply and begin again")

    def _make(self, move: Move) -> None:
        """Make one move and listen to it."""
        began = self._clock.now()
        self._moved.append((began, move))
        goals = dict(zip(self._ids, move.goals.tolist(), strict=True))
        self._bus.move(goals, move.span, BUDGET)
        self._clock.sleep_until(began + move.wait)
        until = began + move.wait + move.listen
        while self._clock.now() < until - 0.002:
            self._listen(move.columns, until)
        self._clock.sleep_until(until + move.rest)

    def _listen(self, columns: tuple[int, ...], until: float) -> None:
        """Take down one round of readings.

        A reading is as old as its answer's way: it is dated midway between the end of the answer before and its own.
        """
        began = asked = self._clock.now()
        answers = self._bus.positions([self._ids[column] for column in columns], min(BUDGET, until - asked))
        for servo_id, answer in sorted(answers.items(), key=lambda pair: pair[1].at):
            column, at = self._ids.index(servo_id), answer.at
            self._rows.append(((min(asked, at) + at) / 2, column, answer.counts, len(self._moved) - 1))
            asked = at
        pause = SWEEP * (len(columns) / len(self._ids) if answers else 1.0)
        self._clock.sleep_until(min(until, began + pause))

    def _recording(self) -> Recording:
        at, moves = zip(*self._moved, strict=True)
        rows = np.array(self._rows, float).reshape(-1, 4)
        return Recording(
            self._calibration.arm,
            self._bus.protocol,
            bool(self._bus.reads_back),
            np.array(at),
            np.array([move.kind for move in moves]),
            np.array([move.goals for move in moves]),
            np.array([move.span for move in moves]),
            np.array([move.wait for move in moves]),
            rows[:, 0],
            rows[:, 1].astype(int),
            rows[:, 2].astype(int),
            rows[:, 3].astype(int),
        )
