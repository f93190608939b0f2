"""SkyPilot parses its recipe, in an environment of its own and without a network once that is made."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = "0.14.1"
PARSE = """
import sys
import sky

task = sky.Task.from_yaml(sys.argv[1])
(resources,) = task.resources
assert resources.use_spot and resources.max_hourly_cost <= 1, resources
assert resources.autostop_config.enabled and resources.autostop_config.down, resources
assert resources.job_recovery["recover_on_exit_codes"] == [129, 138, 143], resources.job_recovery
assert task.storage_mounts["/runs"].mode.value == "MOUNT_CACHED"
print("parsed by", sky.__version__)
"""


@pytest.mark.slow
def test_skypilot_parses_its_recipe(tmp_path):
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not shutil.which(uv):
        pytest.skip("no uv to make SkyPilot's environment with")
    python = tmp_path / "sky" / "bin" / "python"
    for words in (["venv", "--python", sys.executable, tmp_path / "sky"], ["pip", "install", "--python", python]):
        more = [] if words[0] == "venv" else [f"skypilot=={VERSION}"]
        done = subprocess.run([uv, *words, *more], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"SkyPilot cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    nowhere = "http://127.0.0.1:9"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere}
    line = [python, "-c", PARSE, ROOT / "cloud" / "train.sky.yaml"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300)
    assert done.returncode == 0 and f"parsed by {VERSION}" in done.stdout, done.stdout + done.stderr
