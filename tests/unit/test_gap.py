"""The gap between an arm and a simulated one: large by the table, small with its own servos."""

import json

import numpy as np
import pytest

from alice.arms import XARM1S
from alice.arms.fitted import FittedServos
from alice.cli.usage import UsageError
from alice.deploy import calibration
from alice.deploy.black_box import BlackBox
from alice.deploy.bus.opening import open_bus
from alice.deploy.clock import SteppedClock
from alice.deploy.emulator import world as worlds
from alice.deploy.identification import gap, session

ARM, PERIOD = XARM1S, 0.05
SIZES = dict.fromkeys(("counts", "read_at", "sent", "temperature", "voltage", "load"), len(ARM.servo_ids))
SIZES |= dict.fromkeys(("joints", "wanted", "command"), len(ARM.joints))
SIZES |= {"inputs": 1, "action": 6, "ball": 3, "dish": 3}
WORLD = {"servo_delay": 0.04, "servo_backlash": 0.03, "drive_stiffness": 0.8, "servo_read_noise": 0.001}


def _box(path, count: int = 40, **about):
    """Write the black box of an emulated arm that swings all its joints."""
    known, clock = calibration.nominal(ARM), SteppedClock()
    bus = open_bus(ARM, "emulated", clock, world=worlds.nominal(ARM, **WORLD))
    box = BlackBox({"arm": ARM.name, "bus": "lx", "period": PERIOD, **about}, SIZES, 1.0 / PERIOD)
    bus.hold(ARM.servo_ids, 0.05)
    for step in range(count):
        begin = 1.0 + step * PERIOD
        clock.sleep_until(begin)
        found = bus.positions(ARM.servo_ids, 0.02)
        counts = np.array([found[servo_id].counts for servo_id in ARM.servo_ids])
        read_at = np.array([found[servo_id].at for servo_id in ARM.servo_ids])
        command = np.array(ARM.home) + 0.2 * np.sin(4.0 * step * PERIOD) * (np.arange(len(ARM.joints)) < 5)
        clock.sleep_until(begin + PERIOD / 2)
        sent_at, sent = clock.now(), known.counts(command)
        bus.move(dict(zip(ARM.servo_ids, sent.tolist(), strict=True)), PERIOD, 0.005)
        columns = {"counts": counts, "read_at": read_at, "joints": known.joints(counts), "command": command}
        box.step(time=begin, state=3, sent=sent, sent_at=sent_at, due=sent_at, **columns)
    box.write(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return gap.read(_box(tmp_path_factory.mktemp("box") / "run.zip"))


@pytest.fixture(scope="module")
def gaps(run):
    truth = session.truth_of(ARM, worlds.nominal(ARM, **WORLD))
    simulated = {"table": gap.on_bench(run, None), "fitted": gap.on_bench(run, truth)}
    return simulated, {name: gap.gap(run, places) for name, places in simulated.items()}


def test_an_arm_with_its_own_servos_is_where_the_real_one_was(gaps):
    plain, fitted = gaps[1]["table"], gaps[1]["fitted"]
    assert np.sqrt(np.mean(plain.tool**2)) > 0.010
    assert np.sqrt(np.mean(fitted.tool**2)) < 0.004
    assert np.abs(fitted.joints[:, :5]).mean() < 0.3 * np.abs(plain.joints[:, :5]).mean()


def test_the_table_names_every_joint_and_the_tool(run, gaps):
    told = gap.table(run, gaps[1])
    assert all(joint.label in told for joint in ARM.joints) and "tool" in told and "40 commands in 2.0 s" in told


def test_the_page_shows_a_curve_of_each(run, gaps, tmp_path):
    curves = pytest.importorskip("alice.evaluation.pictures.curves")
    page = curves.of_run(tmp_path / "gap.html", run, *gaps, gap.table(run, gaps[1])).read_text(encoding="utf-8")
    assert page.count("data:image/png") == len(ARM.joints) + 1


def test_a_box_without_commands_is_told(tmp_path):
    with pytest.raises(UsageError, match="no 10 commands in a row"):
        gap.read(_box(tmp_path / "short.zip", 5))


def test_a_box_of_an_unknown_arm_is_told(tmp_path):
    with pytest.raises(UsageError, match="is of the arm 'crane'"):
        gap.read(_box(tmp_path / "other.zip", 12, arm="crane"))


def test_without_a_fit_the_arm_is_as_its_table_has_it():
    world = session.world_of(ARM, FittedServos(ARM.name, {}))
    assert all((world.of(name) == worlds.nominal(ARM).of(name)).all() for name in worlds.TAKEN)
    assert json.loads(session.truth_of(ARM, world).to_json())["plant"] == "bench"
