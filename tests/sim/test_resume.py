"""A training that is interrupted goes on as if it had not been.

Each training runs in a process of its own, as a user's does: what a resumed run knows comes from the disk alone.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice import curriculum  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--device", "cpu", "agent.num_steps_per_env=12", "agent.save_interval=2", "--num_envs", "16")
# PhysX solves contacts in the order in which they began; only this setting makes the order the same after a resume.
SMALL += ("physics=ovphysx", "env.sim.physics.enable_enhanced_determinism=true")
START = ("--task", "Alice-Ball-Transfer", "--max_iterations", "6", *SMALL)


def command(*words: str) -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / "train.py"), *words]


def train(folder: Path, *words: str, code: int = 0) -> str:
    """Run ``train.py`` in a folder and return what it printed."""
    done = subprocess.run(command(*words), cwd=folder, capture_output=True, text=True, timeout=240)
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


LOSSES = ("Loss/value", "Loss/surrogate", "Loss/entropy", "Loss/learning_rate", "Train/mean_reward")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Return the folder of a training of six iterations that nothing interrupted."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train(folder, *START, "--phase", "auto")
    return folder


def test_the_iteration_after_a_resume_is_the_one_without_interruption(undisturbed, tmp_path):
    """The resumed run has only the file of iteration 2; iterations 3, 4 and 5 follow."""
    source = run_folder(undisturbed)
    copy = tmp_path / "logs" / "rsl_rl" / "ball_transfer" / source.name
    (copy / "params").mkdir(parents=True)
    (copy / "params" / "alice.json").write_bytes((source / "params" / "alice.json").read_bytes())
    (copy / "model_2.pt").write_bytes((source / "model_2.pt").read_bytes())
    train(tmp_path, "--resume", str(copy))
    assert numbers(tmp_path) == [2, 4, 5]
    for tag in LOSSES[:4]:
        whole, resumed = scalars(undisturbed, tag), scalars(tmp_path, tag)
        assert sorted(resumed) == [3, 4, 5], "no label is repeated"
        for step in resumed:
            assert resumed[step] == whole[step], (tag, step)
    ours, theirs = (
        torch.load(folder / "model_5.pt", weights_only=True)["actor_state_dict"] for folder in (copy, source)
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_checkpoint_holds_the_training_state_and_opens_without_code(undisturbed):
    content = torch.load(run_folder(undisturbed) / "model_5.pt", weights_only=True)
    state = content["env_state"]
    assert content["iter"] == 5
    assert state["common_step_counter"] == 6 * 12
    assert state["curriculum"]["stage"]["stage"] in curriculum.NAMES
    assert {"python", "numpy", "torch"} <= set(state["random"])


def test_curriculum_is_logged(undisturbed):
    for name in ("number", "rate", "window", "randomization"):
        assert scalars(undisturbed, f"Curriculum/stage/{name}"), name


def test_a_complete_run_is_not_trained_on(undisturbed):
    folder = run_folder(undisturbed)
    before = sorted(os.listdir(folder))
    text = train(undisturbed, "--resume", str(folder), code=2)
    assert "is complete: 6 of 6 iterations" in text and "--max_iterations over 6" in text
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves_within_10_seconds(number, tmp_path):
    process = subprocess.Popen(
        command(*START, "--max_iterations", "1000", "agent.save_interval=500"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "Learning iteration 3/" in line:
            break
    process.send_signal(number)
    asked = time.monotonic()
    rest, _ = process.communicate(timeout=60)
    assert time.monotonic() - asked < 10
    assert process.returncode == 128 + number, "".join(seen)[-2000:] + rest
    assert "Traceback" not in rest
    newest = numbers(tmp_path)[-1]
    assert newest >= 3
    train(tmp_path, "--resume", str(run_folder(tmp_path)), "--max_iterations", str(newest + 3))
    assert numbers(tmp_path)[-1] == newest + 2
    labels = scalars(tmp_path, "Loss/value")
    assert sorted(labels) == list(range(newest + 3))
    assert all(len(values) == 1 for values in labels.values())


def test_killed_ten_times_at_random_moments_it_ends_at_the_same_iteration(tmp_path):
    rng = random.Random(7)
    words, last = (*START, "--max_iterations", "60"), []
    for _ in range(10):
        process = subprocess.Popen(
            command(*words), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for line in process.stdout:
            if "Learning iteration" in line:
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


def test_resume_phase_goes_on_at_the_phase(undisturbed):
    folder = run_folder(undisturbed)
    script = str(ROOT / "scripts" / "resume_phase.py")
    words = ["--run", str(folder), "--phase", "release", "--max_iterations", "8", "--keep", "3"]
    done = subprocess.run(
        [sys.executable, script, *words], cwd=undisturbed, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert set(scalars(undisturbed, "Curriculum/stage/number")[7]) == {4.0}
    assert numbers(undisturbed) == [5, 6, 7]
    record = json.loads((folder / "params" / "alice.json").read_text())
    assert record["max_iterations"] == 8
    assert [note["iteration"] for note in record["resumed"]] == [6]


MISTAKES = {
    "no such run": (("--resume", "logs/nothing"), "does not exist"),
    "with a checkpoint": (("--resume", "latest", "--checkpoint", "released"), "give one of them"),
    "phase": (("--task", "Alice-Ball-Transfer", "--phase", "grab"), "invalid choice: 'grab'"),
    "keep": (("--task", "Alice-Ball-Transfer", "--keep", "0"), "at least 1"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(name, tmp_path):
    words, expected = MISTAKES[name]
    text = train(tmp_path, *words, code=2)
    assert expected in text and text.count("\n") == 1
    assert not list(tmp_path.iterdir())
