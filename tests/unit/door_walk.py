"""Finds all doors and their flags, and runs a door in a fork: what the tests of the doors walk over.

Nothing is listed here by name. The doors are the files in ``scripts/``, their flags those of their parsers, and a flag
that names a file is one whose ``type`` is a :class:`alice.cli.files.Source` or :class:`alice.cli.files.Target`. A new
door or flag is walked over by itself; one that takes a value of no declared kind fails.

Each case runs in a fork of this process in which neither PyTorch nor Isaac Lab can be imported: it costs hundredths of
a second and proves that the mistake is told before they are loaded.
"""

import contextlib
import functools
import os
import runpy
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from alice.cli import files, usage

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
DOORS = [path.stem for path in SCRIPTS]
HEAVY = ("torch", "isaaclab", "isaaclab_tasks", "isaaclab_rl", "gymnasium", "warp", "onnxruntime", "onnx", "pxr")
NOBODY = 65534
"""A user without rights."""
SPECIMENS = {
    ".pt": ROOT / "assets" / "policies" / "Alice-Ball-Transfer.pt",
    ".npz": ROOT / "assets" / "policies" / "Alice-Ball-Transfer.npz",
    ".onnx": ROOT / "assets" / "policies" / "Alice-Ball-Transfer.onnx",
    ".json": ROOT / "assets" / "policies" / "Alice-Ball-Transfer.json",
}
"""A sound file of every kind that a flag reads."""


##
# Doors and their parsers
##


class _SeenError(Exception):
    """Carries a parser out of a door."""


@functools.cache
def parser_of(door: str) -> usage.DoorParser:
    """Return the parser that a door makes, whatever the door is like inside."""

    def show(parser, argv):
        raise _SeenError(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usage.DoorParser, "parse_known_args", show)
        patch.setattr(sys, "argv", [f"scripts/{door}.py"])
        try:
            runpy.run_path(str(ROOT / "scripts" / f"{door}.py"), run_name="__main__")
        except _SeenError as seen:
            return seen.args[0]
    raise AssertionError(f"scripts/{door}.py parses nothing with usage.DoorParser")


def actions_of(door: str) -> list:
    """Return the flags and places of a door that take a value."""
    return [action for action in parser_of(door)._actions if action.nargs != 0]


def named(action) -> str:
    """Return what a flag is called on the command line; a place that has no flag is called as in the help."""
    return action.option_strings[0] if action.option_strings else action.metavar


def given(action, word: str) -> list[str]:
    """Return the words that give a flag, or a place without one, a value."""
    return [*action.option_strings[:1], word]


def flags_of(door: str, *kinds: type) -> list:
    """Return the flags of a door that name a file of some kind."""
    return [action for action in actions_of(door) if isinstance(action.type, kinds)]


def required(door: str, besides=None) -> list[str]:
    """Return sound values for the flags that a door cannot do without."""
    words = []
    for action in parser_of(door)._actions:
        if action.required and action is not besides:
            words += given(action, _sound(action))
    return words


def _sound(action) -> str:
    if action.choices:
        return next(iter(action.choices))
    if isinstance(action.type, files.Source) and action.type.folder:
        return str(ROOT)
    if isinstance(action.type, files.Source):
        return next(iter(action.type.names), None) or str(SPECIMENS[action.type.kind])
    if isinstance(action.type, files.Target) and action.type.folder:
        return os.path.join(tempfile.gettempdir(), "a_new_folder")  # where every user may write
    raise AssertionError(f"say here what {action.option_strings} may be")


def call(
    door: str, words: list[str], cwd: Path, uid: int | None = None, without: tuple[str, ...] = HEAVY
) -> tuple[int, str, str]:
    """Run a door in a fork of this process and return exit code, output and errors.

    Args:
        door: Its name.
        words: What follows it on the command line.
        cwd: Working directory.
        uid: User to become; None to stay.
        without: Packages that cannot be imported.
    """
    parser_of(door)  # loads what the door imports, which another user may not be allowed to read
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush(), sys.stderr.flush()
        child = os.fork()
        if child == 0:
            code = 99
            try:
                os.dup2(out.fileno(), 1), os.dup2(err.fileno(), 2)
                sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
                os.chdir(cwd)
                if uid is not None:
                    os.setgroups([]), os.setgid(uid), os.setuid(uid)
                code = _become(door, words, without)
            finally:
                with contextlib.suppress(Exception):
                    sys.stdout.flush(), sys.stderr.flush()
                os._exit(code)
        status = os.waitpid(child, 0)[1]
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return os.waitstatus_to_exitcode(status), texts[0], texts[1]


def _become(door: str, words: list[str], without: tuple[str, ...]) -> int:
    for name in without:
        sys.modules[name] = None
    sys.argv = [f"scripts/{door}.py", *words]
    try:
        runpy.run_path(str(ROOT / "scripts" / f"{door}.py"), run_name="__main__")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        return 98
    return 0


##
# Places: a folder of things that are no good
##


@contextlib.contextmanager
def broken_things():
    """Return a folder that everybody can enter, with broken things in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        _break_things(folder)
        yield folder
        (folder / "shut").chmod(0o755), (folder / "locked").chmod(0o755)


def _break_things(folder: Path) -> None:
    (folder / "letter.txt").write_text("Dear policy,\n")
    (folder / "a_folder").mkdir()
    (folder / "shut").mkdir(mode=0o555)
    (folder / "locked").mkdir()
    (folder / "dangling").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    for kind, specimen in {**SPECIMENS, "": folder / "letter.txt"}.items():
        (folder / f"empty{kind}").touch()
        (folder / f"half{kind}").write_bytes(specimen.read_bytes()[: specimen.stat().st_size // 2])
        (folder / f"letter{kind}").write_text("Dear policy,\n")
        for name in (f"unreadable{kind}", f"locked/in{kind}"):
            shutil.copyfile(specimen, folder / name)
        (folder / f"unreadable{kind}").chmod(0)
        with zipfile.ZipFile(folder / f"parcel{kind}", "w") as parcel:
            parcel.writestr("letter.txt", "Dear policy,\n")
    np.save(folder / "array.npy", np.zeros(3))
    (folder / "array.npy").rename(folder / "array.npz")
    (folder / "list.json").write_text("[1, 2]")
    (folder / "half.json").write_text('{"success": {"rate": ')  # the line tells where: not by what is released today
    (folder / "locked").chmod(0)


def _source_cases(source: files.Source) -> dict[str, tuple[str, bool]]:
    """Return the cases of a file to be read: name -> word of the command line, and whether another user is meant."""
    kind = source.kind
    cases = {
        "missing": (f"nowhere{kind}", False),
        "below a file": (f"letter.txt/a{kind}", False),
        "a link to nothing": ("dangling", False),
        "a name too long": ("n" * 300 + kind, False),
    }
    if source.folder:
        return {**cases, "a file": ("letter.txt", False), "a folder of another user": ("locked", True)}
    cases |= {
        "a pipe": ("pipe", False),
        "a device": ("/dev/null", False),
        "empty": (f"empty{kind}", False),
        "unreadable": (f"unreadable{kind}", True),
        "in a folder of another user": (f"locked/in{kind}", True),
        "a folder": ("a_folder", False),
    }
    if source.program:
        return {**cases, "no program": ("letter.txt", False)}
    if kind in (*files.ARCHIVES, ".json"):
        cases |= {"truncated": (f"half{kind}", False), "a text": (f"letter{kind}", False)}
        cases |= {"a zip archive of other things": (f"parcel{kind}", False)}
    extra = {".npz": ("a single array", "array.npz"), ".json": ("a list", "list.json")}.get(kind)
    return {**cases, extra[0]: (extra[1], False)} if extra else cases


def _target_cases(target: files.Target) -> dict[str, tuple[str, bool]]:
    """Return the cases of a file to be written; see :func:`_source_cases`."""
    end = next(iter(target.suffixes), "" if target.folder else ".x")
    cases = {
        "below a file": (f"letter.txt/a{end}", False),
        "in a folder that cannot be written": (f"shut/a{end}", True),
        "in a new folder of one that cannot be written": (f"shut/b/c/a{end}", True),
        "in a folder that may not be entered": (f"locked/a{end}", True),
        "on a disk that takes no files": (f"/proc/a{end}", False),
        "a name too long": ("n" * 300 + end, False),
    }
    if target.folder:
        return {**cases, "a file": ("letter.txt", False)}
    if target.suffixes:
        return {**cases, "another suffix": ("a.xyz", False)}
    return {**cases, "a folder": ("a_folder", False), "a device": ("/dev/null", False)}


CASES = [(door, named(action)) for door in DOORS for action in flags_of(door, files.Source, files.Target)]


@functools.cache
def outcomes(door: str, flag: str, place: Path) -> dict[str, tuple[int, str, str]]:
    """Return what a door says to each thing that is wrong with the file of a flag."""
    (action,) = (action for action in actions_of(door) if flag == named(action))
    cases = (_source_cases if isinstance(action.type, files.Source) else _target_cases)(action.type)
    found = {}
    for name, (word, is_other_user) in cases.items():
        if is_other_user and os.geteuid() != 0:
            continue  # only root can become another user
        uid = NOBODY if is_other_user else None
        found[name] = call(door, [*required(door, action), *given(action, word)], place, uid)
    return found
