"""isaaclab.sh: the environment that it makes and repairs, and what it says when it cannot."""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from bootstrap_machine import BIG_DISK, NEEDS_BASH, PYTHON_311, PYTHON_312, UV, Machine

pytestmark = NEEDS_BASH


# -- what it hands over to ---------------------------------------------------------------------------------------


def test_first_start_makes_the_environment_and_hands_over_to_python(machine: Machine):
    done = machine.start("-p", "scripts/train.py", "--task", "two words")
    assert (done.returncode, done.stdout) == (0, "python scripts/train.py --task two words\n"), done.stderr
    [install] = machine.called("uv pip install")
    assert install.endswith("-e .[train,test]")


def test_command_sees_its_environment_as_the_active_one(machine: Machine):
    """Isaac Lab's command looks at these variables when it starts Python itself."""
    machine.start()
    machine.environment |= {"VIRTUAL_ENV": "/elsewhere", "CONDA_PREFIX": "/conda"}
    machine.stand_in("isaaclab", 'echo "$VIRTUAL_ENV|$CONDA_PREFIX|${PATH%%:*}"', machine.venv / "bin")
    assert machine.start("train").stdout == f"{machine.venv}||{machine.venv}/bin\n"


def test_other_words_go_to_the_command_of_isaac_lab(machine: Machine):
    assert machine.start("list_envs", "--all").stdout == "isaaclab list_envs --all\n"


def test_exit_code_of_the_command_is_passed_on(machine: Machine):
    machine.start()
    machine.stand_in("python", "exit 7", machine.venv / "bin")
    assert machine.start("-p", "x.py").returncode == 7


def test_second_start_is_silent_installs_nothing_and_takes_under_300_ms(machine: Machine):
    machine.start("-p")
    before = len(machine.called("uv"))
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        assert machine.start("-p").stderr == ""
        seconds.append(time.perf_counter() - began)
    assert len(machine.called("uv")) == before
    assert min(seconds) < 0.3


def test_uv_is_fetched_with_pip_where_there_is_none(bare: Machine):
    bare.stand_in("python3.12", PYTHON_312)
    uv = bare.stand_in("uv", UV).rename(bare.clone.parent / "uv-to-fetch")
    fetch = f'mkdir -p "{bare.clone}/.uv/bin"; cp "{uv}" "{bare.clone}/.uv/bin/uv"'
    (bare.bin / "cp").symlink_to(shutil.which("cp"))
    bare.stand_in("python3", f'case "$*" in *--target*) {fetch} ;; "-m pip --version") ;; *) exit 1 ;; esac')
    assert bare.start("-p", "x.py").stdout == "python x.py\n"
    assert not any("--user" in call for call in bare.called("python3"))


def test_name_on_path_that_does_not_run_is_not_taken_for_python(machine: Machine):
    """As a pyenv shim does when its version is not selected."""
    machine.stand_in("python3.12", "exit 127")
    inside = Path(machine.environment["HOME"]) / ".pyenv/versions/3.12.1/bin"
    machine.stand_in("python3.12", "echo /from/pyenv/python3.12", inside)
    machine.start("-p")
    assert "--python /from/pyenv/python3.12" in machine.called("uv venv")[0]


def test_without_any_python_312_uv_is_asked_to_get_one(machine: Machine):
    machine.stand_in("python3.12", "exit 127")
    assert machine.start("-p", "x.py").returncode == 0
    assert "--python 3.12 " in machine.called("uv venv")[0]


# -- repair ------------------------------------------------------------------------------------------------------


def test_changed_dependency_list_is_installed_into_the_sameenvironment(machine: Machine):
    machine.start("-p")
    with (machine.clone / "setup.py").open("a") as file:
        file.write("# one more dependency\n")
    machine.start("-p")
    assert (len(machine.called("uv venv")), len(machine.called("uv pip install"))) == (1, 2)


def test_clone_that_was_moved_gets_a_newenvironment(machine: Machine):
    """The commands in an environment begin with the absolute path of its Python."""
    machine.start("-p")
    machine.clone = machine.clone.rename(machine.clone.parent / "moved")
    assert machine.start("-p", "x.py").stdout == "python x.py\n"
    assert machine.called("uv venv")[-1].endswith(f"{machine.clone}/.venv")


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL], ids=lambda kill: kill.name)
def test_set_up_killed_half_way_leads_to_a_newenvironment(machine: Machine, kill: signal.Signals):
    half = machine.venv / "half"
    machine.stand_in("uv", UV.replace('echo "Resolved', f'touch "{half}"; exec sleep 20; echo "'))
    process = machine.popen("-p", "x.py")
    deadline = time.monotonic() + 20
    while not half.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, kill)
    assert process.communicate(timeout=10)[0] == ""
    machine.stand_in("uv", UV)
    assert machine.start("-p", "x.py").stdout == "python x.py\n"
    assert (machine.venv / "installed").exists()
    assert not half.exists()


@pytest.mark.parametrize("debris", ["bin/pip", "bin/python"])
def test_environment_that_was_never_finished_is_made_anew(machine: Machine, debris: str):
    machine.stand_in(Path(debris).name, "exit 0", (machine.venv / debris).parent)  # but there is no pyvenv.cfg
    assert machine.start("-p", "x.py").stdout == "python x.py\n"


def test_environment_whose_python_is_gone_is_made_anew(machine: Machine):
    machine.start("-p")
    (machine.venv / "bin/python").unlink()
    assert machine.start("-p", "x.py").stdout == "python x.py\n"


def test_failed_update_keeps_the_environment_that_was_there(machine: Machine):
    machine.start("-p")
    keepsake = machine.venv / "keepsake"
    keepsake.touch()
    (machine.clone / "setup.py").write_text("# changed", encoding="utf-8")
    machine.stand_in("uv", '[ "$1" = --version ] || exit 1')
    machine.fails("-p")
    machine.stand_in("uv", UV)
    assert machine.start("-p", "x.py").stdout == "python x.py\n"
    assert keepsake.exists()


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock, without which two first starts are not guarded")
def test_two_first_starts_at_once_install_once(machine: Machine):
    machine.environment["FAKE_INSTALL_S"] = "0.5"
    both = [machine.popen("-p", name) for name in ("one.py", "two.py")]
    assert [process.communicate(timeout=30)[0] for process in both] == ["python one.py\n", "python two.py\n"]
    assert len(machine.called("uv pip install")) == 1


# -- errors ------------------------------------------------------------------------------------------------------


def test_error_no_python_and_no_uv(bare: Machine):
    error = bare.fails("-p", "x.py")
    assert "neither uv nor a Python with pip" in error
    assert "python3-pip" in error


def test_error_pip_cannot_get_uv(bare: Machine):
    say = "echo 'ERROR: No matching distribution found for uv'; exit 1"
    bare.stand_in("python3", f'case "$*" in *--target*) {say} ;; "-m pip --version") ;; *) exit 1 ;; esac')
    done = bare.start("-p", "x.py")
    assert done.returncode == 2
    assert "pip could not get uv: ERROR: No matching distribution found for uv" in done.stderr.splitlines()[-1]


def test_error_no_python_312_obtainable(machine: Machine):
    machine.stand_in("python3.12", "exit 127")
    machine.stand_in("python3", PYTHON_311)
    machine.stand_in("uv", '[ "$1" = --version ] || { echo "  cause: dns failure"; echo "hint: look up"; exit 2; }')
    error = machine.fails("-p", "x.py")
    assert "no Python 3.12" in error
    assert ": dns failure (" in error
    assert "pyenv install 3.12" in error


def test_error_disk_too_small_names_both_sizes_and_leaves_nothing(machine: Machine):
    machine.stand_in("df", BIG_DISK.replace("50000000", "3500000"))
    error = machine.fails("-p", "x.py")
    assert re.search(r"only 3 GB free at .*my clone, set-up needs about 12 GB", error)
    assert not machine.venv.exists()


def test_error_no_network_shows_the_cause_and_the_log(machine: Machine):
    failure = 'echo "fatal: x"; echo "  cause: no route to host"; exit 1; '
    machine.stand_in("uv", UV.replace('echo "Resolved', failure + 'echo "'))
    error = machine.fails("-p", "x.py")
    assert "installation failed: no route to host" in error
    log = re.search(r"whole log: (.*?)\)", error)[1]
    assert "fatal: x" in Path(log).read_text(encoding="utf-8")


def test_error_isaaclab_path_without_isaac_lab(machine: Machine):
    machine.environment["ISAACLAB_PATH"] = "/nowhere/IsaacLab"
    error = machine.fails("-p", "x.py")
    assert "'/nowhere/IsaacLab'" in error
    assert "unset it" in error


def test_error_environment_of_another_python(machine: Machine):
    machine.start("-p")
    (machine.venv / ".alice-stamp").unlink()
    machine.stand_in("python", "exit 1", machine.venv / "bin")
    error = machine.fails("-p", "x.py")
    assert "not Python 3.12" in error
    assert "rm -r" in error


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs a POSIX system")
def test_error_folder_that_cannot_be_written(machine: Machine):
    (machine.clone / ".venv.lock").mkdir()
    assert "cannot write to" in machine.fails("-p", "x.py")
