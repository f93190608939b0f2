"""Emulate an arm: a pseudo-terminal behind which servos speak their protocol. Needs only `pip install .[deploy]`.

python scripts/emulate_arm.py --arm xarm1s
python scripts/emulate_arm.py --arm so101 --world drawn --seed 3 --link /tmp/alice_arm --control /tmp/alice_faults
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from alice import arms
from alice.cli import files, usage
from alice.deploy.bus.interface import BusError
from alice.deploy.emulator import EmulatedArm, FaultError, WorldError, terminal
from alice.deploy.emulator import world as worlds


def main(argv: list[str]) -> int:
    """Check the command line, open the port and serve it until interrupted."""
    parser = usage.DoorParser(__doc__, prog="emulate_arm.py")
    a_world = files.Source(".json", "write one as docs/wire.md says", names=("nominal", "drawn"))
    a_schedule = files.Source(".json", "write one as docs/wire.md says")
    parser.add_argument("--arm", required=True, choices=list(arms.ARMS), help="the arm")
    parser.add_argument(
        "--protocol", choices=["lx", "lsc-serial", "sts"], help="what it speaks; its servos' by default"
    )
    parser.add_argument(
        "--world", type=a_world, default="nominal", help="what is off about it: a file, nominal (default), or drawn"
    )
    parser.add_argument("--seed", type=usage.seed, default=0, help="seed of what is drawn; default 0")
    parser.add_argument("--link", type=usage.word, help="a name for the port, which has another number each time")
    parser.add_argument("--control", type=usage.word, help="a socket that takes faults as lines of JSON")
    parser.add_argument("--schedule", type=a_schedule, help='faults in time: {"faults": [{"at": 5, "fault": "drop"}]}')
    parser.add_argument("--seconds", type=usage.share, default=float("inf"), help="how long; until interrupted")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    served = _open(args)
    print(f"port {args.link or served.port}", flush=True)
    try:
        served.serve(seconds=args.seconds)
    except KeyboardInterrupt:
        pass
    finally:
        served.close()
        if args.link:
            with contextlib.suppress(OSError):
                os.unlink(args.link)
    return 0


def _open(args) -> terminal.Terminal:
    """Return the port that the command line asks for."""
    arm = arms.named(args.arm)
    try:
        if args.world == "drawn":
            world = worlds.drawn(arm, args.seed)
        else:
            world = worlds.nominal(arm) if args.world == "nominal" else worlds.read(arm, args.world)
        made = EmulatedArm(arm, world, protocol=args.protocol, seed=args.seed)
        if args.schedule:
            made.faults.schedule(json.loads(Path(args.schedule).read_text(encoding="utf-8")).get("faults"))
        control = terminal.Control(args.control, made) if args.control else None
    except (WorldError, FaultError, BusError) as problem:
        raise usage.UsageError(str(problem)) from problem
    except OSError as error:
        raise usage.UsageError(f"--control {args.control!r} cannot be made: {error.strerror}") from error
    served = terminal.Terminal(made, control)
    if args.link:
        _link(args.link, served)
    return served


def _link(name: str, served: terminal.Terminal) -> None:
    """Give the port a name."""
    try:
        if os.path.islink(name):
            os.unlink(name)
        os.symlink(served.port, name)
    except OSError as error:
        served.close()
        raise usage.UsageError(f"--link {name!r} cannot be made: {error.strerror}") from error


if __name__ == "__main__":
    usage.run(main)
