"""What an emulated arm is like beside its bytes: worlds, faults, heat, supply, links, camera, and its port."""

import math
import random
import re
from pathlib import Path

import numpy as np
import pytest
from wires import QUICK, WIRES, talk

from alice.arms import ARMS, spreads
from alice.deploy.emulator import KINDS, FaultError, WorldError
from alice.deploy.emulator import world as worlds
from alice.deploy.emulator.bench import Bench, joint_positions, servo_angles

ROOT = Path(__file__).resolve().parents[2]
EVERY_ARM = pytest.mark.parametrize("name", ARMS)
XARM = ARMS[WIRES["lx"]]

##
# Worlds
##


@EVERY_ARM
def test_a_drawn_world_lies_within_the_table_and_follows_from_its_seed(name):
    arm = ARMS[name]
    world = worlds.drawn(arm, seed=4, count=50)
    for quantity, spread in spreads.of(arm).items():
        if quantity in worlds.TAKEN:
            value = world.of(quantity)
            assert spread.low - 1e-12 <= value.min() and value.max() <= spread.high + 1e-12, quantity
            if quantity in worlds.BUS_WIDE:
                assert (value == value[:, :1]).all()
    again = worlds.drawn(arm, seed=4, count=50)
    assert all((world.of(key) == again.of(key)).all() for key in world.values)
    assert (world.of("servo_offset") != worlds.drawn(arm, seed=5, count=50).of("servo_offset")).any()


def test_a_world_goes_into_a_file_and_back(tmp_path):
    world = worlds.drawn(XARM, seed=1)
    (tmp_path / "w.json").write_text(world.to_json(XARM))
    again = worlds.read(XARM, tmp_path / "w.json")
    assert all(again.of(key) == pytest.approx(value) for key, value in world.values.items())


def test_a_world_file_names_servos_or_all_of_them(tmp_path):
    (tmp_path / "w.json").write_text(
        '{"servo_offset": {"4": 0.02}, "torque_cap": 0.8, "servo_gain": [1, 1, 1.01, 1, 1, 1]}'
    )
    world = worlds.read(XARM, tmp_path / "w.json")
    column = XARM.servo_ids.index(4)
    assert world.of("servo_offset")[0, column] == 0.02 and world.of("servo_offset").sum() == pytest.approx(0.02)
    assert (world.of("torque_cap") == 0.8).all() and world.of("servo_gain")[0, 2] == 1.01


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read"),
        ("[1]", "must be an object"),
        ('{"servo_ofset": 1}', "has no 'servo_ofset'"),
        ('{"servo_offset": "much"}', "must be a number"),
        ('{"servo_offset": {"9": 0.1}}', "has no servo 9"),
        ('{"servo_offset": [0, 0]}', "has 2 numbers"),
        ('{"servo_offset": 3.0}', "must be -0.5 to 0.5 rad"),
        ('{"servo_gain": NaN}', "must be 0.5 to 2"),
        ('{"servo_delay": {"1": 0.1}}', "an arm has one"),
        ('{"image_blur": 1}', "has no 'image_blur'"),
    ],
)
def test_a_world_that_is_none_is_told_in_one_line(text, reason, tmp_path):
    (tmp_path / "w.json").write_text(text)
    with pytest.raises(WorldError, match=reason) as caught:
        worlds.read(XARM, tmp_path / "w.json")
    assert "\n" not in str(caught.value)


##
# Servos and links
##


@EVERY_ARM
def test_angles_of_servos_and_positions_of_joints_go_there_and_back(name):
    arm = ARMS[name]
    joint_pos = np.array([arm.home, arm.lower, arm.upper])
    assert joint_positions(arm, servo_angles(arm, joint_pos)) == pytest.approx(joint_pos)


@EVERY_ARM
def test_the_weight_of_the_links_is_the_change_of_their_height(name):
    """Virtual work: the torque about a joint is what the potential energy loses when it turns a little."""
    arm = ARMS[name]
    generator = np.random.default_rng(0)
    for _ in range(5):
        angles = servo_angles(arm, generator.uniform(arm.lower, arm.upper))[None]
        bench = Bench(arm, worlds.nominal(arm), angles)
        torques = bench.weight()[0]
        for column in range(len(arm.arm_joints)):
            step = np.zeros_like(angles)
            step[0, column] = 1e-5
            up, down = (energy(arm, joint_positions(arm, angles + sign * step)[0]) for sign in (1, -1))
            assert torques[column] == pytest.approx(-(up - down) / 2e-5, abs=1e-4), (name, column)


def energy(arm, joint_pos) -> float:
    """Return the potential energy [J] by walking the chain in plain Python, each mass halfway along its link."""
    frames = {"base": (np.eye(3), np.zeros(3))}
    origins = {}
    for joint, value in zip(arm.joints, joint_pos, strict=True):
        turn, place = frames[joint.parent]
        place = place + turn @ np.array(joint.offset)
        from alice.arms import AXES

        axis = np.array(AXES[joint.axis])
        if joint.kind == "prismatic":
            frames[joint.child] = turn, place + turn @ axis * value
        else:
            x, y, z = axis
            skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            frames[joint.child] = (
                turn @ (np.eye(3) + math.sin(value) * skew + (1 - math.cos(value)) * skew @ skew),
                place,
            )
        origins[joint.child] = place
    total = 0.0
    for joint in arm.joints:
        after = [origins[other.child] for other in arm.joints if other.parent == joint.child]
        end = np.mean(after, axis=0) if after else origins[joint.child]
        total += 9.81 * arm.link_masses[joint.child] * (origins[joint.child][2] + end[2]) / 2
    return total


def test_a_weak_servo_does_not_hold_what_a_strong_one_does():
    strong, weak = talk("lx"), talk("lx", torque_cap=0.05)
    for made in (strong, weak):
        made.wait(2.0)
    assert abs(strong.arm.joint_angles() - XARM.home).max() < 0.03
    assert abs(weak.arm.joint_angles() - XARM.home).max() > 0.1


def test_a_servo_goes_no_faster_than_it_can():
    made = talk("lx")
    made.bus.move({6: 1000}, 0.0, 0.02)
    made.wait(0.2)
    turned = made.arm.joint_angles()[0]
    assert 0.5 < turned / (4.76 * 0.2) <= 1.01


def test_a_zero_that_is_off_turns_the_link_and_not_what_is_reported():
    made = talk("lx", servo_offset={"6": 0.05})
    made.bus.move({6: 600}, 0.1, 0.02)
    made.wait(0.5)
    assert made.counts()[6] == 600
    assert made.arm.joint_angles()[0] == pytest.approx(100 / 238.73 + 0.05, abs=0.003)


@pytest.mark.parametrize("protocol", QUICK)
def test_a_stuck_gear_stays_and_a_pushed_link_gives_way_and_comes_back(protocol):
    made = talk(protocol)
    made.wait(0.5)
    before, ids = made.arm.joint_angles(), made.ids
    made.arm.inject("stuck", servo=ids[0])
    made.arm.inject("push", servo=ids[1], by=0.2, **{"for": 1.0})
    made.bus.move({ids[0]: made.counts()[ids[0]] + 100}, 0.2, 0.02)
    made.wait(0.6)
    during = made.arm.joint_angles()
    assert during[0] == pytest.approx(before[0], abs=0.01) and during[1] - before[1] == pytest.approx(0.2, abs=0.02)
    made.wait(1.0)
    assert made.arm.joint_angles()[1] == pytest.approx(before[1], abs=0.01)


@pytest.mark.parametrize("protocol", QUICK)
def test_load_warms_a_servo_and_too_much_heat_switches_it_off(protocol):
    made = talk(protocol, heat_time=5.0, heat_rise=60.0)
    made.arm.inject("push", servo=made.ids[2], by=0.5)
    made.wait(10.0)
    made.counts()
    temperature = made.arm.plant.temperature[0]
    assert temperature[2] > temperature[0] + 10.0
    assert temperature[2] >= made.arm.plant._hottest[2] or made.arm.plant.is_too_hot[0, 2] or temperature[2] < 90.0
    made.arm.inject("overheat", servo=made.ids[3], to=90.0, **{"for": 0.2})
    made.wait(0.3)
    made.counts()
    assert made.arm.plant.is_too_hot[0, 3]
    assert "over-temperature" in made.bus.health(made.ids, 0.2)[made.ids[3]].faults


@pytest.mark.parametrize("protocol", QUICK)
def test_servos_without_supply_are_silent_and_let_go(protocol):
    made = talk(protocol)
    made.arm.inject("brown_out", to=2.0, **{"for": 0.5})
    made.wait(0.1)
    assert made.counts() == {} and made.bus.health(made.ids, 0.02) == {}
    made.wait(0.6)
    assert made.counts().keys() == set(made.ids)
    assert not made.arm.plant.servos.is_loaded.any()


def test_all_servos_that_stall_pull_the_supply_down():
    made = talk("lx")
    made.wait(0.5)
    made.counts()
    before = made.arm.plant.supply[0]
    for servo_id in made.ids[1:4]:
        made.arm.inject("push", servo=servo_id, by=0.3)
    made.wait(1.0)
    made.counts()
    assert made.arm.plant.supply[0] < before - 0.1


def test_what_would_last_is_told_and_not_done():
    made = talk("lx")
    wire = made.arm.wire()
    wire.write(bytes.fromhex("55 55 01 04 0d 05 e8"))  # a new id
    sts = talk("sts")
    sts.arm.wire().write(bytes.fromhex("ff ff 01 04 03 05 07 eb"))
    assert made.arm.refused == ["id of servo 1"] and sts.arm.refused == ["registers 5 to 5 of servo 1"]
    assert made.counts().keys() == set(made.ids) and sts.counts().keys() == set(sts.ids)


def test_a_frame_of_another_host_is_answered_to_the_byte():
    """What the facts' own byte strings say, asked without a driver."""
    made = talk("lx")
    line = made.arm.wire()
    made.bus.move({1: 500}, 0.0, 0.02)
    made.wait(0.5)
    line.write(bytes.fromhex("55 55 01 03 1c df"))
    assert line.read(made.clock.now() + 0.01) == bytes.fromhex("55 55 01 05 1c f4 01 e8")
    sts = talk("sts")
    line = sts.arm.wire()
    sts.bus.move({1: 2048}, 0.1, 0.02)
    sts.wait(0.5)
    line.write(bytes.fromhex("ff ff 01 04 02 38 02 be"))
    assert line.read(sts.clock.now() + 0.01) == bytes.fromhex("ff ff 01 04 00 00 08 f2")
    line.write(bytes.fromhex("ff ff 01 02 01 fb"))
    assert line.read(sts.clock.now() + 0.01) == bytes.fromhex("ff ff 01 02 00 fc")


def test_bytes_take_their_time_on_the_wire():
    made = talk("lx", answer_time=0.001)
    line, began = made.arm.wire(), made.clock.now()
    line.write(bytes.fromhex("55 55 01 03 1c df"))
    assert line.read(began + 0.002) == b""
    line.read(began + 1.0)
    assert made.clock.now() - began == pytest.approx(0.001 + 14 * 10 / 115200, abs=1e-9)


@pytest.mark.parametrize("protocol", WIRES)
def test_no_frame_is_too_much_for_the_emulated_arm(protocol):
    """Whole frames of random content, and rubbish between them."""
    made, drawn = talk(protocol), random.Random(0)
    framing, wire = made.arm.firmware.framing, made.arm.bytes
    ids = [*made.ids, 254, 99]
    codes = {"lx": range(40), "sts": (1, 2, 3, 4, 5, 6, 0x82, 0x83)}.get(protocol, range(30))
    for _ in range(3000):
        body = [drawn.choice((drawn.randrange(256), drawn.choice(made.ids), 42, 2)) for _ in range(drawn.randrange(10))]
        body = body[:4] if protocol == "lx" else body
        wire.send(framing.build(drawn.choice(codes), body, drawn.choice(ids)), made.clock.now())
        if drawn.random() < 0.1:
            wire.send(drawn.randbytes(drawn.randrange(9)), made.clock.now())
        made.wait(0.002)
        wire.take(made.clock.now())
    assert np.isfinite(made.arm.joint_angles()).all()


##
# Faults
##


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"fault": "dropp"}, "did you mean drop"),
        ({"fault": "drop", "tp": 1}, "takes no 'tp'"),
        ({"fault": "drop", "servo": 9}, "there is no servo 9"),
        ({"fault": "late", "by": "much"}, "must be a number"),
        ({"fault": "late", "by": math.nan}, "must be a number"),
    ],
)
def test_a_fault_that_there_is_none_of_is_told_in_one_line(words, reason):
    made = talk("lx")
    with pytest.raises(FaultError, match=reason) as caught:
        made.arm.inject(**words)
    assert "\n" not in str(caught.value)


def test_faults_come_and_go_by_their_schedule():
    made = talk("lx")
    made.arm.faults.schedule([{"at": 1.0, "fault": "drop", "for": 0.5}, {"at": 2.0, "fault": "dead", "servo": 6}])
    seen = []
    for _ in range(25):
        seen.append(len(made.counts()))
        made.clock.sleep_until(round(made.clock.now() * 10 + 1) / 10)
    assert seen[:9] == [6] * 9 and 0 in seen[10:16] and seen[16:19] == [6] * 3 and seen[21:] == [5] * 4
    for bad in ({"fault": "drop"}, [{"at": 1}], ["drop"]):
        with pytest.raises(FaultError):
            made.arm.faults.schedule(bad)


def test_every_fault_is_told_on_the_page():
    page = (ROOT / "docs" / "wire.md").read_text(encoding="utf-8")
    for name, kind in KINDS.items():
        assert f"| `{name}` | {kind.what} | {kind.meaning} |" in page, name


def test_the_programs_of_the_page_run_as_printed(capsys):
    page = (ROOT / "docs" / "wire.md").read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for program in programs:
        exec(program, {})
    assert len(programs) == 2 and "Position(counts=" in capsys.readouterr().out
