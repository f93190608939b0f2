"""Calibration by hand on emulated arms: what comes out of it, and what is named where something went wrong."""

import math
from dataclasses import replace

import numpy as np
import pytest
from door_walk import call

from alice import arms
from alice.deploy import calibration
from alice.deploy.bus.interface import Position
from alice.deploy.bus.opening import bus_on
from alice.deploy.calibrating import acceptance, guide, plausible, tasks
from alice.deploy.calibrating.guide import Guide
from alice.deploy.calibrating.recording import Notes
from alice.deploy.calibration import CalibrationError
from alice.deploy.clock import SteppedClock
from alice.deploy.emulator import EmulatedArm, world
from alice.deploy.emulator.direct import DirectBus
from alice.deploy.emulator.hand import EmulatedHand

by_arm = pytest.mark.parametrize(
    "arm", [arms.named(name) for name in arms.ARMS if "_" not in name], ids=lambda a: a.name
)
BALL = 0.03


class Bench:
    """An arm of a hidden world, a hand, and a guide that leads it."""

    def __init__(self, arm, seed=5, lift=0.0, mistakes=None, wrong_bus=None, notes=None, accepted=(), **changes):
        self.arm, self.clock = arm, SteppedClock()
        hidden = world.nominal(arm, 1, **changes) if changes else world.drawn(arm, seed)
        self.emulated = EmulatedArm(arm, hidden, self.clock, seed=seed)
        self.hand = EmulatedHand(self.emulated, seed, lift, mistakes=mistakes)
        self.bus = DirectBus(self.emulated)
        if wrong_bus is not None:
            self.bus = Wrong(self.bus, wrong_bus)
        notes = notes or Notes(None, arm, {})
        self.guide = Guide(arm, self.bus, self.clock, self.hand, notes, BALL, frozenset(accepted))

    def calibrated(self):
        self.guide.measure()
        return self.guide.finish(self.guide.fit(), "test", "today")


class Wrong:
    """A bus whose counts go through a function of a dictionary."""

    def __init__(self, bus, change):
        self._bus, self._change = bus, change

    def torque(self, servo_ids, is_on, budget):
        self._bus.torque(servo_ids, is_on, budget)

    def positions(self, servo_ids, budget):
        found = self._bus.positions(servo_ids, budget)
        at = self._bus._arm.clock.now()
        return {i: Position(int(c), at) for i, c in self._change({i: p.counts for i, p in found.items()}).items()}


@by_arm
def test_zeros_gains_and_the_shoulder_are_found_and_the_check_verifies(arm):
    results = [acceptance.of_world(arm, seed) for seed in (1, 2)]
    assert not any(result.refused for result in results)
    assert np.degrees(np.abs([result.zero for result in results])).max() < 0.3
    assert np.abs([result.gain for result in results]).max() < 0.005
    assert max(abs(result.lift) for result in results) < 0.003
    assert max(result.gap for result in results) < 0.002
    assert all(result.is_verified for result in results)


@by_arm
def test_an_arm_as_delivered_is_found_as_well(arm):
    result = acceptance.of_world(arm, 3, offset=0.13)
    assert not result.refused and result.is_verified
    assert np.degrees(np.abs(result.zero)).max() < 0.35


def test_a_hand_of_two_degrees_is_refused_by_name_and_not_believed():
    result = acceptance.of_world(arms.named("so101"), 3, repeatability=math.radians(2.0))
    assert "unknown zero" in result.refused or "mistaken" in result.refused


@pytest.mark.slow
@by_arm
def test_the_door_measures_an_emulated_arm_and_its_file_is_one_to_drive_with(arm, tmp_path):
    hidden = world.drawn(arm, 7)
    (tmp_path / "hidden.json").write_text(hidden.to_json(arm))
    words = ["--arm", arm.name, "--port", "emulated", "--world", "hidden.json", "--output", "mine.json"]
    code, out, err = call("calibrate_arm", words, tmp_path)
    assert code == 0 and "not verified" in out.splitlines()[-1], err
    with pytest.raises(CalibrationError, match="verified"):
        calibration.read(tmp_path / "mine.json", arm, must_be_verified=True)
    code, out, err = call("calibrate_arm", [*words, "--check"], tmp_path)
    assert code == 0 and "mine.json: verified" in out.splitlines()[-1], err
    assert calibration.read(tmp_path / "mine.json", arm, must_be_verified=True).arm == arm.name


@pytest.mark.slow
@by_arm
def test_the_same_comes_over_the_bytes_of_the_bus(arm):
    bench = Bench(arm)
    bench.guide.bus = bus_on(arm, bench.emulated.wire(), bench.clock, bench.emulated.protocol)
    made = bench.calibrated()
    offsets = bench.emulated.world.of("servo_offset")[0, arm.arm_columns]
    true = made.joints(made.counts([arm.home]))  # by the file
    assert true.shape == (1, len(arm.joints))
    zeros = np.array([servo.zero_counts for servo in made.servos[:-1]])
    assert np.degrees(np.abs(acceptance._true_angle(arm, bench.emulated.world, zeros))).max() < 0.3
    assert np.abs(offsets).max() > 0.005


##
# Sabotage
##


def led(column_by, joint_name):
    """Return a mistake that changes the way of one joint."""

    def change(arm):
        column = arm.names.index(joint_name)

        def mistake(task, way):
            way = way.copy()
            way[:, column] = column_by(way[:, column])
            return way

        return mistake

    return change


def only_first(way):
    """Return a way that is 9.4 degrees short at one of its visits."""
    short = way.copy()
    short[2] -= math.copysign(math.radians(9.4), short[2])
    return short


def both(way):
    """Return a way that is 9.4 degrees short at one stop, every time."""
    short = way.copy()
    short[[0, 2]] -= np.copysign(math.radians(9.4), short[[0, 2]])
    return short


def another_joint(task, way):
    """Lead the neighbour instead."""
    way = way.copy()
    way[:, task.column + 1], way[:, task.column] = way[:, task.column], way[0, task.column + 1]
    return way


def swap(one, other):
    return lambda counts: {**counts, one: counts[other], other: counts[one]}


def of(servo_id, change):
    return lambda counts: {**counts, servo_id: change(counts[servo_id])}


def wrapping(low, high, by):
    size = high - low + 1
    return lambda counts: low + (counts - low + by) % size


def shaken(servo):
    generator = np.random.default_rng(0)
    return lambda counts: counts + generator.normal(0.0, 0.03 * servo.counts_per_radian)


def sabotages(arm):
    """Yield name, what is named, and what is done, for an arm."""
    shoulder, elbow, wrist = (joint.name for joint in arm.pitch_joints)
    ids = {joint.name: joint.servo_id for joint in arm.joints}
    servo = arm.joints[0].servo
    sweep, hold = f"sweep {elbow}", f"hold {elbow}"
    mistake = lambda change, key=sweep: {"mistakes": {key: led(change, elbow)(arm)}}  # noqa: E731
    wrong = lambda change: {"wrong_bus": change}  # noqa: E731
    yield "missed stop once", f"missed stop {elbow}", mistake(only_first)
    yield "missed stop always", f"missed stop {elbow}", mistake(both)
    yield "no sweep at all", f"missed stop {elbow}", mistake(lambda way: way[[0, 1, 1, 1]])
    yield "swapped servos", f"swapped servo {elbow}", wrong(swap(ids[elbow], ids[wrist]))
    yield "another joint led", "swapped servo", {"mistakes": {sweep: another_joint}}
    yield "led the wrong way", f"mirrored sign {elbow}", mistake(lambda way: way[[1, 0, 1, 0]])
    centre = 2 * servo.centre_counts
    yield "mounted mirrored", f"mirrored sign {shoulder}", wrong(of(ids[shoulder], lambda c: centre - c))
    wrap = wrapping(*servo.counts, by=(servo.counts[1] - servo.counts[0]) // 3)
    yield "wrapped count", f"wrapped count {elbow}", wrong(of(ids[elbow], wrap))
    yield "loose horn", f"still servo {elbow}", wrong(of(ids[elbow], lambda c: servo.centre_counts))
    silent = lambda counts: {i: c for i, c in counts.items() if i != ids[wrist]}  # noqa: E731
    yield "a cable is off", f"silent servo {ids[wrist]}", wrong(silent)
    yield (
        "wrong side of the square",
        f"mistaken reference {elbow}",
        mistake(lambda way: way + math.pi / 2, f"{hold} -90"),
    )
    yield "square leans once", f"mistaken reference {elbow} -90 2", mistake(lambda way: way + 0.06, f"{hold} -90 2")
    yield "held by a trembling hand", f"moved hold {elbow}", wrong(of(ids[elbow], shaken(servo)))
    gripper = lambda change, key: {"mistakes": {key: led_gripper(change, arm)}}  # noqa: E731
    yield "open and closed swapped", "swapped grip", {"mistakes": {"grip": swapped_grip(arm)}}
    yield "another ball", "mistaken ball", gripper(lambda way, closed: closed + 0.4 * (way - closed), "grip ball")
    yield "mark missed by 30 mm", "mistaken mark Q", {"mistakes": {"touch Q": beside(arm)}}
    yield "on a board of 12 mm", "shoulder height arm", {"lift": 0.012}


def led_gripper(change, arm):
    def mistake(task, way):
        way = way.copy()
        way[:, -1] = change(way[:, -1], plausible.gripper_angles(arm, BALL)[0])
        return way

    return mistake


def swapped_grip(arm):
    closed, _, opened = plausible.gripper_angles(arm, BALL)
    places = {tasks.CLOSED: opened, tasks.OPENED: closed}

    def mistake(task, way):
        way = way.copy()
        way[:, -1] = places.get(task.grip, way[0, -1])
        return way

    return mistake


def beside(arm):
    def mistake(task, way):
        way = way.copy()
        point = np.array(task.point) + np.array([0.03, 0.0, 0.0])
        way[:, arm.arm_columns] = tasks.pose_at(arm, point)
        return way

    return mistake


CASES = [(arm, *case) for arm in map(arms.named, ("xarm1s", "so101")) for case in sabotages(arm)]


@pytest.mark.parametrize(("arm", "what", "named", "words"), CASES, ids=[f"{c[0].name}: {c[1]}" for c in CASES])
def test_a_sabotaged_calibration_is_named(arm, what, named, words):
    with pytest.raises(CalibrationError, match=f"^{named}"):
        Bench(arm, **words).calibrated()


@by_arm
def test_a_wrong_zero_is_not_verified_by_the_check(arm):
    bench = Bench(arm)
    made = bench.calibrated()
    elbow = made.servos[2]
    moved = math.radians(9.4) * arm.joints[2].servo.counts_per_radian
    wrong = replace(
        made, servos=(*made.servos[:2], replace(elbow, zero_counts=elbow.zero_counts + moved), *made.servos[3:])
    )
    found, checked = guide.check(arm, wrong, bench.bus, bench.clock, bench.hand)
    assert not found.verified and max(checked.misses.values()) > guide.CHECK_WITHIN
    found, checked = guide.check(arm, made, bench.bus, bench.clock, bench.hand)
    assert found.verified and max(checked.misses.values()) < 0.005


def test_what_is_really_so_can_be_accepted():
    arm = arms.named("xarm1s")
    first = arm.joints[1]
    mirrored = of(first.servo_id, lambda counts: 2 * first.servo.centre_counts - counts)
    made = Bench(arm, wrong_bus=mirrored, accepted=[f"mirrored sign {first.name}"]).calibrated()
    assert made.servos[1].sign == -first.counts_sign


def test_it_goes_on_where_it_was_left(tmp_path):
    arm = arms.named("so101")
    path = tmp_path / "arm.measured.json"
    bench = Bench(arm, notes=Notes(path, arm, {"ball": BALL}))
    done = []

    class Tired(EmulatedHand):
        def reply(self):
            return "quit" if len(done) > 4 else super().reply()

        def begin(self, task):
            done.append(task.key)
            super().begin(task)

    bench.guide.person = Tired(bench.emulated, 5)
    with pytest.raises(CalibrationError, match="goes on from here"):
        bench.guide.measure()
    later = Bench(arm, notes=Notes(path, arm, {"ball": BALL}))
    assert set(later.guide.notes.made) == set(done[1:4])
    later.calibrated()
    assert f"{len(tasks.plan(arm, BALL)) - 3} of" in later.hand.told[0]
    with pytest.raises(CalibrationError, match="were made with ball"):
        Notes(path, arm, {"ball": 0.04})
    notes = Notes(path, arm, {"ball": BALL})
    assert notes.forget("elbow") == 7 and not any("elbow" in key for key in Notes(path, arm, {"ball": BALL}).made)


def test_without_a_square_marks_alone_are_refused_where_they_cannot_tell():
    arm = arms.named("xarm1s")
    bench = Bench(arm)
    bench.guide.measure()
    for key in [key for key in bench.guide.notes.made if key.startswith("hold") and "base" not in key]:
        del bench.guide.notes.made[key]
    refused = {finding.where for finding in bench.guide.fit().refused(arm)}
    assert {joint.name for joint in arm.arm_joints[1:]} <= refused and arm.joints[0].name not in refused
