"""What is packed for a machine without a network is all that the doors import: they are run, and looked at."""

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

from alice.offline import needed, pack

ROOT = Path(__file__).resolve().parents[2]
TASK, CAMERA = "Alice-Ball-Transfer", "Alice-Ball-Transfer-Camera"
SMALL = ("--device", "cpu", "--num_envs", "4")
RUNS = {
    "train": ("--task", TASK, *SMALL, "--max_iterations", "1", "--run", "run", "agent.num_steps_per_env=4"),
    "evaluate": ("--task", CAMERA, *SMALL, "--checkpoint", "released", "--episodes", "4", "--report", "report"),
    "export_onnx": ("--task", TASK, "--checkpoint", "released", "--output", "exported"),
}
# Writes down at its end where every module and every library of a process came from.
LOOK = """
import atexit, os, sys

def look():
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    with open("/proc/self/maps") as maps:
        files |= {line.split(None, 5)[-1].strip() for line in maps}
    with open(os.environ["LOOKED"] + f"/{os.getpid()}", "w") as file:
        file.write("\\n".join(name for name in files if isinstance(name, str) and "site-packages/" in name))

atexit.register(look)
"""


def owners() -> dict[str, str]:
    """Return the package of every installed file, by its name below ``site-packages``."""
    return {
        entry.as_posix(): pack.normal(found.metadata["Name"])
        for found in metadata.distributions()
        for entry in found.files or ()
    }


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/maps")
@pytest.mark.parametrize(
    "door", [pytest.param(name, marks=() if name == "train" else pytest.mark.slow) for name in RUNS]
)
def test_a_door_imports_nothing_that_is_neither_carried_nor_with_pytorch(door, tmp_path):
    looked = tmp_path / "looked"
    (tmp_path / "hook").mkdir()
    looked.mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(LOOK)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "hook"), "LOOKED": str(looked)}
    line = [sys.executable, ROOT / "scripts" / f"{door}.py", *RUNS[door]]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-2000:]
    files = {name for path in looked.iterdir() for name in path.read_text().splitlines()}
    known = owners()
    found = {known.get(re.sub(r".*site-packages/", "", name)) for name in files} - {None, "alice"}
    found = {name for name in found if not name.startswith("nvidia-")}  # come with PyTorch
    assert {"isaaclab", "torch"} & found, json.dumps(sorted(found))
    assert sorted(found - needed.NEEDED) == []
