"""Studies on Ray, in its own environment, with doors that simulate nothing: what is killed goes on."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_doors import checkout, iterations

from alice.studies import engine, search, trials

ROOT = Path(__file__).resolve().parents[2]
COUNT = 60
PATIENCE = 1800
"""Seconds that Ray may take on a machine with other work."""
SPACE = dict(map(search.parse, ["agent.entropy=log:1e-4..1e-2", "agent.kind=one|other"]))
DRIVER = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from alice.runs import provenance
from alice.studies import engine, trials
from alice.system import affinity

given = json.loads(sys.argv[1])
provenance.ROOT = Path(given["doors"])
affinity.cores = lambda: [0, 1]
args = SimpleNamespace(cores=1, gpus=0.0, address=None, ray=given["ray"])
todo = [trials.Trial.of(trial) for trial in given["trials"]]
sys.exit(engine.run(args, Path("runs"), todo, given["search"]))
"""


@pytest.fixture(scope="module")
def ray(tmp_path_factory) -> Path:
    """Return the Python of Ray's environment, which is made if there is none."""
    made = ROOT / engine.ENVIRONMENT / "bin" / "python"
    if made.exists():
        return made
    place = tmp_path_factory.mktemp("ray") / "environment"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    line = [place / "bin" / "python", "-m", "pip", "install", "-r", ROOT / "cloud" / "ray.txt"]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"Ray cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return place / "bin" / "python"


@pytest.fixture
def study(ray, tmp_path):
    """Return a function that starts a study, and end what is left of it."""
    (tmp_path / "checkout").mkdir()
    doors = checkout(tmp_path / "checkout", pause=0.1)
    begun = []

    def begin(todo=(), searched=None) -> subprocess.Popen:
        given = {"doors": str(doors), "ray": str(ray), "trials": [one.plain() for one in todo], "search": searched}
        line = [sys.executable, "-c", DRIVER, json.dumps(given)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
        with (tmp_path / "log").open("a") as log:
            begun.append(subprocess.Popen(line, cwd=tmp_path, env=environment, stdout=log, stderr=log))
        return begun[-1]

    yield begin
    for process in begun:
        process.terminate()
        process.wait()


def end(process: subprocess.Popen, folder: Path) -> int:
    code = process.wait(timeout=PATIENCE)
    assert code in (0, 128 + signal.SIGKILL), (folder / "log").read_text()[-3000:]
    return code


def wait_for(done, process: subprocess.Popen, folder: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < until and process.poll() is None, (folder / "log").read_text()[-3000:]
        time.sleep(0.05)


def processes(word: str) -> list[int]:
    """Return the processes that have a word on their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word.encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
    return found


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def cell(name: str) -> trials.Trial:
    run = f"{trials.FOLDER}/training"
    train = trials.Step("train", ("--max_iterations", str(COUNT), "--run", run, f"agent.name={name}"))
    audit = trials.Step("evaluate", ("--checkpoint", run, "--json", f"{trials.FOLDER}/{trials.AUDIT}"), trials.AUDIT)
    return trials.Trial(name, (train, audit))


def at_work(folder: Path) -> dict[str, int]:
    """Return the processes of the trainings that have begun and not ended, by their trials."""
    begun = {place.parents[1].name: int(place.read_text() or 0) for place in folder.glob("*/training/process")}
    return {name: door for name, door in begun.items() if Path(f"/proc/{door}/stat").exists()}


def assert_nothing_twice(folder: Path) -> None:
    assert iterations(folder) == list(range(COUNT)) and (folder / "audits").read_text() == "begun\n"
    assert not (folder / "training" / "refused").exists()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not tell a child")
def test_a_killed_trial_and_a_killed_driver_go_on(study, tmp_path):
    cells, runs = [cell(name) for name in ("one", "two", "three")], tmp_path / "runs"
    process = study(cells)
    wait_for(lambda: at_work(runs), process, tmp_path)
    name, door = next(iter(at_work(runs).items()))
    os.kill(parent(door), signal.SIGKILL)
    wait_for(lambda: int((runs / name / "training" / "process").read_text()) != door, process, tmp_path)
    (driver,) = processes(str(Path("alice", "studies", "on_ray.py")))
    os.kill(driver, signal.SIGKILL)
    assert end(process, tmp_path) == 128 + signal.SIGKILL
    assert processes(str(tmp_path / "checkout")) == [], "no door is left when the command is through"
    assert end(study(cells), tmp_path) == 0
    for name in ("one", "two", "three"):
        assert_nothing_twice(runs / name)
    assert processes(str(tmp_path / "checkout")) == []


@pytest.mark.slow
def test_a_search_ends_with_a_table_and_knows_what_it_has_done(study, tmp_path):
    run = ["--max_iterations", "3"]
    searched = {"space": SPACE, "trials": 5, "seed": 1, "train": run, "audit": []}
    assert end(study(searched=searched), tmp_path) == 0
    first = {one.name for one in search.known(tmp_path / "runs")}
    assert len(first) == 5, (tmp_path / "log").read_text()[-3000:]
    assert end(study(searched={**searched, "trials": 12}), tmp_path) == 0
    begun = search.known(tmp_path / "runs")
    table = search.rows(begun, tmp_path / "runs")
    search.write_csv(table, tmp_path / "table.csv")
    assert len(list(csv.DictReader((tmp_path / "table.csv").open()))) == 12
    assert first < {one.name for one in begun}
    assert len({row["agent.entropy"] for row in table}) == 12 and {row["agent.kind"] for row in table} == {
        "one",
        "other",
    }
    for one in begun:
        folder = tmp_path / "runs" / one.name
        assert iterations(folder) == [0, 1, 2] and (folder / "audits").read_text() == "begun\n"


def test_a_missing_environment_is_told_with_the_command_that_makes_it(monkeypatch, tmp_path):
    monkeypatch.setattr(engine.provenance, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"-m venv \.ray && \.ray/bin/pip install -r cloud/ray\.txt"):
        engine.check(SimpleNamespace(cores=1, gpus=0.0, address=None, ray=None))
    with pytest.raises(ValueError, match=r"--cores 100000: this machine has"):
        engine.check(SimpleNamespace(cores=100000, gpus=0.0, address=None, ray=None))
