"""The audit counts the first episode of each environment once, whatever the others do."""

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from alice import outcome, robot  # noqa: E402
from alice.evaluation import audit, report  # noqa: E402
from alice.mdp.books import Books  # noqa: E402


class FakeState:
    """Transfer state of environments of which number i succeeds in its first episode if i is even, in no other."""

    def __init__(self, count: int):
        self.books = Books(count, "cpu")
        self.is_up_to_date = True
        self.ball_radius = torch.where(torch.arange(count) % 4 < 2, 0.008, 0.015)
        self.dish_pos = torch.tensor([0.2, -0.1, 0.0]).repeat(count, 1)
        self.now = FakeSnapshot(count)


class FakeSnapshot:
    """Joints at rest at zero."""

    def __init__(self, count: int):
        self.true = self
        self.joint_pos = torch.zeros(count, 7)
        self.joint_vel = torch.zeros(count, 7)
        self.ball_pos = torch.tensor([0.1, 0.05, 0.015]).repeat(count, 1)


class FakeDrives:
    """Stiffness of the joint table times environment number + 1, no damping, limits of the table."""

    def __init__(self, count: int):
        stiffness = torch.tensor([[joint.stiffness for joint in robot.JOINTS]])
        limit = torch.tensor([[joint.effort_limit for joint in robot.JOINTS]])
        scale = torch.arange(1.0, count + 1).unsqueeze(-1)
        self.joint_stiffness = SimpleNamespace(torch=scale * stiffness)
        self.joint_damping = SimpleNamespace(torch=torch.zeros(count, 7))
        self.joint_effort_limits = SimpleNamespace(torch=limit.expand(count, 7))


class FakeEnv:
    """Stands for wrapper, environment, action manager and term at once; refuses every other attribute.

    The first episode of environment i lasts i + 2 steps, all later ones a single step.
    """

    device = "cpu"
    step_dt = 0.05

    def __init__(self, count: int):
        self.num_envs = count
        self.resets = 0
        self.seeds = []
        self.transfer_state = FakeState(count)
        self.driven = torch.zeros(count, 7)
        self.unwrapped = self.action_manager = self
        self.scene = {"robot": SimpleNamespace(data=FakeDrives(count))}

    def get_term(self, name: str):
        assert name == "joints"
        return self

    def seed(self, number: int):
        self.seeds.append(number)

    def reset(self):
        self.resets += 1
        self._step = torch.zeros(self.num_envs, dtype=torch.long)
        self._is_first = torch.ones(self.num_envs, dtype=torch.bool)
        return torch.zeros(self.num_envs, 3), {}

    def step(self, actions):
        assert actions.shape == (self.num_envs, 6)
        self._step += 1
        index = torch.arange(self.num_envs)
        done = torch.where(self._is_first, self._step == index + 2, self._step == 1)
        state = self.transfer_state
        success = (self._is_first & (index % 2 == 0))[done]
        last = state.books.last
        last.stages[done] = success.unsqueeze(-1).repeat(1, 6)
        last.stage_steps[done] = torch.where(success, self._step[done], 0).unsqueeze(-1)
        last.in_dish[done] = success
        last.length[done] = self._step[done]
        # While an environment runs its joints stand 0.01 rad from their targets; after a reset far more.
        state.now.true.joint_pos = torch.where((done | ~self._is_first).unsqueeze(-1), 9.0, 0.01).repeat(1, 7)
        self._is_first &= ~done
        self._step[done] = 0
        return torch.zeros(self.num_envs, 3), None, done.long(), {}


class FakePolicy:
    """Does nothing."""

    def __call__(self, obs):
        return torch.zeros(len(obs), 6)

    def reset(self, dones):
        pass


def test_each_environment_counts_once_per_round_and_the_total_is_exact():
    env = FakeEnv(8)
    episodes = audit.run_audit(env, FakePolicy(), 20, 7, show_progress=False)
    assert env.resets == 3
    firsts = [index + 2 for index in range(8)]
    assert episodes.length.tolist() == firsts + firsts + firsts[:4]
    assert episodes.stages[:, -1].tolist() == ([True, False] * 10)


def test_equal_seeds_give_equal_starts_in_every_round_and_no_two_rounds_share_one():
    env = FakeEnv(8)
    for seed in (7, 7, 8):
        audit.run_audit(env, FakePolicy(), 20, seed, show_progress=False)
    assert env.seeds[:3] == env.seeds[3:6]
    assert len(set(env.seeds)) == 6


def test_where_ball_and_dish_were_is_kept():
    episodes = audit.run_audit(FakeEnv(4), FakePolicy(), 4, 7, show_progress=False)
    assert torch.allclose(episodes.ball_start, torch.tensor([0.1, 0.05]).repeat(4, 1))
    assert torch.allclose(episodes.dish, torch.tensor([0.2, -0.1]).repeat(4, 1))


def test_the_state_after_a_reset_does_not_count_as_effort():
    episodes = audit.run_audit(FakeEnv(4), FakePolicy(), 4, 7, show_progress=False)
    for env in range(4):  # each with its own drives
        expected = [min(0.01 * joint.stiffness * (env + 1), joint.effort_limit) for joint in robot.JOINTS]
        assert episodes.peak_effort[env].tolist() == pytest.approx(expected)


def test_starts_that_are_not_home_starts_are_refused():
    env = FakeEnv(4)
    env.transfer_state.books.is_home_start[2] = False
    with pytest.raises(RuntimeError, match="home starts only"):
        audit.run_audit(env, FakePolicy(), 4, 7, show_progress=False)


@pytest.mark.parametrize(
    ("episodes", "asked", "expected"),
    [(10, None, 10), (1024, None, 1024), (4096, None, 1024), (1500, None, 750), (4096, 256, 256), (16, 64, 16)],
)
def test_how_many_environments_an_audit_uses(episodes, asked, expected):
    assert audit.envs_for(episodes, asked) == expected


def _report(count: int = 20) -> dict:
    return audit.summarize(audit.run_audit(FakeEnv(8), FakePolicy(), count, 7, show_progress=False), 0.05)


def test_the_summary_adds_up():
    summary = _report()
    assert summary["success"]["rate"] == 0.5 == summary["stages"]["success"]
    assert summary["success"]["low"] < 0.5 < summary["success"]["high"]
    assert list(summary["outcomes"]) == list(outcome.OUTCOMES)
    assert sum(result["count"] for result in summary["outcomes"].values()) == summary["episodes"] == 20
    assert math.isclose(sum(result["rate"] for result in summary["outcomes"].values()), 1.0)
    assert summary["outcomes"]["never_reached"]["count"] == 10
    assert summary["pick_rate"] == 0.5 and summary["drop_rate"] == 0.0
    sizes = [(size["radius_m"], size["episodes"], size["rate"]) for size in summary["ball_radii"]]
    assert sizes == [(0.008, 10, 0.5), (0.015, 10, 0.5)]
    # Successes last 2, 4, 6 and 8 steps in two full rounds, then 2 and 4.
    assert summary["time_to_success"]["median_steps"] == 4.0
    assert summary["time_to_success"]["median_s"] == pytest.approx(0.2)


def test_a_policy_without_any_success_has_no_times():
    episodes = audit.run_audit(FakeEnv(2), FakePolicy(), 2, 7, show_progress=False)
    episodes.stages[:] = False
    summary = audit.summarize(episodes, 0.05)
    assert summary["time_to_success"] is None and summary["drop_rate"] is None
    assert summary["success"]["low"] == 0.0


def test_the_table_names_rates_and_failures():
    said = {"checkpoint": "a.pt", "task": "T", "seed": 1, "physics": "ovphysx", "device": "cpu", "num_envs": 8}
    text = report.table({**said, **_report(), "wall_time_s": 3.0})
    assert "ball 8 mm" in text and "50.00%" in text and "never_reached" in text and "20 home starts, seed 1" in text
    column = text.splitlines()[0].index("a.pt")
    assert all(line[column - 2 : column] == "  " and line[column:].strip() for line in text.splitlines())
