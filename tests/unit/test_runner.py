"""What our runners add to RSL-RL's, without a simulator: seeds, learning rates, a disk that fills up."""

import errno
import os
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
pytest.importorskip("isaaclab")

from alice.learning import env_state, runner  # noqa: E402
from alice.learning.stop import Stop, TrainingStopped  # noqa: E402
from alice.runs import checkpoints, training  # noqa: E402
from alice.transfer.curriculum import PHASE_PATH, Curriculum  # noqa: E402


class Algorithm:
    """Weights, an optimizer with a rate, and the two calls that a runner wraps."""

    def __init__(self):
        self.weights = torch.nn.Linear(2, 1)
        self.optimizer = torch.optim.Adam(self.weights.parameters(), lr=3e-3)
        self.learning_rate = 3e-3

    def act(self, obs):
        return obs

    def update(self):
        return {}

    def save(self):
        return {"actor_state_dict": self.weights.state_dict(), "optimizer_state_dict": self.optimizer.state_dict()}

    def load(self, content, load_cfg, strict):
        self.weights.load_state_dict(content["actor_state_dict"])
        self.optimizer.load_state_dict(content["optimizer_state_dict"])
        self.learning_rate = self.optimizer.param_groups[0]["lr"]
        return True


class Logger(SimpleNamespace):
    """RSL-RL's logger without its table."""

    def log(self, **figures):
        pass


class Learner:
    """The loop of RSL-RL's runner: two steps, an update, a save."""

    device, gpu_global_rank = "cpu", 0

    def __init__(self, folder):
        self.alg, self.cfg, self.current_learning_iteration = Algorithm(), {"save_interval": 1}, 0
        self.env = SimpleNamespace(unwrapped=None, reset=lambda: (torch.zeros(1), {}))
        self.logger = Logger(
            log_dir=str(folder),
            disable_logs=False,
            writer=object(),
            rewbuffer=[1.5],
            lenbuffer=[20.0],
            tot_timesteps=7,
            cur_reward_sum=torch.ones(3),
            cur_episode_length=torch.ones(3),
            save_model=lambda path, iteration: None,
            stop_logging_writer=lambda: None,
        )

    def learn(self, count, init_at_random_ep_len=False):
        first = self.current_learning_iteration
        for iteration in range(first, first + count):
            for _ in range(2):
                self.alg.act(torch.zeros(1))
            self.alg.update()
            self.current_learning_iteration = iteration
            self.save(os.path.join(self.logger.log_dir, f"model_{iteration}.pt"))


class Runner(runner.CutRunner, Learner):
    """The mixture that Isaac Lab is given."""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a maker of runners; ``restored`` collects whether random numbers came back at each cut."""
    restored = []
    monkeypatch.setattr(env_state, "collect", lambda env: {"cut": 1})
    monkeypatch.setattr(env_state, "restore", lambda env, state, generators: restored.append(generators))
    monkeypatch.setattr(env_state, "staged_terms", lambda env: [])
    monkeypatch.setattr(runner, "part_bodies", lambda env: None)
    monkeypatch.setattr(runner, "RESERVE", 0)

    def build(**settings):
        made = type("Made", (Runner,), {"stop": Stop(), **settings})(tmp_path)
        made.restored = restored
        return made

    return build


def test_a_new_run_from_a_checkpoint_has_its_own_random_numbers(make, tmp_path):
    make().learn(2)
    fresh, resumed = make(goes_on=False), make()
    for made, expected in ((fresh, [False, True]), (resumed, [True, True])):
        made.restored.clear()
        made.load(str(tmp_path / "model_1.pt"))
        made.learn(2)
        assert made.restored == expected, "those of the first cut are the checkpoint's, then its own"


def test_the_means_of_the_log_go_on_and_cut_episodes_do_not_count(make, tmp_path):
    make().learn(1)
    resumed = make()
    resumed.logger.rewbuffer, resumed.logger.lenbuffer = [], []
    resumed.load(str(tmp_path / "model_0.pt"))
    assert (resumed.logger.rewbuffer, resumed.logger.lenbuffer, resumed.logger.tot_timesteps) == ([1.5], [20.0], 7)
    resumed.learn(1)
    assert not resumed.logger.cur_reward_sum.any() and not resumed.logger.cur_episode_length.any()


def test_a_given_learning_rate_wins_over_the_checkpoint(make, tmp_path):
    make().learn(1)
    kept, given = make(), make(learning_rate=1e-5)
    for made, expected in ((kept, 3e-3), (given, 1e-5)):
        made.alg.optimizer.param_groups[0]["lr"] = 0.5
        made.load(str(tmp_path / "model_0.pt"))
        assert made.alg.learning_rate == made.alg.optimizer.param_groups[0]["lr"] == expected


@pytest.mark.parametrize(
    ("phase", "begins_last", "expected"),
    [("auto", True, "polish"), ("auto", False, "reach"), ("lift", True, "lift")],
)
def test_a_policy_without_a_stage_begins_at_the_last_one_if_asked(
    make, tmp_path, monkeypatch, phase, begins_last, expected
):
    made = make(begins_last=begins_last, goes_on=False)
    torch.save({**made.alg.save(), "iter": 3}, tmp_path / "released.pt")
    stages = Curriculum(phase)
    term = SimpleNamespace(curriculum=stages, load_state_dict=stages.load_state_dict, finished=list, judge=stages.add)
    monkeypatch.setattr(env_state, "staged_terms", lambda env: [term])
    made.load(str(tmp_path / "released.pt"))
    assert stages.stage.name == expected
    made.learn(1)
    # The episodes that began in the first stage are none of the last one's: all begin anew, with their own randomness.
    assert made.restored == ([False] if begins_last else [])


ALONE, WHOLE = {"actor_state_dict": {}, "iter": 9}, {"actor_state_dict": {}, "optimizer_state_dict": {}, "iter": 9}
STUDENT = {"student_state_dict": {}, "iter": 9}
RATE, PHASE = "agent.algorithm.learning_rate=", f"{PHASE_PATH}="
SMALL = training.BEGINNING_RATE
BEGINNINGS = {
    "a released policy": ([], "actor", ALONE, "adaptive", True, SMALL, True),
    "with a rate": ([f"{RATE}1e-5", f"{RATE}3e-4"], "actor", ALONE, "adaptive", True, 3e-4, True),
    "with a phase": ([f"{PHASE}auto"], "actor", ALONE, "adaptive", True, SMALL, False),
    "a released student": ([], "actor", STUDENT, "fixed", True, None, True),
    "a teacher": ([], "student", ALONE, None, True, None, False),
    "a checkpoint of a training": ([], "actor", WHOLE, "adaptive", True, None, False),
    "a run that goes on": ([f"{RATE}1e-5"], "actor", WHOLE, "adaptive", False, 1e-5, False),
    "nothing": ([], "actor", None, "adaptive", True, None, False),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_run_that_begins_at_a_policy_begins_with_small_steps_at_the_last_stage(name):
    words, role, weights, schedule, is_new, rate, begins_last = BEGINNINGS[name]
    job = SimpleNamespace(
        agent_cfg=SimpleNamespace(algorithm=SimpleNamespace(schedule=schedule)), role=role, weights=weights
    )
    found = training.beginning(job, words, is_new=is_new)
    assert found == {"learning_rate": rate, "begins_last": begins_last}


@pytest.mark.parametrize(("asks_calm", "noise_cost", "expected"), [(False, 0.0, 0.002), (True, 0.012, -0.01)])
def test_the_stage_of_a_checkpoint_decides_about_noise_from_the_first_step(
    make, monkeypatch, asks_calm, noise_cost, expected
):
    """A training begins in its first stage, and knows the checkpoint's only when the environment has its state."""
    stage = SimpleNamespace(asks_calm=False, noise_cost=0.0)
    restored = SimpleNamespace(asks_calm=asks_calm, noise_cost=noise_cost)
    term = SimpleNamespace(curriculum=SimpleNamespace(stage=stage), finished=list, judge=list)
    monkeypatch.setattr(env_state, "staged_terms", lambda env: [term])
    monkeypatch.setattr(env_state, "restore", lambda *_, **__: setattr(term.curriculum, "stage", restored))
    made, seen = make(), []
    made.alg.entropy_coef, made.alg.actor = 0.002, SimpleNamespace(is_attentive=None)
    made._cut = {"cut": 1}
    made.alg.act = lambda obs: seen.append((made.alg.actor.is_attentive, made.alg.entropy_coef))
    made.learn(1)
    assert seen == [(asks_calm, pytest.approx(expected))] * 2


def test_weights_of_other_networks_are_told_when_it_begins(make, tmp_path):
    torch.save({"actor_state_dict": {"weight": torch.zeros(1, 5)}, "iter": 3}, tmp_path / "model_3.pt")
    made = make()
    made.load(str(tmp_path / "model_3.pt"))
    with pytest.raises(TrainingStopped):
        made.learn(1)
    assert made.stop.refusal.startswith("model_3.pt does not fit") and not made.stop.has_begun


def test_a_disk_that_fills_up_leaves_the_last_whole_checkpoint(make, tmp_path):
    made = make()
    full = tmp_path / f".model_2.pt.{os.getpid()}.tmp"
    full.symlink_to("/dev/full")  # every write ends in "no space left on device"
    with pytest.raises(TrainingStopped):
        made.learn(5)
    assert "is full (No space left on device)" in made.stop.refusal
    assert "newest whole checkpoint is model_1.pt" in made.stop.refusal and "--resume" in made.stop.refusal
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model_0.pt", "model_1.pt"]
    assert checkpoints.newest_sound(tmp_path)[1]["iter"] == 1


def test_a_reader_that_is_gone_makes_it_save(make, tmp_path, monkeypatch):
    made = make()
    monkeypatch.setattr(runner, "leave_terminal", lambda: None)
    monkeypatch.setattr(made, "save", _broken_once(made.save))
    with pytest.raises(TrainingStopped):
        made.learn(5)
    assert made.stop.signal and checkpoints.newest_in(tmp_path).name == "model_0.pt"


def _broken_once(save):
    calls = []

    def write(path, infos=None):
        calls.append(path)
        if len(calls) == 1:
            raise BrokenPipeError(errno.EPIPE, "nobody reads")
        save(path, infos)

    return write
