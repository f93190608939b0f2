"""One process at a time in the folder of a run. The lock is the kernel's: it ends with its process, however."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path

from alice.cli.usage import UsageError
from alice.system import ranks

FILE = ".lock"
"""What is locked, in the folder of a run. The file may stay behind: it is the lock on it that counts."""
TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class Lock:
    """Holds folders until the context is left. Of a distributed training only rank 0 does.

    The descriptors are closed where a process becomes another program, so that no helper keeps a lock by accident.
    """

    def __init__(self):
        self._held: dict[Path, int] = {}

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *reason) -> None:
        while self._held:
            os.close(self._held.popitem()[1])

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Open files that a child process needs in order to hold the same locks."""
        return tuple(self._held.values())

    def take(self, folder: Path) -> None:
        """Hold a folder that exists; nothing happens if it is held already.

        A file system without locks, such as a mounted bucket may be, is told and not refused.

        Raises:
            UsageError: If another process holds it, or nothing can be written there.
        """
        folder = folder.resolve()
        if folder in self._held or ranks.rank():
            return
        try:
            self._held[folder] = _locked(folder)
        except OSError as error:
            if error.errno in TAKEN and error.filename is None:
                raise UsageError(
                    f"{os.path.relpath(folder)!r} is in use by {_holder(folder)}; let that end, or stop it, first"
                ) from None
            raise UsageError(f"{str(folder)!r} cannot be written ({error.strerror}); give another folder") from error

    def forget(self, folder: Path) -> None:
        """Let go of a folder that was held and delete the file in it."""
        descriptor = self._held.pop(folder.resolve(), None)
        if descriptor is not None:
            (folder / FILE).unlink(missing_ok=True)
            os.close(descriptor)


def _locked(folder: Path) -> int:
    """Return the descriptor of the locked file of a folder.

    Raises:
        OSError: If the file cannot be opened; without a file name if it is locked already.
    """
    while True:
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, folder)
            if _is_same(descriptor, folder / FILE):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever held it has deleted it since it was opened


def _lock(descriptor: int, folder: Path) -> None:
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError) as error:
        if getattr(error, "errno", None) in TAKEN:
            raise
        reason = getattr(error, "strerror", None) or "not on this system"
        told = f"alice: note: {os.path.relpath(folder)!r} cannot be locked ({reason})"
        print(f"{told}: see to it that nothing else trains in it", file=sys.stderr)


def _is_same(descriptor: int, path: Path) -> bool:
    """Whether a file is still the one of that name."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _holder(folder: Path) -> str:
    """Return what the file says of the process that holds it; it may be of another machine."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (folder / FILE).read_text(encoding="utf-8").strip()[:100] or "another start"
    return "another start"
