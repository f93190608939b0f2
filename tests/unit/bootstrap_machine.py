"""A machine for tests of isaaclab.sh, with stand-ins for Python, uv and df.

The stand-ins are shell scripts in a folder that is the whole PATH, next to links to the few real tools the script
uses. A stand-in writes the words it was called with to ``calls``.
"""

import functools
import shutil
import signal
import subprocess
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

NEEDS_BASH = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


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


def environment(machine: Machine, prefix: Path, *distributions: str) -> Path:
    """Make a Python environment that is not ours, with these distributions installed."""
    for name in distributions:
        version = "3.0.0" if name == "isaaclab" else "1.0"
        (prefix / f"lib/python3.12/site-packages/{name}-{version}.dist-info").mkdir(parents=True)
    for name in ("python", "isaaclab"):
        machine.stand_in(name, f'[ "$1 $2" = "-m pip" ] || echo "theirs {name} $*"', prefix / "bin")
    return prefix
