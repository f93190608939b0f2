"""Emulate an arm: a serial port behind which servos speak their protocol. Needs only `pip install .[deploy]`.

python scripts/emulate_arm.py --arm xarm1s --link /tmp/alice_arm --calibration /tmp/alice_arm.json
python scripts/emulate_arm.py --arm so101 --world drawn --seed 3 --link /tmp/alice_arm --control /tmp/alice_faults
./isaaclab.sh -p scripts/emulate_arm.py --arm xarm1s --sim Alice-Ball-Transfer-Camera --picture /tmp/alice_picture
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
from pathlib import Path

from alice import arms
from alice.cli import files, usage
from alice.deploy import calibration
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
    parser.add_argument(
        "--calibration", type=files.Target((".json",)), help="where to write the calibration of an arm that is nominal"
    )
    parser.add_argument("--seconds", type=usage.share, default=float("inf"), help="how long; until interrupted")
    parser.add_argument(
        "--sim", type=usage.word, help="task in whose simulation the arm moves, in real time, with ball"
    )
    parser.add_argument("--picture", type=files.Target(), help="with --sim: file for what the wrist camera sees")
    parser.add_argument("--device", type=usage.word, help="with --sim: cpu or cuda:N")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    if not args.sim and (args.picture or args.device):
        raise usage.UsageError("--picture and --device say how the arm is simulated; give --sim as well")
    if args.calibration and args.world != "nominal":
        raise usage.UsageError("--calibration is that of --world nominal; measure another arm as docs/robot.md says")
    job = _job(args) if args.sim else None
    served = _open(args)
    if args.calibration:
        calibration.verified(calibration.nominal(arms.named(args.arm))).write(args.calibration)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    print(f"port {args.link or served.port}", flush=True)
    try:
        if job is None:
            served.serve(seconds=args.seconds)
        else:
            _simulate(job, served, args)
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
        given = bool(args.sim)
        made = EmulatedArm(arm, world, protocol=args.protocol, seed=args.seed, are_links_given=given)
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


def _job(args):
    """Return the simulation that the command line asks for; raise :class:`UsageError` if there is none."""
    try:
        from alice.runs import launch
    except ModuleNotFoundError as error:
        raise usage.UsageError("--sim needs Isaac Lab; start with ./isaaclab.sh -p scripts/emulate_arm.py") from error
    words = argparse.Namespace(task=args.sim, device=args.device, seed=args.seed, num_envs=1)
    launch.add_flags(parser := argparse.ArgumentParser(), "task", "device", "seed", "num_envs")
    for name, value in parser._defaults.items():
        setattr(words, name, value)
    return launch.prepare(words, [], play_mode=True)


def _simulate(job, served: terminal.Terminal, args) -> None:
    """Let the arm move in a simulation until interrupted."""
    from alice.deploy.emulator.camera import SharedPicture
    from alice.evaluation import wire
    from alice.evaluation.audit import policy
    from alice.evaluation.physics import start_states

    start_states.make_endless(job.env_cfg)
    shared = SharedPicture(args.picture, is_writer=True) if args.picture else None
    try:
        with policy.open_environment(job) as env:
            print("simulating", flush=True)
            steps, late = wire.serve(env.unwrapped, served, args.seconds, shared)
            print(f"{steps} control steps, {late} of them late")
    finally:
        if shared is not None:
            shared.close()


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
