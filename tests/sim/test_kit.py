"""The doors below Isaac Sim's process, whose end ends everything: tables, files and exit codes must be out before.

``tests/stand_in`` stands in for Isaac Sim: Isaac Lab's own launcher starts and closes it, ovphysx does the physics.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

from alice.system import kit

ROOT = Path(__file__).resolve().parents[2]
TASK = ("--task", "Alice-Ball-Transfer", "--device", "cpu")
PHYSX = "physics=isaacsim_physx"


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory):
    """Return the environment variables of a process that finds the stand-in, whole and with its licence accepted."""
    folder = tmp_path_factory.mktemp("installed")
    for name in ("isaacsim-kernel", *kit.PACKAGES):
        info = folder / f"{name.replace('-', '_')}-6.2.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 6.2.0.0\n")
    places = [str(ROOT / "tests" / "stand_in"), str(folder)]
    stock = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**stock, "PYTHONPATH": os.pathsep.join(places), kit.LICENCE: "YES"}


@pytest.fixture
def door(surroundings, tmp_path):
    """Return a function that starts a script in a process of its own, in an empty folder."""

    def start(name: str, *words: str, **variables: str) -> subprocess.Popen:
        command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, env=surroundings | variables, **pipes)

    return start


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


##
# Without a simulation
##

ENDS = """
import os, sys
from alice.cli import usage
from alice.runs import launch, overrides, training
from alice.system import kit

launch.resolve_task("Alice-Ball-Transfer")
cfg, _ = overrides.resolve_config("Alice-Ball-Transfer", launch.DEFAULT_AGENT, ["physics=isaacsim_physx"])
stock = training.stock_flags(["--viz", "rerun"], usage.DoorParser())
assert stock.visualizer == ["rerun"] and stock.livestream == -1, stock
from isaaclab_rl.entrypoints.backends import train_rsl_rl  # which declares the same flags again
assert train_rsl_rl._parse_args(["--task", "Alice-Ball-Transfer"]).livestream == -1
assert "isaacsim" not in sys.modules, "whoever trains without Isaac Sim is asked for its licence"

def end(name):
    kit.start(cfg, {"device": "cpu"})
    kit.start(cfg, {"device": "cpu"})
    print("a result that is not flushed", end="")
    if name == "usage":
        raise usage.UsageError("a mistake seen late")
    if name == "interrupt":
        raise KeyboardInterrupt
    if name == "words":
        sys.exit("words")
    if name == "error":
        return 1 / 0
    return {"success": 0, "nothing": None, "finding": 1, "stopped": 143}[name]

for name in os.environ["ENDS"].split(","):
    if not (child := os.fork()):
        os.dup2(os.open(f"{name}.out", os.O_CREAT | os.O_WRONLY), 1)
        os.dup2(os.open(f"{name}.err", os.O_CREAT | os.O_WRONLY), 2)
        sys.argv = ["door.py", "--task", "of ours"]
        usage.run(lambda argv: end(name))
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
CODES = {"success": 0, "nothing": 0, "finding": 1, "stopped": 143, "usage": 2, "interrupt": 130, "words": 1, "error": 1}


def test_a_door_is_told_from_its_end_whatever_kit_does(surroundings, tmp_path):
    variables = {**surroundings, "ENDS": ",".join(CODES)}
    done = subprocess.run(
        [sys.executable, "-c", ENDS], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert dict(line.split() for line in done.stdout.splitlines()) == {name: str(code) for name, code in CODES.items()}
    errors = {}
    for name, code in CODES.items():
        assert (tmp_path / f"{name}.out").read_text() == "a result that is not flushed", name
        first, *_, last = (tmp_path / f"{name}.err").read_text().strip().splitlines()
        assert first.startswith("stand-in: started") and "--task" not in first, name
        assert last == f"stand-in: closed with {code}"
        errors[name] = (tmp_path / f"{name}.err").read_text()
        assert errors[name].count("stand-in: ") == 2, name
    assert "alice: error: a mistake seen late\n" in errors["usage"]
    assert "alice: stopped\n" in errors["interrupt"] and "\nwords\n" in errors["words"]
    assert "ZeroDivisionError" in errors["error"] and "Traceback" not in errors["usage"]


##
# With one
##


def test_two_measurements_of_one_process_are_in_the_table_and_in_the_file(door, tmp_path):
    words = "--physics isaacsim_physx --envs 4 8 --seconds 1 --json speed.json --verbose"
    code, out, err = ended(door("benchmark", *TASK, *words.split()))
    assert code == 0, err
    assert re.findall(r"^isaacsim_physx +(\d) envs +\d+ env-steps/s", out, re.MULTILINE) == ["4", "8"]
    assert re.search(r"^best: isaacsim_physx \d+ env-steps/s$", out, re.MULTILINE)
    assert [row["num_envs"] for row in json.loads((tmp_path / "speed.json").read_text())["rows"]] == [4, 8]
    assert err.splitlines()[-1] == "stand-in: closed with 0" and err.count("stand-in: started") == 1


@pytest.mark.slow
def test_an_audit_and_a_film_are_complete(door, tmp_path):
    words = ("--checkpoint", "released", PHYSX)
    code, out, err = ended(door("evaluate", *TASK, *words, "--episodes", "4", "--json", "audit.json"))
    assert code == 0, err
    assert "4 home starts" in out and "figures written to audit.json" in out
    assert json.loads((tmp_path / "audit.json").read_text())["physics"] == "isaacsim_physx"
    code, out, err = ended(door("play", *TASK, *words, "--steps", "3", "--video", "film.mp4"))
    assert code == 0 and "written: film.mp4" in out, err
    assert (tmp_path / "film.mp4").stat().st_size > 1000


@pytest.mark.slow
def test_a_checkpoint_of_another_shape_is_refused_in_a_line(door):
    words = ("--checkpoint", "released", PHYSX, "presets=seven_actions")
    code, _, err = ended(door("evaluate", *TASK, *words, "--episodes", "2"))
    assert code == 2 and "Traceback" not in err
    assert err.splitlines()[-2].startswith("alice: error: Alice-Ball-Transfer.pt does not fit"), err


@pytest.mark.slow
def test_a_training_says_where_its_checkpoint_lies_and_loses_no_curve(door, tmp_path):
    code, out, err = ended(door("train", *TASK, PHYSX, "--num_envs", "4", "--max_iterations", "2"))
    assert code == 0, err
    (run,) = (tmp_path / "logs" / "rsl_rl" / "ball_transfer").iterdir()
    assert f"checkpoint: logs/rsl_rl/ball_transfer/{run.name}/model_1.pt" in out.splitlines()
    assert _last_step(run) == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_training_leaves_with_its_signal_and_its_checkpoint(number, door, tmp_path):
    process = door("train", *TASK, PHYSX, "--num_envs", "4", "--max_iterations", "100000")
    _wait_for(tmp_path / "logs", "model_0.pt", process)
    process.send_signal(number)
    code, out, err = ended(process)
    assert code == 128 + number and "alice: stopping and saving" in err
    assert any(line.startswith("checkpoint: logs") for line in out.splitlines()), out
    assert err.splitlines()[-1] == f"stand-in: closed with {code}"


@pytest.mark.slow
def test_a_stopped_distillation_ends_the_chain(door, tmp_path):
    words = ("--task", "Alice-Ball-Transfer-Camera", "--device", "cpu", "--teacher", "released", "--num_envs", "4")
    process = door("train", *words, "--max_iterations", "100000", PHYSX)
    _wait_for(tmp_path / "logs", "model_0.pt", process)
    process.terminate()
    code, _, err = ended(process)
    assert code == 143 and "alice: the chain ended in distillation" in err and "--resume" in err, err
    assert [path.name.split("_")[-1] for path in tmp_path.glob("logs/rsl_rl/*/*")] == ["distillation"]


def _wait_for(folder: Path, name: str, process: subprocess.Popen) -> None:
    """Wait until a file of a name lies below a folder."""
    end = time.monotonic() + 200
    while not list(folder.rglob(name)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"no {name}"
        time.sleep(0.2)


def _last_step(run: Path) -> int:
    """Return the last iteration of a run's curves."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (file,) = run.glob("events.out.tfevents.*")
    events = EventAccumulator(str(file), size_guidance={"scalars": 0})
    events.Reload()
    return max(event.step for event in events.Scalars("Metrics/transfer/success_rate"))
