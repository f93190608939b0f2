"""Pages lead to files that are there, and the code map shows every room and every door."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
MAP = (ROOT / "docs" / "code_map.md").read_text(encoding="utf-8")
FOLDERS = ("alice", "tasks", "agents", "assets", "scripts", "tests")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page):
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_a_page_names_are_there(page):
    for dotted in re.findall(r"`alice\.([a-z_.]+)", page.read_text(encoding="utf-8")):
        room, _, rest = dotted.partition(".")
        path = ROOT / (room if room in FOLDERS else f"alice/{room}")
        inner = path / rest.split(".")[0] if rest else path
        assert path.with_suffix(".py").is_file() or inner.is_dir() or inner.with_suffix(".py").is_file(), dotted


def test_every_room_and_module_of_alice_is_on_the_map():
    rooms = {path.name for path in (ROOT / "alice").iterdir() if path.is_dir() and list(path.glob("*.py"))}
    rooms |= {path.name for path in (ROOT / "alice").glob("[!_]*.py")}
    inner = {f"evaluation/{path.name}" for path in (ROOT / "alice" / "evaluation").iterdir() if list(path.glob("*.py"))}
    missing = {
        room for room in rooms - {"evaluation"} | inner if f"`alice/{room}{'' if '.py' in room else '/'}`" not in MAP
    }
    assert not missing


def test_every_door_is_on_the_map():
    (doors,) = re.findall(r"^\| `scripts/` \| (.*) \|$", MAP, re.MULTILINE)
    assert sorted(doors.split(", ")) == sorted(path.stem for path in (ROOT / "scripts").glob("*.py"))
