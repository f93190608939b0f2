"""Drivers of every protocol against an emulated arm, byte by byte in simulated time."""

import pytest
from wires import QUICK, WIRES, talk

from alice.arms import ARMS
from alice.deploy.bus.exchange import Exchange
from alice.deploy.bus.frames import BROADCAST, LSC, LX, STS, Scanner
from alice.deploy.bus.interface import BusError
from alice.deploy.bus.lines import PortError
from alice.deploy.emulator import KINDS

BUDGET = 0.02
EVERY = pytest.mark.parametrize("protocol", WIRES)
EVERY_QUICK = pytest.mark.parametrize("protocol", QUICK)


class Tap:
    """A line that keeps what is sent over it."""

    def __init__(self, line):
        self._line, self.sent, self.baud = line, [], line.baud

    def write(self, data):
        self.sent.append(data)
        self._line.write(data)

    def read(self, until):
        return self._line.read(until)

    def close(self):
        self._line.close()


def tapped(protocol, **words):
    """Return a talk and what its driver sends."""
    made = talk(protocol, **words)
    made.bus._exchange.line = Tap(made.bus._exchange.line)
    return made, made.bus._exchange.line.sent


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


def test_positions_are_signed():
    made = talk("lx")
    made.bus._exchange.line = Script(made.clock, [bytes.fromhex("55 55 02 05 1c fd ff e0")])
    assert made.bus.positions([2], BUDGET)[2].counts == -3
    sts = talk("sts")
    sts.bus._exchange.line = Script(sts.clock, [STS.build(0, (5, 0x80), 1)])
    assert sts.bus.positions([1], BUDGET)[1].counts == -5


class Script:
    """A line that answers each question with given bytes."""

    def __init__(self, clock, answers, baud=115200):
        self._clock, self._answers, self.baud, self._waiting = clock, list(answers), baud, b""

    def write(self, data):
        self._waiting += self._answers.pop(0) if self._answers else b""

    def read(self, until):
        data, self._waiting = self._waiting, b""
        if not data:
            self._clock.sleep_until(until)
        return data

    def close(self):
        """Nothing to do."""


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


##
# Nothing lasting
##

SPOKEN = {"lx": (LX, {1, 7, 11, 12, 26, 27, 28, 31, 36}), "lsc": (LSC, {3, 15, 20, 21}), "sts": (STS, {0x82, 0x83})}


@EVERY
def test_no_call_sends_a_frame_that_survives_the_power_switch(protocol):
    made, sent = tapped(protocol)
    for servo_ids in (made.ids, made.ids[:1], ()):
        for duration in (0.0, 0.05, 29.0):
            for goal in (0, 500, 1000):
                made.bus.move(dict.fromkeys(servo_ids, goal), duration, BUDGET)
        for is_on in (True, False):
            made.bus.torque(servo_ids, is_on, 0.5)
        made.bus.hold(servo_ids, 0.5)
        made.bus.positions(servo_ids, 0.5)
        made.bus.health(servo_ids, 0.5)
    if protocol == "sts":
        made.bus.check(made.ids, None, 0.1)
    framing, commands = SPOKEN[protocol[:3].rstrip("-")]
    frames = [frame for data in sent for frame in Scanner(framing).feed(data)]
    assert len(frames) > 20 and sum(len(frame.raw) for frame in frames) == sum(map(len, sent))
    for frame in frames:
        assert frame.code in commands, frame.raw.hex(" ")
        if frame.code == 0x83:
            address, size = frame.parameters[:2]
            assert 40 <= address and address + size <= 48, frame.raw.hex(" ")
            values = [frame.parameters[place] for place in range(3, len(frame.parameters), size + 1)]
            assert address != 40 or set(values) <= {0, 1}, "128 would make here the middle"
    assert made.arm.refused == []


@pytest.mark.parametrize("protocol", ["lx", "lsc-serial", "sts"])
def test_the_exchange_lets_nothing_else_pass(protocol):
    made, _ = tapped(protocol)
    exchange: Exchange = made.bus._exchange
    passed = set()
    for code in range(256):
        for address in range(0, 256, 1 if code in (3, 4, 0x83) else 255):
            frame = exchange.framing.build(code, (address, 1, 2, 3), BROADCAST)
            try:
                exchange.send([frame])
                passed.add((code, address) if code == 0x83 else (code,))
            except ValueError:
                continue
    expected = {"lx": {(c,) for c in SPOKEN["lx"][1]}, "lsc-serial": {(c,) for c in SPOKEN["lsc"][1]}}
    expected["sts"] = {(0x82,), (0x83, 40), (0x83, 42)}
    assert passed == expected[protocol]


@EVERY
@pytest.mark.parametrize(("goal", "duration"), [(-1, 0.05), (5000, 0.05), (500, -1.0), (500, float("inf"))])
def test_what_no_servo_takes_is_refused_and_not_sent(protocol, goal, duration):
    made, sent = tapped(protocol)
    with pytest.raises(ValueError, match=r"outside of|is none"):
        made.bus.move({made.ids[0]: goal}, duration, BUDGET)
    assert sent == []


##
# Settings of STS servos
##


def test_sts_servos_with_another_gain_are_refused_in_one_line():
    with pytest.raises(PortError, match=r"servo 1 has P = 32 \(register 21\), need 16, which is") as caught:
        talk("sts", position_gain=2.0)
    assert "\n" not in str(caught.value)
    with pytest.raises(PortError, match="need 10 to 22"):
        talk("sts", position_gain=2.0, stiffness=(0.6, 1.4))
    assert talk("sts", position_gain=1.25, stiffness=(0.6, 1.4)).counts().keys() == set(ARMS["so101"].servo_ids)


def test_sts_servos_in_another_mode_are_refused():
    made = talk("sts")
    made.arm.firmware._tables[4][33] = 2
    with pytest.raises(PortError, match="servo 4 is in mode 2, need 0"):
        made.bus.check(made.ids, None, 0.1)


def test_sts_servos_that_are_not_there_are_named():
    made = talk("sts")
    made.arm.inject("dead", servo=5)
    with pytest.raises(PortError, match="servos 5 do not answer"):
        made.bus.check(made.ids, None, 0.1)


##
# The board without a checksum
##


def board(*answers):
    """Return the driver of a board that answers its questions with given positions of servos 1 and 2."""
    made = talk("lsc-serial")
    frames = [
        LSC.build(21, (2, 1, *pair[0].to_bytes(2, "little"), 2, *pair[1].to_bytes(2, "little"))) for pair in answers
    ]
    made.bus._exchange.line = Script(made.clock, frames, 9600)
    return made


def heard(made, seconds=0.05):
    made.wait(seconds)
    return {servo_id: position.counts for servo_id, position in made.bus.positions((1, 2), 0.01).items()}


def test_a_position_that_jumps_is_taken_when_the_next_says_the_same():
    made = board((500, 500), (505, 900), (510, 905))
    assert heard(made) == {1: 500, 2: 500}
    assert heard(made) == {1: 505}
    assert heard(made) == {1: 510, 2: 905}


def test_a_single_jump_is_dropped():
    made = board((500, 500), (505, 900), (510, 503))
    assert [heard(made)[1] for _ in range(2)] == [500, 505]
    assert heard(made) == {1: 510, 2: 503}


def test_a_servo_that_the_board_does_not_reach_is_missing():
    assert heard(board((500, 0xFF00))) == {1: 500}


@pytest.mark.parametrize(
    "answer",
    [
        LSC.build(21, (2, 1, 0xF4, 1, 3, 0xF4, 1)),
        LSC.build(21, (2, 2, 0xF4, 1, 1, 0xF4, 1)),
        LSC.build(21, (1, 1, 0xF4, 1)),
        LSC.build(21, (2, 1, 0xF4, 1, 2, 0xF4, 7)),
        LSC.build(22, (2, 1, 0xF4, 1, 2, 0xF4, 1)),
        LSC.build(21, (3, 1, 0xF4, 1, 2, 0xF4, 1)),
    ],
)
def test_an_answer_of_another_form_is_not_taken(answer):
    made = board()
    made.bus._exchange.line = Script(made.clock, [answer], 9600)
    assert heard(made) == {}


def test_a_position_of_the_board_is_as_old_as_its_question():
    made = talk("lsc-hid", board_time=0.3)
    asked = made.clock.now()
    assert made.bus.positions(made.ids, BUDGET) == {}
    found = {}
    while not found:
        made.wait(0.03)
        found = made.bus.positions(made.ids, BUDGET)
    assert made.clock.now() - asked == pytest.approx(0.3, abs=0.06)
    assert all(position.at == pytest.approx(asked) for position in found.values())


def test_the_board_is_asked_again_when_it_says_nothing():
    made = talk("lsc-serial")
    made.arm.inject("drop", count=1)
    found, began = {}, made.clock.now()
    while not found:
        made.wait(0.03)
        found = made.bus.positions(made.ids, BUDGET)
    assert 0.5 < made.clock.now() - began < 0.8 and made.bus.counters["timeouts"] == 1
