"""Who acts while episodes are recorded: a person's wishes become actions at the pace of the control rate."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from alice.arms import SO101, XARM1S, kinematics  # noqa: E402
from alice.recording import actors  # noqa: E402
from alice.recording.episodes import DiscardError  # noqa: E402
from alice.recording.hands import Wish  # noqa: E402


class Hands:
    """A device that always wants the same."""

    def __init__(self):
        self.wish, self.begun = Wish((0.0, 0.0, 0.0), False), 0

    def begin(self):
        self.begun += 1

    def read(self):
        return self.wish


class Env:
    """One arm that is at once where its targets are."""

    step_dt = 0.02

    def __init__(self, arm):
        self.arm, self.cfg, self.action_manager = arm, SimpleNamespace(arm=arm.name), self
        self.targets, self.arm_step = torch.tensor([arm.home]), 0.1

    def get_term(self, name):
        assert name == "joints"
        return self

    def step(self, actions):
        columns, gripper = self.arm.arm_columns, self.arm.gripper_columns
        self.targets[:, columns] += self.arm_step * actions[:, columns]
        ends = torch.tensor([self.arm.gripper.closed, self.arm.gripper.opened])
        self.targets[:, gripper] = ends[int(actions[0, -1] > 0)]

    def tool(self) -> np.ndarray:
        return kinematics.forward(self.arm, self.targets)[0][0].numpy().copy()


@pytest.fixture(params=[XARM1S, SO101], ids=lambda arm: arm.name)
def scene(request, monkeypatch):
    """Return a person before an arm, the arm and the device."""
    env, device = Env(request.param), Hands()
    now = SimpleNamespace(true=SimpleNamespace(joint_pos=env.targets))
    monkeypatch.setattr(actors, "transfer_state", lambda env: SimpleNamespace(now=now))
    person = actors.Person(env, device)
    person.begin()
    return person, env, device


def _steps(person, env, count: int) -> None:
    for _ in range(count):
        env.step(person.act(None))


@pytest.mark.parametrize("move", [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)], ids=str)
def test_the_tool_goes_where_a_person_wants_it_at_hand_speed(scene, move):
    person, env, device = scene
    _steps(person, env, 20)  # until the hand is as steep as it can be
    before = env.tool()
    device.wish = Wish(move, False)
    _steps(person, env, 10)
    expected = before + np.array(move) * actors.HAND_SPEED * env.step_dt * 10
    assert np.abs(env.tool() - expected).max() < 0.004


def test_it_stays_within_reach_and_comes_back(scene):
    person, env, device = scene
    device.wish = Wish((1.0, 0.0, 0.0), False)
    _steps(person, env, 150)
    far = env.tool()
    assert np.isfinite(far).all() and person._point.isfinite().all()
    device.wish = Wish((-1.0, 0.0, 0.0), False)
    _steps(person, env, 30)
    assert env.tool()[0] < far[0] - 0.02, "it does not stick to the edge of its reach"


def test_the_gripper_follows_and_an_attempt_can_be_thrown_away(scene):
    person, _, device = scene
    assert person.act(None)[0, -1] == 1.0
    device.wish = Wish((0.0, 0.0, 0.0), True)
    actions = person.act(None)
    assert actions[0, -1] == -1.0 and actions.shape == (1, 6) and actions.abs().max() <= 1.0
    device.wish = Wish((0.0, 0.0, 0.0), False, discard=True)
    with pytest.raises(DiscardError):
        person.act(None)
    person.begin()
    assert device.begun == 2


def test_it_goes_at_the_pace_of_the_control_rate(scene):
    person, env, _ = scene
    person.act(None)
    began = time.monotonic()
    _steps(person, env, 5)
    assert time.monotonic() - began >= 4 * env.step_dt
