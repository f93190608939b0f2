"""Every command that is printed for a user to type next gets through the door it names, up to the simulator."""

import json
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice.assets import POLICIES_DIR  # noqa: E402
from alice.cli.usage import UsageError  # noqa: E402
from alice.doctor import diagnosis  # noqa: E402
from alice.runs import (  # noqa: E402
    advice,
    checkpoints,
    launch,
    preflight,
    records,
    training,
)
from alice.runs import chain as teaching  # noqa: E402
from alice.runs.provenance import ROOT  # noqa: E402

TASK = "Alice-Ball-Transfer"
DOORS = sorted(file.stem for file in (ROOT / "scripts").glob("*.py"))


class Checked(Exception):
    """Raised when a command line has been found right, instead of starting anything."""


@pytest.fixture
def check(monkeypatch, capsys):
    """Return a function that runs a printed command as far as its last check."""

    def stop(*args, **kwargs):
        raise Checked

    prepare = launch.prepare

    def prepared(args, words, **kwargs):
        job = prepare(args, words, **kwargs)
        if kwargs.get("play_mode"):
            raise Checked
        return job

    def run(line: str) -> None:
        start, dash, script, *words = shlex.split(line)
        assert Path(start).resolve() == ROOT / "isaaclab.sh" and dash == "-p"
        with monkeypatch.context() as patch:
            patch.setattr(launch, "prepare", prepared)
            patch.setattr(training, "begin", stop)
            patch.setattr(training, "go_on", stop)
            patch.setattr(sys, "argv", [script, *words])
            with pytest.raises(Checked):
                try:
                    runpy.run_path(script, run_name="__main__")
                except SystemExit:
                    pytest.fail(f"{line}\n{capsys.readouterr().err}")

    return run


@pytest.fixture
def run_folder(tmp_path, monkeypatch) -> Path:
    """Return the folder of a run with the released weights, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    folder = checkpoints.LOG_ROOT / "ball_transfer" / "2026-01-02_03-04-05"
    (folder / "params").mkdir(parents=True)
    content = torch.load(POLICIES_DIR / f"{TASK}.pt", weights_only=True)
    torch.save({**content, "iter": 9, "optimizer_state_dict": {}}, folder / "model_9.pt")
    (folder / records.MANIFEST).write_text(json.dumps({"task": TASK}))
    record = {"task": TASK, "agent": launch.DEFAULT_AGENT, "max_iterations": 330, "num_envs": 8, "seed": 1}
    record |= {"overrides": ["presets=domain_rand", "env.curriculum.stage.params.phase=auto"]}
    (folder / records.RECORD).write_text(json.dumps(record))
    return folder


def commands(text: str) -> list[str]:
    """Return the commands in a text that was printed."""
    return re.findall(r"\S*isaaclab\.sh -p [^;\n]*?(?=[;:]? (?:suspects|the next)|;|$)", text, re.MULTILINE)


def test_the_lines_that_end_a_training(run_folder, check):
    job = SimpleNamespace(task=TASK, words=["presets=domain_rand"])
    lines = training.closing_lines(job, run_folder, is_interrupted=True).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["checkpoint", "audit it", "film it", "go on"]
    assert len(commands("\n".join(lines))) == 3 and max(map(len, lines)) < 250
    for line in commands("\n".join(lines)):
        check(line)
    assert len(training.closing_lines(job, run_folder).splitlines()) == 3


def scalars(iterations: int, **last: float) -> dict:
    values = {f"Metrics/transfer/{stage}_rate": 0.0 for stage in ("reached", "pinched", "success")}
    values |= {name.replace("__", "/"): value for name, value in last.items()}
    return {tag: [(step, value) for step in range(iterations)] for tag, value in values.items()}


@pytest.mark.parametrize("planned", [10, 330])
def test_what_the_doctor_advises(planned, run_folder, check):
    record = json.loads((run_folder / records.RECORD).read_text())
    (run_folder / records.RECORD).write_text(json.dumps({**record, "max_iterations": planned}))
    env = {"sim": {"gravity": [0.0, 0.0, -9.81]}}
    young = diagnosis.Run(run_folder, env, {}, scalars(10))
    old = {"Episode_Termination__ball_lost": 0.5, "Loss__learning_rate": 1e-5, "Curriculum__stage__number": 1.0}
    old = diagnosis.Run(run_folder, env, {}, scalars(400, **old))
    found = {cause.name: cause for run in (young, old) for cause in diagnosis.causes(run)}
    assert "too early to judge" in found["the training is young"].evidence
    lines = [line for cause in found.values() for line in commands(cause.remedy)] + commands(young.film())
    assert {Path(shlex.split(line)[2]).stem for line in lines} == {"train", "play", "resume_phase"} and len(lines) >= 6
    for line in dict.fromkeys(lines):
        check(line)


def test_how_a_chain_is_gone_on_with(run_folder, check):
    camera = f"{TASK}-Camera"
    go_on, then = teaching._remedy(camera, teaching.STAGES[0], run_folder)
    check(go_on.partition(": ")[2])
    shutil.copy(POLICIES_DIR / f"{camera}.pt", run_folder / "model_9.pt")
    check(then.partition(": ")[2])


def test_a_film_that_cannot_be_made_in_training(run_folder, check, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(UsageError) as refused:
        patch.setattr(preflight.importlib.util, "find_spec", lambda name: None)
        preflight._require_films(set(), TASK)
    (line,) = commands(str(refused.value))
    check(line)


def _flags_of(door: str) -> set[str]:
    """Return the flags in a door's help text, of all doors it hands over to."""
    import contextlib
    import io

    text = io.StringIO()
    for name in {"resume_phase": ("resume_phase", "train")}.get(door, (door,)):
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            patch.setattr(sys, "argv", [f"{name}.py", "--help"])
            runpy.run_path(str(ROOT / "scripts" / f"{name}.py"), run_name="__main__")
    return set(re.findall(r"--\w+", text.getvalue()))


SOURCES = [*sorted((ROOT / "alice").rglob("*.py")), *sorted((ROOT / "scripts").glob("*.py"))]
MENTION = re.compile(r"scripts/(\w+)\.py((?: +(?!(?:and|with|or|to) )[\w./<>={}!\[\],-]+)*)")


def test_no_message_names_a_door_or_a_flag_that_is_not_there():
    mentioned: dict[str, set[str]] = {}
    for file in SOURCES:
        for door, words in MENTION.findall(file.read_text(encoding="utf-8")):
            mentioned.setdefault(door, set()).update(word for word in words.split() if word.startswith("--"))
    assert set(mentioned) <= set(DOORS) and len(mentioned) > 8
    for door, flags in mentioned.items():
        if flags:
            assert flags <= _flags_of(door), door


def test_a_command_is_quoted_for_the_shell_and_runs_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert advice.command("play", "env.x=(1, 2)") == "./isaaclab.sh -p scripts/play.py 'env.x=(1, 2)'"
    monkeypatch.chdir(tmp_path)
    start, _, script = shlex.split(advice.command("play"))
    assert Path(start).resolve() == ROOT / "isaaclab.sh" and Path(script).resolve() == ROOT / "scripts" / "play.py"
