"""Sets the environment variables without which libraries end a process on an unusual machine. Standard library only.

Seen in containers: a user id without a name (``docker --user 12345``), a home that does not exist or cannot be written,
no program git. Nothing is set where the machine is a usual one.
"""

from __future__ import annotations

import getpass
import os
import stat
import tempfile
from pathlib import Path


def settle() -> None:
    """Give the user a name, a home and a writable cache, and let GitPython be imported without git."""
    try:
        getpass.getuser()
    except (KeyError, OSError):  # PyTorch's compiler names its cache after the user
        os.environ["LOGNAME"] = f"uid{os.getuid()}"
    try:
        home = Path.home()
    except RuntimeError:
        home = private_folder()
        os.environ["HOME"] = str(home)
    if not _is_writable(Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")):  # of Warp, PyTorch, Matplotlib
        os.environ["XDG_CACHE_HOME"] = str(private_folder())
    if not _is_writable(Path(os.environ.get("MPLCONFIGDIR") or os.environ.get("XDG_CONFIG_HOME") or home / ".config")):
        os.environ["MPLCONFIGDIR"] = str(private_folder())
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # GitPython, which RSL-RL imports, raises on import else


def private_folder() -> Path:
    """Return a folder of this user alone below the temporary folder.

    It is the same one every time, since what is cached in it takes minutes to make. A folder or link of that name that
    somebody else put there is not used; then it is a new one.
    """
    number = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"alice-cache-{number}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            return folder
    except (OSError, AttributeError):
        pass
    return Path(tempfile.mkdtemp(prefix="alice-cache-"))


def _is_writable(folder: Path) -> bool:
    """Return whether files can be written into a folder, which need not exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
