"""Kit, the process of Isaac Sim: whether it can start here, started once, closed last.

Isaac Lab starts Kit where a simulation needs it and closes it with that simulation. Closing Kit ends the process, at
once: the table, the files and the exit code of a door that simulates first and reports afterwards would be lost. Isaac
Lab leaves Kit to whoever started it before, so :func:`start` does, and :func:`closed_last` closes it with the exit code
when all is said and written. Standard library only, because every door imports this before it reads its command line.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("isaacsim-core", "isaacsim-extscache-kit", "isaacsim-extscache-kit-sdk", "isaacsim-extscache-physics")
"""What a pip installation needs besides ``isaacsim-kernel``. The two caches in the middle are on NVIDIA's index alone;
without them Kit starts, finds no extensions and leaves with 55."""
LICENCE = "OMNI_KIT_ACCEPT_EULA"
MANUAL = "docs/isaacsim.md"
_LAUNCHER = "isaaclab_physx.app.kit_launcher"

_owned = contextlib.ExitStack()
"""What closes Kit; empty unless this process started it."""
_is_running = False


##
# Is it there?
##


def home() -> Path | None:
    """Return the folder of the package ``isaacsim``, without importing it; None where Isaac Sim is not installed."""
    found = importlib.util.find_spec("isaacsim")
    # Without an origin it is a namespace: parts of Isaac Sim that are sold apart, such as its importers.
    return Path(found.origin).resolve().parent if found and found.origin else None


def version() -> str:
    """Return the version of the Isaac Sim that :func:`home` finds, as far as it says."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version("isaacsim-kernel")
    with contextlib.suppress(OSError):
        return (home().parents[1] / "VERSION").read_text(encoding="utf-8").strip()
    return "of an unknown version"


def missing() -> str | None:
    """Return what keeps Kit from starting, the end of a sentence that begins with "Isaac Sim", or None.

    That ``isaacsim`` can be found says little: its kernel installs without its extensions, and imports only once
    NVIDIA's licence is accepted.
    """
    place = home()
    if place is None:
        return f"is not installed; {MANUAL} tells how"
    if place.parent.name == "python_packages":  # NVIDIA's archive: whole, and it asks for no licence
        return None
    wanted = version()
    lacking = [name for name in PACKAGES if _version_of(name) != wanted]
    if lacking:
        return f"{wanted} is installed in part, without {', '.join(lacking)}; {MANUAL} tells how to complete it"
    if not _is_accepted(place / "kit" / "EULA_ACCEPTED"):
        return f"asks for its licence; read NVIDIA's terms ({MANUAL}), then set {LICENCE}=YES"
    return None


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _is_accepted(file: Path) -> bool:
    """Whether the licence is accepted: in the environment, or once and for all in a file that Kit writes."""
    yes = ("y", "yes", "1")
    if os.environ.get(LICENCE, "").lower() in yes:
        return True
    try:
        return file.read_text(encoding="utf-8").splitlines()[0].strip().lower() in yes
    except (OSError, IndexError):
        return False


##
# Start and end
##


def needed(env_cfg: Any, flags: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return what of a configuration needs Kit, in Isaac Lab's words; empty if nothing does.

    Args:
        env_cfg: Environment configuration; physics that was left open is chosen, in place.
        flags: Flags of Isaac Lab's launcher.

    Raises:
        UsageError: If it cannot run at all.
    """
    from isaaclab.app import validate_launch

    from alice.cli.usage import UsageError

    try:
        return validate_launch(env_cfg, dict(flags or {}))[1]
    except ValueError as error:
        raise UsageError(f"this combination cannot run: {error}") from error


def start(env_cfg: Any, flags: Mapping[str, Any]) -> None:
    """Start Kit if a configuration needs it and this process has not yet; it stays until the process ends.

    Args:
        env_cfg: Environment configuration.
        flags: Flags of Isaac Lab's launcher.

    Raises:
        UsageError: If Kit is needed and cannot start here.
    """
    global _is_running
    reasons = needed(env_cfg, flags)
    if _is_running or not reasons:
        return
    if lack := missing():
        from alice.cli.usage import UsageError

        raise UsageError(f"{' and '.join(reasons)}: Isaac Sim {lack}")
    from isaaclab.app import launch_simulation

    launcher = sys.modules.get(_LAUNCHER)
    if launcher and launcher.isaacsim is None:  # imported by `add_launcher_flags`
        importlib.reload(launcher)
    with _without_own_words():
        _owned.enter_context(launch_simulation(env_cfg, dict(flags)))
    _is_running = True


@contextlib.contextmanager
def _without_own_words() -> Iterator[None]:
    """Hide the door's words from Kit, which takes every word of the command line for one of its own."""
    words = sys.argv
    sys.argv = [words[0], *(word for word in words[1:] if word in ("--verbose", "--info"))]
    try:
        yield
    finally:
        sys.argv = words


@contextlib.contextmanager
def closed_last() -> Iterator[None]:
    """Close Kit, if it was started while the context is open, with the exit code that the process leaves with."""
    try:
        yield
    except BaseException as leaving:
        if not _is_running:
            raise
        code = _exit_code(leaving)
        _close(code)
        raise SystemExit(code) from None


def _exit_code(leaving: BaseException) -> int:
    """Return the exit code that Python would leave with, after telling what Python would tell."""
    if isinstance(leaving, SystemExit) and (leaving.code is None or isinstance(leaving.code, int)):
        return leaving.code or 0
    if isinstance(leaving, SystemExit):
        print(leaving.code, file=sys.stderr)
    else:
        sys.excepthook(type(leaving), leaving, leaving.__traceback__)
    return 1


def _close(code: int) -> None:
    global _is_running
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # closed, or nobody reads it any more
            stream.flush()
    _is_running = False
    try:
        with contextlib.suppress(SystemExit), _owned.pop_all():
            raise SystemExit(code)  # from which Isaac Lab takes Kit's exit code
    except Exception as error:  # what the door did is done all the same
        print(f"alice: warning: Isaac Sim did not close: {error}", file=sys.stderr)


##
# Without it
##


def add_launcher_flags(parser: Any) -> None:
    """Add the flags of Isaac Lab's launcher to a parser, and leave Isaac Sim alone.

    Isaac Lab 3.0.0 declares them in a module that imports ``isaacsim``, where it is installed: that takes seconds and
    asks for a licence of somebody who trains without it. :func:`start` makes up for it.

    Args:
        parser: The parser.
    """
    from isaaclab.app import add_launcher_args

    hide = _LAUNCHER not in sys.modules and "isaacsim" not in sys.modules
    if hide:
        sys.modules["isaacsim"] = None
    try:
        add_launcher_args(parser)
    finally:
        if hide:
            del sys.modules["isaacsim"]
