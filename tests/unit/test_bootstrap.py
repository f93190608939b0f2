"""isaaclab.sh with stand-ins for Python, uv and df: which environment it takes, and what it says when it cannot.

The stand-ins are shell scripts in a folder that is the whole PATH, next to links to the few real tools the script
uses. A stand-in writes the words it was called with to ``calls``.
"""

import functools
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ["bash", "cat", "chmod", "cksum", "cut", "dirname", "flock", "grep", "mkdir", "rm", "sed", "sh", "sleep"]
TOOLS += ["tail", "tee", "touch"]
BIG_DISK = "echo header; echo /dev/disk 99999999 0 50000000 1% /"

# `uv venv` makes a .venv whose python and isaaclab print how they were called.
UV = """
case "$1 $2" in
  "--version "*) ;;
  "venv --python"*)
    mkdir -p "$4/bin" "$4/lib/python3.12/site-packages" && touch "$4/pyvenv.cfg"
    for name in python isaaclab; do
        printf '#!/bin/sh\\n[ "$1" = -c ] && exit\\necho %s "$@"\\n' "$name" >"$4/bin/$name"; chmod +x "$4/bin/$name"
    done ;;
  "pip install") sleep "${FAKE_INSTALL_S:-0}"; echo "Resolved 7 packages"; touch "${4%/bin/python}/installed" ;;
esac
"""
PYTHON_311 = 'case "$*" in "-m pip"*) exit 0 ;; *) exit 1 ;; esac'
PYTHON_312 = 'case "$*" in "-c "*) echo /fake/python3.12 ;; *) exit 1 ;; esac'

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


class Machine:
    """A clone of the bootstrap's files and a PATH on which only ``TOOLS`` and the stand-ins exist."""

    def __init__(self, folder: Path):
        self.clone, self.bin, self.calls = folder / "my clone", folder / "bin", folder / "calls"
        self.clone.mkdir()
        self.bin.mkdir()
        for name in ("isaaclab.sh", "setup.py", "pyproject.toml"):
            shutil.copy(ROOT / name, self.clone)
        for tool in filter(shutil.which, TOOLS):
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.environment = {"PATH": str(self.bin), "HOME": str(folder / "home")}
        self.venv = self.clone / ".venv"
        self.stand_in("df", BIG_DISK)

    def stand_in(self, name: str, body: str, folder: Path | None = None) -> Path:
        """Put a command on PATH, or into another folder, that notes its words and runs ``body``."""
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho {name} "$@" >>"{self.calls}"\n{body}\n', encoding="utf-8")
        path.chmod(0o755)
        return path

    def popen(self, *words: str) -> subprocess.Popen:
        """Start ./isaaclab.sh with ``words``, from another folder."""
        command = ["bash", str(self.clone / "isaaclab.sh"), *words]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        # A process group of its own, so that a test can end it as Ctrl-C at a terminal does.
        # Whoever starts the tests in the background has SIGINT ignored, which bash passes on and cannot take back.
        heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        return subprocess.Popen(
            command, cwd=self.bin, env=self.environment, start_new_session=True, preexec_fn=heed, **streams
        )

    def start(self, *words: str) -> subprocess.CompletedProcess:
        """Run ./isaaclab.sh with ``words`` to its end."""
        process = self.popen(*words)
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def called(self, beginning: str) -> list[str]:
        """Return the calls of stand-ins that begin so, oldest first."""
        lines = self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []
        return [line for line in lines if line.startswith(beginning)]

    def fails(self, *words: str) -> str:
        """Run and return the error: one line, the last one, with exit code 2 and nothing on standard output."""
        done = self.start(*words)
        errors = [line for line in done.stderr.splitlines() if line.startswith("alice: error: ")]
        assert (done.returncode, done.stdout, len(errors)) == (2, "", 1), done.stderr
        assert done.stderr.splitlines()[-1] == errors[0]
        return errors[0]


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """A machine without any Python."""
    return Machine(tmp_path)


@pytest.fixture
def machine(bare: Machine) -> Machine:
    """A machine with uv and Python 3.12."""
    bare.stand_in("uv", UV)
    bare.stand_in("python3.12", PYTHON_312)
    return bare


def _environment(machine: Machine, prefix: Path, *distributions: str) -> Path:
    """Make a Python environment that is not ours, with these distributions installed."""
    for name in distributions:
        version = "3.0.0" if name == "isaaclab" else "1.0"
        (prefix / f"lib/python3.12/site-packages/{name}-{version}.dist-info").mkdir(parents=True)
    for name in ("python", "isaaclab"):
        machine.stand_in(name, f'[ "$1 $2" = "-m pip" ] || echo "theirs {name} $*"', prefix / "bin")
    return prefix


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


def test_changed_dependency_list_is_installed_into_the_same_environment(machine: Machine):
    machine.start("-p")
    with (machine.clone / "setup.py").open("a") as file:
        file.write("# one more dependency\n")
    machine.start("-p")
    assert (len(machine.called("uv venv")), len(machine.called("uv pip install"))) == (1, 2)


def test_clone_that_was_moved_gets_a_new_environment(machine: Machine):
    """The commands in an environment begin with the absolute path of its Python."""
    machine.start("-p")
    machine.clone = machine.clone.rename(machine.clone.parent / "moved")
    assert machine.start("-p", "x.py").stdout == "python x.py\n"
    assert machine.called("uv venv")[-1].endswith(f"{machine.clone}/.venv")


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL], ids=lambda kill: kill.name)
def test_set_up_killed_half_way_leads_to_a_new_environment(machine: Machine, kill: signal.Signals):
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


# -- environments that are there already -------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_active_environment_with_isaac_lab_is_used(machine: Machine, variable: str):
    prefix = _environment(machine, machine.clone.parent / "active", "isaaclab", "alice")
    machine.environment[variable] = str(prefix)
    assert machine.start("-p", "x.py").stdout == "theirs python x.py\n"
    assert machine.start("train").stdout == "theirs isaaclab train\n"
    assert not machine.venv.exists()
    assert not machine.called("python -m pip install")


def test_active_environment_gets_alice_and_nothing_else(machine: Machine):
    prefix = _environment(machine, machine.clone.parent / "active", "isaaclab")
    machine.environment["VIRTUAL_ENV"] = str(prefix)
    assert machine.start("-p", "x.py").stdout == "theirs python x.py\n"
    assert machine.called("python -m pip install") == [f"python -m pip install --no-deps -e {machine.clone}"]


def test_active_environment_with_another_copy_of_alice_is_named(machine: Machine):
    prefix = _environment(machine, machine.clone.parent / "active", "isaaclab", "alice")
    url = prefix / "lib/python3.12/site-packages/alice-1.0.dist-info/direct_url.json"
    machine.environment["VIRTUAL_ENV"] = str(prefix)
    url.write_text('{"url":"file:///elsewhere/alice"}', encoding="utf-8")
    assert "another copy of alice" in machine.start("-p").stderr
    url.write_text(f'{{"url":"{machine.clone.as_uri()}"}}', encoding="utf-8")
    assert machine.start("-p").stderr == ""


def test_active_environment_without_isaac_lab_is_left_alone(machine: Machine):
    prefix = _environment(machine, machine.clone.parent / "active", "numpy")
    machine.environment["VIRTUAL_ENV"] = str(prefix)
    assert machine.start("-p", "x.py").stdout == "python x.py\n"
    assert not machine.called("python -m pip install")


def test_python_on_path_with_isaac_lab_is_used(machine: Machine):
    prefix = _environment(machine, machine.clone.parent / "usr", "isaaclab", "alice")
    machine.stand_in("python3", f'[ "$1" = -Ic ] && echo "{prefix}"')
    assert machine.start("-p", "x.py").stdout == "theirs python x.py\n"


def test_checkout_named_by_isaaclab_path_is_used(machine: Machine):
    checkout = machine.clone.parent / "IsaacLab"
    _environment(machine, checkout / "env_isaaclab", "isaaclab", "alice")
    machine.stand_in("isaaclab.sh", 'echo "checkout $*"', checkout)
    machine.environment["ISAACLAB_PATH"] = str(checkout)
    assert machine.start("-p", "x.py").stdout == "checkout -p x.py\n"
    assert not machine.called("isaaclab.sh -p -m pip")


def test_checkout_named_by_isaaclab_path_gets_alice(machine: Machine):
    checkout = machine.clone.parent / "IsaacLab"
    _environment(machine, checkout / "env_isaaclab", "isaaclab")
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
    prefix = _environment(machine, machine.clone.parent / "active", "isaaclab", "alice")
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
    prefix = _environment(machine, machine.clone.parent / "active", "alice")
    (prefix / f"lib/python3.12/site-packages/isaaclab-{found}.dist-info").mkdir()
    machine.environment["VIRTUAL_ENV"] = str(prefix)
    error = machine.fails("-p", "x.py")
    assert f"found Isaac Lab {found} in {prefix}, alice is for 3.0.0. Deactivate" in error
    assert not machine.venv.exists()


@pytest.mark.parametrize(("found", "newer"), [("28.0.0", False), ("3.1.0", True), ("31.2.0", True)])
def test_newer_isaac_lab_is_tried_with_a_word(machine: Machine, found: str, newer: bool):
    prefix = _environment(machine, machine.clone.parent / "active", "alice")
    (prefix / f"lib/python3.12/site-packages/isaaclab-{found}.dist-info").mkdir()
    machine.environment["VIRTUAL_ENV"] = str(prefix)
    done = machine.start("-p", "x.py")
    assert done.stdout == "theirs python x.py\n"
    assert ("newer than 3.0.0" in done.stderr) == newer


def test_python_on_path_with_an_older_isaac_lab_is_passed_over(machine: Machine):
    prefix = _environment(machine, machine.clone.parent / "usr", "alice")
    (prefix / "lib/python3.12/site-packages/isaaclab-2.3.0.dist-info").mkdir()
    machine.stand_in("python3", f'[ "$1" = -Ic ] && echo "{prefix}"')
    done = machine.start("-p", "x.py")
    assert done.stdout == "python x.py\n"
    assert "note: Isaac Lab 2.3.0" in done.stderr


def test_error_checkout_of_an_older_isaac_lab(machine: Machine):
    checkout = machine.clone.parent / "IsaacLab"
    prefix = _environment(machine, checkout / "env_isaaclab", "alice")
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
