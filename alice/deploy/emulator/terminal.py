"""An emulated arm behind a pseudo-terminal, in real time, with a socket that takes faults while it runs."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import stat
import time
import tty
from pathlib import Path
from threading import Event, RLock
from typing import Any

from .arm import EmulatedArm
from .faults import FaultError

IDLE = 0.02
"""Longest time between two looks at the clock [s]: faults begin, and links move, also while nobody talks."""
LONGEST_LINE = 65536
"""Longest line that the socket takes [bytes]."""


class Control:
    """A UNIX socket that takes lines of JSON and answers each with one.

    ``{"fault": "drop", "for": 0.5}`` gives the arm a fault (:mod:`.faults`), ``{"do": "clear"}`` ends all,
    ``{"do": "state"}`` tells where the arm is.

    Args:
        path: Where it lies.
        arm: The arm.

    Raises:
        OSError: If it cannot be made there.
    """

    def __init__(self, path: str | Path, arm: EmulatedArm):
        self._path, self._arm = str(path), arm
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(self._path).st_mode) and not _answers(self._path):
                os.unlink(self._path)  # left behind by an emulator that was killed
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(self._path)
        except OSError:
            self._listener.close()
            raise
        self._listener.listen()
        self._listener.setblocking(False)
        self._clients: dict[socket.socket, bytes] = {}

    @property
    def sockets(self) -> list[socket.socket]:
        """What to wait for."""
        return [self._listener, *self._clients]

    def serve(self, ready: list) -> None:
        """Take what has come on sockets."""
        if self._listener in ready:
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                client.setblocking(False)
                self._clients[client] = b""
        for client in [client for client in self._clients if client in ready]:
            self._hear(client)

    def close(self) -> None:
        """Take the socket away."""
        for made in self.sockets:
            made.close()
        self._clients.clear()
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _hear(self, client: socket.socket) -> None:
        try:
            data = client.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, rest = (self._clients[client] + data).split(b"\n")
        if not data or len(rest) > LONGEST_LINE:
            client.close()
            del self._clients[client]
            return
        self._clients[client] = rest
        for line in lines:
            with contextlib.suppress(OSError):
                client.sendall(json.dumps(self.obey(line)).encode() + b"\n")

    def obey(self, line: bytes) -> dict[str, Any]:
        """Do what one line says; return the answer to it."""
        try:
            words = json.loads(line)
            if not isinstance(words, dict):
                raise FaultError("say an object")
            if "fault" in words:
                self._arm.inject(**words)
            elif words.get("do") == "clear":
                self._arm.faults.clear()
            elif words.get("do") != "state":
                raise FaultError('say {"fault": …}, {"do": "clear"} or {"do": "state"}')
        except (ValueError, RecursionError, TypeError) as error:
            return {"ok": False, "error": " ".join(str(error).split())[:300]}
        return {"ok": True, **self._state()}

    def _state(self) -> dict[str, Any]:
        plant = self._arm.plant
        joints = self._arm.joint_angles()
        return {
            "time": self._arm.clock.now(),
            "joints": dict(zip(self._arm.arm.names, map(float, joints), strict=True)),
            "torque": dict(zip(map(str, self._arm.arm.servo_ids), map(bool, plant.servos.is_loaded[0]), strict=True)),
            "temperature": [round(float(value), 1) for value in plant.temperature[0]],
            "supply": round(float(plant.supply[0]), 3),
            "refused": self._arm.refused,
        }


def _answers(path: str) -> bool:
    """Whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        return asked.connect_ex(path) == 0


class Terminal:
    """A pseudo-terminal with an emulated arm at its other end.

    Args:
        arm: The arm, on the machine's clock.
        control: Its socket for faults, if any.
    """

    def __init__(self, arm: EmulatedArm, control: Control | None = None):
        self.arm, self._control = arm, control
        self.lock = RLock()
        """Held while the arm is looked at or told something: for who moves its links from another thread."""
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.port = os.ttyname(self._theirs)
        """What a driver opens."""

    def serve(self, stop: Event | None = None, seconds: float = float("inf")) -> None:
        """Speak to whoever opens the port, until told to stop, for so long [s], or until the process is interrupted."""
        clock, wire = self.arm.clock, self.arm.bytes
        ends = clock.now() + seconds
        while clock.now() < ends and not (stop is not None and stop.is_set()):
            now = clock.now()
            wait = IDLE if wire.due is None else min(IDLE, max(0.0, wire.due - now))
            ports = [] if self._ours is None else [self._ours]
            sockets = [] if self._control is None else self._control.sockets
            ready, _, _ = select.select([*ports, *sockets], [], [], wait)
            with self.lock:
                self._serve(ready)

    def _serve(self, ready: list) -> None:
        """Hear what has come, and say what is due."""
        wire = self.arm.bytes
        if self._control is not None:
            self._control.serve(ready)
        now = self.arm.clock.now()
        if wire.is_unplugged:
            self._pull_out()
        elif self._ours is not None:
            if self._ours in ready:
                self._hear(now)
            self._say(wire.take(now))
        if wire.due is None and now - self.arm.plant.now > IDLE:
            self.arm.plant.look(now)

    def close(self) -> None:
        """Take the port away."""
        self._pull_out()
        if self._control is not None:
            self._control.close()

    def _hear(self, now: float) -> None:
        try:
            self.arm.bytes.send(os.read(self._ours, 4096), now)
        except BlockingIOError:
            return
        except OSError:  # nobody has it open but we: cannot be, we do; the kernel says so while it is closed
            time.sleep(IDLE)

    def _say(self, data: bytes) -> None:
        if data:
            with contextlib.suppress(BlockingIOError):  # nobody listens and the line is full: bytes are lost
                os.write(self._ours, data)

    def _pull_out(self) -> None:
        """Close both ends, as when an adapter is pulled out: the host's reads and writes fail from now on."""
        for end in (self._ours, self._theirs):
            if end is not None:
                os.close(end)
        self._ours = self._theirs = None
