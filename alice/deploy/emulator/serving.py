"""From a command line to an emulated arm behind a port, and back to nothing when it ends."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from alice import arms
from alice.cli.usage import UsageError
from alice.deploy.bus.interface import BusError

from . import world as worlds
from .arm import EmulatedArm
from .faults import FaultError
from .terminal import Control, Terminal
from .world import World, WorldError

WORLDS = ("nominal", "drawn")
"""Words that stand for a world instead of a file."""


@contextlib.contextmanager
def served(args: argparse.Namespace) -> Iterator[Terminal]:
    """Open a port with an arm behind it and take it away afterwards.

    Args:
        args: Flags of ``scripts/emulate_arm.py``.

    Raises:
        UsageError: If they ask for what there is none of.
    """
    try:
        made = arm_of(args)
    except (WorldError, FaultError, BusError) as problem:
        raise UsageError(str(problem)) from problem
    try:
        control = Control(args.control, made) if args.control else None
    except OSError as error:
        raise UsageError(f"--control {args.control!r} cannot be made: {error.strerror}") from error
    port = Terminal(made, control)
    is_linked = False
    try:
        if args.link:
            _link(args.link, port.port)
            is_linked = True
        yield port
    finally:
        port.close()
        if is_linked:
            with contextlib.suppress(OSError):
                os.unlink(args.link)


def arm_of(args: argparse.Namespace) -> EmulatedArm:
    """Return the arm that the flags ask for, with its faults to come."""
    arm = arms.named(args.arm)
    made = EmulatedArm(
        arm, world_of(arm, args.world, args.seed), None, args.protocol, args.seed, are_links_given=bool(args.sim)
    )
    if args.schedule:
        made.faults.schedule(json.loads(Path(args.schedule).read_text(encoding="utf-8")).get("faults"))
    return made


def world_of(arm: arms.Arm, world: str | Path, seed: int) -> World:
    """Return a world by what a flag says: ``nominal``, ``drawn``, or a file."""
    if world == "drawn":
        return worlds.drawn(arm, seed)
    return worlds.nominal(arm) if world == "nominal" else worlds.read(arm, world)


def _link(name: str, port: str) -> None:
    """Give a port another name."""
    try:
        if os.path.islink(name):
            os.unlink(name)  # left behind by an emulator that was killed
        os.symlink(port, name)
    except OSError as error:
        raise UsageError(f"--link {name!r} cannot be made: {error.strerror}") from error
