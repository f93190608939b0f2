"""Drivers of every protocol against an emulated arm, byte by byte in simulated time."""

import pytest
from wires import QUICK, WIRES, Script, talk

from alice.deploy.bus.frames import STS
from alice.deploy.bus.interface import BusError
from alice.deploy.emulator import KINDS

BUDGET = 0.02
EVERY = pytest.mark.parametrize("protocol", WIRES)
EVERY_QUICK = pytest.mark.parametrize("protocol", QUICK)


##
# Reading and moving
##


@EVERY
def test_positions_are_those_of_the_links(protocol):
    made = talk(protocol)
    made.wait(1.0)
    found = made.counts()
    for servo_id, counts in made.true_counts().items():
        assert found[servo_id] == pytest.approx(counts, abs=0.51)


@EVERY
def test_a_move_ends_at_its_goal_after_its_duration_and_not_before(protocol):
    made = talk(protocol, servo_delay=0.03)
    made.wait(0.5)
    begin = made.counts()
    centre = made.arm.plant.servos._centre[0]
    goals = {servo_id: counts + (60 if counts < centre else -60) for servo_id, counts in begin.items()}
    made.bus.move(goals, 1.0, BUDGET)
    made.wait(0.53)
    for servo_id, counts in made.true_counts().items():
        assert counts == pytest.approx((begin[servo_id] + goals[servo_id]) / 2, abs=6)
    made.wait(0.6)
    for servo_id, counts in made.true_counts().items():
        assert counts == pytest.approx(goals[servo_id], abs=15)  # an elbow that is soft sags


@EVERY
def test_servos_begin_together(protocol):
    made = talk(protocol, servo_delay=0.05)
    made.bus.move({servo_id: counts + 20 for servo_id, counts in made.true_ints().items()}, 0.5, BUDGET)
    begins = made.arm.plant.servos._next_begin[0, 0]
    assert begins.max() < float("inf") and begins.max() - begins.min() < 1e-9


def test_sts_reaches_its_goal_in_time_whatever_its_unit_of_velocity_is():
    for phase in (0b1000, 0b1100):
        made = talk("sts")
        for table in made.arm.firmware._tables.values():
            table[18] = phase
        made.bus.check(made.ids, None, 0.1)
        assert set(made.bus._units.values()) == {50.0 if phase == 0b1000 else 1.0}
        begin = made.counts()
        made.bus.move({1: begin[1] + 400}, 0.5, BUDGET)
        made.wait(0.3)
        assert 200 < made.true_counts()[1] - begin[1] < 300
        made.wait(0.25)
        assert made.true_counts()[1] - begin[1] == pytest.approx(400, abs=2)


def test_an_sts_servo_whose_next_goal_comes_early_does_not_stop_short_of_the_one_before():
    """Where goals stand still their velocity would be 0, and what is left of the way before would take for ever."""
    for seed in range(8):
        made = talk("sts", seed=seed, servo_delay=0.02, servo_jitter=0.012)
        goal = made.counts()[1]
        for step in range(20):
            goal += 80 if step < 10 else 0
            made.bus.positions(made.ids, BUDGET)
            made.bus.move({1: goal}, 0.05, BUDGET)
            made.clock.sleep_until(100.0 + 0.05 * (step + 1))
        made.wait(0.2)
        assert made.true_counts()[1] == pytest.approx(goal, abs=2), seed


def test_positions_are_signed():
    made = talk("lx")
    made.bus._exchange.line = Script(made.clock, [bytes.fromhex("55 55 02 05 1c fd ff e0")])
    assert made.bus.positions([2], BUDGET)[2].counts == -3
    sts = talk("sts")
    sts.bus._exchange.line = Script(sts.clock, [STS.build(0, (5, 0x80), 1)])
    assert sts.bus.positions([1], BUDGET)[1].counts == -5


@EVERY
def test_health_is_what_the_servos_feel(protocol):
    made = talk(protocol, ambient_temperature=31.0)
    made.wait(1.0)
    found = made.bus.health(made.ids, 0.1)
    if protocol == "lsc-hid" and not found:
        found = made.bus.health(made.ids, 0.1)
    supply = float(made.arm.plant.supply[0])
    for servo_id in made.ids:
        assert found[servo_id].voltage == pytest.approx(supply, abs=0.06)
        if protocol in QUICK:
            assert found[servo_id].temperature == pytest.approx(31.0, abs=1.0)
    if protocol == "sts":
        assert any(abs(health.load) > 0.02 for health in found.values())


@EVERY_QUICK
@pytest.mark.parametrize("fault", ["overheat", "brown_out"])
def test_faults_of_servos_are_told(protocol, fault):
    made = talk(protocol)
    made.arm.inject(
        fault, **({"to": 95.0, "servo": 3} if fault == "overheat" else {"to": 5.0 if protocol == "lx" else 4.2})
    )
    made.wait(0.1)
    found = made.bus.health([3], 0.1)[3]
    if fault == "overheat":
        assert found.temperature == 95.0 and "over-temperature" in found.faults
    else:
        assert found.voltage < made.arm.arm.joints[0].servo.supply[0]


##
# Torque
##


@EVERY
def test_torque_off_lets_the_arm_sink_and_on_holds_it_where_it_is(protocol):
    made = talk(protocol)
    made.wait(0.5)
    begin = made.arm.joint_angles()
    made.bus.torque(made.ids, False, BUDGET)
    made.wait(0.05)
    assert not made.arm.plant.servos.is_loaded.any()
    made.wait(1.0)
    sunk = made.arm.joint_angles()
    assert abs(sunk - begin).max() > 0.05
    for _ in range(40):  # an LSC board tells late where its servos are
        made.bus.torque(made.ids, True, BUDGET)
        made.wait(0.05)
        if made.arm.plant.servos.is_loaded.all():
            break
    assert made.arm.plant.servos.is_loaded.all()
    slack = 0.35 if protocol.startswith("lsc") else 0.12  # what it sinks while it is asked; what the drives give
    made.wait(1.0)
    assert abs(made.arm.joint_angles() - sunk).max() < slack


@EVERY_QUICK
def test_hold_stops_a_move_and_does_not_creep_when_it_is_said_again(protocol):
    made = talk(protocol)
    made.wait(0.5)
    begin = made.counts()
    centre = made.arm.plant.servos._centre[0]
    goals = {servo_id: counts + (100 if counts < centre else -100) for servo_id, counts in begin.items()}
    made.bus.move(goals, 1.0, BUDGET)
    made.wait(0.5)
    made.bus.hold(made.ids, BUDGET)
    made.wait(0.3)
    held = made.arm.joint_angles()
    for servo_id, counts in made.true_counts().items():
        assert abs(counts - (begin[servo_id] + goals[servo_id]) / 2) < 16
    for _ in range(40):
        made.bus.hold(made.ids, BUDGET)
        made.wait(0.05)
    assert abs(made.arm.joint_angles() - held).max() < 0.005


def test_sts_servos_that_are_switched_on_do_not_run_to_their_last_goal():
    made = talk("sts")
    made.bus.torque(made.ids, False, BUDGET)
    made.wait(1.5)  # it sinks away from its goals
    made.arm.inject("drop")
    made.bus.torque(made.ids, True, BUDGET)
    assert not made.arm.plant.servos.is_loaded.any(), "switched on without knowing where they are"


##
# Budgets and faults
##


@EVERY
@pytest.mark.parametrize("fault", [name for name, kind in KINDS.items() if kind.what != "camera" and name != "unplug"])
def test_every_call_ends_within_its_budget_and_raises_nothing(protocol, fault):
    made = talk(protocol)
    made.counts()
    made.arm.inject(fault)
    slack = 0.0011 if protocol == "lsc-hid" else 1e-6  # hidapi counts whole milliseconds
    calls = {
        "positions": lambda: made.bus.positions(made.ids, BUDGET),
        "health": lambda: made.bus.health(made.ids, BUDGET),
        "move": lambda: made.bus.move(dict.fromkeys(made.ids, 500), 0.05, BUDGET),
        "hold": lambda: made.bus.hold(made.ids, BUDGET),
        "on": lambda: made.bus.torque(made.ids, True, BUDGET),
        "off": lambda: made.bus.torque(made.ids, False, BUDGET),
    }
    for _ in range(3):
        for name, call in calls.items():
            began = made.clock.now()
            call()
            assert made.clock.now() - began <= BUDGET + slack, name
            made.wait(0.03)


@EVERY
@pytest.mark.parametrize("fault", ["echo", "foreign", "split"])
def test_echoes_foreign_answers_and_pieces_change_nothing(protocol, fault):
    made = talk(protocol)
    made.wait(0.5)
    made.arm.inject(fault)
    for _ in range(5):
        found = made.bus.positions(made.ids, 0.5)
        assert found.keys() == set(made.ids)
        for servo_id, counts in made.true_counts().items():
            assert found[servo_id].counts == pytest.approx(counts, abs=2.1)
        made.bus.move({servo_id: position.counts for servo_id, position in found.items()}, 0.05, BUDGET)
        made.wait(0.05)
    counters = made.bus.counters
    assert {"echo": counters["echoes"], "foreign": counters["foreign"], "split": 1}[fault] > 0
    assert counters["timeouts"] == 0 or fault == "split"


@EVERY_QUICK
def test_a_lost_answer_is_asked_for_again_within_the_budget(protocol):
    made = talk(protocol)
    made.arm.inject("drop", servo=2, count=1)
    assert made.counts().keys() == set(made.ids)
    assert made.bus.counters["retries"] >= 1 and made.bus.counters["timeouts"] == 1


@EVERY_QUICK
def test_a_dead_servo_is_missing_and_all_others_are_there(protocol):
    made = talk(protocol)
    made.arm.inject("dead", servo=3)
    for _ in range(10):
        began = made.clock.now()
        assert made.counts().keys() == set(made.ids) - {3}
        assert made.clock.now() - began <= BUDGET + 1e-6
        made.wait(0.03)


@EVERY_QUICK
def test_late_answers_are_told_from_those_that_were_asked_for(protocol):
    made = talk(protocol)
    made.arm.inject("late", by=0.035, servo=4)
    for step in range(20):
        made.bus.move(dict.fromkeys(made.ids, 400 + 5 * step), 0.05, BUDGET)
        for servo_id, position in made.bus.positions(made.ids, BUDGET).items():
            # What is taken is no younger than it says: the links have moved since by what they can move in that time.
            now = made.true_counts()[servo_id]
            furthest = 2.0 + 1.3 * 4.76 * 652 * (made.clock.now() - position.at)
            assert abs(position.counts - now) <= furthest, servo_id
        made.wait(0.03)
    assert made.bus.counters["late"] > 5


@EVERY_QUICK
def test_an_answer_that_came_too_late_is_not_taken_for_the_one_to_the_next_question(protocol):
    """Its time stamp says how old it may be."""
    made = talk(protocol)
    made.arm.inject("late", by=0.012, servo=4)
    asked = made.clock.now()
    found = made.bus.positions([4], 0.0105)
    assert found == {} and made.bus.counters["timeouts"] >= 1
    again = made.bus.positions([4], 0.010)
    assert 4 not in again or again[4].at <= asked + 0.011


@EVERY_QUICK
def test_a_damaged_answer_is_never_taken(protocol):
    made = talk(protocol)
    made.wait(0.5)
    made.arm.inject("garble", share=0.5)
    seen = 0
    for _ in range(60):
        for servo_id, counts in made.counts().items():
            assert counts == pytest.approx(made.true_counts()[servo_id], abs=0.51)
            seen += 1
        made.wait(0.03)
    assert seen > 150 and made.bus.counters["damaged"] > 50


@EVERY
def test_a_line_that_is_lost_is_a_bus_error(protocol):
    made = talk(protocol)
    made.arm.inject("unplug")
    for call in (lambda: made.bus.positions(made.ids, BUDGET), lambda: made.bus.move({1: 500}, 0.05, BUDGET)):
        with pytest.raises(BusError, match=r"pulled out|is lost"):
            call()
