"""What a user sees: a door's own lines and a bar. What the simulator's libraries write meanwhile goes to a file.

ovphysx, Warp and Newton write from native code too, so it is the file descriptors 1 and 2 that are turned to the file.
Inside of :func:`quiet` a line for the user therefore goes through :func:`say`, :func:`note` or :func:`bar`.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from alice.cli.usage import UsageError

_is_verbose = False
_user: tuple[TextIO, TextIO] | None = None
"""The user's standard output and error while :func:`quiet` is open."""


def set_verbose(value: bool) -> None:
    """Choose whether :func:`quiet` lets everything through from its next opening on."""
    global _is_verbose
    _is_verbose = value


def say(text: str) -> None:
    """Print a result on the user's standard output."""
    with tqdm.external_write_mode(_errors()):  # a bar steps aside
        print(text, file=_user[0] if _user else sys.stdout, flush=True)


def note(text: str) -> None:
    """Print what goes on, as ``alice: …``, on the user's standard error."""
    with tqdm.external_write_mode(_errors()):
        print(f"alice: {text}", file=_errors(), flush=True)


def bar(items: Iterable | None = None, **options) -> tqdm:
    """Return a progress bar of tqdm on the user's standard error; where that is no terminal it shows nothing."""
    return tqdm(items, **{"file": _errors(), "disable": not _errors().isatty(), **options})


@contextlib.contextmanager
def doing(text: str) -> Iterator[None]:
    """Show on a terminal what goes on, and for how long already, while the context is open; then nothing is left of it.

    A thread keeps the clock going, because what takes long here is one call into a library.
    """
    ended = threading.Event()
    with bar(total=0, bar_format=f"alice: {text} … {{elapsed}}", leave=False) as clock:

        def tick() -> None:
            while not ended.wait(1.0):
                clock.refresh()

        thread = threading.Thread(target=tick, daemon=True)
        if not clock.disable:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if thread.ident is not None:
                thread.join()


@contextlib.contextmanager
def quiet() -> Iterator[Path | None]:
    """Turn standard output and error, of native code too, to a file while the context is open.

    The file is removed when all went well, was interrupted, or the user made a mistake. Any other error names it, and
    after a crash of native code it holds Python's stack as well.

    Yields:
        The file; None where all is let through: after :func:`set_verbose`, inside another such context, or where no
        file can be made.
    """
    path = None
    with contextlib.ExitStack() as turned:
        if not _is_verbose and _user is None:
            path = _turn_to_file(turned)
        try:
            yield path
        except UsageError:
            raise
        except Exception as error:
            if path:
                error.add_note(f"What the simulator wrote before: {path}")
                path = None
            raise
        finally:
            if path:
                path.unlink(missing_ok=True)


def _errors() -> TextIO:
    return _user[1] if _user else sys.stderr


def _turn_to_file(turned: contextlib.ExitStack) -> Path | None:
    """Turn both streams to a new file until the stack is closed and return it; None if that cannot be done."""
    global _user
    try:
        for number in (1, 2):
            os.fstat(number)  # of a closed one the number would be taken for a copy of the other
        log, name = tempfile.mkstemp(prefix="alice-", suffix=".log")
    except OSError:  # a stream is closed, or the disk full or read-only: rather loud than not at all
        return None
    copies = [os.dup(number) for number in (1, 2)]
    before = sys.stdout, sys.stderr
    _flush(*before)
    turned.callback(_turn_back, copies, before)
    _user = tuple(_over(copy, *pair) for copy, pair in zip(copies, zip((1, 2), before, strict=True), strict=True))
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    # Whoever keeps these two, as handlers of logging do, writes to the user's streams again when they are turned back.
    sys.stdout, sys.stderr = (
        open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        for number in (1, 2)
    )
    if not faulthandler.is_enabled():
        faulthandler.enable(2)
        turned.callback(faulthandler.disable)
    return Path(name)


def _turn_back(copies: list[int], before: tuple[TextIO, TextIO]) -> None:
    global _user
    _flush(sys.stdout, sys.stderr, *_user)
    for number, copy in zip((1, 2), copies, strict=True):
        os.dup2(copy, number)
        os.close(copy)
    sys.stdout, sys.stderr = before
    _user = None


def _over(copy: int, number: int, stream: TextIO) -> TextIO:
    """Return a stream that reaches where ``stream`` did before its descriptor was turned.

    Args:
        copy: Copy of the descriptor.
        number: The descriptor, 1 or 2.
        stream: What writes to it, or what somebody, such as a test, has put in its place.
    """
    try:
        is_stock = stream.fileno() == number
    except (OSError, ValueError):  # a stream in memory has none
        is_stock = False
    if not is_stock:
        return stream
    return open(copy, "w", buffering=1, encoding=stream.encoding, errors=stream.errors, closefd=False)


def _flush(*streams: TextIO) -> None:
    """Empty the buffers of Python's streams and of the C library's."""
    for stream in streams:
        stream.flush()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # no such library by that name on this system
        ctypes.CDLL(None).fflush(None)
