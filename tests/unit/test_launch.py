"""Doors: what a wrong command line says, and that it says it in one line, at once, and leaves nothing behind."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alice.cli import usage
from alice.cli.usage import UsageError
from alice.runs import checkpoints, launch, overrides

ROOT = Path(__file__).resolve().parents[2]
TASK = ("--task", "Alice-Ball-Transfer")


##
# From outside: mistakes that need no simulator
##


@pytest.mark.parametrize(
    ("door", "words", "expected"),
    [
        ("train", (*TASK, "--num_envs", "0"), ["--num_envs", "'0'", "at least 1"]),
        ("train", (*TASK, "--max_iterations", "many"), ["--max_iterations", "'many'", "at least 1"]),
        ("train", (*TASK, "--checkpoint", "nowhere.pt"), ["'nowhere.pt'", "does not exist", "released"]),
        ("evaluate", (*TASK, "--episodes", "-1", "--checkpoint", "x"), ["--episodes", "'-1'", "at least 1"]),
        ("evaluate", (*TASK, "--checkpoint", "letter.pt"), ["'letter.pt'", "not a PyTorch checkpoint", "model_"]),
        ("train", (*TASK, "--seed", "5000000000"), ["seed 5000000000", "0 to 4294967295"]),
        ("evaluate", (*TASK, "--checkpoint", "released", "--seed", "-1"), ["-1", "at least 0"]),
        ("evaluate", (*TASK,), ["--checkpoint is missing", "released"]),
        ("evaluate", (*TASK, "--json", "letter.pt/a.json"), ["--json", "'letter.pt' is no folder"]),
        ("evaluate", (*TASK, "--chekpoint", "x"), ["'--chekpoint'", "did you mean --checkpoint"]),
        ("play", (*TASK, "--checkpoint", "released", "--video", "film.avi"), ["'film.avi'", ".mp4 or .gif"]),
        ("play", (*TASK, "--checkpoint", "released", "--steps", "0"), ["--steps", "'0'", "at least 1"]),
    ],
)
def test_a_cheap_mistake_is_told_in_one_line(door, words, expected, tmp_path):
    (tmp_path / "letter.pt").write_text("Dear policy,\n")
    command = [sys.executable, str(ROOT / "scripts" / f"{door}.py"), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("alice: error: ")
    for part in expected:
        assert part in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letter.pt"]


@pytest.mark.parametrize("door", ["train", "evaluate", "play"])
def test_help_needs_no_simulator(door):
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / f"{door}.py"), "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "--task" in done.stdout and done.stderr == ""


##
# Words of the command line
##


def test_headless_is_accepted_with_a_note(capsys):
    words, rest = usage.split_overrides(["--headless", "env.decimation=2", "--logger", "wandb"])
    assert words == ["env.decimation=2"] and rest == ["--logger", "wandb"]
    assert "--headless is not needed" in capsys.readouterr().err


def test_an_abbreviated_flag_is_not_guessed():
    parser = usage.DoorParser()
    parser.add_argument("--num_envs", type=usage.positive)
    with pytest.raises(UsageError, match="unknown argument '--num_env'; did you mean --num_envs"):
        usage.parse(parser, ["--num_env", "3"])


def test_suggestions_ignore_case_and_list_everything():
    told = usage.suggest("alice-ball-transfer", ["Alice-Ball-Transfer", "Alice-Ball-Transfer-Camera"], "tasks")
    assert told.startswith("did you mean Alice-Ball-Transfer")
    assert usage.suggest("zzz", ["b", "a"], "options") == "options: a, b"


def test_run_turns_a_mistake_into_one_line_and_exit_code_2(capsys):
    def main(argv):
        raise UsageError("first\n second")

    with pytest.raises(SystemExit) as leaving:
        usage.run(main)
    assert leaving.value.code == 2
    assert capsys.readouterr().err == "alice: error: first second\n"


##
# Overrides
##


@dataclass
class Term:
    """A term with parameters."""

    params: dict = field(
        default_factory=lambda: {"home_noise": 0.05, "shares": {"home": 1.0}, "area": ((0.1, 0.3), (-0.1, 0.1))}
    )
    func: object = len


@dataclass
class Sim:
    """A section."""

    dt: float = 0.01
    device: str = "cpu"
    gravity: tuple = (0.0, 0.0, -9.81)


@dataclass
class Env:
    """An environment configuration with one field of each kind."""

    decimation: int = 6
    rerender: bool = False
    seed: "int | None" = None
    log_dir: "str | None" = "logs"
    step: "float | None" = None
    sim: Sim = field(default_factory=Sim)
    reset: Term = field(default_factory=Term)
    gone: object = None


@dataclass
class Actor:
    """An agent configuration."""

    hidden_dims: list = field(default_factory=lambda: [256, 128])


ROOTS = {"env": Env(), "agent": Actor()}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("env.decimation", "2"),
        ("env.sim.dt", "0.005"),
        ("env.sim.dt", "1"),
        ("env.sim.gravity", "(0,0,-1)"),
        ("env.rerender", "true"),
        ("env.reset.params.home_noise", "0"),
        ("env.reset.params.shares.home", "0.5"),
        ("env.reset.params.shares", "{'home': 1.0}"),
        ("env.reset.params.area", "((0.2,0.3),(0,0.1))"),
        ("env.reset.func", "package.module:name"),
        ("env.reset", "null"),
        ("env.log_dir", "null"),
        ("env.step", "null"),
        ("env.step", "0.5"),
        ("env.gone", "anything"),
        ("agent.hidden_dims", "[32,32,32]"),
    ],
)
def test_a_right_override_passes(path, text):
    overrides.check_value(ROOTS, path, overrides.parse_value(text))


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("env.decimaton", "2", "no field 'decimaton'; did you mean decimation.*fields: decimation, gone"),
        ("env.smi.dt", "0.005", "env has no field 'smi'; did you mean sim"),
        ("env.reset.params.home_nose", "0", "did you mean home_noise"),
        ("env.gone.weight", "1", "env.gone is None and has no field 'weight'"),
        ("env.sim.gravity.z", "1", "env.sim.gravity is .* as a whole"),
        ("env.sim.dt", "1/240", "must be a number written out.*now 0.01"),
        ("env.sim.dt", "true", "must be a number"),
        ("env.sim.dt", "0", "must be greater than 0"),
        ("env.sim.dt", "1e999", "must be finite; now 0.01"),
        ("env.sim.dt", "null", "cannot be null"),
        ("env.decimation", "2.5", "must be a whole number"),
        ("env.decimation", "-1", "must be greater than 0"),
        ("env.rerender", "1", "must be true or false"),
        ("env.sim.device", "3", "must be a text"),
        ("env.step", "fast", "env.step='fast' must be a number.*; now None"),
        ("env.step", "[1]", "must be a number"),
        ("env.step", "nan", "must be a number|must be finite"),
        ("env.seed", "1.5", "must be a whole number"),
        ("env.sim", "fast", "replaces a whole section"),
        ("env.sim.gravity", "(0,0)", "must have 3 entries"),
        ("env.sim.gravity", "(0,0,'a')", "entry 3 must be a number"),
        ("env.reset.func", "mine", "'package.module:Name'"),
        ("env.reset.params.shares", "home", "must be a mapping"),
        ("agent.hidden_dims", "[32,'b']", "entry 2 must be a whole number"),
        ("agent.hidden_dims", "32", "must be a list"),
    ],
)
def test_a_wrong_override_is_refused(path, text, reason):
    with pytest.raises(UsageError, match=reason):
        overrides.check_value(ROOTS, path, overrides.parse_value(text))


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("env.arm=xarm1s", "--task: each task has its own arm"),
        ("env.scene.num_envs=2", "--num_envs"),
        ("agent.load_checkpoint=x", "--checkpoint"),
    ],
)
def test_what_is_not_set_by_an_override_is_refused_with_what_is(word, remedy):
    with pytest.raises(UsageError, match=f"^{word.partition('=')[0]} cannot be set this way; use {remedy}$"):
        overrides.resolve_config("Alice-Ball-Transfer", "any", [word])


##
# Checkpoints
##


def test_the_newest_checkpoint_is_the_one_of_the_greatest_number(tmp_path):
    for name in ("model_750.pt", "model_5000.pt", "model_999.pt.tmp", "model_x.pt", "other_9999.pt"):
        (tmp_path / name).touch()
    assert checkpoints.newest_in(tmp_path).name == "model_5000.pt"


def test_a_folder_without_checkpoints_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"holds no model_<number>\.pt"):
        checkpoints.resolve(str(tmp_path), "Alice-Ball-Transfer")


def test_latest_finds_the_newest_run_of_the_task(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    for run, task in (("1", "A"), ("2", "A"), ("3", "B"), ("4", "A")):
        folder = tmp_path / "logs" / "rsl_rl" / "x" / run
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(f'{{"task": "{task}"}}')
        if run != "4":  # a run that has not saved yet
            torch.save({}, folder / "model_0.pt")
        time = 1_000_000 + int(run)
        os.utime(folder / "run.json", (time, time))
    assert checkpoints.resolve("latest", "A").parent.name == "2"
    with pytest.raises(UsageError, match="no run of C"):
        checkpoints.resolve("latest", "C")


def test_released_names_what_is_released():
    with pytest.raises(UsageError, match="--checkpoint released: none for 'Alice-Nothing'"):
        checkpoints.resolve("released", "Alice-Nothing")


class Intruder:
    """Would make a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"actor_state_dict": Intruder(tmp_path / "owned")}, tmp_path / "model_1.pt")
    with pytest.raises(UsageError, match="holds more than weights"):
        checkpoints.load(checkpoints.resolve(str(tmp_path), "A"))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [({"weights": 1}, r"has keys \['weights'\], need one of"), ([1, 2], "is no dictionary, need one of")],
)
def test_a_foreign_checkpoint_is_refused(content, reason, tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(UsageError, match=reason):
        checkpoints.load(tmp_path / "a.pt")


def test_a_truncated_checkpoint_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"actor_state_dict": {"a": torch.zeros(1000)}}, tmp_path / "a.pt")
    (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:1500])
    with pytest.raises(UsageError, match="is damaged"):
        checkpoints.load(tmp_path / "a.pt")


def test_a_right_checkpoint_is_loaded(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"actor_state_dict": {"a": torch.ones(2)}, "iter": 3, "infos": None}, tmp_path / "a.pt")
    assert checkpoints.load(tmp_path / "a.pt")["actor_state_dict"]["a"].tolist() == [1.0, 1.0]


##
# Isaac Lab
##


@pytest.mark.parametrize("found", ["2.3.0", "0.54.2", "4.6.1", None])
def test_an_isaac_lab_that_does_not_fit_is_refused_in_one_line(found, monkeypatch):
    launch = pytest.importorskip("alice.runs.launch")

    def version(name):
        if found is None:
            raise launch.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(launch.metadata, "version", version)
    with pytest.raises(UsageError, match=r"\./isaaclab\.sh -p") as told:
        launch.resolve_task("Alice-Ball-Transfer")
    assert (found or "not installed") in str(told.value)


@pytest.mark.parametrize("found", ["3.0.0", "3.1.2", "28.0.0", "30.1.0"])
def test_an_isaac_lab_that_may_fit_is_tried(found, monkeypatch):
    from alice.runs import launch

    monkeypatch.setattr(launch.metadata, "version", lambda name: found)
    launch.require_isaac_lab()


##
# Threads
##


def test_stepping_takes_one_thread_and_learning_takes_more(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3)))
    before = torch.get_num_threads()
    try:
        launch.limit_threads()
        assert torch.get_num_threads() == 1
        with launch.learning_threads():
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        torch.set_num_threads(2)
        launch.limit_threads()
        with launch.learning_threads():
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator of Linux is meant")
def test_memory_of_freed_tensors_is_used_again():
    code = """
import resource, sys, torch
from alice import launch
assert sys.argv[1] == "stock" or launch.keep_freed_memory()
for _ in range(20):
    torch.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        kind: int(subprocess.run([sys.executable, "-c", code, kind], capture_output=True, text=True, check=True).stdout)
        for kind in ("stock", "kept")
    }
    assert faults["kept"] < faults["stock"] / 10
