"""One command in one folder, started as often as a machine goes away: ``train.py ... --run FOLDER``.

Each start is a process of its own, as a user's is, and a kill is a kill: SIGKILL leaves no time for anything.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice.cli.usage import UsageError  # noqa: E402
from alice.runs import lock  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TASK = "Alice-Ball-Transfer"
PATIENCE = 1800
"""Seconds that anything may take on a machine with other work."""
SMALL = ("--device", "cpu", "--num_envs", "2", "agent.num_steps_per_env=12", "agent.save_interval=2")
# PhysX solves contacts in the order in which they began; only this setting makes the order the same after a resume.
EXACT = ("physics=ovphysx", "env.sim.physics.enable_enhanced_determinism=true")
WORDS = ("--task", TASK, "--max_iterations", "7", *SMALL, *EXACT)

# Runs train.py and kills it between the last byte of a checkpoint and the renaming that makes it one.
KILLER = """
import os, runpy, signal, sys

name, stock = f"model_{sys.argv[1]}.pt", os.replace

def replace(source, target):
    if os.path.basename(target) == name:
        os.kill(os.getpid(), signal.SIGKILL)
    stock(source, target)

os.replace = replace
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def command(*words, door: str = "train") -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / f"{door}.py"), *map(str, words)]


def environment() -> dict[str, str]:
    # With more threads the order of PyTorch's sums, and so their last digit, can differ from process to process.
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def start(line: list[str], folder: Path, code: int = 0) -> str:
    """Run a command in a folder to its end and return what it printed."""
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, env=environment())
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def numbers(run: Path) -> list[int]:
    return sorted(int(file.stem.split("_")[1]) for file in run.glob("model_*.pt"))


def files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def labels(run: Path, tag: str = "Perf/total_fps") -> list[int]:
    """Return the iterations that TensorBoard's files hold under a tag, one entry for each time."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = []
    for file in sorted(run.glob("events.out.tfevents.*")):
        events = EventAccumulator(str(file))
        events.Reload()
        found += [event.step for event in events.Scalars(tag)] if tag in events.Tags()["scalars"] else []
    return sorted(found)


def differing(ours, theirs) -> list[str]:
    """Return the paths of what differs in two nests of dictionaries, lists and tensors."""
    if isinstance(ours, torch.Tensor):
        return [] if torch.equal(ours, theirs) else [""]
    if isinstance(ours, (dict, list)):
        keys = ours.keys() | theirs.keys() if isinstance(ours, dict) else range(max(len(ours), len(theirs)))
        return [f".{key}{path}" for key in keys for path in differing(ours[key], theirs[key])]
    return [] if ours == theirs else [f": {ours} and {theirs}"]


def wait_for(done, process: subprocess.Popen | None, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert process is None or process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def begin(tmp_path):
    """Return a function that starts a command and does not wait for it; what still runs in the end is killed."""
    begun = []

    def run(line: list[str], **more) -> subprocess.Popen:
        more = {"stdout": subprocess.DEVNULL, "env": environment(), "preexec_fn": _as_from_a_terminal, **more}
        begun.append(subprocess.Popen(line, cwd=tmp_path, start_new_session=True, **more))
        return begun[-1]

    yield run
    for process in begun:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with process:  # waits and closes its pipes, read to their end or not
            pass


def _as_from_a_terminal() -> None:
    """Undo what ``nohup`` and ``&`` do to signals; children inherit it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def record(run: Path) -> dict:
    return json.loads((run / "params" / "alice.json").read_text())


def test_a_signal_saves_and_the_same_command_goes_on(begin, tmp_path):
    """No iteration is trained twice; then it is finished, more iterations go on, and another seed is refused."""
    place = tmp_path / "a run" / "of mine"
    words = ("--task", TASK, *SMALL, "--run", "a run/of mine")
    line = command(*words, "--max_iterations", "4000")
    process = begin(line)
    wait_for(lambda: (place / "model_2.pt").exists(), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    newest = numbers(place)[-1]
    assert newest >= 2
    total = newest + 3
    start(command(*words, "--max_iterations", total), tmp_path)
    assert numbers(place)[-1] == total - 1 and labels(place) == list(range(total))
    assert [note["iteration"] for note in record(place)["resumed"]] == [newest + 1]
    before = files(place)
    text = start(command(*words), tmp_path)
    assert text == f"finished: a run/of mine, {total} iterations; --max_iterations or --more_iterations goes on\n"
    text = start(command(*words, "--seed", "3"), tmp_path, code=2)
    assert "'a run/of mine' was begun with other words: --seed 3 was not given" in text and text.count("\n") == 1
    assert files(place) == before
    assert not (tmp_path / "logs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_every_signal_that_saves_does_so_with_a_folder(number, begin, tmp_path):
    line = command("--task", TASK, *SMALL, "--max_iterations", "4000", "--run", "run")
    process = begin(line)
    wait_for(lambda: (tmp_path / "run" / "model_2.pt").exists(), process)
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE) == 128 + number
    newest = numbers(tmp_path / "run")[-1]
    start([*line[:-4], "--max_iterations", str(newest + 2), "--run", "run"], tmp_path)
    assert labels(tmp_path / "run") == list(range(newest + 2))


@pytest.mark.slow
def test_killed_before_and_while_it_saves_it_ends_as_if_nothing_had_happened(tmp_path):
    killer, place = tmp_path / "killer.py", tmp_path / "run"
    killer.write_text(KILLER)
    words = command(*WORDS, "--run", "run")
    start(command(*WORDS, "--run", "undisturbed"), tmp_path)

    start([sys.executable, str(killer), "0", *words[1:]], tmp_path, code=-signal.SIGKILL)
    assert numbers(place) == [] and list(place.glob(".model_0.pt.*.tmp"))
    first = record(place)["date"]
    start([sys.executable, str(killer), "4", *words[1:]], tmp_path, code=-signal.SIGKILL)
    assert numbers(place) == [0, 2] and list(place.glob(".model_4.pt.*.tmp")), "killed while it saved"
    assert not list(place.glob(".model_0.pt.*.tmp")) and "resumed" not in record(place), "begun anew"
    assert record(place)["date"] >= first
    start(words, tmp_path)
    assert numbers(place) == [0, 2, 4, 6] and not list(place.glob(".model_*"))
    assert [note["iteration"] for note in record(place)["resumed"]] == [3]
    assert set(labels(place)) == set(range(7)), "3 and 4, which no checkpoint had kept, were trained once more"
    for number in (4, 6):
        ours, theirs = (
            torch.load(tmp_path / run / f"model_{number}.pt", weights_only=True) for run in ("run", "undisturbed")
        )
        assert not differing(ours, theirs), "weights, optimizer, generators, counters, statistics, means of the log"


@pytest.mark.slow
def test_two_starts_at_once_are_one_run(begin, tmp_path):
    """Also in a folder that is there, and a kill leaves nothing that would keep the next start out."""
    (tmp_path / "there").mkdir()
    for place in ("new", "there"):
        line = command("--task", TASK, *SMALL, "--max_iterations", "4000", "--run", place)
        both = [begin(line, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        while all(process.poll() is None for process in both):
            time.sleep(0.1)
        (loser,) = (process for process in both if process.poll() is not None)
        (winner,) = (process for process in both if process is not loser)
        told = loser.stderr.read()
        assert loser.returncode == 2 and f"'{place}' is in use by process {winner.pid} on " in told
        assert [line.startswith("alice: error: ") for line in told.splitlines()].count(True) == 1
        wait_for(lambda process=winner, run=tmp_path / place: numbers(run)[-1:] >= [2], winner)
        start(command("--resume", place), tmp_path, code=2)
        winner.kill()
        winner.communicate()
        start([*line[:-3], "3", "--run", place], tmp_path)


@pytest.mark.slow
def test_a_folder_is_a_run_for_every_door_wherever_it_is_moved(tmp_path):
    place, moved = tmp_path / "first" / "run", tmp_path / "other" / "mount point" / "of a bucket"
    for folder in (tmp_path / "first", moved.parent):
        folder.mkdir(parents=True)
    words = ("--task", TASK, *SMALL, "physics=ovphysx")
    start(command(*words, "--max_iterations", "3", "--run", place), tmp_path / "first")
    shutil.move(place, moved)
    reordered = ("physics=ovphysx", *reversed(SMALL[4:]), *SMALL[:4], "--task", TASK)
    start(command(*reordered, "--max_iterations", "5", "--run", "mount point/of a bucket"), tmp_path / "other")
    assert numbers(moved)[-1] == 4
    start(command("--resume", moved, "--more_iterations", "2"), tmp_path)
    assert numbers(moved)[-1] == 6
    common = ("--task", TASK, "--checkpoint", moved)
    audit = start(command(*common, "--device", "cpu", "--episodes", "2", "--num_envs", "2", door="evaluate"), tmp_path)
    assert "success" in audit
    start(command(*common, "--output", tmp_path / "exported", door="export_onnx"), tmp_path)
    assert (tmp_path / "exported" / f"{TASK}.onnx").is_file()
    film = ("--device", "cpu", "--num_envs", "1", "--video", tmp_path / "film.mp4")
    start(command(*common, *film, door="play"), tmp_path)
    phase = ("--run", moved, "--phase", "grasp", "--more_iterations", "1")
    start(command(*phase, door="resume_phase"), tmp_path)
    start(command(*words, "--run", moved, "--more_iterations", "2"), tmp_path)
    assert numbers(moved)[-1] == 9 and labels(moved) == list(range(10))
    assert not (tmp_path / "logs").exists()


MISTAKES = {
    "other things": ("photos", "'photos' holds 'a.jpg' and no run of scripts/train.py"),
    "a file": ("photos/a.jpg", "is a file; give a folder"),
    "below a file": ("photos/a.jpg/run", "is no folder"),
    "with a resume": ("photos --resume latest", "give one of --run and --resume"),
    "with a name": ("photos --run_name mine", "--run_name names one"),
    "more of nothing": ("new --more_iterations 3", "holds none yet"),
    "a wrong word": ("new env.decimaton=2", "decimaton"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(name, tmp_path):
    given, expected = MISTAKES[name]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("a")
    before = files(tmp_path)
    text = start(command("--task", TASK, "--device", "cpu", "--run", *given.split()), tmp_path, code=2)
    assert text.count("alice: error: ") == 1 and expected in text
    assert files(tmp_path) == before


@pytest.mark.slow
def test_a_place_that_renames_nothing_is_refused_before_anything_is_trained(tmp_path):
    """As a bucket may be that is mounted as a folder."""
    driver = tmp_path / "no_rename.py"
    driver.write_text(KILLER.replace("os.kill(os.getpid(), signal.SIGKILL)", "raise OSError(38, 'not implemented')"))
    driver.write_text(driver.read_text().replace('f"model_{sys.argv[1]}.pt"', "sys.argv[1]"))
    line = [sys.executable, str(driver), "alice.json", *command("--task", TASK, *SMALL, "--run", "bucket")[1:]]
    text = start(line, tmp_path, code=2)
    assert "alice.json' cannot be written (not implemented)" in text
    assert not numbers(tmp_path / "bucket")
    start(command("--task", TASK, *SMALL, "--max_iterations", "1", "--run", "bucket"), tmp_path)


##
# The chain
##

CAMERA = ("--task", "Alice-Ball-Transfer-Camera", "--device", "cpu", "--num_envs", "4", "--max_iterations", "3")
CAMERA += ("--teacher", "released", "agent.save_interval=1", "--run", "chain")

# Runs train.py with few episodes for the comparison of a chain.
FEW = """
import runpy, sys
from alice.runs import chain

chain.LEAST_EPISODES = chain.SELECTION_EPISODES = 4
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_a_chain_killed_in_each_stage_goes_on_there(begin, tmp_path):
    """The machine goes away in the first stage, in the second and in the comparison."""
    few, place = tmp_path / "few.py", tmp_path / "chain"
    few.write_text(FEW)
    line = [sys.executable, str(few), *command(*CAMERA)[1:]]

    for sign in ("distillation/model_0.pt", "finetune/model_0.pt", "distillation/selection.json"):
        process = begin(line)
        wait_for(lambda sign=sign: (place / sign).exists(), process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    stages = [place / "distillation", place / "finetune"]
    assert [numbers(stage)[-1] for stage in stages] == [2, 2]
    before = {path: time for path, time in files(place).items() if "selection" not in path and "chain.json" not in path}
    text = start(line, tmp_path)
    assert "distillation: finished" in text and "finetune: finished" in text
    (last,) = (line for line in text.splitlines() if "the better one" in line)
    assert last.startswith("alice: distillation ") and "% of 4 starts; the better one: chain/" in last
    after = files(place)
    assert {path: after[path] for path in before} == before, "finished stages are not done twice"
    assert all(set(labels(stage)) == {0, 1, 2} for stage in stages)
    again = start(line, tmp_path)
    assert again.startswith("finished: chain; distillation ") and again.count("\n") == 1 and files(place) == after
    text = start([*line, "--seed", "8"], tmp_path, code=2)
    assert "--seed 8 was not given" in text
    audit = ("--task", CAMERA[1], "--checkpoint", "chain", "--device", "cpu", "--episodes", "2", "--num_envs", "2")
    start(command(*audit, door="evaluate"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_stage_of_a_chain_saves_when_the_process_of_the_chain_is_asked_or_killed(number, begin, tmp_path):
    place = tmp_path / "chain" / "distillation"
    words = [word if word != "3" else "3000" for word in CAMERA]
    process = begin(command(*words))
    wait_for(lambda: (place / "model_1.pt").exists(), process)
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE) == (-number if number == signal.SIGKILL else 128 + number)
    if number == signal.SIGKILL:  # the stage is asked to stop by the kernel, and holds the folder until it has
        wait_for(lambda: is_free(tmp_path / "chain"), None)
    assert is_free(tmp_path / "chain") and is_free(place)
    assert labels(place) == list(range(numbers(place)[-1] + 1)), "the last iteration is saved"


def is_free(folder: Path) -> bool:
    with lock.Lock() as held:
        try:
            held.take(folder)
        except UsageError:
            return False
    return True
