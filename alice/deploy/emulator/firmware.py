"""What sits in the servos of an emulated arm and on the xArm's board: from a frame to motion and answers."""

from __future__ import annotations

from typing import Protocol

from alice.deploy.bus import lsc, lx, sts
from alice.deploy.bus.frames import (
    BROADCAST,
    LSC,
    LX,
    STS,
    Frame,
    Framing,
    sign_at,
    to_sign_at,
    unsigned,
    word,
)

from .plant import Plant

Answer = tuple[int | None, bytes, float]
"""Who answers, the frame, and how long after the question [s]."""


class Firmware(Protocol):
    """Hears frames and answers them."""

    framing: Framing
    refused: list[str]
    """What was written that survives the power switch, in words; nothing of it is done."""

    def hear(self, frame: Frame, at: float) -> list[Answer]:
        """Do what a frame says whose last byte arrived at a moment [s]; return the answers."""


class LxServos:
    """Hiwonder LX servos.

    Args:
        plant: The arms.
        row: Which of them.
    """

    framing = LX
    LASTING = {13: "id", 17: "offset", 18: "offset", 20: "limits", 22: "limits", 24: "limits", 29: "mode", 35: "LED"}

    def __init__(self, plant: Plant, row: int):
        self._plant, self._row = plant, row
        self._prepared: dict[int, tuple[int, float]] = {}
        self.refused: list[str] = []

    def hear(self, frame: Frame, at: float) -> list[Answer]:
        """Do what a frame says; return the answers."""
        ids = self._plant.arm.servo_ids if frame.servo_id == BROADCAST else (frame.servo_id,)
        ids = [servo_id for servo_id in ids if self._plant.hears(self._row, servo_id, at)]
        if frame.code in self.LASTING:
            self.refused.append(f"{self.LASTING[frame.code]} of servo {frame.servo_id}")
        elif frame.code in (lx.MOVE, lx.PREPARE) and len(frame.parameters) == 4:
            span = unsigned(frame.parameters[2:]) / 1000.0
            goals = {servo_id: (min(unsigned(frame.parameters[:2]), lx.COUNTS[1]), span) for servo_id in ids}
            if frame.code == lx.PREPARE:
                self._prepared.update(goals)
            else:
                self.go(goals, at)
        elif frame.code == lx.START:
            self.go({servo_id: self._prepared.pop(servo_id) for servo_id in ids if servo_id in self._prepared}, at)
        elif frame.code == lx.STOP and ids:
            self._plant.stop(self._row, ids, at)
        elif frame.code == lx.LOAD and frame.parameters and ids:
            self._plant.load(self._row, ids, bool(frame.parameters[0]), at)
        elif frame.servo_id != BROADCAST and ids:
            return self._answers(frame, ids[0], at)
        return []

    def go(self, goals: dict[int, tuple[int, float]], at: float) -> None:
        """Let servos go to goals [counts], each in a time [s]."""
        # A move loads a servo that was unloaded.
        off = [servo_id for servo_id in goals if not self._plant.is_loaded(self._row, servo_id)]
        if off:
            self._plant.load(self._row, off, True, at)
        if goals:
            self._plant.command(self._row, goals, at)

    def _answers(self, frame: Frame, servo_id: int, at: float) -> list[Answer]:
        plant, row = self._plant, self._row
        if frame.code == lx.POSITION:
            data = (plant.counts(row, servo_id, at) & 0xFFFF).to_bytes(2, "little")
        elif frame.code == lx.VOLTAGE:
            data = word(round(1000.0 * plant.health(row, servo_id, at)[0]))
        elif frame.code == lx.TEMPERATURE:
            data = bytes([_byte(plant.health(row, servo_id, at)[1])])
        elif frame.code == lx.ERRORS:
            data = bytes([plant.has_overheated(row, servo_id, at) | plant.is_stalled(row, servo_id) << 2])
        elif frame.code == lx.LOAD + 1:
            data = bytes([plant.is_loaded(row, servo_id)])
        elif frame.code == 14:
            data = bytes([servo_id])
        else:
            return []
        return [(servo_id, LX.build(frame.code, data, servo_id), 0.0)]


class StsServos:
    """Feetech STS servos: a table of registers each.

    Args:
        plant: The arms.
        row: Which of them.
    """

    framing = STS
    LOWEST = 40
    """First register that does not survive the power switch."""
    LOCK, VELOCITY = 55, 46
    SIZE = 87
    PHASE = 0b1100
    """Velocity counts in 0.0146 rpm, and 0 is without a limit: as STS3215 are sold."""
    FASTEST = 1e6
    """A speed that is no limit [counts/s]."""

    def __init__(self, plant: Plant, row: int):
        self._plant, self._row = plant, row
        self._tables = {servo_id: self._table(servo_id) for servo_id in plant.arm.servo_ids}
        self.refused: list[str] = []

    def _table(self, servo_id: int) -> bytearray:
        joint = next(joint for joint in self._plant.arm.joints if joint.servo_id == servo_id)
        table = bytearray(self.SIZE)
        table[3:5], table[5], table[8] = word(777), servo_id, 1
        table[sts.PHASE], table[sts.GAIN_P + 1] = self.PHASE, 32
        gain = (joint.servo.position_gain or 32) * self._plant.world.per_arm("position_gain")[self._row]
        table[sts.GAIN_P] = _byte(gain)
        table[sts.TORQUE], table[self.LOCK] = 1, 1
        table[sts.GOAL : sts.GOAL + 2] = word(to_sign_at(joint.servo.centre_counts, 15))
        return table

    def hear(self, frame: Frame, at: float) -> list[Answer]:
        """Do what a frame says; return the answers."""
        if frame.code == sts.SYNC_READ and len(frame.parameters) > 2:
            address, size, *ids = frame.parameters
            answers = [self._read(servo_id, address, size, at) for servo_id in ids if self._hears(servo_id, at)]
            return [answer for answer in answers if answer is not None]
        if frame.code == sts.SYNC_WRITE and len(frame.parameters) > 2:
            address, size, *_ = frame.parameters
            rows, goals = frame.parameters[2:], {}
            for place in range(0, len(rows) - size, size + 1):
                if self._hears(rows[place], at):
                    goals.update(self._write(rows[place], address, rows[place + 1 : place + 1 + size], at))
            self._go(goals, at)
            return []
        ids = self._tables if frame.servo_id == BROADCAST else (frame.servo_id,)
        return [answer for servo_id in ids if self._hears(servo_id, at) for answer in self._one(servo_id, frame, at)]

    def _hears(self, servo_id: int, at: float) -> bool:
        return self._plant.hears(self._row, servo_id, at)

    def _one(self, servo_id: int, frame: Frame, at: float) -> list[Answer]:
        """Return the answers of one servo to a frame that is for it alone."""
        is_mine = frame.servo_id != BROADCAST
        if frame.code == 2 and len(frame.parameters) == 2 and is_mine:
            answer = self._read(servo_id, *frame.parameters, at)
            return [] if answer is None else [answer]
        if frame.code == 3 and len(frame.parameters) > 1:
            self._go(self._write(servo_id, frame.parameters[0], frame.parameters[1:], at), at)
        elif frame.code != 1:
            return []
        return [(servo_id, STS.build(self._errors(servo_id, at), (), servo_id), 0.0)] if is_mine else []

    def _errors(self, servo_id: int, at: float) -> int:
        """Return the error bits of a servo."""
        supply = next(j.servo.supply for j in self._plant.arm.joints if j.servo_id == servo_id)
        voltage = self._plant.health(self._row, servo_id, at)[0]
        bits = 0 if supply[0] <= voltage <= supply[1] else 1
        bits |= 4 if self._plant.has_overheated(self._row, servo_id, at) else 0
        return bits | (32 if self._plant.is_stalled(self._row, servo_id) else 0)

    def _read(self, servo_id: int, address: int, size: int, at: float) -> Answer | None:
        """Return the answer with some registers; None where there are none."""
        if address + size > self.SIZE:
            return None
        table, errors = self._tables[servo_id], self._errors(servo_id, at)
        voltage, temperature, load = self._plant.health(self._row, servo_id, at)
        table[56:58] = word(to_sign_at(self._plant.counts(self._row, servo_id, at), 15) & 0xFFFF)
        table[60:62] = word(to_sign_at(round(1000.0 * load), 10))
        table[62], table[63], table[65] = _byte(10.0 * voltage), _byte(temperature), errors
        table[sts.TORQUE] = self._plant.is_loaded(self._row, servo_id)
        return servo_id, STS.build(errors, table[address : address + size], servo_id), 0.0

    def _write(self, servo_id: int, address: int, data: bytes, at: float) -> dict[int, tuple[int, float]]:
        """Write registers of one servo and do what that means; return its goal and -speed if it goes somewhere now."""
        end = address + len(data)
        if address < self.LOWEST or address <= self.LOCK < end or end > 80:
            self.refused.append(f"registers {address} to {end - 1} of servo {servo_id}")
            return {}
        table = self._tables[servo_id]
        table[address:end] = data
        if address <= sts.TORQUE < end:
            if table[sts.TORQUE] > 1:
                self.refused.append(f"torque {table[sts.TORQUE]} of servo {servo_id}")
                return {}
            was_on = self._plant.is_loaded(self._row, servo_id)
            self._plant.load(self._row, [servo_id], bool(table[sts.TORQUE]), at)
            # One that is switched on goes to its last goal, wherever that is.
            return self._goal(servo_id) if table[sts.TORQUE] and not was_on else {}
        is_goal = address < self.VELOCITY + 2 and end > sts.GOAL
        return self._goal(servo_id) if is_goal and self._plant.is_loaded(self._row, servo_id) else {}

    def _go(self, goals: dict[int, tuple[int, float]], at: float) -> None:
        if goals:
            self._plant.command(self._row, goals, at)

    def _goal(self, servo_id: int) -> dict[int, tuple[int, float]]:
        table = self._tables[servo_id]
        goal = sign_at(unsigned(table[sts.GOAL : sts.GOAL + 2]), 15)
        velocity = abs(sign_at(unsigned(table[self.VELOCITY : self.VELOCITY + 2]), 15))
        speed = velocity * (1.0 if table[sts.PHASE] & 4 else 50.0)
        if not velocity:
            speed = self.FASTEST if table[sts.PHASE] & 8 else 1e-6
        return {servo_id: (goal, -speed)}


class LscBoard:
    """The xArm's controller board with its LX servos behind it.

    Args:
        plant: The arms.
        row: Which of them.
        board_time: How long it takes to ask its servos [s].
    """

    framing = LSC

    def __init__(self, plant: Plant, row: int, board_time: float):
        self._plant, self._row, self._board_time = plant, row, board_time
        self._servos = LxServos(plant, row)
        self.refused: list[str] = []

    def hear(self, frame: Frame, at: float) -> list[Answer]:
        """Do what a frame says; return the answers."""
        data = frame.parameters
        if frame.code == lsc.MOVE and len(data) >= 3 and len(data) == 3 + 3 * data[0]:
            rows = [data[place : place + 3] for place in range(3, len(data), 3)]
            span = unsigned(data[1:3]) / 1000.0
            heard = [row for row in rows if self._plant.hears(self._row, row[0], at)]
            self._servos.go({row[0]: (min(unsigned(row[1:]), lx.COUNTS[1]), span) for row in heard}, at)
        elif frame.code == lsc.OFF and data:
            ids = [servo_id for servo_id in data[1:] if self._plant.hears(self._row, servo_id, at)]
            if ids:
                self._plant.load(self._row, ids, False, at)
        elif frame.code == lsc.POSITIONS and data and len(data) == 1 + data[0]:
            return [(None, LSC.build(frame.code, (data[0], *self._positions(data[1:], at))), self._board_time)]
        elif frame.code == lsc.BATTERY:
            volts = self._plant.health(self._row, self._plant.arm.servo_ids[0], at)[0]
            return [(None, LSC.build(frame.code, word(round(1000.0 * volts))), 0.01)]
        elif frame.code in (23, 24, 26, 27):
            self.refused.append(f"command {frame.code}")
        return []

    def _positions(self, servo_ids: bytes, at: float) -> bytes:
        said = b""
        for servo_id in servo_ids:
            is_there = self._plant.hears(self._row, servo_id, at)
            counts = self._plant.counts(self._row, servo_id, at) if is_there else lsc.NO_ANSWER
            said += bytes([servo_id]) + (counts & 0xFFFF).to_bytes(2, "little")
        return said


def of(protocol: str, plant: Plant, row: int) -> Firmware:
    """Return the firmware of one arm that is spoken to in a protocol."""
    if protocol == "lx":
        return LxServos(plant, row)
    if protocol == "sts":
        return StsServos(plant, row)
    over_usb = plant.world.per_arm("board_time")[row]
    return LscBoard(plant, row, float(over_usb) if protocol == "lsc-hid" else 0.002 * len(plant.arm.servo_ids))


def _byte(value: float) -> int:
    return min(max(round(value), 0), 255)
