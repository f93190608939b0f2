"""isaaclab.sh on a machine with environments and settings of its owner: which it takes, and which it leaves alone."""

import os
import re
import shutil
import subprocess

import pytest
from bootstrap_machine import NEEDS_BASH, PYTHON_312, UV, Machine, environment

pytestmark = NEEDS_BASH


# -- environments that are there already -------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_active_environment_with_isaac_lab_is_used(machine: Machine, variable: str):
    prefix = environment(machine, machine.clone.parent / "active", "isaaclab", "alice")
    machine.environment[variable] = str(prefix)
    assert machine.start("-p", "x.py").stdout == "theirs python x.py\n"
    assert machine.start("train").stdout == "theirs isaaclab train\n"
    assert not machine.venv.exists()
    assert not machine.called("python -m pip install")


def test_active_environment_gets_alice_and_nothing_else(machine: Machine):
    prefix = environment(machine, machine.clone.parent / "active", "isaaclab")
    machine.environment["VIRTUAL_ENV"] = str(prefix)
    assert machine.start("-p", "x.py").stdout == "theirs python x.py\n"
    assert machine.called("python -m pip install") == [f"python -m pip install --no-deps -e {machine.clone}"]


def test_active_environment_with_another_copy_of_alice_is_named(machine: Machine):
    prefix = environment(machine, machine.clone.parent / "active", "isaaclab", "alice")
    url = prefix / "lib/python3.12/site-packages/alice-1.0.dist-info/direct_url.json"
    machine.environment["VIRTUAL_ENV"] = str(prefix)
    url.write_text('{"url":"file:///elsewhere/alice"}', encoding="utf-8")
    assert "another copy of alice" in machine.start("-p").stderr
    url.write_text(f'{{"url":"{machine.clone.as_uri()}"}}', encoding="utf-8")
    assert machine.start("-p").stderr == ""


def test_active_environment_without_isaac_lab_is_left_alone(machine: Machine):
    prefix = environment(machine, machine.clone.parent / "active", "numpy")
    machine.environment["VIRTUAL_ENV"] = str(prefix)
    assert machine.start("-p", "x.py").stdout == "python x.py\n"
    assert not machine.called("python -m pip install")


def test_python_on_path_with_isaac_lab_is_used(machine: Machine):
    prefix = environment(machine, machine.clone.parent / "usr", "isaaclab", "alice")
    machine.stand_in("python3", f'[ "$1" = -Ic ] && echo "{prefix}"')
    assert machine.start("-p", "x.py").stdout == "theirs python x.py\n"


def test_checkout_named_by_isaaclab_path_is_used(machine: Machine):
    checkout = machine.clone.parent / "IsaacLab"
    environment(machine, checkout / "env_isaaclab", "isaaclab", "alice")
    machine.stand_in("isaaclab.sh", 'echo "checkout $*"', checkout)
    machine.environment["ISAACLAB_PATH"] = str(checkout)
    assert machine.start("-p", "x.py").stdout == "checkout -p x.py\n"
    assert not machine.called("isaaclab.sh -p -m pip")


def test_checkout_named_by_isaaclab_path_gets_alice(machine: Machine):
    checkout = machine.clone.parent / "IsaacLab"
    environment(machine, checkout / "env_isaaclab", "isaaclab")
    machine.stand_in("isaaclab.sh", 'echo "checkout $*"', checkout)
    machine.environment["ISAACLAB_PATH"] = str(checkout)
    assert machine.start("list_envs").stdout == "checkout list_envs\n"
    assert f"isaaclab.sh -p -m pip install --no-deps -e {machine.clone}" in machine.called("isaaclab.sh")


# -- a shell with other things in mind ----------------------------------------------------------------------------

ASK = 'echo "PYTHONPATH=${PYTHONPATH-unset} PYTHONHOME=${PYTHONHOME-unset} ADDOPTS=${PYTEST_ADDOPTS-unset}"'
ROS = {"AMENT_PREFIX_PATH": "/ws/install/pkg:/opt/ros/jazzy", "PYTEST_ADDOPTS": "-n auto"}
ROS_PATHS = "/ws/install/pkg/lib/python3.12/site-packages:/opt/ros/jazzy/lib/python3.12/site-packages"


def test_what_is_meant_for_another_python_is_kept_out_of_ours_with_a_word(machine: Machine):
    """The pytest plugins of ROS, found through PYTHONPATH, end a test run before it begins."""
    machine.start()
    machine.stand_in("python", ASK, machine.venv / "bin")
    machine.environment |= {**ROS, "PYTHONPATH": ROS_PATHS, "PYTHONHOME": "/usr"}
    done = machine.start("-p", "-m", "pytest")
    assert done.stdout == "PYTHONPATH=unset PYTHONHOME=unset ADDOPTS=unset\n"
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTEST_ADDOPTS"):
        assert len([line for line in done.stderr.splitlines() if line.startswith(f"alice: note: {name}=")]) == 1
    assert "PYTEST_ADDOPTS" not in machine.start("-p", "scripts/train.py").stderr


def test_set_up_does_not_see_the_packages_of_another_python(machine: Machine):
    machine.stand_in("uv", UV.replace('echo "Resolved', f'{ASK} >"{machine.bin}/seen"; echo "Resolved'))
    machine.environment["PYTHONPATH"] = ROS_PATHS
    machine.start("-p")
    assert "PYTHONPATH=unset" in (machine.bin / "seen").read_text()


@pytest.mark.parametrize(("mine", "kept"), [("/isaac-sim/python", "/isaac-sim/python"), ("", "unset")])
def test_environment_that_is_not_ours_loses_the_entries_of_ros_alone(machine: Machine, mine: str, kept: str):
    """The rest of PYTHONPATH may be how it finds Isaac Sim."""
    prefix = environment(machine, machine.clone.parent / "active", "isaaclab", "alice")
    machine.stand_in("python", ASK, prefix / "bin")
    machine.environment |= {**ROS, "VIRTUAL_ENV": str(prefix), "PYTHONPATH": f"{ROS_PATHS}:{mine}".strip(":")}
    done = machine.start("-p", "-m", "pytest")
    assert done.stdout == f"PYTHONPATH={kept} PYTHONHOME=unset ADDOPTS=unset\n"
    assert "entries of ROS" in done.stderr
    machine.environment["PYTHONPATH"] = "/isaac-sim/python"
    assert "entries of ROS" not in machine.start("-p").stderr


def test_settings_of_pip_and_uv_for_other_projects_do_not_count(machine: Machine):
    seen = machine.bin / "seen"
    ask = f'env >>"{seen}"; '
    (machine.bin / "env").symlink_to(shutil.which("env"))
    machine.stand_in("uv", UV.replace('echo "Resolved', ask + 'echo "Resolved'))
    wrong = ["UV_SYSTEM_PYTHON", "UV_REQUIRE_HASHES", "UV_RESOLUTION", "UV_NO_BUILD", "UV_NO_BUILD_ISOLATION"]
    machine.environment |= dict.fromkeys(wrong, "1") | {"UV_INDEX_URL": "https://mirror/simple"}
    assert machine.start("-p", "x.py").returncode == 0
    lines = seen.read_text().splitlines()
    assert [line for line in lines if line.partition("=")[0] in wrong] == []
    assert "UV_INDEX_URL=https://mirror/simple" in lines, "where packages come from is the user's word"


@pytest.mark.parametrize("kept", [True, False])
def test_python_that_may_not_keep_what_it_compiles_finds_it_compiled(machine: Machine, kept: bool):
    machine.stand_in(
        "uv", UV.replace('echo "Resolved', 'echo "${UV_COMPILE_BYTECODE-no}" >"${0%/*}/seen"; echo "Resolved')
    )
    machine.environment |= {} if kept else {"PYTHONDONTWRITEBYTECODE": "1"}
    machine.start("-p", "x.py")
    assert (machine.bin / "seen").read_text() == ("no\n" if kept else "1\n")


def test_pip_that_is_set_to_install_for_the_user_gets_uv_all_the_same(bare: Machine):
    """With PIP_USER=1 pip refuses --target."""
    bare.stand_in("python3.12", PYTHON_312)
    uv = bare.stand_in("uv", UV).rename(bare.clone.parent / "uv-to-fetch")
    fetch = f'mkdir -p "{bare.clone}/.uv/bin"; cp "{uv}" "{bare.clone}/.uv/bin/uv"'
    refuse = '[ "$PIP_USER$PIP_REQUIRE_VIRTUALENV${PIP_TARGET-}" = 00 ] || exit 1; '
    (bare.bin / "cp").symlink_to(shutil.which("cp"))
    bare.stand_in("python3", f'case "$*" in *--target*) {refuse}{fetch} ;; "-m pip --version") ;; *) exit 1 ;; esac')
    bare.environment |= {"PIP_USER": "1", "PIP_REQUIRE_VIRTUALENV": "1", "PIP_TARGET": "/elsewhere"}
    assert bare.start("-p", "x.py").stdout == "python x.py\n"


@pytest.mark.parametrize("home", [None, "/nonexistent/home"])
def test_uv_gets_a_cache_where_there_is_no_home(machine: Machine, home: str | None):
    machine.stand_in("uv", UV.replace('echo "Resolved', 'echo "$UV_CACHE_DIR" >"${0%/*}/seen"; echo "Resolved'))
    machine.environment.pop("HOME")
    if home:
        machine.environment["HOME"] = home
    assert machine.start("-p", "x.py").stdout == "python x.py\n"
    expected = "" if os.access("/", os.W_OK) else f"{machine.clone}/.uv/cache"
    assert (machine.bin / "seen").read_text().strip() == expected
    assert not (machine.clone / ".uv/cache").exists()


@pytest.mark.parametrize("found", ["2.3.0", "0.54.2", "4.6.1"])
def test_error_active_environment_with_an_older_isaac_lab(machine: Machine, found: str):
    prefix = environment(machine, machine.clone.parent / "active", "alice")
    (prefix / f"lib/python3.12/site-packages/isaaclab-{found}.dist-info").mkdir()
    machine.environment["VIRTUAL_ENV"] = str(prefix)
    error = machine.fails("-p", "x.py")
    assert f"found Isaac Lab {found} in {prefix}, alice is for 3.0.0. Deactivate" in error
    assert not machine.venv.exists()


@pytest.mark.parametrize(("found", "newer"), [("28.0.0", False), ("3.1.0", True), ("31.2.0", True)])
def test_newer_isaac_lab_is_tried_with_a_word(machine: Machine, found: str, newer: bool):
    prefix = environment(machine, machine.clone.parent / "active", "alice")
    (prefix / f"lib/python3.12/site-packages/isaaclab-{found}.dist-info").mkdir()
    machine.environment["VIRTUAL_ENV"] = str(prefix)
    done = machine.start("-p", "x.py")
    assert done.stdout == "theirs python x.py\n"
    assert ("newer than 3.0.0" in done.stderr) == newer


def test_python_on_path_with_an_older_isaac_lab_is_passed_over(machine: Machine):
    prefix = environment(machine, machine.clone.parent / "usr", "alice")
    (prefix / "lib/python3.12/site-packages/isaaclab-2.3.0.dist-info").mkdir()
    machine.stand_in("python3", f'[ "$1" = -Ic ] && echo "{prefix}"')
    done = machine.start("-p", "x.py")
    assert done.stdout == "python x.py\n"
    assert "note: Isaac Lab 2.3.0" in done.stderr


def test_error_checkout_of_an_older_isaac_lab(machine: Machine):
    checkout = machine.clone.parent / "IsaacLab"
    prefix = environment(machine, checkout / "env_isaaclab", "alice")
    (prefix / "lib/python3.12/site-packages/isaaclab-0.54.2.dist-info").mkdir()
    machine.stand_in("isaaclab.sh", "exit 1", checkout)
    machine.environment["ISAACLAB_PATH"] = str(checkout)
    assert "Unset ISAACLAB_PATH" in machine.fails("-p", "x.py")


def test_error_line_ends_of_windows(machine: Machine):
    script = machine.clone / "isaaclab.sh"
    script.write_bytes(script.read_bytes().replace(b"\n", b"\r\n"))
    error = machine.fails("-p", "x.py")
    assert "line ends of Windows" in error
    remedy = re.search(r"run: (.*)", error)[1]
    subprocess.run(remedy, shell=True, cwd=machine.clone, check=True)
    assert machine.start("-p", "x.py").stdout == "python x.py\n"
