"""Two processes that train one policy: what they agree on, over gloo and around our own code, without a simulator.

A fake learner stands for RSL-RL's runner, whose own path wants NCCL and CUDA. The processes are forks of this one, so
that what takes seconds to import is imported once.
"""

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
pytest.importorskip("isaaclab")

if not torch.distributed.is_available() or not hasattr(os, "fork"):
    pytest.skip("PyTorch without torch.distributed, or a system without fork", allow_module_level=True)

from alice.learning import env_state, runner  # noqa: E402
from alice.learning.stop import Stop, TrainingStopped  # noqa: E402
from alice.transfer.curriculum import Curriculum, Stage  # noqa: E402

ITERATIONS, INTERVAL, EPISODES = 40, 10, 32
PATIENCE = 120
RATES = ((0.5, 0.0), (0.9, 0.1), (0.95, 0.9))
"""How often "reached" and "success" are passed in each third of the training."""
STAGES = (
    Stage("a", ("reached",), 0.8, 0.0, {}, {}, {}, 1, 0),
    Stage("b", ("success",), 0.8, 0.3, {}, {}, {}, 1, 1),
    Stage("c", ("success",), 1.01, 0.3, {}, {}, {}, 1, 1),
)


class Term:
    """A curriculum term whose finished episodes are those of this rank's share of the environments."""

    def __init__(self, rank: int, world: int):
        self.curriculum, self.is_driven, self.drawn = Curriculum(window=64, stages=STAGES), False, 0
        self.moments: list[list] = []
        self._ours = slice(rank * EPISODES // world, (rank + 1) * EPISODES // world)

    def finished(self):
        assert self.is_driven
        reached, success = RATES[min(3 * self.drawn // ITERATIONS, 2)]
        draw = random.Random(self.drawn).random
        everybody = [(draw() < reached, False, False, False, False, draw() < success) for _ in range(EPISODES)]
        self.drawn += 1
        return everybody[self._ours]

    def judge(self, episodes):
        if self.curriculum.add(episodes):
            self.moments.append([self.drawn - 1, self.curriculum.stage.name])


class Algorithm:
    """Weights, an optimizer, and the two calls that a runner wraps."""

    learning_rate = 1e-3

    def __init__(self, pause: float):
        self.weights = torch.nn.Linear(2, 1)
        self.optimizer = torch.optim.Adam(self.weights.parameters())
        self._pause = pause

    def act(self, obs):
        return obs

    def update(self):
        time.sleep(self._pause)
        return {}

    def save(self):
        return {"actor_state_dict": self.weights.state_dict(), "optimizer_state_dict": self.optimizer.state_dict()}

    def load(self, content, load_cfg, strict):
        return True


class Learner:
    """The loop of RSL-RL's runner: two steps, an update, now and then a save by rank 0."""

    device = "cpu"

    def __init__(self, folder: Path, rank: int, pause: float):
        self.gpu_global_rank, self.folder = rank, folder
        self.alg, self.cfg, self.current_learning_iteration = Algorithm(pause), {"save_interval": INTERVAL}, 0
        self.env = SimpleNamespace(unwrapped=None, reset=lambda: (torch.zeros(1), {}))
        self.drawn: list[float] = []
        self.saves: list[int] = []
        self.logger = SimpleNamespace(
            log_dir=str(folder),
            disable_logs=rank > 0,
            writer=None if rank else object(),
            rewbuffer=[],
            lenbuffer=[],
            tot_timesteps=0,
            cur_reward_sum=torch.ones(3),
            cur_episode_length=torch.ones(3),
            log=lambda **figures: None,
            save_model=lambda path, iteration: self.saves.append(iteration),
            stop_logging_writer=lambda: None,
        )

    def learn(self, count, init_at_random_ep_len=False):
        first = self.current_learning_iteration
        for iteration in range(first, first + count):
            for _ in range(2):
                self.alg.act(torch.zeros(1))
                self.drawn.append(torch.rand(1).item())
            self.alg.update()
            self.current_learning_iteration = iteration
            (self.folder / f"alive_{self.gpu_global_rank}").touch()
            if self.logger.writer is not None and iteration % INTERVAL == 0:
                self.save(f"{self.folder}/model_{iteration}.pt")
        if self.logger.writer is not None:
            self.save(f"{self.folder}/model_{self.current_learning_iteration}.pt")


def work(folder: Path, rank: int, world: int, pause: float, resume: str | None) -> None:
    """Be one rank of a training, and write down what became of it."""
    torch.set_num_threads(1)
    if world > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
    torch.manual_seed(1 + rank)
    term = Term(rank, world)

    def collect(env):
        return {"drawn": term.drawn, "curriculum": term.curriculum.state_dict(), "torch": torch.get_rng_state()}

    def restore(env, state, generators):
        term.drawn = state["drawn"]
        term.curriculum.load_state_dict(state["curriculum"])
        if generators:
            torch.set_rng_state(state["torch"])

    env_state.collect, env_state.restore, env_state.staged_terms = collect, restore, lambda env: [term]
    runner.part_bodies, runner.RESERVE = lambda env: None, 0
    made = type("Made", (runner.CutRunner, Learner), {"stop": Stop()})(folder, rank, pause)
    if resume:
        made.load(f"{folder}/{resume}")
    first, stopped = made.current_learning_iteration, False
    try:
        made.learn(ITERATIONS - first)
    except TrainingStopped:
        stopped = True
    result = {"moments": term.moments, "stage": term.curriculum.stage.name, "stopped": stopped, "first": first}
    result |= {"signal": made.stop.signal, "finished": made._finished, "drawn": made.drawn, "saves": made.saves}
    (folder / f"result_{rank}.json").write_text(json.dumps(result))


def begin(folder: Path, world: int, pause: float = 0.0, resume: str | None = None) -> list:
    folder.mkdir(exist_ok=True)
    for name in ("store", "alive_0", "alive_1", "result_0.json", "result_1.json"):
        (folder / name).unlink(missing_ok=True)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=work, args=(folder, rank, world, pause, resume)) for rank in range(world)]
    for process in processes:
        process.start()
    return processes


def end(folder: Path, processes: list) -> list[dict]:
    try:
        for process in processes:
            process.join(PATIENCE)
            assert process.exitcode == 0
    finally:
        for process in processes:
            process.kill()
    return [json.loads((folder / f"result_{rank}.json").read_text()) for rank in range(len(processes))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, list[dict]]:
    """Return the folder of a training by two ranks that nothing disturbed, and what each says of it."""
    folder = tmp_path_factory.mktemp("ranks") / "two"
    return folder, end(folder, begin(folder, 2))


def test_two_ranks_and_one_process_change_the_stage_at_the_same_iterations(undisturbed, tmp_path):
    """They are fed the same finished episodes: each half of them, or one all of them."""
    _, (first, second) = undisturbed
    (alone,) = end(tmp_path / "one", begin(tmp_path / "one", 1))
    assert first["moments"] == second["moments"] == alone["moments"]
    assert [name for _, name in alone["moments"]][-2:] == ["b", "c"] and alone["moments"][0][1] == "b"
    assert alone["saves"] == first["saves"] == [0, 10, 20, 30, 39] and second["saves"] == []


def test_each_rank_has_numbers_of_its_own_and_its_state_is_in_the_checkpoint(undisturbed):
    folder, (first, second) = undisturbed
    assert not set(first["drawn"]) & set(second["drawn"])
    content = torch.load(folder / "model_39.pt", weights_only=True)
    (other,) = content["rank_states"]
    assert not torch.equal(other["torch"], content["env_state"]["torch"])


def test_a_resume_restores_every_rank(undisturbed):
    """What both draw after the cut, and the stages, are what they would have been without it."""
    folder, whole = undisturbed
    resumed = end(folder, begin(folder, 2, resume="model_20.pt"))
    for ours, theirs in zip(resumed, whole, strict=True):
        assert ours["first"] == 21 and ours["stage"] == theirs["stage"]
        assert ours["moments"] == [moment for moment in theirs["moments"] if moment[0] > 20]
        assert ours["drawn"] == theirs["drawn"][2 * 21 :]


@pytest.mark.parametrize("asked", [0, 1])
def test_a_signal_to_either_stops_both_after_one_save(asked, tmp_path):
    folder = tmp_path / "two"
    processes = begin(folder, 2, pause=0.2)
    until = time.monotonic() + PATIENCE
    while not ((folder / "alive_1").exists() and (folder / "alive_0").exists()):
        assert time.monotonic() < until and all(process.is_alive() for process in processes)
        time.sleep(0.02)
    os.kill(processes[asked].pid, signal.SIGTERM)
    first, second = end(folder, processes)
    assert first["stopped"] and second["stopped"] and first["signal"] == second["signal"] == signal.SIGTERM
    assert first["finished"] == second["finished"] < ITERATIONS - 1
    assert first["saves"][-1] == first["finished"] and first["saves"].count(first["finished"]) == 1
    again = end(folder, begin(folder, 2, resume=f"model_{first['finished']}.pt"))
    assert [rank["first"] for rank in again] == [first["finished"] + 1] * 2
    assert all(rank["finished"] == ITERATIONS - 1 for rank in again)


def test_a_run_of_one_rank_goes_on_with_two(tmp_path):
    """The new one takes the stage over and keeps its own random numbers."""
    folder = tmp_path / "run"
    (alone,) = end(folder, begin(folder, 1))
    first, second = end(folder, begin(folder, 2, resume="model_20.pt"))
    assert first["stage"] == second["stage"] == alone["stage"]
    assert not set(first["drawn"]) & set(second["drawn"])
