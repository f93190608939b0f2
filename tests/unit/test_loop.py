"""The loop on a bus without a wire, in simulated time: whole runs, what goes wrong in the middle, and the black box."""

import json
import zipfile

import numpy as np
import pytest
from fake_bus import FakeBus
from made_up import contract_of, image, vector

from alice import arms
from alice.cli.usage import UsageError
from alice.deploy import black_box, calibration, loop, punctuality
from alice.deploy.clock import SteppedClock
from alice.deploy.guard import TABLE_DEPTH
from alice.deploy.states import State

ARMS = list(arms.ARMS.values())
by_arm = pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
STATE_TERMS = ("joint_pos", "joint_vel", "ball_pos", "dish_flag", "pinch_flag")


class Waver:
    """A policy that waves: its actions are a slow sine of its own calls."""

    def __init__(self, arm, sees_pictures=False, terms=(), **fields):
        inputs = [vector("policy", "joint_pos", *([] if sees_pictures else STATE_TERMS[1:]), *terms, arm=arm)]
        self.contract = contract_of(*inputs, *([image(arm=arm)] if sees_pictures else []), arm=arm, **fields)
        self.calls, self.answer, self.inputs = 0, None, None

    def __call__(self, inputs):
        self.calls, self.inputs = self.calls + 1, inputs
        wave = np.full((1, len(self.contract.action.names)), 0.5 * np.sin(self.calls / 6), np.float32)
        return wave if self.answer is None else np.full_like(wave, self.answer)


class Plan:
    """One trial of some control steps."""

    def __init__(self, steps=60):
        self.ball, self.dish, self.left, self.began = (0.2, 0.05, 0.015), (0.2, -0.08), steps, 0

    def wants(self, now, state, keys):
        if state is State.READY:
            self.began += 1
            return "go" if self.began == 1 else "finished"
        if state is State.RUNNING:
            self.left -= 1
            return "" if self.left > 0 else "over"
        return ""


class Operator:
    """Who asks for nothing."""

    stops = 0

    def keys(self):
        return ""


class Eye:
    """A camera with noise."""

    def __init__(self, clock):
        self._clock, self._noise = clock, np.random.default_rng(0)
        self.frozen = self.blank = self.gone = False
        self._shot = None

    def read(self):
        if self.gone:
            raise OSError("unplugged")
        if not (self.frozen and self._shot is not None):
            self._shot = self._noise.integers(0, 255, (96, 128, 3), np.uint8)
        return np.zeros_like(self._shot) if self.blank else self._shot.copy(), self._clock.now()


class Session:
    """A loop with everything around it."""

    def __init__(self, arm, sees_pictures=False, start=None, steps=60, bus=None, **given):
        fields = {"terms": given.pop("terms", ()), **given.pop("fields", {})}
        self.clock, self.arm = SteppedClock(100.0), arm
        self.calibration = calibration.nominal(arm)
        counts = self.calibration.counts(np.array(arm.home if start is None else start))
        self.bus = FakeBus(self.clock, dict(zip(arm.servo_ids, counts.tolist(), strict=True)), **(bus or {}))
        self.bus.voltage = np.mean(arm.joints[0].servo.supply)
        self.policy, self.plan, self.operator = Waver(arm, sees_pictures, **fields), Plan(steps), Operator()
        self.eye = Eye(self.clock) if sees_pictures else None
        self.lines = []
        self.loop = loop.Loop(
            self.bus,
            self.clock,
            self.policy,
            self.calibration,
            self.plan,
            self.operator,
            self.eye,
            tell=self.lines.append,
            **given,
        )

    def run(self, fault=None, after=20):
        """Run to the end; ``fault`` is called once some steps after the policy began."""
        ask = self.policy.__class__.__call__

        def call(inputs):
            if self.policy.calls == after and fault:
                fault(self)
            return ask(self.policy, inputs)

        self.loop._pilot._policy = call
        self.ended = self.loop.run()
        self.columns = self.loop.box.columns()
        return self

    @property
    def states(self):
        return [event["state"] for event in self.loop.box.events]

    def largest_step(self):
        """Return the largest change of a command in a step, in steps of the limit."""
        commands = self.columns["command"][np.isfinite(self.columns["command"]).all(axis=1)]
        assert len(commands) > 20
        return float((np.abs(np.diff(commands, axis=0)) / self.loop.safety.guard.step).max())


@by_arm
def test_a_whole_run_is_safe_and_ends_with_the_torque_off(arm):
    day = Session(arm).run()
    assert day.states == ["homing", "ready", "running", "homing", "ready", "lowering", "off"]
    assert day.ended.exit_code == 0 and day.ended.late == 0
    assert day.bus.said[0] == "hold" and day.bus.said[-3:] == ["torque off"] * 3
    assert day.policy.calls == 60
    furthest = np.abs(np.diff(day.calibration.counts([arm.lower, arm.lower + day.loop.safety.guard.step]), axis=0))[0]
    assert (np.array([day.bus.jumps[servo] for servo in arm.servo_ids]) <= furthest + 1).all()
    assert np.isfinite(day.columns["command"]).any() and not any(day.bus.is_loaded.values())


@by_arm
def test_periods_are_counted_from_the_first_one(arm):
    day = Session(arm).run()
    np.testing.assert_allclose(np.diff(day.columns["time"]), 0.05, atol=1e-9)
    moved = np.isfinite(day.columns["sent_at"])
    behind = (day.columns["sent_at"] - day.columns["due"])[moved]
    assert 0.0 <= behind.min() and behind.max() < 0.002


FAULTS = {
    "dead servo": (lambda day: day.bus.silent.add(day.arm.servo_ids[2]), "blind", 3),
    "stuck servo": (
        lambda day: day.bus.stuck.update({day.arm.servo_ids[0]: day.bus.count_of(day.arm.servo_ids[0])}),
        "off course",
        3,
    ),
    "hot servo": (lambda day: day.bus.temperature.update({day.arm.servo_ids[3]: 99.0}), "too hot", 3),
    "brown-out": (lambda day: setattr(day.bus, "voltage", 4.0), "bad voltage", 3),
    "overload": (lambda day: day.bus.faults.update({day.arm.servo_ids[1]: ("overload",)}), "servo fault", 3),
    "adapter gone": (lambda day: setattr(day.bus, "is_lost", True), "bus lost", 3),
    "a reading outside": (lambda day: day.bus.garbled.update({day.arm.servo_ids[0]: -3000}), "outside", 3),
    "slow bus": (lambda day: day.bus.cost.update({"move": 0.2, "positions": 0.2, "health": 0.2}), "late", 3),
    "no action": (lambda day: setattr(day.policy, "answer", np.nan), "no action", 3),
    "stop": (lambda day: setattr(day.operator, "stops", 1), "stop", 130),
    "stop at once": (lambda day: setattr(day.operator, "stops", 2), "second stop", 130),
}


@by_arm
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_middle_ends_the_run_and_nothing_jumps(name, arm):
    fault, event, code = FAULTS[name]
    day = Session(arm, steps=2000)
    if name == "slow bus":
        day.bus._spend = lambda what, budget: day.clock.advance(day.bus.cost.get(what, 0.001))
    day.run(fault)
    assert (day.ended.event, day.ended.exit_code) == (event, code), day.lines
    assert day.states[-1] == ("lost" if event == "bus lost" else "off")
    assert day.largest_step() <= 1.0 + 1e-9
    heights = [day.loop.safety.guard.tip_height(q) for q in day.columns["command"] if np.isfinite(q).all()]
    assert min(heights) >= -TABLE_DEPTH - 1e-9


@pytest.mark.parametrize("what", ["frozen", "blank", "gone"])
def test_a_camera_that_fails_stops_the_policy_within_three_steps(what):
    day = Session(ARMS[0], sees_pictures=True, steps=2000).run(lambda day: setattr(day.eye, what, True))
    assert day.ended.event == "old picture" and day.ended.exit_code == 3
    assert day.policy.calls <= 20 + 4


def test_a_policy_is_told_where_the_joints_were_when_its_picture_was_taken():
    arm = ARMS[0]
    day = Session(arm, sees_pictures=True, terms=["picture_joint_pos"])
    read = day.eye.read

    def late():
        picture, at = read()
        return picture, at - 0.06

    day.eye.read = late
    assert day.run().ended.exit_code == 0
    rows = np.flatnonzero(day.columns["state"] == black_box.STATES.index("running"))[3:]
    now, then = np.split(day.columns["inputs"][:, : 2 * len(arm.joints)], 2, axis=1)
    share = 0.06 / 0.05 - 1.0
    # The readings of a step are those of some milliseconds before the picture is looked at.
    early, late = ((1 - part) * now[rows - 1] + part * now[rows - 2] for part in (share - 0.2, share))
    low, high = np.minimum(early, late), np.maximum(early, late)
    assert ((then[rows] > low - 2e-3) & (then[rows] < high + 2e-3)).all()
    assert np.abs(then[rows] - now[rows]).max() > 0.02


def test_the_same_picture_from_an_arm_that_stands_still_is_good():
    day = Session(ARMS[0], sees_pictures=True, steps=40)
    day.policy.answer = 0.0
    day.run(lambda day: setattr(day.eye, "frozen", True))
    assert day.ended.exit_code == 0 or day.ended.event == "old picture"
    assert day.policy.calls > 24


def test_one_garbled_answer_is_passed_over():
    def garble(day):
        servo = day.arm.servo_ids[0]
        right = day.bus.positions

        def once(ids, budget):
            day.bus.positions = right
            found = right(ids, budget)
            return {**found, servo: type(found[servo])(found[servo].counts + 400, found[servo].at)}

        day.bus.positions = once

    day = Session(ARMS[0]).run(garble)
    assert day.ended.exit_code == 0
    assert np.nanmax(np.abs(np.diff(day.columns["counts"][:, 0]))) < 100


def test_one_hot_answer_alone_stops_nothing():
    def warm(day):
        day.bus.temperature[1] = 99.0
        right = day.bus.health

        def once(ids, budget):
            found = right(ids, budget)
            if 1 in found:
                day.bus.temperature.clear()
            return found

        day.bus.health = once

    assert Session(ARMS[0]).run(warm).ended.exit_code == 0


@by_arm
def test_every_servo_is_asked_for_its_health_every_half_second(arm):
    day = Session(arm)
    asked = {servo: [] for servo in arm.servo_ids}
    right = day.bus.health

    def health(ids, budget):
        for servo in ids:
            asked[servo].append(day.clock.now())
        return right(ids, budget)

    day.bus.health = health
    day.run()
    assert max(np.diff(times).max() for times in asked.values()) <= 0.5


REFUSED = {
    "a silent servo": (lambda day: day.bus.silent.add(1), "no position from servo 1"),
    "low supply": (lambda day: setattr(day.bus, "voltage", 4.0), "4.0 V"),
    "a hot servo": (lambda day: day.bus.temperature.update({1: 99.0}), "99 °C"),
    "outside": (lambda day: day.bus.garbled.update({6: -900}), "servo 6 says -900"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_arm_that_is_not_well_is_not_moved_at_all(name):
    fault, expected = REFUSED[name]
    day = Session(ARMS[0])
    fault(day)
    day.run()
    assert day.ended.exit_code == 2 and expected in day.ended.reason
    assert day.bus.said == []


def test_an_arm_whose_readings_lie_in_the_table_is_not_moved():
    start = [0.0, 1.5, 1.2, 1.0, 0.0, 0.0, 0.0]
    day = Session(arms.named("xarm1s"), start=start).run()
    assert day.ended.exit_code == 2 and "its calibration is wrong" in day.ended.reason and day.bus.said == []


@by_arm
def test_a_dry_run_writes_nothing(arm):
    day = Session(arm, is_dry=True)
    day.run(lambda day: setattr(day.operator, "stops", 1))
    assert day.bus.said == [] and not any(day.bus.is_loaded.values())
    assert np.isfinite(day.columns["command"]).any() and np.isfinite(day.columns["action"]).any()
    assert day.lines[-1] == "dry: every check is passed"


@by_arm
def test_a_policy_is_told_the_commands_that_were_sent_and_not_those_that_it_wanted(arm):
    day = Session(arm, terms=("joint_targets",), steps=100)
    day.policy.answer = 1.0
    day.run()
    rows = np.flatnonzero(day.columns["state"] == black_box.STATES.index("running"))[1:]
    told = day.columns["inputs"][rows][:, -len(arm.joints) :]
    np.testing.assert_allclose(told, day.columns["command"][rows - 1], atol=1e-6)
    assert np.nanmax(np.abs(day.columns["wanted"] - day.columns["command"])[rows]) > 0.05, "the guard did cut"


@pytest.mark.parametrize(
    "given",
    [{"bus": {"protocol": "lsc-hid", "reads_back": False}}, {"fields": {"reads_back": False}}],
    ids=["the bus gives none", "the policy was trained without"],
)
def test_without_read_back_the_commands_of_75_ms_ago_stand_for_the_readings(given):
    arm = ARMS[0]
    day = Session(arm, **given).run()
    assert day.ended.exit_code == 0
    rows = np.flatnonzero(day.columns["state"] == black_box.STATES.index("running"))[3:]
    seen, commands = day.columns["inputs"][rows][:, : len(arm.joints)], day.columns["command"]
    np.testing.assert_allclose(seen, (commands[rows - 2] + commands[rows - 3]) / 2, atol=1e-6)
    assert len(rows) > 10 and np.abs(seen - commands[rows - 1]).max() > 0.01


def test_a_loop_that_lost_time_goes_on_at_the_next_multiple_of_the_period():
    def nap(day):
        day.clock.advance(0.33)

    day = Session(ARMS[0]).run(nap)
    steps = np.diff(day.columns["time"]) / 0.05
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    assert day.ended.late >= 6 and steps.max() > 5.5


def test_how_punctual_a_run_was_is_told_of_the_whole_of_it():
    """Of 2,000 commands one comes late: the black box has the last minute, the percentiles have all."""

    def nap(day):
        day.clock.advance(0.055)

    day = Session(ARMS[0], steps=2000).run(nap)
    found = day.loop.punctuality.summary()
    assert found["commands"] > 2000 and day.loop.late == 1
    assert found["behind_ms"]["p50"] == pytest.approx(1.0, abs=0.1), "what this bus takes"
    assert 30.0 < found["behind_ms"]["p100"] < 40.0, "55 ms, of which the lead takes up some"
    assert found["period_ms"]["p50"] == found["period_ms"]["p99"] == pytest.approx(50.0, abs=0.1)
    assert found["period_ms"]["p100"] == pytest.approx(49.0 + found["behind_ms"]["p100"], abs=0.5)
    assert "1 late or left out; 7.0% of a core" in punctuality.line({**found, "late": 1, "cpu_share": 0.07})


##
# Black box
##


def test_the_black_box_has_what_its_page_says(tmp_path):
    day = Session(ARMS[0], sees_pictures=True, about={"note": "a test"}).run()
    day.loop.box.write(tmp_path / "run.zip", "over")
    found = black_box.read(tmp_path / "run.zip")
    assert found.about["note"] == "a test" and found.about["ended"] == "over"
    assert found.columns.keys() == black_box.COLUMNS.keys()
    rows = len(found.columns["time"])
    assert rows <= 60 * 20 and all(len(column) == rows for column in found.columns.values())
    number = int(found.columns["picture"].max())
    assert found.picture(number).shape == (48, 64, 3)
    assert [event["state"] for event in found.events] == day.states


def test_the_last_minute_is_kept_and_no_more():
    day = Session(ARMS[0], steps=2000, sees_pictures=True).run()
    assert len(day.columns["time"]) == 1200
    assert len(day.loop.box._pictures) <= 1200


def test_what_is_no_black_box_is_told_in_one_line(tmp_path):
    day = Session(ARMS[0]).run()
    day.loop.box.write(tmp_path / "good.zip")
    (tmp_path / "half.zip").write_bytes((tmp_path / "good.zip").read_bytes()[:900])
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("about.json", json.dumps({"format": 9}))
    for name in ("half.zip", "other.zip", "none.zip"):
        with pytest.raises(UsageError, match="no black box") as told:
            black_box.read(tmp_path / name)
        assert "\n" not in str(told.value)
