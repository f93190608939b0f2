"""The xArm as a robot of LeRobot, on a bus that is a value; stand-ins take the place of a LeRobot that is missing."""

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tomllib

from alice.arms import XARM1S, lerobot
from alice.deploy import calibration as calibrations
from alice.deploy.bus.interface import Position

FOLDER = Path(__file__).resolve().parents[2] / "plugins" / "lerobot_robot_xarm1s"


class Robot:
    """LeRobot's base class, as far as a plugin may count on it."""

    def __init__(self, config):
        self.id, self.calibration = config.id, {}
        self.calibration_fpath = config.calibration_dir / f"{config.id}.json"
        if self.calibration_fpath.is_file():
            self._load_calibration()


@dataclass(kw_only=True)
class RobotConfig:
    """LeRobot's base class of configurations."""

    id: str | None = None
    calibration_dir: Path | None = None

    @classmethod
    def register_subclass(cls, name):
        return lambda kind: kind


def _module(name: str, **content) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(content)
    return made


def _stand_ins() -> dict[str, ModuleType]:
    """Return modules in the place of LeRobot's."""
    names = ("lerobot", "lerobot.utils")
    return {name: _module(name) for name in names} | {
        "lerobot.robots": _module("lerobot.robots", Robot=Robot, RobotConfig=RobotConfig),
        "lerobot.cameras": _module("lerobot.cameras", CameraConfig=object, make_cameras_from_configs=dict),
        "lerobot.utils.decorators": _module(
            "lerobot.utils.decorators", check_if_not_connected=lambda f: f, check_if_already_connected=lambda f: f
        ),
    }


@pytest.fixture
def plugin(monkeypatch):
    """Return the plugin's module that holds the robot, and its configuration."""
    if importlib.util.find_spec("lerobot") is None:
        for name, module in _stand_ins().items():
            monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in [name for name in sys.modules if name.startswith("lerobot_robot_xarm1s")]:
        monkeypatch.delitem(sys.modules, name)
    package = importlib.import_module("lerobot_robot_xarm1s")
    yield package
    for name in [name for name in sys.modules if name.startswith("lerobot_robot_xarm1s")]:
        del sys.modules[name]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.time = 100.0

    def now(self) -> float:
        return self.time


class Bus:
    """Servos that are where they were sent, at once."""

    def __init__(self, clock, counts):
        self.clock, self.counts, self.silent = clock, dict(counts), set()
        self.torques, self.durations, self.is_open, self.in_time = [], [], True, 6

    def positions(self, servo_ids, budget):
        asked = list(servo_ids)[: self.in_time]
        return {i: Position(self.counts[i], self.clock.now()) for i in asked if i not in self.silent}

    def move(self, goals, duration, budget):
        self.counts.update(goals)
        self.durations.append(duration)

    def torque(self, servo_ids, is_on, budget):
        self.torques.append(is_on)

    def close(self):
        self.is_open = False


@pytest.fixture
def robot(plugin, monkeypatch, tmp_path):
    """Return a robot with a nominal calibration at home on a fake bus."""
    module, clock = importlib.import_module("lerobot_robot_xarm1s.xarm1s"), Clock()
    nominal = calibrations.nominal(XARM1S, "mine")
    nominal.write(tmp_path / "mine.json")
    bus = Bus(clock, dict(zip(XARM1S.servo_ids, nominal.counts(np.array(XARM1S.home)).tolist(), strict=True)))
    monkeypatch.setattr(module, "open_bus", lambda arm, port, clock, protocol: bus)
    config = plugin.XArm1SConfig(id="mine", calibration_dir=tmp_path, port="x", allow_unverified=True)
    made = plugin.XArm1S(config)
    made._clock = clock
    made.connect()
    made.bus = bus
    return made


def test_the_distribution_has_the_name_that_lerobot_looks_for_and_asks_for_no_foreign_alice():
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    assert project["name"].startswith("lerobot_robot_") and (FOLDER / project["name"] / "__init__.py").is_file()
    assert not [word for word in project["dependencies"] if word.startswith("alice")]  # PyPI has another one


def test_features_are_named_without_a_connection(plugin, tmp_path):
    robot = plugin.XArm1S(plugin.XArm1SConfig(id="none", calibration_dir=tmp_path))
    assert list(robot.action_features) == list(robot.observation_features) == list(lerobot.FEATURES)
    assert not robot.is_connected and not robot.is_calibrated


def test_it_sees_degrees_and_a_gripper_in_percent(robot):
    seen = robot.get_observation()
    expected = dict(zip(lerobot.FEATURES, lerobot.values_of(XARM1S, np.array(XARM1S.home)), strict=True))
    assert seen == pytest.approx(expected, abs=0.5)


def test_what_is_sent_is_no_faster_than_the_arm_may_be_and_is_told(robot):
    begin = robot.get_observation()
    wanted = {**begin, "shoulder_pan.pos": 90.0, "gripper.pos": 0.0}
    told = [robot.send_action(wanted)]
    for _ in range(10):
        robot._clock.time += 0.05
        told.append(robot.send_action(wanted))
    pans = np.array([step["shoulder_pan.pos"] for step in told])
    assert np.diff(pans[1:]) == pytest.approx(np.full(9, np.degrees(XARM1S.speed_cap * 0.05)), abs=0.3)
    assert robot.get_observation() == pytest.approx(told[-1], abs=1e-9), "what is told is what the servos were sent"
    robot._clock.time += 60.0
    last = robot.send_action(wanted)["shoulder_pan.pos"]
    assert last - pans[-1] <= np.degrees(XARM1S.speed_cap) * 0.1 + 0.3, "a long silence is no licence to jump"


def test_values_that_are_missing_or_no_numbers_leave_a_joint_where_it_is(robot):
    before = robot.get_observation()
    robot.send_action({})
    robot._clock.time += 0.1
    told = robot.send_action({"elbow_flex.pos": float("nan"), "shoulder_pan.pos": float("inf")})
    assert told == pytest.approx(before, abs=0.5)


def test_it_is_not_sent_through_the_table(robot):
    heights = []
    for _ in range(60):
        robot._clock.time += 0.1
        robot.send_action({"shoulder_lift.pos": 90.0, "elbow_flex.pos": 40.0})
        heights.append(robot._guard.tip_height(robot._last))
    assert min(heights) > -0.006


def test_a_servo_that_is_silent_is_told_not_guessed(robot):
    robot.get_observation()
    robot.bus.silent = {4}
    robot.get_observation()  # just seen
    robot._clock.time += 1.0
    with pytest.raises(ConnectionError, match=r"servos \[4\] do not answer"):
        robot.get_observation()


def test_a_bus_that_is_too_slow_for_all_servos_at_once_is_read_in_turn(robot):
    robot.bus.in_time = 4
    for _ in range(20):
        robot._clock.time += 0.05
        robot.get_observation()
        assert max(robot._clock.time - seen.at for seen in robot._seen.values()) < 0.2


def test_a_calibration_that_nobody_has_checked_is_refused(plugin, robot):
    robot.config.allow_unverified = False
    with pytest.raises(RuntimeError, match="not verified"):
        robot._require_verified()


def test_two_poses_make_a_calibration(robot, monkeypatch, tmp_path):
    nominal, poses = calibrations.nominal(XARM1S), []
    closed = np.array([*XARM1S.upright, *XARM1S.gripper.closed])
    opened = np.array([*XARM1S.upright, *XARM1S.gripper.opened])
    shown = iter((closed, opened))

    def lead(text):
        poses.append(text)
        robot.bus.counts = dict(zip(XARM1S.servo_ids, nominal.counts(next(shown)).tolist(), strict=True))
        robot._clock.time += 5.0
        return ""

    monkeypatch.setattr("builtins.input", lead)
    robot.calibrate()
    assert len(poses) == 2 and robot.bus.torques == [False]
    made = calibrations.read(tmp_path / "mine.json", XARM1S, must_be_verified=False)
    assert not made.verified
    zeros = [servo.zero_counts for servo in made.servos[:-1]]
    assert np.allclose(zeros, [servo.zero_counts for servo in nominal.servos[:-1]], atol=1.0)


def test_at_the_end_it_lets_go_and_gives_the_port_back(robot):
    robot.disconnect()
    assert robot.bus.torques == [False] and not robot.bus.is_open and not robot.is_connected
