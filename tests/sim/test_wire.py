"""Simulated arms that bytes move: as actions do, in lockstep and over a port in real time."""

import _thread
import signal
import threading

import numpy as np
import pytest

pytest.importorskip("isaaclab")
pytest.importorskip("serial")
torch = pytest.importorskip("torch")

from alice import arms  # noqa: E402
from alice.assets import POLICIES_DIR  # noqa: E402
from alice.cli.usage import UsageError  # noqa: E402
from alice.deploy import calibration, camera, policy  # noqa: E402
from alice.deploy.bus import open_bus  # noqa: E402
from alice.deploy.clock import MachineClock  # noqa: E402
from alice.deploy.emulator import EmulatedArm, EmulatedArms, terminal  # noqa: E402
from alice.deploy.emulator import world as worlds  # noqa: E402
from alice.deploy.emulator.bench import servo_angles  # noqa: E402
from alice.deploy.emulator.camera import SharedPicture, grained  # noqa: E402
from alice.deploy.lockstep import Nobody  # noqa: E402
from alice.deploy.loop import Loop  # noqa: E402
from alice.deploy.states import State  # noqa: E402
from alice.deploy.trials import OneTransfer  # noqa: E402
from alice.evaluation import wire  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

COUNT, STEPS = 4, 25
CAMERA_TASK = "Alice-Ball-Transfer-Camera"


def counts_of(plant, joint_pos: np.ndarray) -> np.ndarray:
    """Return the counts of joint positions of arms without fault, (N, S)."""
    servos = plant.servos
    return np.rint(servos._centre + servos.sign * servos.per_radian * servo_angles(plant.arm, joint_pos)).astype(int)


def test_bytes_move_the_arms_as_actions_do(simulate):
    """The same targets, once as actions and once as goals in counts over a bus for each arm."""
    env = simulate(num_envs=COUNT, play=True, endless=True)
    env.reset(seed=7)
    action = torch.zeros(COUNT, env.action_manager.total_action_dim)
    action[:, 0], action[:, 2], action[:, -1] = 0.4, -0.2, 1.0
    targets, reached = [], []
    with torch.no_grad():
        for _ in range(STEPS):
            env.step(action)
            targets.append(env.action_manager.get_term("joints").targets.numpy().copy())
            reached.append(transfer_state(env).now.true.joint_pos.numpy().copy())
    env.reset(seed=7)  # the same starts
    arm = arms.of(env)
    emulated = EmulatedArms(arm, worlds.nominal(arm, COUNT))
    wired, buses = wire.WiredArms(env, emulated.plant), emulated.buses()
    now, count = max(clock.now() for clock in emulated.clocks), 1.0 / arm.joints[0].servo.counts_per_radian
    for step in range(STEPS):
        emulated.begin_step(now)
        for bus, row in zip(buses, counts_of(emulated.plant, targets[step]), strict=True):
            assert len(bus.positions(arm.servo_ids, 0.02)) == len(arm.servo_ids)
            bus.move(dict(zip(arm.servo_ids, row.tolist(), strict=True)), env.step_dt, 0.01)
        now += env.step_dt
        _, anew = wired.step(emulated.end_step(now), targets[step])
        wired.tell(anew)
        arm_joints = slice(arm.arm_columns.start, arm.arm_columns.stop)
        assert np.abs(wired.joint_pos() - reached[step])[:, arm_joints].max() < 2.5 * count, step
        assert env.action_manager.get_term("joints").targets.numpy() == pytest.approx(targets[step], abs=1e-6)
    said = buses[0].positions(arm.servo_ids, 0.02)
    assert [said[servo_id].counts for servo_id in arm.servo_ids] == counts_of(emulated.plant, wired.joint_pos())[
        0
    ].tolist()
    assert abs(wired.joint_pos() - np.array(arm.home))[:, 0].min() > 0.5


def test_an_arm_without_torque_is_not_driven(simulate):
    env = simulate(num_envs=COUNT, play=True, endless=True)
    arm = arms.of(env)
    emulated = EmulatedArms(arm, worlds.nominal(arm, COUNT))
    wired, buses = wire.WiredArms(env, emulated.plant), emulated.buses()
    now = max(clock.now() for clock in emulated.clocks)
    begin = wired.joint_pos()
    for step in range(20):
        emulated.begin_step(now)
        if step == 0:
            buses[0].torque(arm.servo_ids, False, 0.01)
        now += env.step_dt
        _, anew = wired.step(emulated.end_step(now))
        wired.tell(anew)
    sunk = np.abs(wired.joint_pos() - begin).max(axis=1)
    assert sunk[0] > 3 * sunk[1:].max()


def test_what_does_not_fit_is_refused(simulate):
    env = simulate(num_envs=COUNT, play=True, endless=True)
    other = next(arm for arm in arms.ARMS.values() if arm.name != env.cfg.arm)
    with pytest.raises(UsageError, match=f"the task simulates {env.cfg.arm}"):
        wire.WiredArms(env, EmulatedArms(other, worlds.nominal(other, COUNT)).plant)


def test_a_simulated_arm_behind_a_port_is_read_and_moved_in_real_time(simulate):
    env = simulate(num_envs=1, play=True, endless=True)
    arm = arms.of(env)
    made = EmulatedArm(arm, are_links_given=True)
    served, found = terminal.Terminal(made), {}

    def drive():
        clock = MachineClock()
        bus = open_bus(arm, served.port, clock)
        first = arm.servo_ids[0]
        while not (begin := bus.positions([first], 0.2)):
            pass
        goal = begin[first].counts + 60
        bus.move({first: goal}, 0.5, 0.02)
        clock.sleep_until(clock.now() + 2.5)
        while not (end := bus.positions([first], 0.2)):
            pass
        found.update(goal=goal, end=end[first].counts)
        bus.close()

    thread = threading.Thread(target=drive)
    thread.start()
    steps, _ = wire.serve(env, served, 5.0, None)
    thread.join()
    served.close()
    assert steps > 20 and found["end"] == pytest.approx(found["goal"], abs=3)


def test_an_interrupted_simulation_still_says_what_came_of_it(simulate):
    env = simulate(num_envs=1, play=True, endless=True)
    served = terminal.Terminal(EmulatedArm(arms.of(env), are_links_given=True))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs behind it
    try:
        threading.Timer(1.0, _thread.interrupt_main).start()
        steps, _ = wire.serve(env, served, 60.0, None)
    finally:
        signal.signal(signal.SIGINT, before)
    served.close()
    assert 0 < steps < 600


def test_a_policy_sees_what_the_simulated_arm_shares(simulate, tmp_path):
    """What run_arm.py --camera FILE does with the file of emulate_arm.py --sim --picture FILE, in lockstep."""
    env = simulate(task=CAMERA_TASK, num_envs=1, play=True, endless=True)
    arm = arms.of(env)
    emulated = EmulatedArms(arm, worlds.nominal(arm))
    wired, (bus,) = wire.WiredArms(env, emulated.plant), emulated.buses()
    shared, clock = SharedPicture(tmp_path / "picture", is_writer=True), emulated.clocks[0]
    shared.write(wired.picture(), clock.now())
    network = policy.load(POLICIES_DIR / f"{CAMERA_TASK}.onnx")
    eye = camera.open_camera(str(tmp_path / "picture"), clock, network.contract)
    plan = OneTransfer(None, tuple(transfer_state(env).dish_pos[0, :2].tolist()), 1.5)
    loop = Loop(bus, clock, network, calibration.nominal(arm), plan, Nobody(), eye, tell=lambda line: None)
    now = clock.now()
    for step in range(80):
        emulated.begin_step(now)
        loop.step(now)
        now += env.step_dt
        command = loop.safety.last
        wired.step(emulated.end_step(now), command[None])
        wired.tell(np.array([], int))
        shared.write(grained(wired.picture(), step), now)
    events = [event["event"] for event in loop.box.events]
    assert events[:4] == ["checked", "at home", "go", "over"], loop.box.events
    columns = loop.box.columns()
    ran = columns["state"] == list(State).index(State.RUNNING)
    assert len(set(columns["picture"][ran].tolist())) == ran.sum(), "a new one in every control step"
    assert np.ptp(columns["command"][ran], axis=0).max() > 0.1
    shared.close()
