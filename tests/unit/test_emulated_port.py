"""The camera of an emulated arm, and its port."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from wires import WIRES

from alice.arms import ARMS
from alice.deploy.bus.interface import BusError
from alice.deploy.bus.opening import open_bus
from alice.deploy.clock import MachineClock, SteppedClock
from alice.deploy.emulator import EmulatedArm, EmulatedCamera, terminal
from alice.deploy.emulator.camera import SharedPicture

ROOT = Path(__file__).resolve().parents[2]
XARM = ARMS[WIRES["lx"]]

##
# Camera
##


def test_pictures_differ_and_say_when_they_were_taken():
    clock = SteppedClock(5.0)
    camera = EmulatedCamera(clock, 64, 48, rate=20.0)
    first, at = camera.read()
    assert first.shape == (48, 64, 3) and first.dtype == np.uint8 and at == 5.0
    clock.advance(0.049)
    assert (camera.read()[0] == first).all()
    clock.advance(0.002)
    second, later = camera.read()
    assert (second != first).any() and later == pytest.approx(5.05)


def test_a_camera_freezes_blanks_and_vanishes_and_comes_back():
    clock = SteppedClock(5.0)
    arm = EmulatedArm(XARM, clock=clock)
    camera = EmulatedCamera(clock, faults=arm.faults)
    arm.inject("camera_freeze", at=1.0, **{"for": 1.0})
    arm.inject("camera_blank", at=2.0, **{"for": 1.0})
    arm.inject("camera_vanish", at=3.0, **{"for": 1.0})
    clock.sleep_until(6.5)
    picture, at = camera.read()
    clock.sleep_until(6.9)
    again, then = camera.read()
    assert (picture == again).all() and at == then <= 6.0
    clock.sleep_until(7.5)
    assert not camera.read()[0].any() and camera.read()[1] > 7.4
    clock.sleep_until(8.5)
    with pytest.raises(OSError, match="gone"):
        camera.read()
    clock.sleep_until(9.5)
    assert camera.read()[0].any() and camera.read()[1] > 9.4
    arm.inject("camera_freeze", stamped=1)
    assert camera.read()[1] == clock.now()


##
# Its port
##


@pytest.fixture
def served(tmp_path):
    """Return a function that serves an arm on a pseudo-terminal in a thread."""
    pytest.importorskip("serial")
    ended = []

    def serve(protocol, control=False):
        arm = EmulatedArm(ARMS[WIRES[protocol]], protocol=protocol)
        where = tmp_path / "faults"
        made = terminal.Terminal(arm, terminal.Control(where, arm) if control else None)
        stop = threading.Event()
        thread = threading.Thread(target=made.serve, args=(stop,))
        thread.start()
        ended.append((made, stop, thread))
        return made, where

    yield serve
    for made, stop, thread in ended:
        stop.set()
        thread.join()
        made.close()


@pytest.mark.parametrize("protocol", ["lx", "sts", "lsc-serial"])
def test_an_arm_behind_a_pseudo_terminal_is_read_and_moved(protocol, served):
    port, clock, arm = served(protocol)[0].port, MachineClock(), ARMS[WIRES[protocol]]
    bus = open_bus(arm, port, clock, protocol)
    found = {}
    ends = clock.now() + 10.0
    while set(arm.servo_ids) - found.keys() and clock.now() < ends:
        found.update(bus.positions(arm.servo_ids, 0.5))
    assert found.keys() == set(arm.servo_ids)
    goals = {servo_id: position.counts + 5 for servo_id, position in found.items()}
    bus.move(goals, 0.1, 0.02)
    clock.sleep_until(clock.now() + 0.5)
    later = {}
    while set(arm.servo_ids) - later.keys() and clock.now() < ends:
        later.update(bus.positions(arm.servo_ids, 0.5))
    for servo_id, goal in goals.items():
        assert later[servo_id].counts == pytest.approx(goal, abs=16)  # an elbow that is soft sags
    bus.close()


def tell(path: Path, *lines: str) -> list[dict]:
    """Return what the control socket answers to lines."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10.0)
        client.connect(str(path))
        client.sendall("".join(f"{line}\n" for line in lines).encode())
        answers = client.makefile()
        return [json.loads(answers.readline()) for _ in lines]


def test_the_socket_takes_faults_while_the_arm_is_served(served):
    made, where = served("sts", control=True)
    state, given = tell(where, '{"do": "state"}', '{"fault": "unplug", "at": 0}')
    assert state["ok"] and state["joints"].keys() == set(ARMS["so101"].names) and state["torque"]["1"] is True
    assert given["ok"]
    bad = tell(
        where, "nonsense", '{"fault": "dropp"}', "[]", '{"do": "dance"}', '{"fault": "drop", "servo": "one"}', ""
    )
    assert not any(answer["ok"] for answer in bad) and "did you mean drop" in bad[1]["error"]
    time.sleep(0.1)
    assert not os.path.exists(made.port) or made._ours is None


def test_a_port_that_is_pulled_out_is_a_bus_error_on_the_other_side(served):
    made, where = served("lx", control=True)
    clock = MachineClock()
    bus = open_bus(XARM, made.port, clock)
    assert bus.positions(XARM.servo_ids, 1.0)
    tell(where, '{"fault": "unplug"}')
    with pytest.raises(BusError, match="is lost"):
        for _ in range(100):
            bus.positions(XARM.servo_ids, 0.05)
            clock.sleep_until(clock.now() + 0.02)


def test_the_command_serves_an_arm_in_another_process(tmp_path):
    """A host that is killed in the middle of a frame leaves an arm that holds and that the next one can talk to."""
    pytest.importorskip("serial")
    (tmp_path / "w.json").write_text('{"servo_offset": {"6": 0.05}}')
    command = [
        sys.executable,
        str(ROOT / "scripts" / "emulate_arm.py"),
        "--arm",
        XARM.name,
        "--world",
        tmp_path / "w.json",
    ]
    command += ["--link", tmp_path / "arm", "--control", tmp_path / "faults"]
    half = "import os, sys; os.write(os.open(sys.argv[1], os.O_RDWR), b'UU\\x06\\x07\\x01'); os.kill(os.getpid(), 9)"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as door:
        try:
            assert door.stdout.readline() == f"port {tmp_path / 'arm'}\n"
            subprocess.run([sys.executable, "-c", half, str(tmp_path / "arm")], check=False)
            bus, clock = open_bus(XARM, str(tmp_path / "arm"), MachineClock()), MachineClock()
            found, ends = {}, clock.now() + 10.0
            while set(XARM.servo_ids) - found.keys() and clock.now() < ends:
                found.update(bus.positions(XARM.servo_ids, 0.3))
            assert found.keys() == set(XARM.servo_ids)
            (state,) = tell(tmp_path / "faults", '{"do": "state"}')
            assert all(state["torque"].values()) and abs(state["joints"][XARM.names[0]] - XARM.home[0]) < 0.06
            bus.close()
        finally:
            door.terminate()
    assert not os.path.lexists(tmp_path / "arm") and not (tmp_path / "faults").exists()


def test_a_picture_is_shared_between_processes(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        SharedPicture(tmp_path / "picture")
    writer = SharedPicture(tmp_path / "picture", is_writer=True)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), np.uint8)
    writer.write(pictures[0], 1.25)
    reader = SharedPicture(tmp_path / "picture")
    writer.write(pictures[1], 1.5)
    picture, taken_at = reader.read()
    assert (picture == pictures[1]).all() and taken_at == 1.5
    reader.close()
    assert (tmp_path / "picture").exists()
    writer.close()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "letter").write_text("Dear picture,")
    with pytest.raises(OSError, match="holds no picture"):
        SharedPicture(tmp_path / "letter")
