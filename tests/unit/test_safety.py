"""What an arm is told: the table of states, limits of every command, and what leads where. No bus, no clock."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import contract_of, image

from alice import arms
from alice.arms import kinematics
from alice.deploy import calibration
from alice.deploy.guard import TABLE_DEPTH, Guard
from alice.deploy.safety import Look, Safety
from alice.deploy.states import ENDS, EVENTS, ORDERS, Order, State

ARMS = list(arms.ARMS.values())
by_arm = pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
PERIOD = 0.05


class Day:
    """An arm that is at once where it is told to be, looked at by a safety in steps of one period."""

    def __init__(self, arm, start=None):
        self.arm = arm
        self.guard = Guard(calibration.nominal(arm), contract_of(arm=arm))
        self.safety = Safety(self.guard, np.array(arm.home))
        self.now, self.pose = 10.0, np.array(arm.home if start is None else start, float)
        self.largest = 0.0
        self.seen = {}

    def look(self, **seen):
        normal = {"joints": self.pose.copy(), "read_at": self.now, "reading_age": 0.0, "health_age": 0.1}
        return Look(**{**normal, "is_checked": True, **self.seen, **seen})

    def step(self, wanted=None, follows=True, **seen):
        self.now += PERIOD
        before = None if self.safety.last is None else self.safety.last.copy()
        look = self.look(**seen)
        state = self.safety.advance(self.now, look)
        command = self.safety.command(self.now, look, wanted)
        if command is not None:
            before = look.joints if before is None else before
            self.largest = max(self.largest, float((np.abs(command - before) / self.guard.step).max()))
            self.pose = command if follows else self.pose
        return state

    def until(self, state, most=800, **seen):
        for count in range(most):
            if self.step(**seen) is state:
                return count + 1
        raise AssertionError(f"{state} was not reached from {self.safety.state}: {self.safety.reason}")

    def run(self):
        self.until(State.READY)
        assert self.step(wants="go") is State.RUNNING
        return self


def test_every_state_is_told_something_and_every_event_leads_somewhere():
    assert ORDERS.keys() == set(State)
    assert all(event.to for event in EVENTS)
    reachable = {follows for event in EVENTS for follows in event.to.values()}
    assert set(State) - reachable == {State.CHECKING}
    for event in EVENTS:
        assert not {State.LOST} & event.to.keys(), "nothing follows where nothing can be said"


@by_arm
def test_a_whole_day(arm):
    day = Day(arm)
    assert day.step() is State.HOMING
    day.run()
    for _ in range(5):
        assert day.step() is State.RUNNING
    assert day.step(wants="over") is State.HOMING
    day.until(State.READY)
    assert day.step(wants="finished") is State.LOWERING
    day.until(State.OFF)
    assert day.safety.order is Order.RELEASE and day.safety.exit_code == 0
    assert 0.0 <= day.guard.tip_height(day.pose) <= 0.006
    assert day.largest <= 1.0 + 1e-9


TROUBLES = {
    "servo fault": ({"fault": "servo 3: overload"}, State.LOWERING),
    "too hot": ({"hot": "servo 3 has 80 °C"}, State.LOWERING),
    "bad voltage": ({"bad_voltage": "5.1 V"}, State.LOWERING),
    "blind": ({"reading_age": 0.15, "unread": "servo 3"}, State.HOLDING),
    "outside": ({"outside": "elbow is 9 rad"}, State.HOLDING),
    "no health": ({"health_age": 1.6}, State.HOLDING),
    "no health at all": ({"unheard": 3}, State.HOLDING),
    "late": ({"misses": 3}, State.HOLDING),
    "old picture": ({"picture_age": 0.2}, State.HOLDING),
    "no action": ({"refusals": 3, "refusal": "nan"}, State.HOLDING),
}


@by_arm
@pytest.mark.parametrize("name", TROUBLES)
def test_trouble_that_lasts_ends_with_the_torque_off_near_the_table(name, arm):
    seen, expected = TROUBLES[name]
    day = Day(arm).run()
    assert day.step(**seen) is expected
    day.until(State.LOWERING, **seen)
    day.until(State.OFF, **seen)
    assert name.startswith(day.safety.ended_by.name) and day.safety.exit_code == 3
    assert day.guard.tip_height(day.pose) <= 0.006 and day.largest <= 1.0 + 1e-9


@pytest.mark.parametrize("name", [name for name in TROUBLES if TROUBLES[name][1] is State.HOLDING])
def test_trouble_that_passes_is_waited_for(name):
    day = Day(ARMS[0]).run()
    day.step(**TROUBLES[name][0])
    held = day.pose.copy()
    states = [day.step() for _ in range(8)]
    assert states[0] is State.HOLDING and states[-1] is State.RUNNING and states[3] is State.HOLDING
    np.testing.assert_array_equal(day.pose, held)


def test_trouble_that_flickers_does_not_start_the_arm_again_and_again():
    day = Day(ARMS[0]).run()
    states = [day.step(**(TROUBLES["blind"][0] if k % 3 == 0 else {})) for k in range(60)]
    assert State.RUNNING not in states and states[-1] in (State.LOWERING, State.OFF)


def test_trouble_that_comes_again_and_again_ends_the_run():
    day, entered = Day(ARMS[0]).run(), 0
    for k in range(400):
        before = day.safety.state
        state = day.step(misses=3 if k % 8 == 0 else 0)
        entered += state is State.HOLDING and before is State.RUNNING
        if state is State.LOWERING:
            break
    assert entered == 8 and day.safety.ended_by.name == "late"


@by_arm
def test_a_stop_lowers_and_a_second_one_lets_go_at_once(arm):
    day = Day(arm).run()
    assert day.step(stops=1) is State.LOWERING
    assert day.step(stops=1) is State.LOWERING
    assert day.step(stops=2) is State.OFF and day.safety.exit_code == 130


@pytest.mark.parametrize("state", [State.CHECKING, State.HOMING, State.READY, State.RUNNING, State.LOWERING])
def test_a_lost_bus_ends_everything_with_nothing_said(state):
    day = Day(ARMS[0])
    if state is not State.CHECKING:
        day.run()
        {State.LOWERING: lambda: day.step(stops=1)}.get(state, day.step)()
        day.safety.state = state
    assert day.step(lost="the adapter is gone") is State.LOST
    assert day.safety.order is Order.NOTHING and day.safety.command(day.now, day.look()) is None
    assert day.step(stops=2) is State.LOST


def test_nothing_is_told_while_it_is_checked_and_what_is_missing_is_said():
    day = Day(ARMS[0])
    states = {day.step(is_checked=False, unchecked="no answer of servo 3") for _ in range(62)}
    assert states == {State.CHECKING, State.OFF} and day.largest == 0.0
    assert day.safety.end_reason == "no answer of servo 3" and day.safety.exit_code == 2


def test_an_arm_that_is_moved_by_hand_while_it_is_checked_starts_from_where_it_was_left():
    day = Day(ARMS[0])
    day.step(is_checked=False)
    day.pose[0] = 0.5
    day.step()
    assert abs(day.safety.last[0] - 0.5) < 0.02


@by_arm
def test_a_joint_that_does_not_follow_is_seen_by_its_second_reading_and_given_way_to(arm):
    day = Day(arm).run()
    stuck = day.pose.copy()
    wanted = day.pose + 1.5 * np.eye(len(arm.joints))[0]
    states = []
    for _ in range(40):
        states.append(day.step(wanted, follows=False))
        if states[-1] is not State.RUNNING:
            break
    assert states[-1] is State.HOLDING and "away from its commands" in day.safety.reason
    ahead = np.abs(day.safety.last - stuck)[arm.arm_columns].max()
    day.pose = stuck
    states = [day.step(follows=False) for _ in range(8)]
    assert State.LOWERING in states
    assert np.abs(day.safety.last - stuck)[0] < ahead, "the command goes back to where the joint is"
    assert day.largest <= 1.0 + 1e-9


@by_arm
def test_a_joint_that_is_pushed_away_is_told_by_its_second_reading_and_no_sooner(arm):
    day = Day(arm)
    day.until(State.READY)
    day.pose[1] += 0.2
    where = day.pose.copy()
    states = []
    for _ in range(3):
        states.append(day.step(follows=False))
        day.pose = where.copy()
    assert states == [State.READY, State.HOLDING, State.HOLDING]


@by_arm
def test_whatever_a_policy_wants_commands_stay_within_limits_and_above_the_table(arm):
    day, generator = Day(arm).run(), np.random.default_rng(0)
    for k in range(400):
        if k % 20 == 0:
            wanted = generator.uniform(-4.0, 4.0, len(arm.joints))
        day.step([np.full(len(arm.joints), np.nan), wanted * 1e9, wanted][min(k % 10, 2)])
        assert day.safety.state is State.RUNNING
        assert (day.pose >= day.guard.lower - 1e-9).all() and (day.pose <= day.guard.upper + 1e-9).all()
        assert day.guard.tip_height(day.pose) >= -TABLE_DEPTH - 1e-9
    assert day.largest <= 1.0 + 1e-9


@by_arm
def test_a_tip_that_is_sent_along_under_the_table_goes_along_on_top(arm):
    """A policy that presses on the table while it goes somewhere gets there, at the depth that there is."""
    guard = Day(arm).guard
    last = guard.with_tip_at(np.array(arm.home), -TABLE_DEPTH + 0.001)
    columns, (tool, _) = arm.arm_columns, kinematics.forward(arm, last)
    point = np.array([[tool[0] + 0.03, tool[1], tool[2] - 0.02]])
    goal = last.copy()
    goal[columns] = kinematics.inverse(arm, point, kinematics.hand_pitch(arm, last), last[arm.roll_column])[0][0]
    for _ in range(30):
        wanted = last + np.clip(goal - last, -0.5 * guard.step, 0.5 * guard.step)
        fresh, _ = guard.allowed(last, wanted, guard.step)
        assert (np.abs(fresh - last) <= guard.step + 1e-12).all() and guard.tip_height(fresh) >= -TABLE_DEPTH - 1e-9
        last = fresh
    assert kinematics.forward(arm, last)[0][0] - tool[0] > 0.02
    assert guard.tip_height(last) < -TABLE_DEPTH + 0.001


def test_a_hand_is_not_folded_back_until_its_camera_is_in_the_forearm():
    """Where the policy sees; an arm without a camera may."""
    arm = ARMS[0]
    last, folded = np.array(arm.home), {}
    last[arm.pitch_columns] = 0.0, 0.3, 0.0  # high above the table
    for name, inputs in (("blind", ()), ("seeing", (image(arm=arm),))):
        guard, pose = Guard(calibration.nominal(arm), contract_of(*inputs, arm=arm)), last.copy()
        for _ in range(40):
            wanted = pose.copy()
            wanted[3] -= 0.08
            pose, what = guard.allowed(pose, wanted, guard.step)
        folded[name] = pose[3], what
    assert folded["blind"][0] < -2.0
    assert -1.95 < folded["seeing"][0] < -1.7 and folded["seeing"][1] == "self"


@by_arm
def test_an_arm_that_lies_on_the_table_is_raised_before_it_goes_home(arm):
    guard = Day(arm).guard
    lying = guard.with_tip_at(np.array(arm.home), 0.002)
    day = Day(arm, lying)
    day.until(State.READY)
    assert day.largest <= 1.0 + 1e-9


@by_arm
def test_from_any_pose_with_room_it_gets_home_or_says_why_not(arm):
    generator, homes, tries = np.random.default_rng(1), 0, 0
    while tries < 25:
        day = Day(arm)
        pose = generator.uniform(day.guard.lower, day.guard.upper)
        if day.guard.room(pose)[0] < 0.0:
            continue
        tries += 1
        day.pose = pose
        ended = [State.READY, *ENDS]
        while day.step() not in ended:
            pass
        homes += day.safety.state is State.READY
        assert day.safety.state is State.READY or "guard" in day.safety.end_reason
    assert homes >= 20


def test_slow_is_slow():
    arm = ARMS[0]
    day = Day(arm)
    day.pose[0] = 1.0
    day.step()
    before = day.pose.copy()
    day.step()
    assert np.abs(day.pose - before)[arm.arm_columns].max() == pytest.approx(0.3 * PERIOD)


def test_bounds_are_kept_as_given():
    day = Day(ARMS[0])
    day.safety.bounds = replace(day.safety.bounds, reading_age=5.0)
    day.run()
    assert day.step(reading_age=4.0) is State.RUNNING
