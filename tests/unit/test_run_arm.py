"""The script that drives an arm: what is refused before a byte is sent, a run on an emulated arm, trials, the page."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from door_walk import call
from made_up import contract_of, image, vector

from alice import arms
from alice.deploy import black_box, calibration, policy, running, trials
from alice.deploy.clock import SteppedClock
from alice.deploy.operator import Console
from alice.deploy.punctuality import Punctuality
from alice.deploy.states import EVENTS, ORDERS, State
from alice.evaluation.audit import intervals

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "assets" / "policies" / "Alice-Ball-Transfer.onnx"
SEES = ROOT / "assets" / "policies" / "Alice-Ball-Transfer-Camera.onnx"
DISH, BALL = ["--dish", "0.18", "-0.09"], ["--ball", "0.2", "0.03", "0.015"]


@pytest.fixture
def line(tmp_path):
    """Return a port behind which somebody counts bytes, and a function that returns what came."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)

    def heard():
        with contextlib.suppress(BlockingIOError, OSError):
            return os.read(ours, 4096)
        return b""

    yield os.ttyname(theirs), heard
    os.close(ours), os.close(theirs)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with calibrations in it, sound ones and others."""
    arm = arms.named("xarm1s")
    good = replace(calibration.nominal(arm), verified=True)
    good.write(tmp_path / "good.json")
    calibration.nominal(arm).write(tmp_path / "unverified.json")
    calibration.nominal(arms.named("so101")).write(tmp_path / "other.json")
    (tmp_path / "damaged.json").write_text('{"schema": 1, "arm": "xarm1s"}')
    servos = (replace(good.servos[0], zero_counts=20.0), *good.servos[1:])
    replace(good, servos=servos).write(tmp_path / "absurd.json")
    return tmp_path


REAL = ["--arm", "xarm1s", "--policy", str(POLICY), "--port", "PORT", "--calibration", "good.json", *DISH, *BALL]


def changed(*pairs, without=()):
    """Return the words of a sound run with other values for some flags, or without them."""
    words, out = list(REAL), []
    values = dict(zip(pairs[::2], pairs[1::2], strict=True))
    while words:
        flag, given = words.pop(0), []
        while words and not words[0].startswith("--"):
            given.append(words.pop(0))
        if flag not in without:
            out += [flag, *(values.pop(flag).split() if flag in values else given)]
    return out + [word for flag, value in values.items() for word in (flag, *value.split())]


REFUSED = {
    "no port": (changed(without=("--port",)), "--port is missing"),
    "a port that is not there": (changed("--port", "/dev/ttyNONE"), "does not exist"),
    "hid for another arm": (changed("--arm", "so101", "--port", "hid"), "was trained for the arm 'xarm1s'"),
    "another arm": (changed("--arm", "so101"), "was trained for the arm 'xarm1s', this is the arm 'so101'"),
    "another protocol": (changed("--protocol", "sts"), "does not speak sts"),
    "no calibration": (changed(without=("--calibration",)), "--calibration is missing"),
    "an unverified one": (changed("--calibration", "unverified.json"), "is not verified"),
    "another arm's": (changed("--calibration", "other.json"), "is of the arm 'so101'"),
    "a damaged one": (changed("--calibration", "damaged.json"), "of another form"),
    "an absurd one": (changed("--calibration", "absurd.json"), "leaves base_joint"),
    "no ball": (changed(without=("--ball",)), "--ball is missing"),
    "no dish": (changed(without=("--dish",)), "--dish is missing"),
    "a ball in millimetres": (changed("--ball", "200 30 15"), "give metres"),
    "a ball without radius": (changed("--ball", "0.2 0.03"), "--ball X Y R takes 3 numbers"),
    "a ball that is none": (changed("--ball", "0.2 0.03 0.5"), "no ball's radius"),
    "a dish that is a word": (changed("--dish", "there"), "--dish X Y takes 2 numbers"),
    "teaching in a dry run": (changed("--dish", "teach", "--mode", "dry"), "which a dry run does not"),
    "a policy that sees, without a camera": (changed("--policy", str(SEES)), "--camera is missing"),
    "a camera that is not there": (changed("--policy", str(SEES), "--camera", "97"), "camera 97 does not exist"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_told_in_one_line_and_not_a_byte_is_sent(name, line, folder):
    words, expected = REFUSED[name]
    port, heard = line
    code, out, err = call("run_arm", [port if word == "PORT" else word for word in words], folder, without=("torch",))
    assert code == 2 and out == "", err
    assert err.startswith("alice: error: ") and err.count("\n") == 1 and expected in err, err
    assert heard() == b""
    assert not (folder / "logs").exists()


def test_a_port_that_another_process_holds_is_told(line, folder):
    port, heard = line
    serial = pytest.importorskip("serial")
    with serial.Serial(port, 115200, exclusive=True):
        words = [port if word == "PORT" else word for word in REAL]
        code, _, err = call("run_arm", words, folder, without=("torch",))
    assert code == 2 and err.count("\n") == 1 and "another process" in err
    assert heard() == b""


def test_an_arm_that_says_nothing_is_not_moved(line, folder):
    port, heard = line
    words = [port if word == "PORT" else word for word in REAL]
    code, _, err = call("run_arm", [*words, "--box", "box.zip"], folder, without=("torch",))
    assert code == 2 and "no position from servo" in err and "nothing was moved" in err and err.count("\n") == 1
    asked = {frame[2] for frame in heard().split(b"\x55\x55") if len(frame) > 2}
    assert asked <= {26, 27, 28, 36} and 28 in asked, "questions alone: temperature, voltage, position, errors"
    assert black_box.read(folder / "box.zip").events[-1]["state"] == "off"


EMULATED = ["--arm", "xarm1s", "--policy", str(POLICY), "--port", "emulated", *DISH, *BALL, "--box", "box.zip"]


@pytest.mark.slow
def test_a_whole_run_on_an_emulated_arm(tmp_path):
    code, out, err = call("run_arm", [*EMULATED, "--seconds", "2"], tmp_path, without=("torch",))
    if code == 3 and "alice: late" in err:
        pytest.skip("this machine is too busy to drive an arm in time")
    assert code == 0, out + err
    assert out.splitlines()[0] == "homing: every check is passed" and "\nrunning: " in out and "\noff: " in out
    about = black_box.read(tmp_path / "box.zip").about
    assert about["ended"].startswith("finished") and about["timing"]["commands"] > 60
    assert "commands, one every " in out and "of a core" in out
    code, out, err = call("show_run", ["--box", "box.zip", "--plot", "run.png"], tmp_path)
    assert code == 0 and "control steps" in out and "the whole run: " in out
    assert (tmp_path / "run.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_a_signal_lowers_the_arm_and_the_black_box_is_written(number, code, tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "run_arm.py"), *EMULATED, "--seconds", "60"]
    child = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    for row in child.stdout:
        if row.startswith("running"):
            break
    else:
        pytest.skip("this machine is too busy to drive an arm in time")
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == code and "lowering: the operator asked to stop" in out and err.count("\n") == 1
    assert black_box.read(tmp_path / "box.zip").about["ended"].startswith("stop")


def test_a_crash_writes_the_black_box(tmp_path):
    class Broken:
        box, punctuality, late = black_box.BlackBox({"joints": []}, {}, 20.0), Punctuality(), 0

        def run(self):
            raise RuntimeError("a mistake of ours")

    with pytest.raises(RuntimeError):
        running.drive(Broken(), tmp_path / "box.zip")
    about = black_box.read(tmp_path / "box.zip").about
    assert about["ended"] == "crash" and about["timing"]["commands"] == 0


##
# Operator, dish, trials
##


def test_keys_of_a_terminal_come_one_by_one_and_space_stops(monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with Console() as console:
            assert console.keys() == "" and console.stops == 0
            os.write(ours, b"y")
            time.sleep(0.05)
            assert console.keys() == "y"
            os.write(ours, b" n")
            time.sleep(0.05)
            assert console.keys() == "n" and console.stops == 1
            os.kill(os.getpid(), signal.SIGTERM)
            assert console.stops == 2
    os.close(ours)


class Hands:
    """An operator who presses Enter whenever asked, and a bus that stands somewhere."""

    stops = 0

    def __init__(self, counts):
        self.counts, self.torques = counts, []

    def keys(self):
        return "\n"

    def torque(self, ids, is_on, budget):
        self.torques.append(is_on)

    def positions(self, ids, budget):
        from alice.deploy.bus.interface import Position

        return {servo: Position(self.counts[servo], 0.0) for servo in list(ids)[:2]}


@pytest.mark.parametrize("arm", arms.ARMS.values(), ids=lambda arm: arm.name)
def test_a_dish_is_taught_by_hand(arm):
    from alice.deploy.guard import Guard

    made = calibration.nominal(arm)
    pose = Guard(made, contract_of(arm=arm)).with_tip_at(np.array(arm.home), 0.03)
    hands = Hands(dict(zip(arm.servo_ids, made.counts(pose).tolist(), strict=True)))
    parts = running.Parts(arm, None, made, hands, None, None, contextlib.ExitStack())
    from alice.arms import kinematics

    x, y = running.teach_dish(parts, SteppedClock(), hands, lambda line: None)
    assert (x, y) == pytest.approx(kinematics.forward(arm, pose)[0][:2], abs=0.004)
    assert hands.torques == [False]


def test_a_dish_in_the_air_is_refused():
    arm = arms.named("xarm1s")
    made = calibration.nominal(arm)
    hands = Hands(dict(zip(arm.servo_ids, made.counts(np.array(arm.home)).tolist(), strict=True)))
    parts = running.Parts(arm, None, made, hands, None, None, contextlib.ExitStack())
    with pytest.raises(running.UsageError, match="mm over the table"):
        running.teach_dish(parts, SteppedClock(), hands, lambda line: None)


def test_wilsons_interval_is_scipys():
    for successes, count in ((0, 20), (13, 20), (20, 20), (1, 1)):
        assert trials.wilson(successes, count) == pytest.approx(intervals.wilson(successes, count), abs=1e-6)
    assert trials.wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("arm", arms.ARMS.values(), ids=lambda arm: arm.name)
def test_places_of_balls_follow_from_the_seed_and_are_apart_from_the_dish(arm):
    dish = (arm.chain.shoulder[0] + 0.2, 0.05)
    first, again, other = (trials.draw_balls(arm, dish, 50, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert min(np.hypot(x - dish[0], y - dish[1]) for x, y in first) >= trials.APART
    assert trials.draw_balls(arm, dish, 20, 1) == first[:20], "more trials go on with the same places"


def test_a_transfer_of_no_seconds_goes_home_and_down():
    plan = trials.OneTransfer(None, None, 0.0)
    assert [plan.wants(1.0, state, "") for state in (State.HOMING, State.READY)] == ["", "finished"]
    plan = trials.OneTransfer(None, None, 1.0)
    assert plan.wants(1.0, State.READY, "") == "go" and plan.wants(1.9, State.RUNNING, "") == ""
    assert plan.wants(2.0, State.RUNNING, "") == "over" and plan.wants(3.0, State.READY, "") == "finished"


def test_trials_are_asked_for_counted_and_written(tmp_path):
    said, path = [], tmp_path / "results.json"
    plan = trials.Trials([(0.2, 0.0), (0.25, 0.1)], (0.18, -0.09), 0.015, said.append, 1.0, path, {"seed": 3})
    now, answers = 0.0, iter(["", "", "r", "y"])

    def ready(keys=""):
        return plan.wants(now, State.READY, keys)

    def transfer():
        nonlocal now
        assert plan.wants(now, State.RUNNING, "") == ""
        now += 1.1
        assert plan.wants(now, State.RUNNING, "") == "over"

    assert ready() == "" and "x +0.200, y +0.000" in said[-1] and ready("\n") == "go"
    assert plan.ball == (0.2, 0.0, 0.015)
    transfer()
    assert ready() == "" and ready("\n") == "", "Enter is no verdict"
    assert ready("r") == "" and json.loads(path.read_text())["trials"] == 0
    ready(), ready("\n"), transfer(), ready(), ready("y")
    ready()
    assert "trial 2 of 2" in said[-1] and plan.ball == (0.25, 0.1, 0.015)
    ready("\n"), plan.wants(now, State.RUNNING, "")
    plan.end("servo 3 is too hot")
    found = json.loads(path.read_text())
    assert (found["trials"], found["successes"], found["left_out"], found["seed"]) == (2, 1, 1, 3)
    assert found["rows"][-1]["stopped"] == "servo 3 is too hot" and found["rows"][-1]["success"] is False
    assert next(answers) == "" and ready() == "finished"


def test_a_policy_is_asked_for_what_it_must_be_told():
    told = contract_of(vector("policy", "joint_pos", "ball_pos"))
    sees = contract_of(vector("policy", "joint_pos"), vector("goal", "dish_place"), image())
    args = type("Args", (), {"dish": None, "ball": None, "trials": None, "camera": None})
    for promised, missing in ((told, "--ball"), (sees, "--dish")):
        with pytest.raises(running.UsageError, match=f"{missing} is missing"):
            running._check_told(promised, args)
    assert policy.load(POLICY).contract.task == "Alice-Ball-Transfer"


##
# The page
##

PAGE = ROOT / "docs" / "robot.md"
BEGIN, END = "<!-- states: written by tests/unit/test_run_arm.py -->\n", "<!-- end of the states -->"


def _table() -> str:
    """Return the tables of the safety: what each state tells the servos, and what leads where."""
    text = "\n| State | What the servos are told |\n|---|---|\n"
    text += "".join(f"| {state.value} | {said} |\n" for state, (_, said) in ORDERS.items())
    states = [state for state in State if any(state in event.to for event in EVENTS)]
    text += f"\n| Event | When | {' | '.join(state.value for state in states)} | Exit |\n"
    text += "|---|---|" + "---|" * (len(states) + 1) + "\n"
    for event in EVENTS:
        follows = [event.to.get(state, "") for state in states]
        cells = " | ".join(getattr(state, "value", state) for state in follows)
        code = "" if event.exit_code is None else event.exit_code
        text += f"| {event.name} | {event.meaning} | {cells} | {code} |\n"
    return re.sub(r" +", " ", text) + "\n"


def test_the_page_shows_the_table_of_the_safety():
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    written, _, after = rest.partition(END)
    if os.environ.get("ALICE_WRITE"):
        PAGE.write_text(before + BEGIN + _table() + END + after, encoding="utf-8")
        written = _table()
    assert written == _table(), "run this test with ALICE_WRITE=1 and look at the difference"


def test_the_page_names_every_column_of_a_black_box():
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in black_box.COLUMNS if f"`{name}`" not in text] == []
