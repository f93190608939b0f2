"""The doctor on this machine, and on three trainings that were broken on purpose."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--device", "cpu", "--num_envs", "32", "--max_iterations", "3", "agent.num_steps_per_env=8")
BROKEN = {
    "gravity is off": ("env.sim.gravity=(0.0,0.0,0.0)",),
    "the reward pays for a posture and not for progress": ("env.rewards=rent", "env.curriculum=none"),
    "the action noise has no useful bound": (
        "agent.actor.distribution_cfg.std_range=(1e-06,1000000.0)",
        "agent.actor.distribution_cfg.init_std=2.0",
        "agent.algorithm.entropy_coef=0.05",
    ),
}


def door(name: str, *words: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "scripts" / name), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize("cause", BROKEN)
def test_the_right_cause_is_named_first(cause, tmp_path):
    trained = door("train.py", "--task", "Alice-Ball-Transfer", *SMALL, *BROKEN[cause], cwd=tmp_path)
    assert trained.returncode == 0, trained.stdout[-2000:] + trained.stderr[-2000:]
    (run,) = (tmp_path / "logs" / "rsl_rl" / "ball_transfer").iterdir()
    done = door("doctor.py", "--run", str(run), cwd=tmp_path)
    assert done.returncode == 1
    assert f"1. {cause}\n" in done.stdout, done.stdout + done.stderr
    others = [other for other in BROKEN if other != cause]
    assert not any(other in done.stdout for other in others), done.stdout


def test_the_machine_is_looked_at_and_renders(tmp_path):
    done = door("doctor.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("Python", "isaaclab", "rsl-rl-lib", "GPU", "memory", "disk", "Isaac Sim"):
        assert f" {name}: " in done.stdout, name
    assert "ok       rendering: 640 x 480 without a display" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("words", "expected"), [(("--run", "nowhere"), "does not exist"), (("--rn", "x"), "--run")])
def test_mistakes_are_one_line(words, expected, tmp_path):
    done = door("doctor.py", *words, cwd=tmp_path)
    assert done.returncode == 2 and expected in done.stderr and done.stderr.count("\n") == 1
