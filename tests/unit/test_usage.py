"""What a door says where the machine is at fault, and commands as they must be typed here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alice.cli import usage

ROOT = Path(__file__).resolve().parents[2]


##
# What the machine does
##

SCRIPT = """
import errno, sys
from alice.cli import usage

def main(argv):
    {body}

usage.run(main)
"""


def _run(body: str, **kwargs):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body=body)], capture_output=True, text=True, timeout=60, **kwargs
    )


def test_an_error_of_the_machine_is_one_line():
    done = _run("raise OSError(errno.ENOSPC, 'No space left on device', '/data/film.mp4')")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("alice: error: '/data/film.mp4' cannot be used: No space left on device;")
    assert done.stderr.count("\n") == 1


def test_an_error_of_ours_keeps_its_traceback():
    done = _run("open('/no/such/file')")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_output_that_nobody_reads_ends_a_door_quietly():
    command = f'{sys.executable} -c "$CODE" | head -n 1; echo ${{PIPESTATUS[0]}}'
    code = SCRIPT.format(body="[print(line) for line in range(100000)]")
    done = subprocess.run(["bash", "-c", command], env={**os.environ, "CODE": code}, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["0", "141"] and done.stderr == ""


def test_a_working_directory_that_is_gone_is_told_in_one_line(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    code = """
import os, sys
from alice.cli import files, usage

os.rmdir(os.getcwd())
sys.argv = ["x", "--output", "new"]

def main(argv):
    parser = usage.DoorParser("What.\\n\\nscripts/x.py")
    parser.add_argument("--output", type=files.Target(folder=True), help="where to")
    usage.parse(parser, argv)

usage.run(main)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=gone, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("alice: error: --output: 'new' cannot be written")


##
# Commands as they must be typed here
##


@pytest.mark.parametrize(("inside", "start"), [(".", ""), ("..", f"{ROOT.name}/"), ("docs", f"{ROOT}/")])
def test_an_example_is_shown_as_it_must_be_typed_here(inside, start, monkeypatch):
    monkeypatch.chdir(ROOT / inside)
    shell = "./isaaclab.sh" if inside == "." else f"{start}isaaclab.sh"
    told = usage.from_here("./isaaclab.sh -p scripts/play.py --task X")
    assert told == f"{shell} -p {start}scripts/play.py --task X"
    for word in told.split()[:3:2]:
        assert Path(word).is_file()
