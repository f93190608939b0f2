"""The whole pipeline by real doors, killed at random moments until it is through: ``scripts/pipeline.py FOLDER``.

SIGKILL goes to the whole process group, as a machine goes away; SIGTERM to the pipeline alone, as a cluster asks.
"""

import contextlib
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

ROOT = Path(__file__).resolve().parents[2]
KILLS = 12
PATIENCE = 3600
"""Seconds that a start may take on a machine with other work."""
# PhysX solves contacts in the order in which they began; only this setting makes the order the same after a resume.
EXACT = ["physics=ovphysx", "env.sim.physics.enable_enhanced_determinism=true"]
SMALL = ["--num_envs", "21", "--max_iterations", "5", "agent.num_steps_per_env=4", "agent.save_interval=2", *EXACT]
# A distillation's memory is not in its checkpoints. One that holds a single rollout is the same after a resume.
MEMORY = [f"agent.algorithm.{word}" for word in ("replay_size=84", "min_replay=16", "batch_size=16", "teacher_steps=4")]
FEW = ["--episodes", "4", "--num_envs", "4", "env.episode_length_s=1.0"]
WORDS = {"state": SMALL, "randomized": SMALL, "student": [*SMALL, *MEMORY], "finetune": SMALL}
WORDS |= {"audits": [*FEW, *EXACT], "closed_loop": [*FEW, *EXACT], "reports": FEW}
RUNS = ("state", "randomized", "student", "finetune")


def command(folder: Path) -> list[str]:
    line = [sys.executable, str(ROOT / "scripts" / "pipeline.py"), str(folder), "--device", "cpu"]
    return [*line, "--words", str(folder.with_name("words.json"))]


def begin(folder: Path) -> subprocess.Popen:
    folder.with_name("words.json").write_text(json.dumps(WORDS))
    # With more threads the order of PyTorch's sums, and so their last digit, can differ from process to process.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with folder.with_name("log").open("a") as log:
        return subprocess.Popen(
            command(folder), stdout=log, stderr=log, env=environment, cwd=folder.parent, start_new_session=True
        )


def end(process: subprocess.Popen, folder: Path) -> None:
    try:
        code = process.wait(timeout=PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert code == 0, folder.with_name("log").read_text()[-3000:]


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def finished(folder: Path) -> dict[str, int]:
    """Return when each file was written that a finished step of the ledger has made."""
    steps = read(folder, "pipeline.json")["steps"].values() if (folder / "pipeline.json").exists() else []
    return {path: (folder / path).stat().st_mtime_ns for step in steps for path in step.get("made", {})}


def labels(run: Path) -> list[int]:
    """Return the iterations that TensorBoard's files of a run hold, one entry for each time."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = []
    for file in sorted(run.glob("events.out.tfevents.*")):
        events = EventAccumulator(str(file))
        events.Reload()
        tag = "Perf/total_fps"
        found += [event.step for event in events.Scalars(tag)] if tag in events.Tags()["scalars"] else []
    return sorted(found)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[dict, float]:
    """Return the manifest of a pipeline that nothing disturbed, and how long it took [s]."""
    folder, began = tmp_path_factory.mktemp("undisturbed") / "whole", time.monotonic()
    end(begin(folder), folder)
    return read(folder, "manifest.json"), time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_at_random_moments_it_ends_as_if_nothing_had_happened(number, undisturbed, tmp_path):
    expected, seconds = undisturbed
    folder, moments = tmp_path / "whole", random.Random(f"{time.time()}")
    written: dict[str, int] = {}
    for _ in range(KILLS):
        process = begin(folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0, 1.4 * seconds / KILLS))
        assert process.poll() is None, folder.with_name("log").read_text()[-3000:]
        os.killpg(process.pid, number) if number == signal.SIGKILL else process.send_signal(number)
        assert process.wait(timeout=PATIENCE) in (-number, 128 + number)
        now = finished(folder)
        assert {path: now[path] for path in written} == written, "what was finished is not done again"
        written = now
    end(begin(folder), folder)
    found, now = read(folder, "manifest.json"), finished(folder)
    assert {path: now[path] for path in written} == written
    assert found["files"].keys() == expected["files"].keys() and found["figures"].keys() == expected["figures"].keys()
    for stage in RUNS:
        first = found["runs"][stage]["first_iteration"]
        assert set(labels(folder / stage)) == set(range(first, first + 5))
    if number == signal.SIGKILL:
        for name in ("figures", "runs", "policies", "camera_policy"):
            assert found[name] == expected[name]
    else:
        assert all(len(set(done)) == len(done) for done in (labels(folder / stage) for stage in RUNS)), "nothing twice"
