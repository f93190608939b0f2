"""Emulate an arm: a serial port behind which servos speak their protocol. Needs only `pip install .[deploy]`.

python scripts/emulate_arm.py --arm xarm1s --link /tmp/alice_arm --calibration /tmp/alice_arm.json
python scripts/emulate_arm.py --arm so101 --world drawn --seed 3 --link /tmp/alice_arm --control /tmp/alice_faults
./isaaclab.sh -p scripts/emulate_arm.py --arm xarm1s --sim Alice-Ball-Transfer-Camera --picture /tmp/alice_picture \
--link /tmp/alice_arm --calibration /tmp/alice_arm.json
"""

from __future__ import annotations

import contextlib
import signal

from alice import arms
from alice.cli import catalogue, files, usage
from alice.deploy import calibration
from alice.deploy.emulator import serving


def main(argv: list[str]) -> int:
    """Check the command line, open the port and serve it until interrupted."""
    parser = usage.DoorParser(__doc__, prog="emulate_arm.py")
    add, remedy = parser.add_argument, "write one as docs/wire.md says"
    a_world, a_schedule = files.Source(".json", remedy, names=serving.WORLDS), files.Source(".json", remedy)
    add("--arm", required=True, choices=list(arms.ARMS), help="the arm")
    add("--protocol", choices=["lx", "lsc-serial", "sts"], help="what it speaks; its servos' by default")
    add("--world", type=a_world, default="nominal", help="what is off about it: a file, nominal (default), or drawn")
    add("--seed", type=usage.seed, default=0, help="seed of what is drawn; default 0")
    add("--link", type=usage.word, help="a name for the port, which has another number each time")
    add("--control", type=usage.word, help="a socket that takes faults as lines of JSON")
    add("--schedule", type=a_schedule, help='faults in time: {"faults": [{"at": 5, "fault": "drop"}]}')
    add("--calibration", type=files.Target((".json",)), help="where to write the calibration of an arm that is nominal")
    add("--seconds", type=usage.share, default=float("inf"), help="how long; until interrupted")
    add("--sim", type=usage.word, help="task in whose simulation the arm moves, in real time, with ball and dish")
    add("--picture", type=files.Target(), help="with --sim: file for what the wrist camera sees")
    add("--device", type=usage.word, help="with --sim: cpu or cuda:N")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    job = _job(args)
    if args.calibration and args.world != "nominal":
        raise usage.UsageError("--calibration is that of --world nominal; measure another arm as docs/robot.md says")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    with contextlib.suppress(KeyboardInterrupt), serving.served(args) as port:
        if args.calibration:
            calibration.verified(calibration.nominal(arms.named(args.arm))).write(args.calibration)
        name = args.link or port.port
        if job is None:
            print(f"port {name}", flush=True)
            port.serve(seconds=args.seconds)
        else:
            from alice.evaluation import wire

            print(wire.simulate(job, port, name, args.seconds, args.picture))
    return 0


def _job(args):
    """Return the simulation that the command line asks for; None if it asks for none."""
    if not args.sim:
        if args.picture or args.device:
            raise usage.UsageError("--picture and --device say how the arm is simulated; give --sim as well")
        return None
    task = catalogue.task(args.sim)
    try:
        from alice.evaluation import wire
    except ModuleNotFoundError as error:
        raise usage.UsageError("--sim needs Isaac Lab; start with ./isaaclab.sh -p scripts/emulate_arm.py") from error
    return wire.job_of(task, args.device, args.seed)


if __name__ == "__main__":
    usage.run(main)
