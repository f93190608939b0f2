"""Files that doors read and write: looked at when the command line is read, written whole or not at all.

A flag that names a file or a folder has a :class:`Source` or a :class:`Target` as its ``type=``. So a mistake is told
in one line before PyTorch is loaded, and a test finds every such flag and tries it. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alice.cli.usage import UsageError

ARCHIVES = {".npz": ("a NumPy archive", ".npy"), ".pt": ("a PyTorch checkpoint", "/data.pkl")}
"""Kinds of file that are zip archives, what they are called, and how the name of something in them ends."""


@dataclass(frozen=True)
class Source:
    """A file that a door reads, as a ``type=`` of argparse: from a word to a path that can be read."""

    kind: str = ""
    """Suffix that says what it holds, such as ``.npz``; nothing is asked of the file's own name."""
    remedy: str = "give a file"
    """What to do without it."""
    names: tuple[str, ...] = ()
    """Words that stand for a file and pass as they are."""
    folder: bool | None = False
    """Whether it is a folder; None where it may be either."""
    program: bool = False
    """Whether the file is run."""
    metavar: str = ""
    """What the help calls it."""

    def __post_init__(self):
        object.__setattr__(self, "metavar", self.metavar or ("FOLDER" if self.folder else "FILE"))

    def __call__(self, text: str) -> Path | str:
        """Return the path; raise :class:`argparse.ArgumentTypeError` if it cannot be what is meant."""
        if text in self.names:
            return text
        try:
            problem = self._problem(text)
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        if problem:
            raise argparse.ArgumentTypeError(f"{text!r} {problem}; {self.remedy}")
        return Path(text)

    def _problem(self, text: str) -> str | None:
        try:
            mode = os.stat(text).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return "does not exist"
        if stat.S_ISDIR(mode):
            if self.folder is False:
                return "is a folder"
            os.scandir(text).close()
            return None
        if self.folder:
            return "is no folder"
        if not stat.S_ISREG(mode):
            return "is no ordinary file"
        if self.program:
            return None if os.access(text, os.X_OK) else "is no program (it may not be executed)"
        return content_problem(Path(text), self.kind)


def content_problem(path: Path, kind: str) -> str | None:
    """Return what is wrong with a file that should hold a kind of content, as far as can be told at once; None if OK.

    Args:
        path: The file.
        kind: Suffix that says what it should hold.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        if not file.read(1):
            return "is empty"
    if kind in ARCHIVES:
        called, part = ARCHIVES[kind]
        try:
            with zipfile.ZipFile(path) as archive:
                fits = any(name.endswith(part) for name in archive.namelist())
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            return f"is damaged or not {called}"
        return None if fits else f"is an archive of another kind, not {called}"
    if kind == ".json":
        try:
            parsed = json.loads(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            return "cannot be read as JSON (it is no text in UTF-8)"
        except (ValueError, RecursionError) as error:
            return f"cannot be read as JSON ({' '.join(str(error).split())[:80]})"
        return None if isinstance(parsed, dict) else f"holds a JSON {type(parsed).__name__}, not an object"
    return None


@dataclass(frozen=True)
class Target:
    """A file or a folder that a door writes, as a ``type=`` of argparse: from a word to a path that can be written.

    Folders that are missing are made when something is written, not before, so that a mistake elsewhere on the command
    line leaves nothing behind.
    """

    suffixes: tuple[str, ...] = ()
    """Suffixes the file may have; any if there are none."""
    folder: bool = False
    """Whether it is a folder."""

    @property
    def metavar(self) -> str:
        """What the help calls it."""
        return "FOLDER" if self.folder else "FILE"

    def __call__(self, text: str) -> Path:
        """Return the path; raise :class:`argparse.ArgumentTypeError` if it cannot be written."""
        try:
            problem = self._problem(Path(text))
        except OSError as error:
            problem = f"cannot be written ({error.strerror}); give another place"
        if problem:
            raise argparse.ArgumentTypeError(f"{text!r} {problem}")
        return Path(text)

    def _problem(self, path: Path) -> str | None:
        if self.suffixes and path.suffix not in self.suffixes:
            return f"must end in {' or '.join(self.suffixes)}"
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            mode = None
        if mode is not None and self.folder and not stat.S_ISDIR(mode):
            return "is a file; give a folder"
        if mode is not None and not self.folder and stat.S_ISDIR(mode):
            return "is a folder; give the name of a file in it"
        if mode is not None and not self.folder and not stat.S_ISREG(mode):
            return "is no ordinary file; give another name"
        place = path if self.folder else path.parent
        while not os.path.lexists(place) and place != place.parent:
            place = place.parent
        if not place.is_dir():
            return f"cannot be written: {str(place)!r} is no folder; give another place"
        try:
            # Asking for permission is not enough: root has it on a read-only disk too.
            with tempfile.TemporaryFile(dir=place):
                return None
        except OSError as error:
            return f"cannot be written: the folder {str(place)!r} takes no files ({error.strerror}); give another place"


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Write a file whole or not at all: a reader never sees half of it, a writer that fails leaves the old one.

    Args:
        path: The file; its folder is made if it is missing.

    Yields:
        A name beside it, with the same suffix, to write to. It becomes the file when the context ends without an error.

    Raises:
        UsageError: If the disk is full, or the place cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{os.getpid()}-{target.name[-60:]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())[:160]
        raise UsageError(f"{str(path)!r} cannot be written ({reason}); what was there before is untouched") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all; see :func:`writing`."""
    with writing(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write bytes, whole or not at all; see :func:`writing`."""
    with writing(path) as fresh:
        fresh.write_bytes(data)


def read_json(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Args:
        path: The file.
        what: What it is, for the message.
        remedy: What to do without it.

    Raises:
        UsageError: If it cannot be read or holds something else.
    """
    try:
        problem = content_problem(path, ".json")
        content = None if problem else json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    if problem:
        raise UsageError(f"{what} {str(path)!r} {problem}; {remedy}")
    return content
