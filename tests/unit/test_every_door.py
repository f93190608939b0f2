"""Walks over all doors and all their flags: a mistake is one line and exit code 2, before anything heavy is loaded.

See :mod:`door_walk` for how doors and flags are found. ``ALICE_WRITE=1`` lets the last test write what it compares.
"""

import contextlib
import os
import re
import shlex
import stat
from pathlib import Path

import pytest
from door_walk import (
    CASES,
    DOORS,
    HEAVY,
    ROOT,
    SCRIPTS,
    SPECIMENS,
    actions_of,
    broken_things,
    call,
    named,
    outcomes,
    parser_of,
    required,
)

from alice.cli import files


@pytest.fixture(scope="module")
def place():
    """Return a folder that everybody can enter, with broken things in it."""
    with broken_things() as folder:
        yield folder


@pytest.mark.parametrize(("door", "flag"), CASES)
def test_a_file_that_is_no_good_is_told_in_one_line_before_anything_is_loaded(door, flag, place):
    before = sorted(place.rglob("*"))
    bad = []
    for name, (code, out, err) in outcomes(door, flag, place).items():
        is_line = err.startswith(f"alice: error: {flag}: ") and err.count("\n") == 1
        if code != 2 or out or not is_line:
            bad.append(f"{name}: code {code}\n{out}{err}")
    assert not bad, "\n".join(bad)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("door", DOORS)
def test_every_flag_says_what_kind_of_value_it_takes(door):
    undeclared = [named(a) for a in actions_of(door) if a.type is None and a.choices is None]
    assert not undeclared, "give them a type: files.Source, files.Target, usage.word or a number"
    unhelpful = [a.option_strings[0] for a in parser_of(door)._actions if not a.help]
    assert not unhelpful, "say in help= what they do"


##
# Help, unknown words
##


def _tree() -> dict[Path, int]:
    """Return when each file of the work tree was changed."""
    found = {}
    for folder in ("alice", "tasks", "agents", "assets", "scripts", "docs"):
        for path in (ROOT / folder).rglob("*"):
            if "__pycache__" not in path.parts and stat.S_ISREG(path.lstat().st_mode):
                found[path] = path.stat().st_mtime_ns
    return found


@pytest.mark.parametrize("door", DOORS)
def test_help_shows_usage_and_examples_and_changes_nothing(door, tmp_path):
    before = _tree()
    code, out, err = call(door, ["--help"], tmp_path)
    assert code == 0 and err == ""
    assert out.startswith(f"usage: {door}.py") and "\nexamples:\n" in out
    assert f"scripts/{door}.py" in out.split("\nexamples:\n")[1]
    assert _tree() == before and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("door", DOORS)
def test_help_shows_a_change_of_the_configuration_where_a_door_takes_one(door, tmp_path):
    _, out, _ = call(door, ["--help"], tmp_path)
    source = (ROOT / "scripts" / f"{door}.py").read_text()
    takes_words = any(call in source for call in ("launch.prepare(", "engine.run(")) or bool(parser_of(door).others)
    said = re.search(r"^Words such as (\S+=\S+)", out, re.MULTILINE)
    assert bool(said) == takes_words


@pytest.mark.parametrize("word", ["--no_such_flag", "surplus", "-x"])
@pytest.mark.parametrize("door", [door for door in DOORS if not parser_of(door).others])
def test_an_unknown_word_is_refused(door, word, tmp_path):
    before = _tree()
    needed = required(door)
    has_place = any(not action.option_strings for action in actions_of(door))  # a surplus word before it would be it
    # A flag that takes several would swallow the word behind it.
    code, out, err = call(door, [*needed, word] if has_place else [word, *needed], tmp_path)
    assert code == 2 and out == ""
    assert err.startswith(f"alice: error: unknown argument {word!r}; ") and err.count("\n") == 1
    assert _tree() == before and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("door", [door for door in DOORS if "--task" in parser_of(door)._option_string_actions])
def test_an_unknown_task_is_told_before_anything_is_loaded(door, tmp_path):
    given = {"--checkpoint": "released", "--audit": SPECIMENS[".json"], "--inputs": SPECIMENS[".npz"]}
    words = [str(word) for pair in given.items() if pair[0] in parser_of(door)._option_string_actions for word in pair]
    light = tuple(name for name in HEAVY if not name.startswith("onnx"))  # an export asks for it before anything else
    code, out, err = call(door, [*required(door), *words, "--task", "Alice-Ball-Transfr"], tmp_path, without=light)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "unknown task 'Alice-Ball-Transfr'; did you mean Alice-Ball-Transfer" in err


@pytest.mark.parametrize("word", ["presets=eight_actions", "physics=ovphisx"])
def test_an_unknown_preset_is_told_before_anything_is_loaded(word, tmp_path):
    code, out, err = call("train", ["--task", "Alice-Ball-Transfer", word], tmp_path)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert f"unknown preset {word}; did you mean" in err
    assert list(tmp_path.iterdir()) == []


##
# Files that look right from outside
##


def _run_folder(folder: Path, **content: bytes) -> None:
    """Make what could be a run folder."""
    (folder / "run" / "params").mkdir(parents=True)
    for name, data in content.items():
        place = folder / "run" if name == "events" else folder / "run" / "params"
        (place / {"events": "events.out.tfevents.1"}.get(name, f"{name}.yaml")).write_bytes(data)


DEEP = {
    "benchmark_policy half.onnx": (["--policy", "a.onnx"], b"\x08\x08half of a network", "a.onnx is damaged"),
    "build_engine half.onnx": (["--onnx", "a.onnx"], b"\x08\x08half of a network", "a.onnx is damaged"),
    "pipeline foreign words": (
        ["runs", "--words", "a.onnx"],
        b'{"audit": []}',
        "unknown stage 'audit'; stages: state,",
    ),
    "pipeline camera task": (["runs", "--task", "Alice-Ball-Transfer-Camera"], b"-", "has no camera task"),
    "prove_gpu foreign words": (["--words", "a.onnx"], b'{"speed": []}', "unknown question 'speed'; "),
    "ablate damaged result": (["--output", ".", "--dry_run"], b"{", "cannot be read as JSON"),
    "ablate foreign result": (["--output", ".", "--dry_run"], b"{}", "has no entry 'iterations'"),
    "doctor no logs": (["--run", "run"], {}, "holds no TensorBoard log"),
    "doctor damaged log": (["--run", "run"], {"events": b"damaged"}, "of the run"),
    "doctor empty log": (["--run", "run"], {"events": b""}, "env.yaml of the run cannot be read"),
    "doctor binary yaml": (["--run", "run"], {"events": b"", "env": b"\xff\xfe\x00"}, "env.yaml of the run cannot"),
    "learning_speed no logs": (["--runs", "run"], {}, "holds no TensorBoard log"),
    "learning_speed damaged log": (["--runs", "run"], {"events": b"damaged"}, "has logged no success rate"),
    "doctor list": (["--run", "run"], {"events": b"", "env": b"- 1"}, "env.yaml of the run holds no configuration"),
}


@pytest.mark.parametrize("name", DEEP)
def test_a_file_that_only_looks_right_is_told_in_one_line(name, tmp_path):
    words, content, expected = DEEP[name]
    door = name.split()[0]
    if isinstance(content, dict):
        _run_folder(tmp_path, **content)
    else:
        (tmp_path / "ablation").mkdir()
        target = "ablation/baseline_s1.json" if door == "ablate" else "a.onnx"
        (tmp_path / target).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    code, _, err = call(door, words, tmp_path, without=("torch", "isaaclab"))
    assert code == 2 and "Traceback" not in err, err
    told = [line for line in err.splitlines() if line.startswith("alice: error: ")]
    assert len(told) == 1 and expected in told[0], err
    assert sorted(tmp_path.rglob("*")) == before


##
# Commands that are printed in the documents
##


def _commands() -> list[tuple[str, str, str]]:
    """Return file, door and words of every command of a door in the documents and in the doors themselves."""
    found = []
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *SCRIPTS):
        for line in path.read_text(encoding="utf-8").splitlines():
            for door, words in re.findall(r"scripts/(\w+)\.py((?: [^`|#(]*)?)", line):
                if door in DOORS:
                    found.append((path.name, door, words))
    return found


def test_the_flags_of_printed_commands_exist():
    bad = []
    for where, door, words in _commands():
        parser = parser_of(door)
        known = parser._option_string_actions
        with contextlib.suppress(ValueError):
            given = [word.split("=")[0].rstrip(".,;:") for word in shlex.split(words) if word.startswith("--")]
            bad += [f"{where}: {door} {flag}" for flag in given if flag not in known and not parser.others]
    assert not bad
    assert len(_commands()) > 50


##
# The page of what was tried
##

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- walk: written by tests/unit/test_every_door.py -->\n", "<!-- end of the walk -->"


def _walk(place: Path) -> str:
    """Return the tables of what doors say to files: one for each kind of flag, a row for each thing that is wrong."""
    groups: dict[object, list[tuple[str, str]]] = {}
    for door, flag in CASES:
        (action,) = (action for action in actions_of(door) if flag == named(action))
        kind = action.type if isinstance(action.type, files.Target) else (action.type.kind, action.type.folder)
        groups.setdefault(kind, []).append((door, flag))
    text = ""
    for found in groups.values():
        flags: dict[str, list[str]] = {}
        for door, flag in found:
            flags.setdefault(flag, []).append(door)
        names = "; ".join(f"`{flag}` of {', '.join(doors)}" for flag, doors in flags.items())
        text += f"\n{names}:\n\n| Tried | Said, exit code 2 |\n|---|---|\n"
        door, flag = found[0]
        for case, (_, _, err) in outcomes(door, flag, place).items():
            said = err.removeprefix(f"alice: error: {flag}: ").strip().removesuffix("; see --help")
            text += f"| {case} | {re.sub('n{300}', 'nnn…', said).replace('|', '/')} |\n"
    return text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_page_shows_what_doors_say(place):
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    written, _, after = rest.partition(END)
    shown = f"{_walk(place)}\n"
    if os.environ.get("ALICE_WRITE"):
        PAGE.write_text(before + BEGIN + shown + END + after, encoding="utf-8")
        written = shown
    assert written == shown, "run this test with ALICE_WRITE=1 and look at the difference"
    assert (before + written + after).count("\n| ") > 80
