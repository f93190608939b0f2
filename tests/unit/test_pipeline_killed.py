"""The pipeline killed at 12 random moments until it is through, with doors that are processes but simulate nothing.

They keep the promises of the real ones: checkpoints written whole, a signal that saves, files that appear as the last
thing. What they "train" is a chain of hashes, so an iteration that is missing, or another start, shows in every figure.
``tests/sim/test_pipeline.py`` does the same with the real doors.
"""

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from fake_doors import COMMON

from alice.cli.usage import UsageError
from alice.pipeline import drive
from alice.pipeline.places import Places
from alice.pipeline.steps import RUNS
from alice.runs import provenance

KILLS, ITERATIONS, INTERVAL = 12, 12, 3
PATIENCE = 120

TRAIN = """
asked = []
signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
run = Path(given["--run"])
saved = sorted((int(path.stem[6:]), path) for path in run.glob("model_*.pt"))
number, state = (saved[-1][0], saved[-1][1].read_text()) if saved else (-1, run.name)
if not saved and "--checkpoint" in given:
    state += Path(given["--checkpoint"]).read_text()
record = {"task": given["--task"], "agent": "a", "num_envs": 2, "seed": 1, "overrides": [], "device": "cpu"}
write(run / "params" / "alice.json", json.dumps({**record, "steps_per_env": 3, "first_iteration": 0}))
while number + 1 < ITERATIONS:
    number, state = number + 1, digest(f"{number} {state}")
    time.sleep(0.02)
    with (run / "iterations").open("a") as log:
        log.write(f"{number}\\n")
    if number % INTERVAL == 0 or asked or number + 1 == ITERATIONS:
        write(run / f"model_{number}.pt", state)
    if asked:
        sys.exit(128 + asked[0])
"""
EVALUATE = """
time.sleep(0.1)
policy = Path(given["--checkpoint"]).read_text()
rate = int(digest(policy + str("--domain_rand" in sys.argv))[:4], 16) / 0xFFFF
content = {"success": {"rate": rate, "low": 0.0, "high": 1.0}, "episodes": 8, "date": str(time.time())}
if "--record" in given:
    write(given["--record"], policy)
write(given.get("--json") or given["--report"] + "/audit.json", json.dumps(content))
if "--report" in given:
    write(given["--report"] + "/report.html", "page")
time.sleep(0.05)  # as a simulator that is closed
"""
EXPORT = """
policy, inputs = (Path(given[name]).read_text() for name in ("--checkpoint", "--inputs"))
write(given["--output"] + "/" + given["--task"] + ".onnx", digest(policy + inputs))
write(given["--output"] + "/" + given["--task"] + ".contract.json", given["--task"])
write(given["--json"], json.dumps({"bytes": len(policy)}))
"""


@pytest.fixture(scope="module")
def doors(tmp_path_factory) -> Path:
    """Return what looks like a checkout with three doors."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "scripts").mkdir()
    for name, text in (("train", TRAIN), ("evaluate", EVALUATE), ("export_onnx", EXPORT)):
        numbers = f"ITERATIONS, INTERVAL = {ITERATIONS}, {INTERVAL}\n"
        (root / "scripts" / f"{name}.py").write_text(COMMON + numbers + text)
    return root


def begin(folder: Path, doors: Path) -> int:
    """Start the pipeline in a fork of this process, a process group of its own, and return its id."""
    child = os.fork()
    if child:
        with contextlib.suppress(OSError):  # it may have done so itself; either way it is done from here on
            os.setpgid(child, child)
        return child
    code = 99
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        log = os.open(folder.with_name("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1), os.dup2(log, 2)
        provenance.ROOT = doors
        code = drive.Pipeline(Places(folder, "Alice-Ball-Transfer")).run()
    except UsageError as error:
        os.write(2, f"{error}\n".encode())
        code = 2
    finally:
        os._exit(code)


def wait(child: int, seconds: float) -> int | None:
    """Return the exit code of a process, None if it has none after some time; negative after a signal."""
    until = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(0.002)


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def finished(folder: Path) -> dict[str, int]:
    """Return when each file was written that a finished step has made."""
    steps = read(folder, "pipeline.json")["steps"].values() if (folder / "pipeline.json").exists() else []
    return {path: (folder / path).stat().st_mtime_ns for step in steps for path in step.get("made", {})}


def trained(folder: Path) -> dict[str, list[int]]:
    return {stage: [int(line) for line in (folder / stage / "iterations").read_text().split()] for stage in RUNS}


@pytest.fixture(scope="module")
def undisturbed(doors, tmp_path_factory) -> tuple[dict, float]:
    """Return the manifest of a pipeline that nothing disturbed, and how long it took [s]."""
    folder, began = tmp_path_factory.mktemp("undisturbed") / "whole", time.monotonic()
    assert wait(begin(folder, doors), PATIENCE) == 0, folder.with_name("log").read_text()
    assert all(numbers == list(range(ITERATIONS)) for numbers in trained(folder).values())
    return read(folder, "manifest.json"), time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_killed_at_random_moments_it_ends_as_if_nothing_had_happened(number, undisturbed, doors, tmp_path):
    """SIGKILL ends the whole process group, as a machine goes away; SIGTERM asks the pipeline alone."""
    expected, seconds = undisturbed
    folder, kills = tmp_path / "whole", 0
    moments = random.Random(time.time())
    written: dict[str, int] = {}
    while kills < KILLS:
        child = begin(folder, doors)
        code = wait(child, moments.uniform(0, 1.4 * seconds / KILLS))
        if code == 2:  # a process of the start before is still on its way out
            assert "is in use by process" in folder.with_name("log").read_text()
            continue
        if code is not None:
            assert code == 0, folder.with_name("log").read_text()[-2000:]
            break  # it was quicker this time
        os.killpg(child, number) if number == signal.SIGKILL else os.kill(child, number)
        assert wait(child, PATIENCE) in (-number, 128 + number)
        kills += 1
        now = finished(folder)
        assert {path: now[path] for path in written} == written, "what was finished is not done again"
        written = now
    assert kills >= KILLS / 2
    while (code := wait(begin(folder, doors), PATIENCE)) == 2:
        time.sleep(0.05)
    found, now, numbers = read(folder, "manifest.json"), finished(folder), trained(folder)
    assert code == 0 and {path: now[path] for path in written} == written
    assert found["figures"].keys() == expected["figures"].keys() and found["files"].keys() == expected["files"].keys()
    for name in ("figures", "runs", "policies", "camera_policy"):
        assert found[name] == expected[name], name
    again = sum(len(done) for done in numbers.values()) - len(RUNS) * ITERATIONS
    assert all(set(done) == set(range(ITERATIONS)) for done in numbers.values())
    assert again <= (kills * INTERVAL if number == signal.SIGKILL else 0)


def test_a_door_whose_pipeline_is_killed_saves_and_nothing_is_left(doors, tmp_path):
    """The kernel asks it, and it holds the folder until it has saved."""
    folder = tmp_path / "whole"
    child = begin(folder, doors)
    until = time.monotonic() + PATIENCE
    while not (folder / "state" / "model_0.pt").exists():
        assert time.monotonic() < until
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    wait(child, PATIENCE)
    while wait(begin(folder, doors), PATIENCE) != 0:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert all(numbers == list(range(ITERATIONS)) for numbers in trained(folder).values())
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
        raise AssertionError("a process of the killed start is left")
