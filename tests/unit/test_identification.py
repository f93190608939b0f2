"""Identification finds the numbers of hidden worlds again, says how sure it is, and refuses what nobody could tell."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from alice.arms import SO101, XARM1S, fitted
from alice.deploy import calibration
from alice.deploy.bus.opening import open_bus
from alice.deploy.clock import SteppedClock
from alice.deploy.emulator import world as worlds
from alice.deploy.emulator.bench import Bench, joint_positions, servo_angles
from alice.deploy.identification import fit, hidden, motion, recording, rehearsal, session, statics

ARMS = pytest.mark.parametrize("arm", [XARM1S, SO101], ids=lambda arm: arm.name)


def _moves(arm) -> list[motion.Move]:
    """Return a short plan: half of the ramps, two poses, no chirp and no leaps."""
    moves = motion.Planner(calibration.nominal(arm)).plan()
    kinds = [move.kind for move in moves]
    ramps = [number for number, kind in enumerate(kinds) if kind == "ramp"]
    left_out = {number + ahead for number in ramps[12:] for ahead in (0, 1)}
    poses = [number for number, kind in enumerate(kinds) if kind == "snap" and number > kinds.index("wave")]
    end = poses[3] + 1
    return [m for number, m in enumerate(moves[:end]) if number not in left_out and m.kind != "wave"]


@pytest.fixture(scope="module")
def small():
    """Return each arm's two hidden worlds, and what was found out about them."""
    found = {}
    for arm in (XARM1S, SO101):
        world = worlds.drawn(arm, 3, 2)
        found[arm.name] = world, list(hidden.identify(arm, world, 3, _moves(arm)))
    return found


@ARMS
def test_the_weight_of_many_poses_is_that_of_the_bench(arm):
    poses = np.random.default_rng(0).uniform(arm.lower, arm.upper, (4, len(arm.joints)))
    poses[:, arm.gripper_columns] = arm.gripper.opened
    bench = Bench(arm, worlds.nominal(arm, 4), servo_angles(arm, poses))
    assert np.allclose(statics.weight(arm, poses), bench.weight(), atol=1e-9)
    assert np.abs(bench.weight()[:, 1]).max() > 0.1


##
# What an arm is told
##


@ARMS
def test_every_move_leaves_room_and_stays_within_limits(arm):
    known = calibration.nominal(arm)
    planner = motion.Planner(known)
    goals = np.array([move.goals for move in planner.plan()])
    joints = known.joints(goals)
    lower, upper = known.limits
    assert (joints >= lower - 0.002).all() and (joints <= upper + 0.002).all()
    path = np.concatenate([np.linspace(one, other, 12) for one, other in pairwise(joints)])
    assert statics.room(arm, path).min() > motion.ROOM - 0.01


@ARMS
def test_no_move_is_faster_than_the_arm_may_go_but_the_leaps(arm):
    moves = motion.Planner(calibration.nominal(arm)).plan()
    slopes = np.array([arm.joints[0].servo.counts_per_radian] * len(arm.servo_ids))
    for before, move in pairwise(moves):
        way = np.abs(move.goals - before.goals) / slopes
        if move.kind in ("snap", "stair", "leap"):
            assert way.max() <= 0.3
        elif move.kind != "wave":
            assert way.max() / move.span <= arm.speed_cap


def test_an_arm_that_a_missed_stop_leaves_no_room_is_told_so():
    known = calibration.nominal(XARM1S)
    servos = [
        calibration.ServoCalibration(**{**vars(servo), "stops_counts": (480, 520)}) if servo.id == 5 else servo
        for servo in known.servos
    ]
    with pytest.raises(motion.NoRoomError, match="limits leave no pose"):
        motion.Planner(calibration.Calibration(XARM1S.name, tuple(servos)))


##
# What is found
##


@ARMS
def test_hidden_worlds_are_found_again(arm, small):
    lines = {line.title: line for line in hidden.compare(arm, *small[arm.name])}
    for line in lines.values():
        if line.bound is not None:
            assert line.refused == 0 and line.errors.max() <= line.bound, line.title
    assert lines["dead band, in whole counts"].errors.max() < 0.01


@ARMS
def test_standard_errors_are_those_of_the_errors(arm, small):
    world, found = small[arm.name]
    off = []
    for row, one in enumerate(found):
        for column, key in enumerate(arm.action_names):
            backlash = one.quantities["servo_backlash"][key]
            off.append((backlash.value - world.of("servo_backlash")[row, column]) / backlash.standard_error)
    assert 0.3 < np.sqrt(np.mean(np.square(off))) < 4.0


@ARMS
def test_what_a_read_back_cannot_tell_is_refused_with_a_reason(arm, small):
    _, (found, _) = small[arm.name]
    for name in ("servo_offset", "servo_gain", "joint_friction", "torque_cap", "link_mass"):
        assert all(one.value is None and len(one.refused) > 20 for one in found.quantities[name].values()), name
    stiffness = found.quantities["drive_stiffness"]
    assert stiffness[arm.action_names[0]].value is None and stiffness["gripper"].value is None


def test_a_verified_calibration_says_what_is_left_of_zero_and_gain():
    known = calibration.verified(calibration.nominal(XARM1S))
    left = fit._calibrated(known)
    assert left["servo_offset"][0].value == 0.0 and left["servo_offset"][0].standard_error < np.radians(0.3)
    assert left["servo_gain"][0].value == 1.0


def test_what_was_found_is_a_servo_file(small, tmp_path):
    _, (found, _) = small[XARM1S.name]
    (tmp_path / "servo.json").write_text(found.to_json(), encoding="utf-8")
    assert fitted.read(tmp_path / "servo.json", XARM1S).quantities == found.quantities
    assert "±" in session.table(found) and "refused" in session.table(found)


@pytest.mark.slow
def test_noise_that_hides_everything_is_refused_and_not_guessed():
    arm = XARM1S
    world = worlds.nominal(arm, 1, servo_read_noise=0.08, servo_dead_band=0.005)
    (found,) = hidden.identify(arm, world, 1, _moves(arm))
    assert found.quantities["servo_dead_band"]["wrist_roll_joint"].value is None
    assert found.quantities["drive_stiffness"]["wrist_pitch_joint"].value is None


##
# Behind a bus
##


def test_many_arms_at_once_are_what_one_is_behind_its_bus():
    arm = XARM1S
    known, world = calibration.nominal(arm), worlds.nominal(arm, 1, servo_delay=0.03, servo_backlash=0.02)
    moves = motion.Planner(known).plan()[:10]
    clock = SteppedClock()
    bus = open_bus(arm, "emulated", clock, world=world)
    one = recording.Recorder(bus, clock, known).run(moves)
    (other,) = rehearsal.Rehearsal(arm, world, "lx", 0).record(moves)
    late = []
    for found in (one, other):
        servo = fit.levels.Servo.of(arm)
        seen = fit.levels.levels(found, servo)
        late.append(fit.timing.onsets(found, seen, known, np.zeros(6)).late)
    assert late[0].shape == late[1].shape == (3, 6)
    assert np.abs(late[0] - late[1]).max() < 0.001
    assert late[0].mean() == pytest.approx(0.03 + rehearsal.command_time(arm, "lx"), abs=0.002)


def test_a_recording_is_kept_and_fitted_later(tmp_path):
    arm = XARM1S
    known = calibration.nominal(arm)
    (found,) = rehearsal.Rehearsal(arm, worlds.nominal(arm, 1), "lx", 0).record(_moves(arm)[:8])
    found.write(tmp_path / "moves.npz")
    again = recording.read(tmp_path / "moves.npz")
    assert again.arm == arm.name and (again.counts == found.counts).all() and (again.kind == found.kind).all()
    with pytest.raises(recording.UsageError, match="no recording"):
        np.savez(tmp_path / "other.npz", a=1)
        recording.read(tmp_path / "other.npz")
    assert session.rehearse(again, known, worlds.nominal(arm)).shape == again.counts.shape


def test_a_hot_servo_ends_it_with_torque_on():
    arm, clock = XARM1S, SteppedClock()
    bus = open_bus(arm, "emulated", clock, world=worlds.nominal(arm, ambient_temperature=72.0))
    with pytest.raises(recording.TroubleError, match="°C"):
        recording.Recorder(bus, clock, calibration.nominal(arm)).run(motion.Planner(calibration.nominal(arm)).plan())


def test_a_real_port_needs_a_calibration():
    args = SimpleNamespace(arm="xarm1s", calibration=None, port="/dev/ttyUSB7", recording=None, world=None)
    with pytest.raises(recording.UsageError, match="--calibration is missing"):
        session.run(args)


##
# The truth, and what is made of a file
##


@ARMS
def test_an_emulated_arm_made_of_the_truth_is_the_hidden_one(arm):
    world = worlds.drawn(arm, 8)
    again = session.world_of(arm, session.truth_of(arm, world))
    for name in ("servo_delay", "servo_backlash", "servo_dead_band", "servo_gain", "servo_offset"):
        assert np.allclose(again.of(name), world.of(name), atol=1e-12), name
    assert np.allclose(
        again.of("drive_stiffness") / again.of("link_mass"), world.of("drive_stiffness") / world.of("link_mass")
    )
    assert joint_positions(arm, servo_angles(arm, np.array(arm.home))) == pytest.approx(arm.home)
