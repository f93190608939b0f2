"""What drivers send, of which nothing lasts, and what they refuse: settings of STS servos, answers of the board."""

import pytest
from wires import WIRES, Script, talk

from alice.arms import ARMS
from alice.deploy.bus.exchange import Exchange
from alice.deploy.bus.frames import BROADCAST, LSC, LX, STS, Scanner
from alice.deploy.bus.lines import PortError

BUDGET = 0.02
EVERY = pytest.mark.parametrize("protocol", WIRES)


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
