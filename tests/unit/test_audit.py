"""The audit counts the first episode of each environment once, whatever the others do."""

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from alice.arms import XARM1S  # noqa: E402
from alice.evaluation.audit import audit, draws, report  # noqa: E402
from alice.transfer import outcome  # noqa: E402
from alice.transfer.books import Books  # noqa: E402


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
        stiffness = torch.tensor([[joint.stiffness for joint in XARM1S.joints]])
        limit = torch.tensor([[joint.effort_limit for joint in XARM1S.joints]])
        scale = torch.arange(1.0, count + 1).unsqueeze(-1)
        self.joint_stiffness = SimpleNamespace(torch=scale * stiffness)
        self.joint_damping = SimpleNamespace(torch=torch.zeros(count, 7))
        self.joint_effort_limits = SimpleNamespace(torch=limit.expand(count, 7))


class FakeScene(dict):
    """Parts by their names."""

    def write_data_to_sim(self):
        pass


class FakeSimulator:
    """Knows which kind of ball each environment has: equal blocks of them."""

    def __init__(self, env):
        kind = torch.arange(env.num_envs) // (env.num_envs // env.kinds)
        self.plan = SimpleNamespace(topology=SimpleNamespace(world_prototype_layout=kind.tolist()))

    def get_clone_plan(self):
        return self.plan

    def forward(self):
        pass


class FakeObservations:
    """Nothing to see."""

    def __init__(self, count):
        self.count = count

    def compute(self, update_history):
        return torch.zeros(self.count, 3)

    def reset(self, env_ids):
        pass


class FakeEvents:
    """Draws one number at the start of the program, one at a reset unless that was lately, and one at its own reset."""

    available_modes = ("startup", "reset")

    def __init__(self, env):
        self.env, self.term = env, SimpleNamespace(min_step_count_between_reset=160)
        self.active_terms = {"startup": ["friction"], "reset": ["mass"]}

    def get_term_cfg(self, name):
        assert name == "mass"
        return self.term

    def draw(self, env_ids, column):
        if column or self.term.min_step_count_between_reset == 0:
            self.env.drawn[env_ids.long(), column] = torch.rand(len(env_ids))

    def apply(self, mode, env_ids):
        assert mode == "startup"
        self.draw(env_ids, 1)

    def reset(self, env_ids):
        self.draw(env_ids, 2)


class FakeEnv:
    """Stands for wrapper, environment, action manager and term at once; refuses every other attribute.

    The first episode of environment i lasts i + 2 steps, all later ones a single step.
    """

    device = "cpu"
    step_dt = 0.05

    def __init__(self, count: int = 16, kinds: int = 1):
        self.num_envs = count
        self.kinds = kinds
        self.resets = 0
        self.drawn = torch.zeros(count, 3)
        balls = {"assets_cfg": [None] * kinds} if kinds > 1 else {}
        self.cfg = SimpleNamespace(
            arm=XARM1S.name, scene=SimpleNamespace(ball=SimpleNamespace(spawn=SimpleNamespace(**balls)))
        )
        self.event_manager, self.observation_manager, self.sim = (
            FakeEvents(self),
            FakeObservations(count),
            FakeSimulator(self),
        )
        self.transfer_state = FakeState(count)
        self.driven, self.targets = torch.zeros(count, 7), torch.zeros(count, 7)
        self.unwrapped = self.action_manager = self
        self.scene = FakeScene(robot=SimpleNamespace(data=FakeDrives(count)))

    def get_term(self, name: str):
        assert name == "joints"
        return self

    def _reset_idx(self, env_ids):
        self.event_manager.draw(env_ids, 0)
        torch.randn(self.num_envs)  # the servos are read in between, all of them
        self.event_manager.reset(env_ids)

    def get_observations(self):
        return self.obs_buf

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
        # The target of the first joint goes with the cube of time.
        self.targets = torch.nn.functional.pad(1e-3 * self._step.unsqueeze(-1) ** 3, (0, 6))
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
    env = FakeEnv()
    episodes = audit.run_audit(env, FakePolicy(), 40, 7, show_progress=False)
    assert env.resets == 3
    firsts = [index + 2 for index in range(16)]
    assert episodes.length.tolist() == firsts + firsts + firsts[:8]
    assert episodes.stages[:, -1].tolist() == ([True, False] * 20)


def _worlds(env: FakeEnv, seed: int, first: int) -> torch.Tensor:
    """Return what was drawn for the episodes of a round in the order of their numbers."""
    order = draws.seats(draws.kinds_of(env))
    draws.deal(env, seed, first, order)
    return env.drawn[order].clone()


def test_what_is_drawn_for_an_episode_follows_from_seed_and_number_alone():
    many = _worlds(FakeEnv(84, kinds=21), 2**70, 0)
    few = FakeEnv(21, kinds=21)
    for block in (2, 0, 3, 1, 0):
        torch.manual_seed(block)  # whatever was drawn before
        assert torch.equal(_worlds(few, 2**70, 21 * block), many[21 * block : 21 * (block + 1)])
    assert len(many.unique(dim=0)) == 84
    assert not torch.isclose(many, _worlds(FakeEnv(84, kinds=21), 2**70 + 1, 0)).all(dim=1).any()
    assert few.event_manager.term.min_step_count_between_reset == 160  # as the task wants it


def test_the_kinds_of_ball_take_turns():
    kinds = draws.kinds_of(FakeEnv(42, kinds=21))
    assert kinds[draws.seats(kinds)].tolist() == [*range(21), *range(21)]
    with pytest.raises(ValueError, match="equally many"):
        draws.seats(torch.tensor([0, 0, 1]))


def test_environments_that_are_no_whole_number_of_blocks_are_refused():
    with pytest.raises(ValueError, match="multiple of 16"):
        audit.run_audit(FakeEnv(8), FakePolicy(), 8, 7, show_progress=False)


def test_episodes_come_in_the_order_of_their_numbers_wherever_they_are_played():
    episodes = audit.run_audit(FakeEnv(42, kinds=21), FakePolicy(), 23, 7, show_progress=False)
    # Kind j has the environments 2 j and 2 j + 1, and environment i lasts i + 2 steps.
    assert episodes.length.tolist() == [2 * kind + 2 for kind in range(21)] + [3, 5]


def test_where_ball_and_dish_were_is_kept():
    episodes = audit.run_audit(FakeEnv(), FakePolicy(), 4, 7, show_progress=False)
    assert torch.allclose(episodes.ball_start, torch.tensor([0.1, 0.05]).repeat(4, 1))
    assert torch.allclose(episodes.dish, torch.tensor([0.2, -0.1]).repeat(4, 1))


def test_the_state_after_a_reset_does_not_count_as_effort():
    episodes = audit.run_audit(FakeEnv(), FakePolicy(), 4, 7, show_progress=False)
    for env in range(4):  # each with its own drives
        expected = [min(0.01 * joint.stiffness * (env + 1), joint.effort_limit) for joint in XARM1S.joints]
        assert episodes.peak_effort[env].tolist() == pytest.approx(expected)


def test_manners_are_counted_until_the_first_episode_ends():
    env = FakeEnv()
    env.transfer_state.now.true.joint_vel = torch.full((16, 7), 0.5)
    episodes = audit.run_audit(env, FakePolicy(), 16, 7, show_progress=False)
    # A third difference of 0.006 rad in one of five joints, over 0.05 s cubed.
    assert episodes.jerk[6:].tolist() == pytest.approx([0.006 / 0.05**3 / math.sqrt(5)] * 10, rel=1e-4)
    assert episodes.jerk[0] == 0.0, "two steps have no third difference"
    for index in (0, 5, 15):  # the last step is the next episode's
        effort = float(episodes.peak_effort[index].sum())
        assert float(episodes.work[index]) == pytest.approx(effort * 0.5 * 0.05 * (index + 1), rel=1e-4)
    assert torch.allclose(episodes.mean_speed, torch.full((16, 7), 0.5))
    expected = [min(0.01 - joint.lower, joint.upper - 0.01) for joint in XARM1S.joints]
    assert episodes.room[3].tolist() == pytest.approx(expected)
    summary = audit.summarize(episodes, 0.05)["manners"]
    assert summary["peak_speed_rad_s"]["max"] == 0.5 and summary["room_rad"]["min"] == pytest.approx(min(expected[:5]))


def test_starts_that_are_not_home_starts_are_refused():
    env = FakeEnv()
    env.transfer_state.books.is_home_start[2] = False
    with pytest.raises(RuntimeError, match="home starts only"):
        audit.run_audit(env, FakePolicy(), 4, 7, show_progress=False)


@pytest.mark.parametrize(
    ("episodes", "asked", "kinds", "expected"),
    [
        (10, None, 1, 16),
        (1024, None, 1, 1024),
        (4096, None, 1, 1024),
        (1500, None, 1, 752),
        (4096, 256, 1, 256),
        (16, 64, 1, 16),
        (4096, 100, 1, 112),
        (1024, None, 21, 1029),
        (4096, None, 21, 1029),
        (168, 21, 21, 21),
        (168, 64, 21, 84),
    ],
)
def test_how_many_environments_an_audit_uses(episodes, asked, kinds, expected):
    assert audit.envs_for(episodes, asked, kinds) == expected


def _report(count: int = 20) -> dict:
    return audit.summarize(audit.run_audit(FakeEnv(), FakePolicy(), count, 7, show_progress=False), 0.05)


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
    # Successes last 2, 4, ... 16 steps in a full round, then 2 and 4.
    assert summary["time_to_success"]["median_steps"] == 7.0
    assert summary["time_to_success"]["median_s"] == pytest.approx(0.35)


def test_a_thrown_ball_is_a_success_and_no_carried_one():
    episodes = audit.run_audit(FakeEnv(), FakePolicy(), 4, 7, show_progress=False)
    episodes.stages[:] = True
    episodes.stages[0, outcome.STAGES.index("carried")] = False
    episodes.stages[1, outcome.STAGES.index("lifted")] = False  # not so high, but over the table all the way
    episodes.stages[2, outcome.STAGES.index("success")] = False
    episodes.placed[:] = torch.tensor([True, True, True, False])
    found = audit.headlines(episodes)
    assert list(found) == ["success", "carried_success", "placed"]
    assert found["placed"].tolist() == [True, True, True, False]
    assert found["success"].tolist() == [True, True, False, True]
    assert found["carried_success"].tolist() == [False, True, False, True]
    figures = audit.summarize(episodes, 0.05)["headlines"]
    assert figures["success"]["rate"] == 0.75 and figures["carried_success"]["rate"] == 0.5
    assert figures["carried_success"]["low"] < 0.5 < figures["carried_success"]["high"]


def test_a_policy_without_any_success_has_no_times():
    episodes = audit.run_audit(FakeEnv(), FakePolicy(), 2, 7, show_progress=False)
    episodes.stages[:] = False
    summary = audit.summarize(episodes, 0.05)
    assert summary["time_to_success"] is None and summary["drop_rate"] is None
    assert summary["success"]["low"] == 0.0


SAID = {"checkpoint": "a.pt", "task": "T", "seed": 1, "physics": "ovphysx", "device": "cpu", "num_envs": 8}
SAID |= {"seed_kind": "audit", "draws": {"starts": 20, "ball_kinds": 1, "friction_values": {}}, "wall_time_s": 3.0}


def test_the_table_names_rates_and_failures():
    text = report.table({**SAID, **_report()})
    assert "ball 8 mm" in text and "50.00%" in text and "never_reached" in text and "20 home starts, seed 1," in text
    assert "carried success" in text and "draws" not in text
    column = text.splitlines()[0].index("a.pt")
    assert all(line[column - 2 : column] == "  " and line[column:].strip() for line in text.splitlines())


def test_the_table_says_what_a_seed_is_worth_and_how_many_worlds_there_were():
    drawn = {"starts": 20, "ball_kinds": 21, "friction_values": {"ball_friction": 64, "dish_friction": 64}}
    text = report.table({**SAID, **_report(), "seed": 777, "seed_kind": "selection", "draws": drawn})
    assert "seed 777 (a selection seed: not a release figure)" in text
    assert "20 starts, masses and servos, 21 kinds of ball in turn, each friction one of 64 values" in text
    assert "(the release seed of this policy)" in report.table({**SAID, **_report(), "seed_kind": "release"})
