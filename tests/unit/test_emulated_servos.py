"""Emulated servos are those of training: on the same draws within one count, and their delay as it is meant."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from wires import WIRES  # noqa: E402

from alice.arms import ARMS, spreads  # noqa: E402
from alice.deploy.emulator import EmulatedArms  # noqa: E402
from alice.deploy.emulator import world as worlds  # noqa: E402
from alice.deploy.emulator.bench import servo_angles  # noqa: E402
from alice.deploy.emulator.servos import Servos  # noqa: E402
from alice.mdp.servos import ServoModel, ServoRanges  # noqa: E402

STEP, COUNT, STEPS = 0.05, 32, 120
NAMES = ("delay", "jitter", "dead_band", "backlash", "offset", "gain", "read_noise")


def drawn(arm, jitter: float = 0.0, noise: float = 0.0):
    """Return the model of training and the world of an emulator with the same servos."""
    ranges = {name: (spreads.of(arm)[f"servo_{name}"].low, spreads.of(arm)[f"servo_{name}"].high) for name in NAMES}
    ranges |= {"jitter": (jitter, jitter), "read_noise": (noise, noise)}
    per_radian = arm.joints[0].servo.counts_per_radian
    model = ServoModel(COUNT, len(arm.servo_ids), ServoRanges(**ranges), STEP, per_radian)
    torch.manual_seed(3)
    home = servo_angles(arm, np.tile(np.array(arm.home), (COUNT, 1)))
    model.reset(torch.arange(COUNT), torch.tensor(home, dtype=torch.float32))
    values = {f"servo_{name}": getattr(model, name).double().numpy() for name in NAMES}
    values = {name: value * np.ones(home.shape) for name, value in values.items()}
    return model, worlds.nominal(arm, COUNT, **values), home


def walk(arm, home: np.ndarray) -> np.ndarray:
    """Return targets of a random walk in whole counts, (STEPS, N, S) [rad]."""
    generator = np.random.default_rng(5)
    speeds = np.cumsum(generator.normal(0.0, 0.01, (STEPS, *home.shape)), axis=0).clip(-0.1, 0.1)
    per_radian = arm.joints[0].servo.counts_per_radian
    return np.rint((home + np.cumsum(speeds, axis=0)).clip(-1.5, 1.5) * per_radian) / per_radian


@pytest.mark.parametrize("name", sorted(set(WIRES.values())))
def test_on_the_same_draws_both_drive_the_links_to_the_same_count(name):
    arm = ARMS[name]
    model, world, home = drawn(arm)
    # Where they stand at the beginning is, for the model, where the targets are by their own zero.
    begin = world.of("servo_gain") * home + world.of("servo_offset")
    servos = Servos(arm, world, begin, np.random.default_rng(0))
    count = 1.0 / arm.joints[0].servo.counts_per_radian
    columns, worst = np.arange(len(arm.servo_ids)), 0.0
    for step, targets in enumerate(walk(arm, home)):
        goals = servos._centre + servos.sign * np.rint(targets * servos.per_radian)
        for row in range(COUNT):
            servos.command(row, columns, goals[row], [STEP] * len(columns), step * STEP)
        mine = servos.follow((step + 1) * STEP)
        theirs = model.follow(torch.tensor(targets, dtype=torch.float32)).double().numpy()
        worst = max(worst, np.abs(mine - theirs).max())
        links = theirs + 0.01
        said = np.array([[servos.read(row, column, links) for column in columns] for row in range(2)])
        told = model.read(torch.tensor(links, dtype=torch.float32)).double().numpy()[:2]
        assert np.abs((said - servos._centre) * servos.sign / servos.per_radian - told).max() <= count + 1e-6
    assert worst <= 1.001 * count * world.of("servo_gain").max()


@pytest.mark.parametrize("name", sorted(set(WIRES.values())))
def test_over_the_wire_and_in_control_steps_they_are_the_same_within_a_count(name):
    """Drivers, bytes and firmware between: many arms at once, each on its own clock."""
    arm = ARMS[name]
    model, world, home = drawn(arm)
    arms = EmulatedArms(arm, world)
    arms.place(np.arange(COUNT), np.tile(np.array(arm.home), (COUNT, 1)))
    arms.plant.links.angles = world.of("servo_gain") * home + world.of("servo_offset")
    arms.plant.servos.place(np.arange(COUNT), arms.plant.links.angles)
    buses, servos = arms.buses(), arms.plant.servos
    per_radian = servos.per_radian[0]
    now, apart = max(clock.now() for clock in arms.clocks), []
    arms.begin_step(now)
    for bus in buses:
        bus.hold(arm.servo_ids, 0.02)
    now += STEP
    arms.end_step(now)
    low, high = (np.array(end) for end in zip(*[joint.servo.counts for joint in arm.joints], strict=True))
    for targets in walk(arm, home)[:60]:
        arms.begin_step(now)
        goals = servos._centre + servos.sign * np.rint(targets * servos.per_radian)
        goals = goals.clip(low[0], high[0])
        for row, bus in enumerate(buses):
            assert len(bus.positions(arm.servo_ids, 0.02)) == len(arm.servo_ids)
            bus.move(dict(zip(arm.servo_ids, goals[row].astype(int).tolist(), strict=True)), STEP, 0.01)
        now += STEP
        joint_pos = arms.end_step(now)
        wanted = torch.tensor((goals - servos._centre) * servos.sign / servos.per_radian, dtype=torch.float32)
        theirs = model.follow(wanted).double().numpy()
        apart.append(np.abs(servo_angles(arm, joint_pos) - theirs) * per_radian)
        arms.set_joint_pos(joint_pos)
    # Where a command lies between two counts, the last bit decides on which side of the dead band it is.
    counts, dead_band = np.array(apart) / world.of("servo_gain").max(), world.of("servo_dead_band") * per_radian
    # An STS servo that is slowed down by more than half in a step gets to its goal a little early.
    share, early = (0.99, 0.0) if arm.joints[0].servo.bus == "lx" else (0.95, 4.0)
    assert (counts <= 1.001).mean() > share and (counts <= 1.001 + dead_band + early).all()
    assert max(clock.now() for clock in arms.clocks) <= now


def test_a_steady_motion_lags_by_the_delay_from_the_arrival_of_the_command():
    arm = ARMS[WIRES["lx"]]
    for delay in (0.0, 0.02, 0.06, 0.13):
        world = worlds.nominal(arm, servo_delay=delay)
        servos = Servos(arm, world, np.zeros((1, len(arm.servo_ids))), np.random.default_rng(0))
        columns = np.arange(len(arm.servo_ids))
        for step in range(20):
            goals = servos._centre + servos.sign * 10 * (step + 1)
            servos.command(0, columns, goals, [STEP] * len(columns), step * STEP)
            motor = servos.follow((step + 1) * STEP)
        wanted = (20 - delay / STEP) * 10 / servos.per_radian
        assert motor[0] == pytest.approx(wanted, abs=0.51 / servos.per_radian[0])
