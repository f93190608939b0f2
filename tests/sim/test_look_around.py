"""What the tests on a GPU look for, on a CPU: the look itself is right."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["Alice-Ball-Transfer", "Alice-Ball-Transfer-Camera"])
def test_all_is_well_on_a_cpu(task, tmp_path):
    words = ("--task", task, "--device", "cpu", "--num_envs", "21", "--domain_rand", "physics=ovphysx")
    line = [sys.executable, ROOT / "tests" / "gpu" / "look_around.py", *words]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0 and done.stdout.endswith("all is well\n"), done.stdout + done.stderr[-2000:]
