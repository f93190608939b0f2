"""Find out what an arm's servos are: it moves for two minutes in the open, and servo.json says what was fitted.

python scripts/identify_arm.py --arm xarm1s --port /dev/ttyUSB0 --calibration my_arm.json --output servo.json
python scripts/identify_arm.py --arm so101 --port emulated --world world.json --output servo.json
python scripts/identify_arm.py --arm xarm1s --recording moves.npz --output servo.json --page curves.html
"""

from __future__ import annotations

from alice import arms
from alice.cli import files, usage
from alice.deploy.identification import session


def main(argv: list[str]) -> int:
    """Check the command line, move the arm or read what was recorded, print what was found and write it."""
    parser = usage.DoorParser(__doc__, prog="identify_arm.py")
    add = parser.add_argument
    add("--arm", required=True, choices=list(arms.ARMS), help="the kind of arm")
    add("--port", type=usage.word, help="serial port such as /dev/ttyUSB0, hid (the xArm's own board), or emulated")
    add("--protocol", choices=["lx", "lsc-hid", "lsc-serial", "sts"], help="what the port speaks; default: by the arm")
    add("--calibration", type=files.Source(".json", "make it with calibrate_arm.py"), help="the arm's own file")
    add("--world", type=files.Source(".json", "give a world file"), help="what is off about an emulated arm")
    add("--seed", type=usage.seed, default=0, help="seed of an emulated arm's noise; default 0")
    add("--recording", type=files.Source(".npz", "give one of --keep"), help="fit this recording, move nothing")
    add("--keep", type=files.Target((".npz",)), help="where to keep commands and readings")
    add("--output", type=files.Target((".json",)), help="where to write what was found, for --servo of train.py")
    add("--truth", type=files.Target((".json",)), help="where to write what --world is, as if it had been found")
    add("--page", type=files.Target((".html",)), help="where to show measured and simulated curves of every joint")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    if args.truth and not args.world:
        raise usage.UsageError("--truth is what a --world is; give one")
    show = curves() if args.page else None
    found, recording, calibration = session.run(args)
    print(session.table(found))
    if args.keep:
        recording.write(args.keep)
    if args.output:
        files.write_text(args.output, found.to_json())
        print(f"written to {args.output}")
    if args.truth:
        files.write_text(args.truth, session.truth(args).to_json())
    if show:
        print(f"page: {show.of_recording(args.page, recording, calibration, found)}")
    return 0


def curves():
    """Return what draws the page; tell before the arm moves if it cannot."""
    try:
        from alice.evaluation.pictures import curves
    except ImportError as error:
        raise usage.UsageError(f"--page needs {error.name}, which a robot does without; install it") from error
    return curves


if __name__ == "__main__":
    usage.run(main)
