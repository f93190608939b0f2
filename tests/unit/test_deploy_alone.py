"""The robot side in a Python that has nothing but ``.[deploy]``: no PyTorch, no Isaac Lab."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
    import importlib.util
    import numpy as np
    from alice.assets import POLICIES_DIR
    from alice.deploy import policy

    for name in ("torch", "isaaclab", "rsl_rl", "gymnasium"):
        assert importlib.util.find_spec(name) is None, name
    for file in sorted(POLICIES_DIR.glob("*.onnx")):
        loaded = policy.load(file)
        with np.load(file.with_suffix(".npz")) as recorded:
            rows = {name: recorded[name] for name in recorded.files}
        expected = rows.pop(loaded.contract.output)
        error = float(np.abs(loaded(rows) - expected).max())
        assert len(expected) == 1000 and error < 1e-5, error
        print(file.name, len(expected), loaded.contract.task)
"""


def _uv() -> str:
    """Return the installer that isaaclab.sh uses; a name on PATH proves nothing, so it is run."""
    for uv in ("uv", str(Path.home() / ".local" / "bin" / "uv"), str(ROOT / ".uv" / "bin" / "uv")):
        try:
            if subprocess.run([uv, "--version"], capture_output=True, check=False).returncode == 0:
                return uv
        except OSError:
            continue
    pytest.skip("uv is not there to make an environment")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and any(sign in done.stderr for sign in ("dns error", "Failed to fetch", "Connection refused")):
        pytest.skip("no network to install from")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """Return the Python of a new environment into which the package was installed as on a robot."""
    uv = _uv()
    folder = tmp_path_factory.mktemp("robot")
    source = folder / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "extension.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("alice", "tasks", "agents", "assets"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    venv = folder / "venv"
    _run(uv, "venv", "--python", sys.executable, str(venv))
    _run(uv, "pip", "install", "--python", str(venv / "bin" / "python"), f"{source}[deploy]")
    return venv / "bin" / "python"


def test_released_policies_act_as_recorded(python, tmp_path):
    done = subprocess.run([python, "-I", "-c", textwrap.dedent(PROGRAM)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for task in ("Alice-Ball-Transfer", "Alice-Ball-Transfer-Camera"):
        assert f"{task}.onnx 1000 {task}\n" in done.stdout


def test_pytorch_is_not_there(python):
    done = subprocess.run([python, "-I", "-c", "import torch"], capture_output=True, text=True)
    assert done.returncode == 1 and "No module named 'torch'" in done.stderr


def test_the_programs_of_the_page_run_as_printed(python, tmp_path):
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "jetson.md").read_text(encoding="utf-8"), re.DOTALL)
    for policy in (ROOT / "assets" / "policies").glob("*.onnx"):
        shutil.copy(policy, tmp_path)
    for program in programs:
        done = subprocess.run([python, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout and not done.stderr, done.stdout + done.stderr
    assert len(programs) == 2


@pytest.mark.parametrize("task", ["Alice-Ball-Transfer", "Alice-Ball-Transfer-Camera"])
def test_the_doors_of_the_robot_side_run(task, python, tmp_path):
    policy = ROOT / "assets" / "policies" / f"{task}.onnx"
    for door, words, expected in (
        ("benchmark_policy.py", ["--policy", str(policy), "--calls", "50"], "whole control step"),
        ("build_engine.py", ["--onnx", str(policy), "--dry_run"], f"--saveEngine={task}.engine"),
        ("emulate_arm.py", ["--arm", "xarm1s", "--world", "drawn", "--seconds", "0.5"], "port /dev/"),
    ):
        command = [python, "-I", str(ROOT / "scripts" / door), *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and expected in done.stdout, done.stdout + done.stderr
