"""Opening a bus: what does not fit or cannot be opened is one line, and not a byte has been sent."""

import errno
import fcntl
import os
import re
import subprocess
import sys
import tty
from types import SimpleNamespace

import pytest
from wires import WIRES, talk

from alice.arms import ARMS
from alice.deploy.bus import lines
from alice.deploy.bus.interface import BusError
from alice.deploy.bus.lines import HID_PRODUCT, HID_VENDOR, PortError
from alice.deploy.bus.opening import open_bus
from alice.deploy.clock import MachineClock, SteppedClock

XARM, SO101 = ARMS[WIRES["lx"]], ARMS[WIRES["sts"]]


@pytest.fixture
def terminal():
    """Return both ends of a pseudo-terminal: ours, and the path of the other."""
    pytest.importorskip("serial")
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    yield ours, os.ttyname(theirs)
    os.close(ours), os.close(theirs)


def sent(ours: int) -> bytes:
    try:
        return os.read(ours, 4096)
    except BlockingIOError:
        return b""


def refused(arm, port, **words) -> str:
    with pytest.raises(PortError) as caught:
        open_bus(arm, port, MachineClock(), **words)
    assert "\n" not in str(caught.value) and isinstance(caught.value, BusError)
    return str(caught.value)


def test_a_port_that_is_not_there(tmp_path):
    pytest.importorskip("serial")
    assert "does not exist" in refused(XARM, str(tmp_path / "ttyUSB0"))
    assert "is a folder" in refused(XARM, str(tmp_path))


def test_a_file_that_is_no_port(tmp_path):
    pytest.importorskip("serial")
    (tmp_path / "notes").write_text("hello")
    assert "is no serial port" in refused(XARM, str(tmp_path / "notes"))
    assert "is no serial port" in refused(XARM, "/dev/null")
    assert (tmp_path / "notes").read_text() == "hello"


def test_a_port_without_permission(terminal, monkeypatch):
    ours, port = terminal
    monkeypatch.setattr(lines.os, "access", lambda *_: False)
    assert "usermod -aG dialout" in refused(XARM, port)
    assert sent(ours) == b""


def test_a_port_that_another_process_holds(terminal):
    ours, port = terminal
    with open(port, "rb", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "is in use by another process" in refused(XARM, port)
    assert sent(ours) == b""


def test_a_port_that_another_process_has_open_without_asking_for_it_alone(tmp_path):
    pytest.importorskip("serial")
    path = tmp_path / "ttyUSB0"
    path.touch()
    program = "import sys, time; file = open(sys.argv[1]); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as other:
        try:
            other.stdout.readline()
            assert re.search(rf"in use by another process, python\S* \({other.pid}\); end", refused(XARM, str(path)))
        finally:
            other.kill()


def test_a_port_is_held_alone_and_given_back(terminal):
    _, port = terminal
    bus = open_bus(XARM, port, MachineClock())
    assert "is in use by another process" in refused(XARM, port)
    bus.close()
    open_bus(XARM, port, MachineClock()).close()


def test_a_port_behind_which_no_sts_servo_answers_is_given_back(terminal):
    _, port = terminal
    assert "do not answer" in refused(SO101, port)
    open_bus(XARM, port, MachineClock()).close()


@pytest.mark.parametrize(
    ("name", "words", "reason"),
    [
        ("sts", {"port": "hid"}, "does not speak lsc-hid"),
        ("sts", {"port": "/dev/null", "protocol": "lx"}, "does not speak lx"),
        ("lx", {"port": "/dev/null", "protocol": "sts"}, "does not speak sts"),
        ("lx", {"port": "/dev/null", "protocol": "lsc-hid"}, "does not go over port"),
        ("lx", {"port": "hid", "protocol": "lx"}, "does not go over port"),
    ],
)
def test_a_port_that_does_not_fit_the_arm(name, words, reason):
    assert reason in refused(ARMS[WIRES[name]], **words)


def test_packages_that_are_missing_or_are_others(monkeypatch, terminal):
    _, port = terminal
    monkeypatch.setitem(sys.modules, "serial", None)
    monkeypatch.setitem(sys.modules, "hid", None)
    assert "pip install '.[deploy]'" in refused(XARM, port)
    assert "pip install '.[deploy]'" in refused(XARM, "hid")
    monkeypatch.setitem(sys.modules, "serial", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "hid", SimpleNamespace())
    assert "pip install pyserial" in refused(XARM, port)
    assert "pip install hidapi" in refused(XARM, "hid")


class Usb:
    """What stands in for the module hid."""

    def __init__(self, device=None, boards=1, error=None):
        self._device, self._boards, self._error = device, boards, error
        self.asked = None

    def enumerate(self, vendor, product):
        self.asked = vendor, product
        return [{"path": b"1-2:1.0", "product_string": "whatever it calls itself"}] * self._boards

    def device(self):
        def open_path(path):
            if self._error:
                raise self._error

        self._device = self._device or SimpleNamespace(set_nonblocking=lambda is_on: 0, close=lambda: None)
        self._device.open_path = open_path
        return self._device


@pytest.mark.parametrize(
    ("usb", "reason"),
    [
        (Usb(boards=0), "no xArm board on USB (vendor 0483, product 5750)"),
        (Usb(boards=2), "2 xArm boards are on USB"),
        (Usb(error=OSError("open failed")), "another process holds it (also fwupd does), or a udev rule is missing"),
    ],
)
def test_a_board_that_does_not_open(usb, reason, monkeypatch):
    monkeypatch.setitem(sys.modules, "hid", usb)
    assert reason in refused(XARM, "hid")
    assert usb.asked == (HID_VENDOR, HID_PRODUCT)


def test_the_board_over_usb_goes_by_reports(monkeypatch):
    """From ``hid.enumerate`` to the servos, over what stands in for ``hid.device``."""
    made = talk("lsc-hid", board_time=0.02)
    made.arm.plant.advance(made.clock.now() + 1.0)  # it has settled under its weight
    made.wait(1.0)
    device = made.arm.wire()._device
    monkeypatch.setitem(sys.modules, "hid", Usb(device))
    bus = open_bus(XARM, "hid", made.clock)
    assert bus.protocol == "lsc-hid" and not bus.reads_back
    found = bus.positions(made.ids, 0.5)
    assert {servo_id: position.counts for servo_id, position in found.items()} == made.true_ints()
    device.write = lambda report: -1
    with pytest.raises(BusError, match="USB board is lost"):
        bus.move({1: 500}, 0.05, 0.02)


@pytest.mark.parametrize("protocol", WIRES)
def test_an_emulated_arm_needs_no_port(protocol):
    arm, clock = ARMS[WIRES[protocol]], SteppedClock()
    bus = open_bus(arm, "emulated", clock, protocol)
    assert bus.positions(arm.servo_ids, 0.5).keys() == set(arm.servo_ids)
    assert bus.protocol == protocol


def test_a_port_that_goes_away_is_a_bus_error(terminal):
    _, port = terminal
    bus = open_bus(XARM, port, MachineClock())

    class Gone:
        def fileno(self):
            raise OSError(errno.EIO, "Input/output error")

        write = read = lambda self, *_: self.fileno()

    bus._exchange.line._serial = Gone()
    for call in (lambda: bus.positions([1], 0.02), lambda: bus.move({1: 500}, 0.05, 0.02)):
        with pytest.raises(BusError, match="is lost") as caught:
            call()
        assert not isinstance(caught.value, PortError)
