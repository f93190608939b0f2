"""Puts the parts of scripts/pack_offline.py together: ``python3 FOLDER/join.py SITE``.

Lies beside the parts, and needs nothing but the Python that will train. SITE is made; nothing else is changed.
"""

import gzip
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import sys
import tarfile
from pathlib import Path

SUMS, ABOUT = "SHA256SUMS", "packed.json"


def main(argv):
    """Join and unpack; return the exit code."""
    if len(argv) != 1 or argv[0].startswith("-"):
        raise SystemExit(__doc__.splitlines()[0])
    folder, site = Path(__file__).resolve().parent, Path(argv[0])
    parts = check(folder)
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    refuse_other_machines(about, site)
    unfinished = site.with_name(site.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with gzip.GzipFile(fileobj=Joined(parts)) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        extract(archive, unfinished)
    os.replace(unfinished, site)
    for name in about["expected"]:
        if importlib.util.find_spec(name) is None:
            print(f"note: {sys.executable} has no {name}, which is not among the parts")
    print(f"{about['packages']} packages and alice {about['version']} ({about['commit']}) in {site}; now, for one:")
    print(f"{site}/isaaclab.sh -p {site}/scripts/train.py --task Alice-Ball-Transfer --run runs/first")
    return 0


def check(folder):
    """Return the parts in their order; refuse what is missing or damaged."""
    parts = []
    for line in (folder / SUMS).read_text(encoding="utf-8").splitlines():
        expected, name = line.split()
        if not (folder / name).is_file():
            refuse(f"{name} is missing; copy it here")
        digest = hashlib.sha256()
        with (folder / name).open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        if digest.hexdigest() != expected:
            refuse(f"{name} is damaged; copy it again")
        if name != ABOUT:
            parts.append(folder / name)
    return parts


def refuse_other_machines(about, site):
    """Refuse what would be found out in the middle of a training."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}", f"{platform.system()} {platform.machine()}"
    there = about["python"], about["machine"]
    if here != there:
        refuse(f"packed for Python {there[0]} on {there[1]}, this is {here[0]} on {here[1]}; start another with this")
    if os.path.lexists(str(site)):
        refuse(f"{site} is there already; give a new folder")
    site.absolute().parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(str(site.absolute().parent)).free
    if free < about["bytes"]:
        refuse(
            f"{site} needs {about['bytes'] / 1e6:.0f} MB, {free / 1e6:.0f} MB are free; give a folder on another disk"
        )


def extract(archive, place):
    """Unpack below a folder and nowhere else."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(str(place), filter="data")
    else:
        archive.extractall(str(place))


class Joined:
    """Files one after another, as one to read from."""

    def __init__(self, paths):
        self._left, self._file = list(paths), None

    def read(self, size=-1):
        """Return at most so many bytes, none at the end."""
        while True:
            if self._file is None:
                if not self._left:
                    return b""
                self._file = self._left.pop(0).open("rb")
            data = self._file.read(size)
            if data:
                return data
            self._file.close()
            self._file = None


def refuse(mistake):
    """Leave with one line."""
    print("join.py: error: " + mistake, file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
