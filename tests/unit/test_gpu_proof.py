"""The GPU proof with doors that are processes and need no GPU: limits of time, answers on the disk, what is missing.

Real doors are asked in ``tests/sim/test_gpu_proof.py``, on a CPU with tiny numbers.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alice.runs import provenance
from alice.studies import gpu_proof

DOOR = """
import json, signal, sys, time
from pathlib import Path

given = dict(zip(sys.argv[1:], sys.argv[2:]))
(Path(__file__).parent / "called").open("a").write(Path(__file__).stem + "\\n")
print("hello from", Path(__file__).stem)
if "--fail" in sys.argv:
    print("alice: error: no such thing | at all")
    sys.exit(2)
if "--sleep" in sys.argv:
    signal.signal(signal.SIGTERM, lambda number, frame: (print("saved"), sys.exit(143)))
    Path(given["--sleep"]).touch()
    time.sleep(60)
if "--json" in given:
    rate = {"rate": 0.5, "low": 0.4, "high": 0.6}
    content = {"success": rate, "episodes": 8} if "evaluate" in __file__ else {"rows": ROWS}
    Path(given["--json"]).write_text(json.dumps(content))
"""
ROWS = [{"num_envs": 1024, "env_steps_per_s": 50000.4}, {"num_envs": 2048, "env_steps_per_s": 90000.0}]


@pytest.fixture
def doors(tmp_path, monkeypatch) -> Path:
    """Return the folder of doors that say hello; PyTest is one of them."""
    scripts = tmp_path / "checkout" / "scripts"
    scripts.mkdir(parents=True)
    for name in {question.door for question in gpu_proof.QUESTIONS} | {"pytest"}:
        (scripts / f"{name}.py").write_text(f"ROWS = {ROWS}\n" + DOOR)
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "checkout")
    monkeypatch.setenv("PYTHONPATH", str(scripts))  # python -m pytest is ours, too
    monkeypatch.setattr(gpu_proof.shutil, "which", lambda name: None)
    return scripts


def called(scripts: Path) -> list[str]:
    return (scripts / "called").read_text().split()


def test_everything_is_asked_in_its_order_and_told(doors, tmp_path):
    folder = tmp_path / "proof"
    assert gpu_proof.Proof(folder, "cpu").run(5) == 0
    assert called(doors) == [question.door for question in gpu_proof.QUESTIONS]
    found = gpu_proof.read(folder)
    assert found["answers"]["state audit"]["figures"]["success"]["rate"] == 0.5
    page = (folder / "proof.md").read_text()
    assert "| state audit | 50.00% (40.00% to 60.00%) of 8 |" in page
    assert "| speed on Newton | 1024: 50000, 2048: 90000 env-steps/s |" in page
    assert page.count("not measured: no door") == len(gpu_proof.NOT_YET)
    assert page.count("| not measured |") == len(gpu_proof.QUESTIONS), "memory, without nvidia-smi"


def test_what_fails_does_not_keep_the_rest_from_being_asked_and_is_asked_again(doors, tmp_path):
    folder = tmp_path / "proof"
    assert gpu_proof.Proof(folder, "cpu", {"picture": ["--fail"]}).run(5) == 1
    assert "| picture | left with 2: alice: error: no such thing / at all |" in (folder / "proof.md").read_text()
    (doors / "called").unlink()
    assert gpu_proof.Proof(folder, "cpu").run(5) == 0
    assert called(doors) == ["play"], "what has an answer is not asked again"


def test_a_door_that_takes_too_long_is_asked_to_save(doors, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_proof, "QUESTIONS", gpu_proof.QUESTIONS[:2])
    folder = tmp_path / "proof"
    more = {"machine": ["--sleep", str(tmp_path / "asleep")]}
    assert gpu_proof.Proof(folder, "cpu", more).run(4 / 60) == 1
    found = gpu_proof.read(folder)["answers"]
    assert found["machine"]["too_late"] and found["machine"]["code"] == 143 and found["machine"]["tail"][-1] == "saved"
    assert found["machine"]["seconds"] < 30 and found["picture"]["code"] == 0


def test_what_was_found_is_on_the_disk_when_it_is_killed(doors, tmp_path):
    """And the door at work is asked to stop by the kernel."""
    folder, asleep = tmp_path / "proof", tmp_path / "asleep"
    program = f"""
import sys
from pathlib import Path
from alice.runs import provenance
provenance.ROOT = Path({str(tmp_path / "checkout")!r})
from alice.studies import gpu_proof
gpu_proof.Proof(Path({str(folder)!r}), "cpu", {{"tests": ["--sleep", {str(asleep)!r}]}}).run(5)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not asleep.exists():
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert set(json.loads((folder / "proof.json").read_text())["answers"]) == {"machine", "picture"}
    if sys.platform.startswith("linux"):
        while "saved" not in (folder / "tests.log").read_text():
            assert time.monotonic() < until
            time.sleep(0.05)


def test_the_memory_of_the_gpu_is_watched(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 1200\necho 3400\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with gpu_proof.Memory(every=0.05) as memory:
        until = time.monotonic() + 30
        while memory.most is None and time.monotonic() < until:
            time.sleep(0.05)
    assert memory.most == 3400


def test_every_question_is_asked_of_a_door_that_is_there():
    scripts = Path(__file__).resolve().parents[2] / "scripts"
    names = [question.name for question in gpu_proof.QUESTIONS]
    assert len(set(names)) == len(names)
    assert all(q.door == "pytest" or (scripts / f"{q.door}.py").is_file() for q in gpu_proof.QUESTIONS)
