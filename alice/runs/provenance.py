"""Where a file or a figure comes from: version, commit, command, machine. Standard library only, no machine paths."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from alice import __version__
from alice.cli import files
from alice.system import affinity

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("isaaclab", "rsl-rl-lib", "torch", "ovphysx", "newton", "warp-lang")


def collect(seed: int | None, device: str = "cpu") -> dict[str, Any]:
    """Return what is needed to run a command again and to judge its figures.

    Args:
        seed: Seed of the run.
        device: Device it runs on; a GPU is named for a CUDA device only.
    """
    commit, dirty = git_state(ROOT)
    return {
        "version": __version__,
        "git_commit": commit,
        "dirty": dirty,
        "command": command_line(sys.argv),
        "seed": seed,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "hardware": hardware(device),
        "versions": versions(),
    }


def git_state(root: Path) -> tuple[str | None, bool | None]:
    """Return the commit of a checkout and whether files differ from it; (None, None) outside of a checkout.

    Args:
        root: Folder of the checkout. An installed package may lie in someone else's repository, so it counts only if
            it is the top of the repository itself.
    """
    changed = changes(root)
    return (None, None) if changed is None else (_git(root, "rev-parse", "HEAD"), bool(changed))


def changes(root: Path) -> list[str] | None:
    """Return the files of a checkout that differ from its commit, None outside of a checkout.

    Those in ``docs`` are left out: no figure depends on them, and an audit writes there itself.

    Args:
        root: Folder of the checkout, see :func:`git_state`.
    """
    try:
        top = _git(root, "rev-parse", "--show-toplevel")
        if Path(top).resolve() != root.resolve():
            return None
        _git(root, "rev-parse", "HEAD")
        status = _git(root, "status", "--porcelain", "--", ".", ":(exclude)docs")
    except (OSError, subprocess.SubprocessError):
        return None
    return [line.split(maxsplit=1)[1] for line in status.splitlines()]


def _git(root: Path, *words: str) -> str:
    # Variables of a hook or of another work tree would answer for that one; and a checkout that belongs to somebody
    # else, as one that is mounted into a container does, is the one whose code runs here all the same.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-c", f"safe.directory={root.resolve()}", "-C", str(root), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="surrogateescape", check=True, timeout=20, env=environment
    )
    return done.stdout.strip()


def command_line(argv: list[str]) -> str:
    """Return a command without the paths of this machine.

    Args:
        argv: Script and arguments. An absolute path becomes relative to the working directory or, outside of it, its
            last part.
    """
    script = Path(argv[0]).resolve()
    name = script.relative_to(ROOT).as_posix() if script.is_relative_to(ROOT) else script.name
    return " ".join([name, *(_portable(word) for word in argv[1:])])


def _portable(word: str) -> str:
    name, equals, value = word.partition("=")
    prefix, value = (f"{name}=", value) if equals else ("", word)
    if os.path.isabs(value):
        path = Path(value)
        value = path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.name
    return prefix + value


def hardware(device: str = "cpu") -> dict[str, Any]:
    """Return processor, usable cores and, for a CUDA device, the GPU's name."""
    gpu = None
    if device.startswith("cuda"):
        import torch

        gpu = torch.cuda.get_device_name(device)
    return {"cpu": _cpu_model(), "cores": len(affinity.cores()), "gpu": gpu, "system": platform.system()}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that decide a result, None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all; see :func:`alice.cli.files.writing`."""
    files.write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
