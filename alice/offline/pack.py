"""Packs the installed packages that training needs, and alice, into parts: as they are here, from no index.

What is unpacked is one folder: packages as in ``site-packages``, alice with its mapped folders inside as in a wheel,
``scripts`` and ``tests`` beside them, and a small ``isaaclab.sh`` that starts the machine's own Python with all of it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import platform
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from alice import __version__
from alice.cli.usage import UsageError
from alice.offline import join, needed
from alice.runs import provenance

LEVEL = 6
"""Of gzip: 9 takes twice the time for a hundredth of the size."""
PROJECT = {"alice": "alice", "tasks": "alice/tasks", "agents": "alice/agents", "assets": "alice/assets"}
PROJECT |= {"scripts": "scripts", "tests": "tests"}
"""Folders of the checkout -> where they lie in what is unpacked."""
LEFT_OUT = ("__pycache__", "direct_url.json", "INSTALLER")
LAUNCHER = """#!/bin/sh
# Starts the Python of this machine with what lies beside this file: isaaclab.sh -p scripts/train.py ...
here=$(cd -- "$(dirname -- "$0")" && pwd -P)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
if [ "${1-}" = -p ]; then
  shift
  exec "${PYTHON:-python3}" "$@"
fi
exec "${PYTHON:-python3}" -m isaaclab "$@"
"""


@dataclass(frozen=True)
class Package:
    """An installed package."""

    name: str
    version: str
    files: dict[str, Path]
    """Name in what is unpacked -> where it lies here."""


def normal(name: str) -> str:
    """Return a package's name as indices write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names_to_carry(have: Path | None) -> tuple[list[str], list[str]]:
    """Return what is carried and what the other machine is expected to have.

    Args:
        have: What it has, as ``python3 -m pip freeze`` of that machine tells it; None for what comes with PyTorch.
    """
    there = needed.WITH_PYTORCH
    if have is not None:
        lines = have.read_text(encoding="utf-8").splitlines()
        there = {normal(found[0]) for line in lines if (found := re.match(r"[A-Za-z0-9][\w.-]*", line))}
    return sorted(needed.NEEDED - there), sorted(needed.NEEDED & there)


def package(name: str) -> Package:
    """Return an installed package with its files.

    Raises:
        UsageError: If it is not installed here, or by something that keeps no list of its files.
    """
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise UsageError(
            f"the package {name} is not installed for this Python; pack with the environment that ./isaaclab.sh makes"
        ) from None
    if found.files is None:
        raise UsageError(f"the package {name} was installed without a list of its files; install it with pip or uv")
    files = {}
    for entry in found.files:
        if entry.parts[0] == ".." or entry.is_absolute() or {*entry.parts} & {*LEFT_OUT}:
            continue  # commands in bin, which nothing here starts
        path = Path(found.locate_file(entry))
        if path.is_file():
            files[entry.as_posix()] = path
    return Package(normal(name), found.version, files)


def project(root: Path) -> dict[str, Path]:
    """Return the files of this checkout by their names in what is unpacked.

    Raises:
        UsageError: If there is no checkout.
    """
    missing = [name for name in PROJECT if not (root / name).is_dir()]
    if missing:
        raise UsageError(f"{str(root)!r} has no folder {missing[0]!r}: pack from a checkout of alice")
    return {
        f"{inside}/{path.relative_to(root / folder).as_posix()}": path
        for folder, inside in PROJECT.items()
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _made(root: Path) -> dict[str, bytes]:
    """Return files that exist in no package: the launcher, and what makes alice an installed package."""
    found = metadata.distribution("alice")
    place = f"alice-{__version__}.dist-info"
    texts = {f"{place}/{name}": found.read_text(name) or "" for name in ("METADATA", "entry_points.txt")}
    texts["isaaclab.sh"] = LAUNCHER
    texts |= {
        name: (root / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "extension.toml", "LICENSE")
    }
    return {name: text.encode() for name, text in texts.items()}


class Parts(io.RawIOBase):
    """A file to write to that becomes several, of at most a given size, with their hashes."""

    def __init__(self, folder: Path, size: int):
        super().__init__()
        self._folder, self._size = folder, size
        self._file: io.BufferedWriter | None = None
        self._digest, self._room = hashlib.sha256(), 0
        self.sums: dict[str, str] = {}
        """Names of the finished parts and their hashes, in their order."""

    def writable(self) -> bool:
        """Whether it can be written: always."""
        return True

    def write(self, data) -> int:
        """Write bytes, into the next part where this one is full."""
        view = memoryview(data).cast("B")
        while view:
            if self._room == 0:
                self._next()
            piece = view[: self._room]
            self._file.write(piece)
            self._digest.update(piece)
            self._room -= len(piece)
            view = view[len(piece) :]
        return len(memoryview(data).cast("B"))

    def _next(self) -> None:
        self._end()
        self._file = (self._folder / f"part.{len(self.sums):03d}").open("wb")
        self._digest, self._room = hashlib.sha256(), self._size

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self.sums[Path(self._file.name).name] = self._digest.hexdigest()
            self._file = None

    def close(self) -> None:
        """End the last part."""
        self._end()
        super().close()


def write(folder: Path, packages: list[Package], expected: list[str], size: int, root: Path = provenance.ROOT) -> dict:
    """Write the parts, their sums and the file that joins them, and return what is told of it.

    Args:
        folder: Where to; made if missing. Parts of an earlier time are taken away.
        packages: What is carried beside alice.
        expected: Packages that the other machine must have.
        size: Largest size of a part [bytes].
        root: The checkout.

    Raises:
        UsageError: If there is no checkout.
        OSError: If the disk is full.
    """
    files, made = project(root), _made(root)
    for item in packages:
        files |= item.files
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("part.*"), folder / join.SUMS, folder / join.ABOUT):
        old.unlink(missing_ok=True)
    with (
        Parts(folder, size) as parts,
        gzip.GzipFile(filename="", fileobj=parts, mode="wb", compresslevel=LEVEL, mtime=0) as stream,
    ):
        total = _write_archive(stream, files, made)
    about = {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "machine": f"{platform.system()} {platform.machine()}",
        "version": __version__,
        "commit": provenance.git_state(root)[0],
        "packages": len(packages),
        "carried": {item.name: item.version for item in packages},
        "expected": [
            needed.IMPORTED_AS.get(name, name.replace("-", "_")) for name in expected if name not in needed.CUDA_BUILDS
        ],
        "bytes": total,
        "parts": len(parts.sums),
    }
    provenance.write_json(folder / join.ABOUT, about)
    sums = {**parts.sums, join.ABOUT: provenance.sha256(folder / join.ABOUT)}
    (folder / "join.py").write_bytes(Path(join.__file__).read_bytes())
    text = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (folder / join.SUMS).write_text(text, encoding="utf-8")  # last: without it there is nothing to join
    return about


def _write_archive(stream: gzip.GzipFile, files: dict[str, Path], made: dict[str, bytes]) -> int:
    """Write files into an archive, equal files to equal bytes, and return their size unpacked [bytes]."""
    total = 0
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for name, opened, size, is_program in _entries(files, made):
            with opened as file:
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = size, 0o755 if is_program else 0o644
                archive.addfile(entry, file)
                total += size
    return total


def _entries(files: dict[str, Path], made: dict[str, bytes]) -> Iterator[tuple[str, io.BufferedIOBase, int, bool]]:
    """Return name, content, size and whether it is run, of every file."""
    for name in sorted({*files, *made}):
        if name in made:
            yield name, io.BytesIO(made[name]), len(made[name]), name.endswith(".sh")
        else:
            yield name, files[name].open("rb"), files[name].stat().st_size, os.access(files[name], os.X_OK)
