"""What bytes go through: a serial port, or the USB-HID reports of the xArm's board.

pyserial and hidapi are loaded when a port is opened, not before.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import os
import select
import termios
from typing import Any, Protocol

from alice.deploy.clock import Clock

from .interface import BusError

INSTALL = "pip install '.[deploy]'"
HID_VENDOR, HID_PRODUCT = 0x0483, 0x5750
"""The xArm 1S's controller board; its product string differs between series, so it is not asked for."""
HID_REPORT = 64
"""Bytes of a report."""


class PortError(BusError):
    """A port that cannot be opened: a user's mistake. The message is one line, and nothing has been sent."""


class Line(Protocol):
    """A line that bytes go over, both ways."""

    baud: int
    """Bits per second; a byte takes ten."""

    def write(self, data: bytes) -> None:
        """Send bytes; returns when they are handed over, not when they have gone over the line.

        Raises:
            BusError: If the line is lost.
        """

    def read(self, until: float) -> bytes:
        """Return what has arrived, at least one byte; nothing if none came until that moment [s] of the clock.

        Raises:
            BusError: If the line is lost.
        """

    def close(self) -> None:
        """Give the line back."""


class SerialLine:
    """A serial port, held alone.

    Args:
        port: Its path.
        baud: Bits per second.
        clock: Clock of the machine.

    Raises:
        PortError: If it is not there, or may not be opened, or another process holds it, or pyserial is missing.
    """

    def __init__(self, port: str, baud: int, clock: Clock):
        self.baud, self._clock, self._port = baud, clock, port
        try:
            import serial
        except ModuleNotFoundError as error:
            raise PortError(f"Python has no module serial (pyserial); {INSTALL}") from error
        if not hasattr(serial, "Serial"):
            raise PortError("the module serial is not that of pyserial: pip uninstall serial; pip install pyserial")
        _look_at(port)
        try:
            # No time-outs of its own: this class waits, by the clock that it is given.
            self._serial = serial.Serial(port, baud, timeout=0, write_timeout=1.0, exclusive=True)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise PortError(_why_not(port, error)) from error
        with contextlib.suppress(OSError, NotImplementedError, AttributeError, ValueError):
            self._serial.set_low_latency_mode(True)  # an FTDI adapter keeps bytes back for 16 ms else
        if not os.path.realpath(port).startswith("/dev/pts/"):  # there it would outlive us: the emulator holds it open
            with contextlib.suppress(OSError):  # whoever does not ask for the lock is kept out by this
                fcntl.ioctl(self._serial.fileno(), termios.TIOCEXCL)
        self._serial.reset_input_buffer()

    def write(self, data: bytes) -> None:
        """Send bytes."""
        try:
            self._serial.write(data)
        except OSError as error:
            raise self._lost(error) from error

    def read(self, until: float) -> bytes:
        """Return what has arrived; nothing if none came until that moment."""
        try:
            wait = max(0.0, until - self._clock.now())
            ready, _, _ = select.select([self._serial.fileno()], [], [], wait)
            return self._serial.read(4096) if ready else b""
        except (OSError, ValueError, TypeError) as error:  # the last two: closed under our hands
            raise self._lost(error) from error

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(OSError):
            self._serial.close()

    def _lost(self, error: Exception) -> BusError:
        said = " ".join(str(error).split())[:120]
        return BusError(f"port {self._port!r} is lost ({said}); see to plug and cable and start again")


def _look_at(port: str) -> None:
    """Raise :class:`PortError` for what can be said of a port without opening it."""
    if not os.path.exists(port):
        raise PortError(f"port {port!r} does not exist; {seen_ports()}")
    if os.path.isdir(port):
        raise PortError(f"port {port!r} is a folder; {seen_ports()}")
    if not os.access(port, os.R_OK | os.W_OK):
        raise PortError(f"port {port!r} may not be opened by you; sudo usermod -aG dialout $USER, and log in again")
    is_port = os.path.basename(os.path.realpath(port)).startswith(
        "tty"
    )  # a pseudo-terminal is held by its emulator, too
    if is_port and (holder := holder_of(port)):
        raise PortError(f"port {port!r} is in use by another process, {holder}; end that one")


def holder_of(port: str) -> str | None:
    """Return the process that has a file open, as ``name (pid)``, as far as one may look; None if none is seen."""
    target = os.path.realpath(port)
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            links = (os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd"))
            if int(pid) != os.getpid() and target in links:
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    return f"{file.read().strip()} ({pid})"
    return None


def _why_not(port: str, error: Exception) -> str:
    """Return the line for a port that did not open."""
    code = getattr(error, "errno", None)
    said = " ".join(str(error).split())
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in said:
        return f"port {port!r} is in use by another process; end that one (fuser {port} names it)"
    if code in (errno.EACCES, errno.EPERM):
        return f"port {port!r} may not be opened by you; sudo usermod -aG dialout $USER, and log in again"
    if code in (errno.ENOTTY, errno.EINVAL) or "ioctl" in said or "configure port" in said:
        return f"port {port!r} is no serial port; {seen_ports()}"
    return f"port {port!r} cannot be opened ({said[:120]}); {seen_ports()}"


def seen_ports() -> str:
    """Return which ports this machine has, for a message."""
    with contextlib.suppress(OSError):
        names = [name for name in sorted(os.listdir("/dev")) if name.startswith(("ttyUSB", "ttyACM", "ttyTHS"))]
        if names:
            return "this machine has " + ", ".join(f"/dev/{name}" for name in names)
    return "no /dev/ttyUSB* or /dev/ttyACM* is there: plug the adapter in, or start scripts/emulate_arm.py"


class HidLine:
    """The reports of the xArm's controller board over USB.

    Args:
        device: An opened ``hid.device`` of hidapi, or what stands in for one.
        clock: Clock that the device's time-outs go by.
        lock: File that is locked while the line is open, if any.
    """

    baud = 0
    """Nobody can tell: between host and servos lies the board."""

    def __init__(self, device: Any, clock: Clock, lock: int | None = None):
        self._device, self._clock, self._lock = device, clock, lock

    def write(self, data: bytes) -> None:
        """Send one frame: a report of id 0, which hidapi pads."""
        try:
            written = self._device.write(b"\x00" + data)
        except (OSError, ValueError) as error:
            raise self._lost(error) from error
        if written is not None and written <= 0:
            raise self._lost(OSError("nothing was written"))

    def read(self, until: float) -> bytes:
        """Return what one report says, without its padding; nothing if none came until that moment."""
        wait = max(0.0, until - self._clock.now())
        try:
            # hidapi takes whole milliseconds, and with 0 it does not wait: rounded down, a moment less than one ahead
            # would never come by a clock that moves with those who wait.
            report = bytes(self._device.read(HID_REPORT, math.ceil(1000.0 * wait)) or b"")
        except (OSError, ValueError) as error:
            raise self._lost(error) from error
        return report[: report[2] + 2] if len(report) > 2 and report[:2] == b"\x55\x55" else report

    def close(self) -> None:
        """Give the device back."""
        with contextlib.suppress(OSError, ValueError):
            self._device.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _lost(self, error: Exception) -> BusError:
        said = " ".join(str(error).split())[:120]
        return BusError(f"the xArm's USB board is lost ({said}); see to plug and cable and start again")


def open_hid(clock: Clock) -> HidLine:
    """Open the xArm's controller board.

    Raises:
        PortError: If it is not there, or may not be opened, or is held already, or hidapi is missing.
    """
    try:
        import hid
    except (ImportError, OSError) as error:
        raise PortError(f"Python has no usable module hid (hidapi); {INSTALL}") from error
    if not hasattr(hid, "device"):
        raise PortError("the module hid is not that of hidapi: pip uninstall hid; pip install hidapi")
    boards = hid.enumerate(HID_VENDOR, HID_PRODUCT)
    if not boards:
        raise PortError(
            f"no xArm board on USB (vendor {HID_VENDOR:04x}, product {HID_PRODUCT:04x}); plug it in and switch it on"
        )
    if len(boards) > 1:
        raise PortError(f"{len(boards)} xArm boards are on USB; leave one of them plugged in")
    path = boards[0]["path"]
    lock = _lock(path)
    device = hid.device()
    try:
        device.open_path(path)
        device.set_nonblocking(1)
    except (OSError, ValueError) as error:
        if lock is not None:
            os.close(lock)
        raise PortError(
            "the xArm's USB board cannot be opened: another process holds it (also fwupd does), or a udev rule is"
            " missing, docs/wire.md has it"
        ) from error
    return HidLine(device, clock, lock)


def _lock(path: bytes) -> int | None:
    """Return a locked file that keeps a second alice off the board; None where its path is no file.

    Raises:
        PortError: If another process has locked it, or it may not be opened.
    """
    if not path.startswith(b"/dev/"):
        return None
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise PortError("the xArm's USB board may not be opened by you; docs/wire.md has the udev rule") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise PortError("the xArm's USB board is in use by another process; end that one") from error
    return file
