"""Looks at words for a door before its turn comes, which may be hours after the command was typed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from alice.cli.usage import UsageError
from alice.runs import child


def refuse(look: Callable[[], None]) -> None:
    """Raise the :class:`UsageError` of a look in a fork, because Isaac Lab is large and this process stays.

    Anything else that goes wrong is left to the door, and so is everything where there is no fork. The fork holds the
    folders that this process holds, so it ends with it.
    """
    if not hasattr(os, "fork"):
        return
    reader, writer = os.pipe()
    tell_kernel = child.end_with_parent(signal.SIGKILL)
    looking = os.fork()
    if looking == 0:
        code = 1
        try:
            tell_kernel()
            look()
            code = 0
        except UsageError as error:
            os.write(writer, str(error).encode()[:4000])
            code = 2
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as stream:
        told = stream.read()
    os.waitpid(looking, 0)
    if told:
        raise UsageError(told)
