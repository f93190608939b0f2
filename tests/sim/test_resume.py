"""A training that is interrupted goes on as if it had not been.

Each training runs in a process of its own, as a user's does: what a resumed run knows comes from the disk alone.
"""

import json
import os
import pty
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice.transfer import curriculum  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TRAIN = str(ROOT / "scripts" / "train.py")
STEPS = 12
SMALL = ("--device", "cpu", f"agent.num_steps_per_env={STEPS}", "agent.save_interval=14", "--num_envs", "21")
# PhysX solves contacts in the order in which they began; only this setting makes the order the same after a resume.
SMALL += ("physics=ovphysx", "env.sim.physics.enable_enhanced_determinism=true")
START = ("--task", "Alice-Ball-Transfer", "--max_iterations", "17", *SMALL)
# With more threads the order of PyTorch's sums, and so their last digit, can differ from process to process.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}

# Runs train.py and writes, at every cut, in which world the episodes after it begin.
DRIVER = """
import runpy, sys
import torch
from alice.learning import runner

stock = runner.CutRunner._begin_again

def begin_again(self):
    last = self._saved
    obs = stock(self)
    env = self.env.unwrapped
    arm, ball, servos = env.scene["robot"].data, env.scene["ball"].data, env.action_manager.get_term("joints").servos
    joints = ("stiffness", "damping", "friction_coeff", "armature", "effort_limits")
    world = {f"joint_{name}": getattr(arm, f"joint_{name}") for name in joints}
    world |= {"link_mass": arm.body_mass, "joint_pos": arm.joint_pos, "ball_mass": ball.body_mass}
    world |= {"ball_pose": ball.root_link_pose_w}
    world = {name: value.torch.clone() for name, value in world.items()}
    world |= {f"servo_{name}": getattr(servos, name).clone() for name in ("delay", "offset", "gain", "backlash")}
    world |= {"ball_radius": env.transfer_state.ball_radius, **{f"obs_{name}": value for name, value in obs.items()}}
    torch.save(world, f"{self.logger.log_dir}/world_{last}.pt")
    return obs

runner.CutRunner._begin_again = begin_again
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def command(*words: str) -> list[str]:
    return [sys.executable, TRAIN, *words]


def train(folder: Path, *words: str, code: int = 0, door: tuple[str, ...] = (TRAIN,)) -> str:
    """Run ``train.py`` in a folder and return what it printed."""
    done = subprocess.run(
        [sys.executable, *door, *words], cwd=folder, capture_output=True, text=True, timeout=300, env=ONE_THREAD
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def run_folder(folder: Path) -> Path:
    (found,) = (folder / "logs" / "rsl_rl" / "ball_transfer").iterdir()
    return found


def numbers(folder: Path) -> list[int]:
    return sorted(int(file.stem.split("_")[1]) for file in run_folder(folder).glob("model_*.pt"))


def scalars(folder: Path, tag: str) -> dict[int, list[float]]:
    """Return what TensorBoard holds under a tag, per iteration; a list, so that repeated labels show."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: dict[int, list[float]] = {}
    for file in sorted(run_folder(folder).glob("events.out.tfevents.*")):
        events = EventAccumulator(str(file))
        events.Reload()
        for event in events.Scalars(tag) if tag in events.Tags()["scalars"] else []:
            found.setdefault(event.step, []).append(event.value)
    return found


EXACT = ("Loss/value", "Loss/surrogate", "Loss/entropy", "Loss/learning_rate", "Policy/mean_std")
EXACT += ("Train/mean_reward", "Train/mean_episode_length", "Metrics/transfer/reached_rate")


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> tuple[str, ...]:
    """Return the words after ``python`` that run ``train.py`` and write the world at each cut."""
    file = tmp_path_factory.mktemp("driver") / "driver.py"
    file.write_text(DRIVER)
    return (str(file), TRAIN)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, driver) -> Path:
    """Return the folder of a training of 17 iterations in a randomized world that nothing interrupted."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train(folder, *START, "--domain_rand", "--phase", "release", door=driver)
    return folder


def equal(ours, theirs) -> list[str]:
    """Return the paths of what differs in two nests of dictionaries, lists and tensors."""
    if isinstance(ours, torch.Tensor):
        return [] if torch.equal(ours, theirs) else [""]
    if isinstance(ours, (dict, list)):
        keys = ours.keys() | theirs.keys() if isinstance(ours, dict) else range(max(len(ours), len(theirs)))
        return [f".{key}{path}" for key in keys for path in equal(ours[key], theirs[key])]
    return [] if ours == theirs else [f": {ours} and {theirs}"]


def test_the_iterations_after_a_resume_are_those_without_interruption(undisturbed, driver, tmp_path):
    """The resumed run has only the file of iteration 14; 15 and 16 follow.

    By then 180 steps have gone by, so that masses and gains were drawn anew in between, which happens every 160.
    """
    source = run_folder(undisturbed)
    copy = tmp_path / "logs" / "rsl_rl" / "ball_transfer" / source.name
    (copy / "params").mkdir(parents=True)
    (copy / "params" / "alice.json").write_bytes((source / "params" / "alice.json").read_bytes())
    (copy / "model_14.pt").write_bytes((source / "model_14.pt").read_bytes())
    train(tmp_path, "--resume", str(copy), door=driver)
    assert numbers(tmp_path) == [14, 16]
    ours, theirs = (torch.load(folder / "world_14.pt", weights_only=True) for folder in (copy, source))
    assert len(ours) > 12 and not equal(ours, theirs), "masses, gains, friction, servos, balls, starts, observations"
    for tag in EXACT:
        whole, resumed = scalars(undisturbed, tag), scalars(tmp_path, tag)
        assert sorted(resumed) == [15, 16], "no label is repeated"
        for step in resumed:
            assert resumed[step] == whole[step], (tag, step)
    ours, theirs = (torch.load(folder / "model_16.pt", weights_only=True) for folder in (copy, source))
    assert not equal(ours, theirs), "weights, optimizer, generators, counters, statistics, curriculum, means of the log"


def test_a_checkpoint_holds_the_training_state_and_opens_without_code(undisturbed):
    content = torch.load(run_folder(undisturbed) / "model_16.pt", weights_only=True)
    state = content["env_state"]
    assert content["iter"] == 16
    assert state["common_step_counter"] == 17 * STEPS
    assert state["curriculum"]["stage"]["stage"] in curriculum.NAMES
    assert {"python", "numpy", "torch"} <= set(state["random"])


def test_curriculum_is_logged(undisturbed):
    for name in ("number", "rate", "window"):
        assert scalars(undisturbed, f"Curriculum/stage/{name}"), name
    assert scalars(undisturbed, "Curriculum/stage/randomization")[16] == [1.0]


def test_a_complete_run_is_not_trained_on(undisturbed):
    folder = run_folder(undisturbed)
    before = sorted(os.listdir(folder))
    text = train(undisturbed, "--resume", str(folder), code=2)
    assert "is complete: 17 of 17 iterations" in text and "--more_iterations N" in text
    assert sorted(os.listdir(folder)) == before


def wait_for(iteration: int, lines) -> str:
    """Read a training's output up to an iteration."""
    seen = []
    for line in lines:
        seen.append(line)
        if f"Learning iteration {iteration}/" in line:
            break
    return "".join(seen)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGINT, signal.SIGUSR1))],
)
def test_a_signal_saves_and_leaves_within_10_seconds(number, tmp_path):
    words = (*START, "--max_iterations", "1000", "agent.save_interval=500", "--keep", "1")
    process = subprocess.Popen(
        command(*words, "--logger", "tensorboard"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    seen = wait_for(3, process.stdout)
    process.send_signal(number)
    asked = time.monotonic()
    rest, _ = process.communicate(timeout=60)
    assert time.monotonic() - asked < 10
    assert process.returncode == 128 + number, seen[-2000:] + rest
    assert "Traceback" not in rest
    (newest,) = numbers(tmp_path)
    assert newest >= 3
    assert f"train.py --resume {run_folder(tmp_path).relative_to(tmp_path)}" in rest

    rate = ("agent.algorithm.schedule=fixed", "agent.algorithm.learning_rate=1e-5")
    train(tmp_path, "--resume", str(run_folder(tmp_path)), "--more_iterations", "2", *rate)
    assert numbers(tmp_path) == [newest + 2], "--keep 1 is remembered"
    labels = scalars(tmp_path, "Loss/learning_rate")
    assert sorted(labels) == list(range(newest + 3))
    assert all(len(values) == 1 for values in labels.values())
    assert labels[newest][0] > 2e-5 and [labels[newest + more] for more in (1, 2)] == [[pytest.approx(1e-5)]] * 2
    record = json.loads((run_folder(tmp_path) / "params" / "alice.json").read_text())
    assert record["flags"] == {"keep": 1, "device": "cpu", "stock": ["--logger", "tensorboard"]}
    assert record["max_iterations"] == newest + 3 and rate[1] in record["overrides"]


def test_a_closed_terminal_saves(tmp_path):
    """The terminal goes away as with a broken ssh session: a hang-up signal, and nothing can be printed any more."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        words = (*START, "--max_iterations", "1000", "agent.save_interval=500")
        os.execv(sys.executable, command(*words))
    with open(terminal, encoding="utf-8", errors="replace") as lines:
        wait_for(2, lines)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    assert numbers(tmp_path)[-1] >= 2 and not list(run_folder(tmp_path).glob(".model_*"))


@pytest.mark.slow
def test_killed_ten_times_at_random_moments_it_ends_at_the_same_iteration(tmp_path):
    rng = random.Random(7)
    words, last = (*START, "agent.save_interval=2", "--max_iterations", "60"), []
    for _ in range(10):
        process = subprocess.Popen(
            command(*words), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        # Counted in iterations, so that a slow machine gets on as well; the time on top falls anywhere within one.
        wanted = rng.randrange(1, 7)
        for line in process.stdout:
            wanted -= "Learning iteration" in line
            if wanted == 0:
                break
        time.sleep(rng.uniform(0.0, 0.8))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it ended before it was killed: give it more iterations"
        words, last = ("--resume", str(run_folder(tmp_path))), [*last, numbers(tmp_path)[-1]]
    assert last == sorted(last) and last[-1] > last[0], "it goes forwards"
    train(tmp_path, *words)
    assert numbers(tmp_path)[-1] == 59
    assert set(scalars(tmp_path, "Loss/value")) == set(range(60))
    assert not list(run_folder(tmp_path).glob(".model_*")), "no half-written file is left"


@pytest.mark.slow
def test_a_new_run_from_a_checkpoint_has_its_own_seed(undisturbed, tmp_path):
    source = run_folder(undisturbed) / "model_16.pt"
    worlds = []
    for seed in ("1", "2", "1"):
        folder = tmp_path / f"{len(worlds)}"
        folder.mkdir()
        train(folder, *START, "--max_iterations", "1", "--domain_rand", "--checkpoint", str(source), "--seed", seed)
        content = torch.load(run_folder(folder) / "model_17.pt", weights_only=True)
        worlds.append({"weights": content["actor_state_dict"], "random": content["env_state"]["random"]["torch"]})
    assert equal(worlds[0], worlds[1]) and not equal(worlds[0], worlds[2])


@pytest.mark.parametrize(("words", "stage"), [((), "polish"), (("--phase", "auto"), "reach")])
def test_a_run_from_a_released_policy_begins_at_the_last_stage(words, stage, tmp_path):
    """In the first one it would learn anew to be bold, with the noise of a policy that has found all there is."""
    folder = tmp_path / "tuned"
    given = (*SMALL, "agent.algorithm.learning_rate=1e-5", "--checkpoint", "released", "--run", str(folder), *words)
    train(tmp_path, "--task", "Alice-Ball-Transfer", "--max_iterations", "1", *given)
    content = torch.load(next(folder.glob("model_*.pt")), weights_only=True)
    assert content["env_state"]["curriculum"]["stage"]["stage"] == stage


def test_resume_phase_goes_on_at_the_phase(undisturbed):
    folder = run_folder(undisturbed)
    script = str(ROOT / "scripts" / "resume_phase.py")
    words = ["--run", str(folder), "--phase", "grasp", "--more_iterations", "2", "--keep", "3"]
    train(undisturbed, *words, door=(script,))
    assert set(scalars(undisturbed, "Curriculum/stage/number")[18]) == {1.0}
    assert numbers(undisturbed) == [14, 16, 18]
    record = json.loads((folder / "params" / "alice.json").read_text())
    assert record["max_iterations"] == 19
    assert [note["iteration"] for note in record["resumed"]] == [17]


MISTAKES = {
    "no such run": (("--resume", "logs/nothing"), "does not exist"),
    "with a checkpoint": (("--resume", "latest", "--checkpoint", "released"), "give one of them"),
    "RSL-RL's flag": (("--resume", "True", "--load_run", "2026"), "--resume latest"),
    "phase": (("--task", "Alice-Ball-Transfer", "--phase", "grab"), "invalid choice: 'grab'"),
    "keep": (("--task", "Alice-Ball-Transfer", "--keep", "0"), "at least 1"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(name, tmp_path):
    words, expected = MISTAKES[name]
    text = train(tmp_path, *words, code=2)
    assert expected in text and text.count("\n") == 1
    assert not list(tmp_path.iterdir())
