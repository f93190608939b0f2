"""Many arms on a bus each, in lockstep: they go where a closed loop without bytes takes them."""

import numpy as np
import pytest
from made_up import contract_of, image, vector
from wires import WIRES

from alice import arms
from alice.deploy.emulator import world as worlds
from alice.deploy.emulator.bench import joint_positions, servo_angles
from alice.deploy.emulator.servos import Servos
from alice.deploy.lockstep import Lockstep, Options, Scene
from alice.deploy.observation import Controller

COUNT, STEPS = 4, 40


class Reaching:
    """A policy that looks at its readings: it moves the arm joints towards a pose, and the gripper to and fro."""

    def __init__(self, arm, sees=False, terms=(), **fields):
        pictures = [image(arm=arm, frames=1)] if sees else []
        self.contract = contract_of(vector("policy", "joint_pos", *terms, arm=arm), *pictures, arm=arm, **fields)
        self._columns, self._goal = arm.arm_columns, np.array(arm.home) + 0.25
        self.seen, self.vectors = [], []

    def __call__(self, inputs):
        away = (self._goal - inputs["policy"][:, : len(self._goal)])[:, self._columns]
        if "image" in inputs:
            self.seen.append(int(inputs["image"].mean()))
            self.vectors.append(inputs["policy"][0])
        action = np.clip(0.3 * away / self.contract.action.arm_scale, -1.0, 1.0)
        opening = np.sin(20.0 * away.sum(axis=1, keepdims=True))
        return np.concatenate((action, opening), axis=1).astype(np.float32)


def start(arm):
    """Return where arms begin, (N, J), not quite at home."""
    pose = np.tile(np.array(arm.home), (COUNT, 1))
    pose[:, arm.arm_columns] += np.random.default_rng(1).uniform(-0.05, 0.05, pose[:, arm.arm_columns].shape)
    return pose


def scene(pictures=None):
    return Scene(np.tile([0.2, 0.05, 0.015], (COUNT, 1)), np.tile([0.18, -0.09, 0.0], (COUNT, 1)), pictures)


def wired(arm, world, protocol=None, policy=None, **options):
    begin = start(arm)
    policy = policy or Reaching(arm)
    return Lockstep(arm, world, policy, begin, begin, scene(), np.full(COUNT, 0.015), Options(protocol, **options))


def run(made, steps=STEPS):
    """Let links follow the drives; return commands and links, (T, N, J)."""
    commands, links = [], []
    for _ in range(steps):
        driven = made.step(np.ones(COUNT, bool))
        made.emulated.set_joint_pos(driven)
        commands.append(made.commands)
        links.append(driven)
    return np.array(commands), np.array(links)


def closed_loop(arm, world):
    """Return the same without loop, bus and bytes: controller, policy, servos."""
    begin, policy = start(arm), Reaching(arm)
    controller = Controller(policy.contract, COUNT)
    controller.begin(np.arange(COUNT), begin)
    servos = Servos(arm, world, servo_angles(arm, begin), np.random.default_rng(0))
    servos.place(np.arange(COUNT), servo_angles(arm, begin), servo_angles(arm, begin))
    links, commands, went = begin, [], []
    columns, step = np.arange(len(arm.servo_ids)), 1.0 / policy.contract.arm.control_rate_hz
    for number in range(STEPS):
        angles = servo_angles(arm, links)
        said = np.array([[servos.read(row, k, angles) for k in columns] for row in range(COUNT)])
        reported = joint_positions(arm, (said - servos._centre) * servos.sign / servos.per_radian)
        targets = controller.targets_after(policy(controller.inputs(reported)))
        goals = np.rint(servos._centre + servos.sign * servos.per_radian * servo_angles(arm, targets))
        for row in range(COUNT):
            servos.command(row, columns, goals[row], [step] * len(columns), number * step)
        links = joint_positions(arm, servos.follow((number + 1) * step))
        commands.append(targets)
        went.append(links)
    return np.array(commands), np.array(went)


@pytest.mark.parametrize("name", sorted(set(WIRES.values())))
@pytest.mark.parametrize("delay", [0.0, 0.03])
def test_over_the_wire_arms_go_where_a_closed_loop_takes_them(name, delay):
    arm = arms.named(name)
    world = worlds.nominal(arm, COUNT, servo_delay=delay, servo_offset=0.01, servo_backlash=0.01)
    commands, links = run(made := wired(arm, world))
    expected, went = closed_loop(arm, world)
    columns, count = arm.arm_columns, 1.0 / arm.joints[0].servo.counts_per_radian
    assert np.ptp(went, axis=0)[:, columns].min() > 0.1
    assert np.abs(commands - expected)[..., columns].max() < 4 * count
    assert np.abs(links - went)[..., columns].max() < 4 * count + 0.005  # where in its play a gear began
    assert made.counts.steps == COUNT * STEPS and not made.counts.events and not made.counts.left_out


def test_without_answers_in_time_the_last_command_stands_for_the_reading():
    arm = arms.named("xarm1s")
    world = worlds.nominal(arm, COUNT, servo_offset=0.02)
    for protocol in ("lsc-hid", "lsc-serial"):
        commands, _ = run(made := wired(arm, world, protocol))
        assert not made.counts.events, made.counts.events
        # A zero that is off shows in readings, and so in what this policy wants, and not in the last command.
        goal = Reaching(arm)._goal[arm.arm_columns]
        assert np.abs(commands[-1][:, arm.arm_columns] - goal).max() < 0.01, protocol


def test_pictures_reach_the_policy_in_the_step_that_they_are_taken_in():
    arm = arms.named("xarm1s")
    policy, begin = Reaching(arm, sees=True), start(arm)
    plain = np.random.default_rng(0).integers(-20, 20, (COUNT, 48, 64, 3))
    shown = [np.uint8(100 + 5 * k + plain) for k in range(6)]
    made = Lockstep(
        arm, worlds.nominal(arm, COUNT), policy, begin, begin, scene(shown[0]), np.full(COUNT, 0.01), Options()
    )
    for picture in shown:
        made.scene = scene(picture)
        made.emulated.set_joint_pos(made.step(np.ones(COUNT, bool)))
    assert all(plan.ball is None for plan in made.plans), "a policy that sees is told of no ball"
    means = [int(picture[0].mean()) for picture in shown]
    assert np.abs(np.array(policy.seen[::COUNT]) - means).max() <= 1


@pytest.mark.parametrize("age", [0.0, 0.05, 0.075])
def test_the_policy_is_told_the_joints_of_a_pictures_moment_as_in_closed_loop(age):
    """Bytes take time, and the world stands still meanwhile: a picture that is new is as new as the readings."""
    arm = arms.named("xarm1s")
    policy, begin = (
        Reaching(arm, sees=True, terms=["picture_joint_pos"], trained_for={"image_latency": (0.0, 2.0)}),
        start(arm),
    )
    generator = np.random.default_rng(0)

    def seen() -> Scene:
        made = scene(generator.integers(0, 255, (COUNT, 48, 64, 3), np.uint8))
        made.picture_age = np.full(COUNT, age)
        return made

    made = Lockstep(arm, worlds.nominal(arm, COUNT), policy, begin, begin, seen(), np.full(COUNT, 0.01), Options())
    for _ in range(12):
        made.scene = seen()
        made.emulated.set_joint_pos(made.step(np.ones(COUNT, bool)))
    rows = np.array(policy.vectors[::COUNT])[2:]
    now, then = rows[:, : len(arm.joints)], rows[:, len(arm.joints) :]
    steps = age / 0.05
    older, newer = (
        now[3 - int(np.ceil(steps)) : len(now) - int(np.ceil(steps))],
        now[3 - int(steps) : len(now) - int(steps)],
    )
    expected = newer + (steps % 1.0) * (older - newer)
    assert np.abs(now[-1] - now[0])[arm.arm_columns].max() > 0.1
    np.testing.assert_allclose(then[3:], expected, atol=1e-3)


def test_episodes_that_are_cut_or_stopped_are_counted():
    arm = arms.named("xarm1s")

    class Diving(Reaching):
        """Goes down for ever."""

        def __call__(self, inputs):
            action = np.zeros((len(inputs["policy"]), len(self.contract.action.names)), np.float32)
            action[:, 1] = 1.0
            return action

    cut = wired(arm, worlds.nominal(arm, COUNT), policy=Diving(arm))
    run(cut, 30)
    cut.close(np.arange(COUNT))
    assert cut.counts.hindered["table"] > 10 and cut.counts.episodes_hindered["table"] == COUNT
    free = wired(arm, worlds.nominal(arm, COUNT), policy=Diving(arm), table_depth=1.0)
    run(free, 30)
    assert free.loops[0].safety.guard.tip_height(free.commands[0]) < cut.loops[0].safety.guard.tip_height(
        cut.commands[0]
    )
    silent = wired(arm, worlds.nominal(arm, COUNT))
    silent.emulated.faults[1].inject("drop")
    run(silent, 10)
    silent.close(np.arange(COUNT))
    assert sum(silent.counts.events.values()) == 1 and "blind" in next(iter(silent.counts.events))


def test_an_arm_that_does_not_get_ready_has_failed_and_keeps_nobody():
    arm = arms.named("xarm1s")
    world = worlds.nominal(arm, COUNT, supply_voltage=np.array([[1.0], [1.0], [0.7], [1.0]]) * np.ones(6))
    made = wired(arm, world)
    assert sum(made.counts.events.values()) == 1 and "not ready" in next(iter(made.counts.events))
    commands, _ = run(made, 10)
    assert np.ptp(commands[:, 0], axis=0).max() > 0.05 and np.ptp(commands[:, 2], axis=0).max() == 0.0
