"""Flags of an audit over the wire, and what does not go with it. Light: it is loaded before Isaac Lab."""

from __future__ import annotations

import argparse

from alice.cli import usage
from alice.cli.usage import UsageError
from alice.deploy.bus.opening import PROTOCOLS, WITHOUT_READ_BACK
from alice.deploy.guard import TABLE_DEPTH
from alice.runs import overrides

PRESET, REPORTS = "hobby_servo", "reports"
READS_BACK = "env.actions.joints.servo.reads_back"
FOREIGN = ("record", "report", "checkpoints", "probe")
"""Flags that ask for what an audit over the wire does not do."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add, spoken = parser.add_argument, sorted({name for names in PROTOCOLS.values() for name in names})
    add("--through_wire", action="store_true", help="audit an .onnx twice: in closed loop, and over an emulated bus")
    add("--protocol", choices=spoken, help="with --through_wire: what the bus speaks; the servos' own by default")
    depth = (
        f"with --through_wire: how far below the table the tip may be sent [m]; default {TABLE_DEPTH:g}; 1: no guard"
    )
    add("--table_depth", type=usage.share, help=depth)
    add("--told_once", action="store_true", help="with --through_wire: the ball is told at the beginning alone")


def settle(args: argparse.Namespace, words: list[str]) -> list[str]:
    """Return the overrides with the servo model that an audit over the wire implies, and its mode on that bus.

    Args:
        args: The command line.
        words: The ``name=value`` overrides.

    Raises:
        UsageError: If flags do not go together.
    """
    if not args.through_wire:
        if args.protocol or args.table_depth is not None or args.told_once:
            raise UsageError("--protocol, --table_depth and --told_once say how it is wired; give --through_wire, too")
        return words
    if asked := [f"--{name}" for name in FOREIGN if getattr(args, name)]:
        raise UsageError(f"--through_wire compares two audits and no more; leave out {', '.join(asked)}")
    if args.seed == "release":
        raise UsageError("--through_wire compares on equal starts, which is no release figure; give --seed a number")
    args.table_depth = TABLE_DEPTH if args.table_depth is None else args.table_depth
    presets = [PRESET]
    if args.protocol in WITHOUT_READ_BACK:
        # Commands say where the hand is to 15 mm while it moves: too coarse to hold against where the ball truly is.
        # What is reported goes with the hand once the ball is held, as on the robot.
        presets.append(REPORTS)
        words = overrides.merge(words, [f"{READS_BACK}=false"])
    for preset in [] if args.domain_rand else presets:  # domain_rand has both
        words = overrides.with_preset(words, preset)
    return words
