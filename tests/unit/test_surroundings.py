"""A user without a name and a home that cannot be written end nothing; on a usual machine nothing changes."""

import getpass
import os
import pwd
from pathlib import Path

import pytest

from alice.system import surroundings

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


@pytest.fixture(autouse=True)
def usual(monkeypatch, tmp_path):
    """A machine with a home and a temporary folder of its own."""
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    monkeypatch.setattr(surroundings.tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.fixture
def nameless(monkeypatch):
    """A user id that no list of users knows."""
    for name in NAMES:
        monkeypatch.setenv(name, "")  # and not delenv, which would not undo what is set later
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])


def _unwritable(monkeypatch, folder: Path) -> None:
    """Root may write everywhere, so the system's answer is taken from here."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_relative_to(folder) and access(path, mode))


def test_on_a_usual_machine_nothing_changes():
    before = dict(os.environ)
    surroundings.settle()
    assert dict(os.environ) == before


def test_a_user_id_without_a_name_gets_one(nameless):
    surroundings.settle()
    assert getpass.getuser() == f"uid{os.getuid()}"


def test_a_user_without_a_home_gets_one(nameless, monkeypatch, tmp_path):
    monkeypatch.delenv("HOME")
    monkeypatch.setenv("HOME", "x")  # so that what is set below is undone
    del os.environ["HOME"]
    surroundings.settle()
    assert Path.home() == tmp_path / "tmp" / f"alice-cache-{os.getuid()}"


def test_a_home_that_cannot_be_written_moves_the_caches(monkeypatch, tmp_path):
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "")
    _unwritable(monkeypatch, tmp_path / "home")
    surroundings.settle()
    folder = tmp_path / "tmp" / f"alice-cache-{os.getuid()}"
    assert os.environ["XDG_CACHE_HOME"] == os.environ["MPLCONFIGDIR"] == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert surroundings.private_folder() == folder, "caches that are made anew every time take minutes every time"


def test_a_folder_that_somebody_else_put_there_is_not_used(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tmp" / f"alice-cache-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    folder = surroundings.private_folder()
    assert folder.resolve() != tmp_path / "elsewhere"
    assert folder.parent == tmp_path / "tmp"
