"""How a door reads its command line and tells a user's mistake: one line on standard error and exit code 2.

The line names the thing, the value, the options and the remedy. Standard library only, so that a wrong flag or a
missing file is told in a moment, before PyTorch and Isaac Lab are loaded.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from alice import kit


class UsageError(ValueError):
    """A user's mistake. The message is one line: what, value, options, remedy."""


class DoorParser(argparse.ArgumentParser):
    """Argument parser that raises :class:`UsageError` instead of printing the usage, and takes no abbreviations."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise instead of leaving the process."""
        raise UsageError(f"{message}; see --help")


@kit.closed_last()
def run(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Run a door's ``main`` on the command line and leave the process with its exit code.

    Args:
        main: Takes the arguments after the script's name.
    """
    try:
        code = main(sys.argv[1:])
    except UsageError as error:
        print("alice: error: " + " ".join(str(error).split()), file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("alice: stopped", file=sys.stderr)
        code = 130
    raise SystemExit(code or 0)


def suggest(word: str, options: Iterable[str], what: str) -> str:
    """Return ``did you mean …? <what>: <all options>`` for an unknown word.

    Args:
        word: What the user wrote.
        options: What would have been right.
        what: What the options are called.
    """
    options = sorted(options)
    by_lower = {option.lower(): option for option in options}
    close = [by_lower[match] for match in difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)]
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{hint}{what}: {', '.join(options) or 'none'}"


##
# Flags
##


def positive(text: str) -> int:
    """Return a whole number of at least 1, as a ``type=`` of argparse."""
    return _whole(text, 1)


def seed(text: str) -> int:
    """Return a whole number of at least 0, as a ``type=`` of argparse."""
    return _whole(text, 0)


def audit_seed(text: str) -> int | str:
    """Return a whole number of at least 0 or the word ``release``, as a ``type=`` of argparse."""
    return text if text == "release" else _whole(text, 0)


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return value


def parse(parser: DoorParser, argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse a command line of which every flag is known to the parser.

    Args:
        parser: The door's parser.
        argv: Arguments after the script's name.

    Returns:
        The flags and the ``name=value`` overrides.

    Raises:
        UsageError: If a flag is unknown.
    """
    args, rest = parser.parse_known_args(argv)
    overrides, unknown = split_overrides(rest)
    refuse_unknown(unknown, parser)
    return args, overrides


def split_overrides(words: list[str]) -> tuple[list[str], list[str]]:
    """Split words into ``name=value`` overrides and the rest; ``--headless``, an old habit, is dropped with a note."""
    overrides = [word for word in words if "=" in word and not word.startswith("-")]
    rest = [word for word in words if word not in overrides]
    if "--headless" in rest:
        print("alice: note: --headless is not needed, nothing opens a window unless it is asked to", file=sys.stderr)
        rest = [word for word in rest if word != "--headless"]
    return overrides, rest


_RUN = (
    "give the run itself, train.py --resume logs/rsl_rl/<experiment>/<run>, or --checkpoint with it to play and audit"
)
HABITS = {"--load_run": _RUN, "--load_checkpoint": _RUN, "--enable_cameras": "it is not needed, leave it out"}
"""Flags of other projects and older versions, and what does here what they did."""


def refuse_unknown(words: list[str], parser: argparse.ArgumentParser) -> None:
    """Raise :class:`UsageError` for the first of the words that the parser did not know."""
    for word in words:
        if word.partition("=")[0] in HABITS:
            raise UsageError(f"unknown argument {word!r}; {HABITS[word.partition('=')[0]]}")
    if words:
        flags = [flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")]
        raise UsageError(f"unknown argument {words[0]!r}; {suggest(words[0].split('=')[0], flags, 'flags')}")


def require_writable(path: str | None, flag: str, suffixes: tuple[str, ...] = ()) -> Path | None:
    """Return the path of a file to be written later.

    Args:
        path: What the user gave; None passes through.
        flag: The flag that gave it.
        suffixes: Suffixes the file may have; any if there are none.

    Raises:
        UsageError: If it is a folder, its folder does not exist or cannot be written, or the suffix is wrong.
    """
    if path is None:
        return None
    target = Path(path)
    if suffixes and target.suffix not in suffixes:
        raise UsageError(f"{flag} {path!r} must end in {' or '.join(suffixes)}")
    if target.is_dir():
        raise UsageError(f"{flag} {path!r} is a folder; give the name of a file in it")
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        raise UsageError(f"{flag} {path!r}: the folder {str(target.parent)!r} does not exist or cannot be written")
    return target


def require_folder(path: str | None, flag: str) -> Path | None:
    """Return a folder to write files into; it need not exist, but the one that holds it must.

    Args:
        path: What the user gave; None passes through.
        flag: The flag that gave it.

    Raises:
        UsageError: If it is a file, or it cannot be made or written.
    """
    if path is None:
        return None
    target = Path(path)
    if target.exists() and not target.is_dir():
        raise UsageError(f"{flag} {path!r} is a file; give a folder")
    place = target if target.is_dir() else target.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise UsageError(f"{flag} {path!r}: the folder {str(place)!r} does not exist or cannot be written")
    return target
