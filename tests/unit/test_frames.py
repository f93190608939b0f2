"""Frames of the servo buses: byte strings of the protocols' texts, and what a damaged stream leaves of them."""

import random

import pytest

from alice.deploy.bus import frames
from alice.deploy.bus.frames import LSC, LX, STS, Scanner

VECTORS = {
    "LX move 1 to 500 in 1 s": (LX, 1, 1, "f4 01 e8 03", "55 55 01 07 01 f4 01 e8 03 16"),
    "LX prepared move 6": (LX, 6, 7, "f4 01 32 00", "55 55 06 07 07 f4 01 32 00 c4"),
    "LX start all": (LX, 254, 11, "", "55 55 fe 03 0b f3"),
    "LX stop all": (LX, 254, 12, "", "55 55 fe 03 0c f2"),
    "LX read position 1": (LX, 1, 28, "", "55 55 01 03 1c df"),
    "LX position 500": (LX, 1, 28, "f4 01", "55 55 01 05 1c f4 01 e8"),
    "LX position -3": (LX, 2, 28, "fd ff", "55 55 02 05 1c fd ff e0"),
    "LX read voltage": (LX, 1, 27, "", "55 55 01 03 1b e0"),
    "LX read temperature": (LX, 1, 26, "", "55 55 01 03 1a e1"),
    "LX unload": (LX, 1, 31, "00", "55 55 01 04 1f 00 db"),
    "LX load": (LX, 1, 31, "01", "55 55 01 04 1f 01 da"),
    "LX read errors": (LX, 1, 36, "", "55 55 01 03 24 d7"),
    "LX read id": (LX, 254, 14, "", "55 55 fe 03 0e f0"),
    "LSC move": (LSC, None, 3, "02 e8 03 01 c8 00 02 20 03", "55 55 0b 03 02 e8 03 01 c8 00 02 20 03"),
    "LSC battery": (LSC, None, 15, "", "55 55 02 0f"),
    "LSC servos off": (LSC, None, 20, "06 01 02 03 04 05 06", "55 55 09 14 06 01 02 03 04 05 06"),
    "LSC read positions": (LSC, None, 21, "06 01 02 03 04 05 06", "55 55 09 15 06 01 02 03 04 05 06"),
    "STS ping": (STS, 1, 1, "", "ff ff 01 02 01 fb"),
    "STS read position": (STS, 1, 2, "38 02", "ff ff 01 04 02 38 02 be"),
    "STS position 2048": (STS, 1, 0, "00 08", "ff ff 01 04 00 00 08 f2"),
    "STS torque on": (STS, 1, 3, "28 01", "ff ff 01 04 03 28 01 ce"),
    "STS goal 2048": (STS, 1, 3, "2a 00 08", "ff ff 01 05 03 2a 00 08 c4"),
    "STS sync read": (STS, 254, 0x82, "38 02 01 02 03 04 05 06", "ff ff fe 0a 82 38 02 01 02 03 04 05 06 26"),
    "STS sync write": (
        STS,
        254,
        0x83,
        "2a 02 01 00 08 02 00 08 03 00 08 04 00 08 05 00 08 06 00 08",
        "ff ff fe 16 83 2a 02 01 00 08 02 00 08 03 00 08 04 00 08 05 00 08 06 00 08 f7",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_frame_is_the_bytes_of_the_protocol_and_is_read_back(name):
    framing, servo_id, code, parameters, text = VECTORS[name]
    raw = bytes.fromhex(text)
    assert framing.build(code, bytes.fromhex(parameters), servo_id) == raw
    (found,) = Scanner(framing).feed(raw)
    assert (found.servo_id, found.code, found.parameters, found.raw) == (
        servo_id,
        code,
        bytes.fromhex(parameters),
        raw,
    )


@pytest.mark.parametrize("framing", [LX, STS, LSC])
def test_a_frame_in_pieces_is_found_when_its_last_byte_is_there(framing):
    raw = framing.build(28, [1, 2], 3)
    scanner = Scanner(framing)
    found = [scanner.feed(raw[place : place + 1]) for place in range(len(raw))]
    assert [len(frames) for frames in found] == [0] * (len(raw) - 1) + [1]
    assert not scanner.is_within and scanner.damaged == 0


@pytest.mark.parametrize("framing", [LX, STS, LSC])
def test_what_is_intact_behind_rubbish_is_found(framing):
    raw = framing.build(28, [1, 2], 3)
    for rubbish in (b"\x00", b"\x55", b"\xff", b"\x55" * 3, b"\xff" * 3, raw[:-1], raw[1:], b"\x55\x55\x01\xff"):
        scanner = Scanner(framing)
        found = scanner.feed(rubbish + raw + raw)
        assert raw in [frame.raw for frame in found], rubbish


@pytest.mark.parametrize("framing", [LX, STS])
def test_one_flipped_bit_is_seen(framing):
    raw = framing.build(28, [0x20, 3], 3)
    for place in range(2, len(raw)):
        for bit in range(8):
            damaged = bytearray(raw)
            damaged[place] ^= 1 << bit
            found = Scanner(framing).feed(bytes(damaged) + bytes(300))
            assert not [frame for frame in found if frame.code == 28 and frame.servo_id == 3], (place, bit)


@pytest.mark.parametrize("framing", [LX, STS, LSC])
def test_no_bytes_are_too_much_for_a_scanner(framing):
    drawn = random.Random(0)
    scanner = Scanner(framing)
    for _ in range(2000):
        scanner.feed(drawn.randbytes(drawn.randrange(40)))
        assert len(scanner._held) <= 256 + 4


@pytest.mark.parametrize("value", [0, 1, -1, 2047, -2047, 1023])
def test_a_sign_bit_goes_there_and_back(value):
    assert frames.sign_at(frames.to_sign_at(value, 15), 15) == value
    assert frames.sign_at(0x8000 | 5, 15) == -5 and frames.sign_at(0x405, 10) == -5
