"""Damaged answers, 100,000 for each protocol with ``--slow``: nothing escapes, and what is believed is counted."""

import random

import pytest
from wires import talk

from alice.deploy.bus.frames import LSC, LX, STS, to_sign_at, word

COUNTS = [10_000, pytest.param(100_000, marks=pytest.mark.slow)]
TRUE = {1: 523, 2: 77, 3: 610, 4: 498, 5: 301, 6: 850}
"""Where the servos stand [counts]."""


class Damaged:
    """A line on which every question is answered with one damaged frame."""

    def __init__(self, clock, answer, baud, seed):
        self._clock, self._answer, self.baud = clock, answer, baud
        self._drawn, self._waiting = random.Random(seed), b""
        self.given = 0

    def write(self, data):
        self.given += 1
        self._waiting = damaged(self._answer, self._drawn)

    def read(self, until):
        data, self._waiting = self._waiting, b""
        if not data:
            self._clock.sleep_until(until)
        return data

    def close(self):
        """Nothing to do."""


def damaged(raw: bytes, drawn: random.Random) -> bytes:
    """Return bytes that are not these: a flipped bit, another byte, a cut, an insertion, rubbish."""
    found = bytearray(raw)
    while bytes(found) == raw:
        kind = drawn.randrange(7)
        place = drawn.randrange(len(raw))
        if kind == 0:
            found[place] ^= 1 << drawn.randrange(8)
        elif kind == 1:
            found[place] = drawn.randrange(256)
        elif kind == 2:
            del found[place:]
        elif kind == 3:
            del found[place]
        elif kind == 4:
            found.insert(place, drawn.randrange(256))
        elif kind == 5:
            for index in range(2, len(raw)):
                found[index] = drawn.randrange(256)
        else:
            for index in range(4, len(raw)):
                found[index] = drawn.randrange(256)
    return bytes(found)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("protocol", ["lx", "sts"])
def test_a_checksum_lets_two_in_256_damaged_answers_pass_at_most(protocol, count):
    made = talk(protocol)
    answer = LX.build(28, word(TRUE[1]), 1) if protocol == "lx" else STS.build(0, word(to_sign_at(TRUE[1], 15)), 1)
    line = Damaged(made.clock, answer, made.bus._exchange.line.baud, seed=1)
    made.bus._exchange.line = line
    accepted = 0
    while line.given < count:
        found = made.bus.positions([1], 0.003)
        accepted += 1 in found and found[1].counts != TRUE[1]
        made.wait(0.01)
    print(
        f"{protocol}: {accepted} of {line.given} damaged answers were taken, {256 * accepted / line.given:.2f} in 256"
    )
    assert accepted <= 2 / 256 * line.given


@pytest.mark.parametrize("count", COUNTS)
def test_the_board_without_a_checksum_is_believed_as_seldom_as_can_be(count):
    made = talk("lsc-serial")
    rows = b"".join(bytes([servo_id]) + word(counts) for servo_id, counts in TRUE.items())
    intact = LSC.build(21, (len(TRUE), *rows))
    made.bus._exchange.line = Damaged(made.clock, intact, 9600, seed=2)
    # It has told the truth once before.
    made.bus._exchange.line._answer = intact
    made.bus._exchange.line.write = lambda data: setattr(made.bus._exchange.line, "_waiting", intact)
    assert {k: v.counts for k, v in made.bus.positions(TRUE, 0.01).items()} == TRUE
    del made.bus._exchange.line.write
    line, accepted, furthest, answers = made.bus._exchange.line, 0, 0, 0
    while line.given < count:
        made.wait(0.61)  # what was not taken is given up
        found = made.bus.positions(TRUE, 0.001)
        wrong = [abs(position.counts - TRUE[servo_id]) for servo_id, position in found.items()]
        answers += bool(found)
        accepted += any(wrong)
        furthest = max([furthest, *wrong])
    print(
        f"lsc: {accepted} of {line.given} damaged answers gave a wrong position ({256 * accepted / line.given:.1f} in"
    )
    print(f"     256), {answers} some position; the furthest was {furthest} counts off")
    assert accepted < 0.1 * line.given
