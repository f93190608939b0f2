"""How a door reads its command line and tells a user's mistake: one line on standard error and exit code 2.

The line names the thing, the value, the options and the remedy. Standard library only, so that a wrong flag or a
missing file is told in a moment, before PyTorch and Isaac Lab are loaded.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from alice.system import kit

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
OVERRIDES = "Words such as {} change the configuration; a name that it does not have is refused, with those it has."
OUTSIDE = frozenset(
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "ESTALE", "EMFILE", "ENFILE", "ENOMEM")
    if hasattr(errno, name)
)
"""What a disk, a user's rights or a limit of the machine does to a program that is right."""


class UsageError(ValueError):
    """A user's mistake. The message is one line: what, value, options, remedy."""


class DoorParser(argparse.ArgumentParser):
    """Argument parser that raises :class:`UsageError` instead of printing the usage, and takes no abbreviations.

    Args:
        doc: The door's docstring: its first paragraph says what it does, the lines after it are examples.
        overrides: Examples of ``name=value`` words that the door takes, for the help; empty if it takes none.
        others: What the help says of flags that are handed on to another program; empty if there are none.
        kwargs: As of argparse.
    """

    def __init__(self, doc: str | None = None, overrides: str = "", others: str = "", **kwargs):
        self.others = others
        what, _, examples = (doc or "").partition("\n\n")
        parts = [others, OVERRIDES.format(overrides) if overrides else ""]
        paragraphs = [textwrap.fill(part, 100) for part in parts if part]
        if examples:
            commands = [f"  {from_here(line)}" for line in examples.splitlines() if line.strip()]
            paragraphs.append("\n".join(["examples:", *commands]))
        super().__init__(
            description=" ".join(what.split()) or None,
            epilog="\n\n".join(paragraphs) or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **kwargs,
        )

    def add_argument(self, *names, **kwargs) -> argparse.Action:
        """Add a flag; one that names a file or a folder says so in the help."""
        if hasattr(kwargs.get("type"), "metavar"):
            kwargs.setdefault("metavar", kwargs["type"].metavar)
        return super().add_argument(*names, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise instead of leaving the process."""
        raise UsageError(f"{message.removeprefix('argument ')}; see --help")


def from_here(command: str) -> str:
    """Return a command that starts a door of this checkout, as it must be written in the working directory.

    Args:
        command: The command as it is written in the checkout, such as ``./isaaclab.sh -p scripts/play.py``.
    """
    try:
        place = os.path.relpath(ROOT)
    except OSError:  # the working directory is gone
        place = str(ROOT)
    if place == ".":
        return command
    place = str(ROOT) if place.startswith(os.pardir) else place
    words = [
        os.path.join(place, word) if word.startswith(("scripts/", "./isaaclab.sh")) else word
        for word in command.split(" ")
    ]
    return " ".join(word.replace("/./", "/") for word in words)


@kit.closed_last()
def run(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Run a door's ``main`` on the command line and leave the process with its exit code.

    Args:
        main: Takes the arguments after the script's name.
    """
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except UsageError as error:
        code = tell(str(error))
    except KeyboardInterrupt:
        print("alice: stopped", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    except OSError as error:
        if error.errno not in OUTSIDE:
            raise
        code = tell(outside(error))
    raise SystemExit(code or 0)


def tell(mistake: str) -> int:
    """Print a mistake as one line on standard error and return the exit code that belongs to it."""
    print("alice: error: " + " ".join(mistake.split()), file=sys.stderr)
    return 2


def outside(error: OSError) -> str:
    """Return the line for an error of :data:`OUTSIDE`."""
    place = f"{str(error.filename)!r} cannot be used: " if error.filename else ""
    return f"{place}{error.strerror}; look at the disk, the rights and the limits of this machine"


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


def share(text: str) -> float:
    """Return a finite number of at least 0, as a ``type=`` of argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value


def word(text: str) -> str:
    """Return a word that names neither a file nor a folder, as a ``type=`` of argparse."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty word names nothing")
    return text


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
