"""The mirror image of a sample is a sample of the same task."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
tensordict = pytest.importorskip("tensordict")

from alice.arms import XARM1S, kinematics  # noqa: E402
from alice.learning.symmetry import mirror_left_right  # noqa: E402


class FakeEnv:
    """What the mirror asks of an environment, or of RSL-RL's wrapper of it: the name of its arm."""

    __slots__ = ("cfg",)

    def __init__(self, arm: str = XARM1S.name):
        self.cfg = SimpleNamespace(arm=arm)

    @property
    def unwrapped(self):
        return self


ENV = FakeEnv()


def _sample(rows: int = 16, actions: int = 6):
    """Return observations that fit together (the tool is where the joints put it) and actions."""
    generator = torch.Generator().manual_seed(rows)
    joints = torch.rand(rows, 7, generator=generator) - 0.5
    tool, _ = kinematics.forward(XARM1S, joints)
    ball, dish = tool + 0.1 * torch.rand(rows, 3, generator=generator), torch.rand(rows, 3, generator=generator)
    rest = torch.rand(rows, 2, generator=generator)
    parts = (joints, torch.randn(rows, 7, generator=generator), tool, ball, ball - tool, dish - ball, rest)
    state = torch.randn(rows, 7 + actions, generator=generator)
    obs = tensordict.TensorDict({"policy": torch.cat(parts, dim=-1), "command_state": state}, batch_size=[rows])
    return obs, torch.randn(rows, actions, generator=generator)


def _mirrored(obs, actions):
    """Return the second half of what the function returns: the mirror images."""
    both, both_actions = mirror_left_right(ENV, obs, actions)
    rows = len(actions)
    return both[rows:], both_actions[rows:]


@pytest.mark.parametrize("actions", [6, 7])
def test_the_samples_themselves_come_first(actions):
    obs, act = _sample(actions=actions)
    both, both_actions = mirror_left_right(ENV, obs, act)
    assert both.batch_size[0] == both_actions.shape[0] == 32
    assert torch.equal(both["policy"][:16], obs["policy"])
    assert torch.equal(both["command_state"][:16], obs["command_state"])
    assert torch.equal(both_actions[:16], act)


@pytest.mark.parametrize("actions", [6, 7])
def test_mirroring_twice_changes_nothing(actions):
    obs, act = _sample(actions=actions)
    twice, twice_actions = _mirrored(*_mirrored(obs, act))
    assert torch.equal(twice["policy"], obs["policy"])
    assert torch.equal(twice["command_state"], obs["command_state"])
    assert torch.equal(twice_actions, act)


def test_the_input_is_left_alone():
    obs, act = _sample()
    before, before_actions = obs.clone(), act.clone()
    mirror_left_right(ENV, obs, act)
    assert torch.equal(obs["policy"], before["policy"]) and torch.equal(act, before_actions)


def test_mirrored_joints_put_the_tool_on_the_other_side():
    obs, act = _sample()
    mirrored, _ = _mirrored(obs, act)
    tool, direction = kinematics.forward(XARM1S, mirrored["policy"][:, :7])
    torch.testing.assert_close(tool, mirrored["policy"][:, 14:17])
    _, before = kinematics.forward(XARM1S, obs["policy"][:, :7])
    torch.testing.assert_close(direction, before * torch.tensor([1.0, -1.0, 1.0]))


def test_mirrored_vectors_still_fit_together():
    obs, act = _sample()
    policy = _mirrored(obs, act)[0]["policy"]
    tool, ball, tool_to_ball = policy[:, 14:17], policy[:, 17:20], policy[:, 20:23]
    torch.testing.assert_close(ball - tool, tool_to_ball)
    before = obs["policy"]
    assert torch.equal(policy[:, 15], -before[:, 15]) and torch.equal(policy[:, 14], before[:, 14])
    assert torch.equal(policy[:, 24], -before[:, 24]) and torch.equal(policy[:, 25], before[:, 25])
    assert torch.equal(policy[:, 26:], before[:, 26:])


def test_a_hand_made_row():
    # Yaw 0.1 and roll 0.5 turn the other way, pitch joints do not; the left finger's place is the right one's.
    row = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5, 0.01, 0.02]])
    obs = tensordict.TensorDict(
        {"policy": torch.cat((row, row, torch.ones(1, 14)), -1), "command_state": torch.ones(1, 13)}, batch_size=[1]
    )
    mirrored, act = _mirrored(obs, torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]))
    expected = torch.tensor([[-0.1, 0.2, 0.3, 0.4, -0.5, 0.02, 0.01]])
    assert torch.equal(mirrored["policy"][:, :7], expected) and torch.equal(mirrored["policy"][:, 7:14], expected)
    assert act.tolist() == torch.tensor([[-0.1, 0.2, 0.3, 0.4, -0.5, 0.6]]).tolist()


@pytest.mark.parametrize("actions", [6, 7])
def test_a_mirrored_action_leads_to_the_mirrored_targets(actions):
    """Moving and mirroring may change places: targets grow by the action, fingers go to their opening."""
    obs, act = _sample(actions=actions)

    def moved(state, action):
        fingers = action[:, 5:].expand(-1, 2)
        return torch.cat((state[:, :5] + 0.1 * action[:, :5], fingers), dim=-1)

    mirrored, mirrored_act = _mirrored(obs, act)
    after = moved(mirrored["command_state"], mirrored_act)
    plain = moved(obs["command_state"], act)
    torch.testing.assert_close(after[:, [1, 2, 3]], plain[:, [1, 2, 3]])
    torch.testing.assert_close(after[:, [0, 4]], -plain[:, [0, 4]])
    torch.testing.assert_close(after[:, [5, 6]], plain[:, [6, 5]])


def test_the_last_action_is_mirrored_as_an_action():
    for count in (6, 7):
        obs, act = _sample(actions=count)
        obs["command_state"][:, 7:] = act
        mirrored, mirrored_act = _mirrored(obs, act)
        assert torch.equal(mirrored["command_state"][:, 7:], mirrored_act)


def test_the_privileged_group_is_mirrored_alike():
    obs, act = _sample()
    obs["privileged"] = obs["policy"] + 0.1
    mirrored, _ = _mirrored(obs, act)
    alone = tensordict.TensorDict({"policy": obs["privileged"], "command_state": obs["command_state"]}, batch_size=[16])
    assert torch.equal(mirrored["privileged"], _mirrored(alone, act)[0]["policy"])


def test_a_ball_at_the_dish_is_at_the_dish_in_the_mirror_too():
    obs, act = _sample()
    obs["goal_state"] = (torch.arange(16) % 2).float().unsqueeze(-1)
    assert torch.equal(_mirrored(obs, act)[0]["goal_state"], obs["goal_state"])


def test_none_stays_none():
    obs, act = _sample()
    assert mirror_left_right(ENV, None, act)[0] is None
    assert mirror_left_right(ENV, obs, None)[1] is None


@pytest.mark.parametrize("group", ["policy", "command_state"])
@pytest.mark.parametrize("more", [-1, 2])
def test_a_wrong_width_is_refused(group, more):
    obs, act = _sample()
    width = obs[group].shape[-1] + more
    obs[group] = torch.zeros(16, width)
    with pytest.raises(ValueError, match=f"cannot mirror rows of {width} numbers"):
        mirror_left_right(ENV, obs, act)


@pytest.mark.parametrize("width", [5, 8])
def test_actions_of_a_wrong_width_are_refused(width):
    with pytest.raises(ValueError, match=f"cannot mirror rows of {width} numbers"):
        mirror_left_right(ENV, None, torch.zeros(4, width))


def test_another_arm_is_mirrored_as_its_own_table_says(crane):
    """The made-up arm has six joints, and one jaw that stays what it is."""
    row = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
    obs = tensordict.TensorDict(
        {"policy": torch.cat((row, row, torch.ones(1, 14)), -1), "command_state": torch.cat((row, row), -1)},
        batch_size=[1],
    )
    both, actions = mirror_left_right(FakeEnv("crane"), obs, row)
    expected = [pytest.approx(value) for value in (-0.1, 0.2, 0.3, 0.4, -0.5, 0.6)]
    assert both["policy"][1, :6].tolist() == both["policy"][1, 6:12].tolist() == expected
    assert both["command_state"][1, :6].tolist() == both["command_state"][1, 6:].tolist() == expected
    assert actions[1].tolist() == expected
    held, mirrored = (kinematics.grip_point(crane, both["policy"][place, :6], torch.tensor(0.015)) for place in (0, 1))
    assert held[1].abs() > 0.01
    torch.testing.assert_close(mirrored, held * torch.tensor([1.0, -1.0, 1.0]))


def test_an_arm_without_a_mirror_image_is_refused(crane, monkeypatch):
    from alice.arms import ARMS

    monkeypatch.setitem(ARMS, "crane", replace(crane, mirror=None))
    with pytest.raises(ValueError, match="Crane has no mirror symmetry: leave data augmentation out") as caught:
        mirror_left_right(FakeEnv("crane"), None, torch.zeros(2, 6))
    assert "\n" not in str(caught.value)


def test_what_a_picture_is_asked_about_is_mirrored_with_it():
    """The joints of its moment as those of now, and places to the other side."""
    joints, sight = torch.randn(4, 7), torch.tensor([[0.3, -0.2, 1.0, -0.9, 0.5, 0.0]]).repeat(4, 1)
    groups = {"picture_joints": joints, "proprioception": torch.cat((joints, joints), dim=-1), "sight": sight}
    obs = tensordict.TensorDict({**groups, "command_state": torch.zeros(4, 13)}, batch_size=[4])
    made, _ = _mirrored(obs, torch.zeros(4, 6))
    assert torch.equal(made["picture_joints"], made["proprioception"][:, :7])
    assert not torch.equal(made["picture_joints"], joints)
    torch.testing.assert_close(made["sight"][0], torch.tensor([-0.3, -0.2, 1.0, 0.9, 0.5, 0.0]))
