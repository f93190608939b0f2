"""Measure one arm by leading it by hand, and check it against marks. Needs only `pip install .[deploy]`.

python scripts/calibrate_arm.py --arm xarm1s --sheet sheet.svg
python scripts/calibrate_arm.py --arm xarm1s --port emulated --output my_arm.json
python scripts/calibrate_arm.py --arm xarm1s --port emulated --output my_arm.json --check
"""

from __future__ import annotations

from datetime import datetime

from alice import arms
from alice.cli import files, usage
from alice.deploy import calibration
from alice.deploy.bus.interface import BusError
from alice.deploy.bus.lines import PortError
from alice.deploy.calibrating import desk, guide, sheet
from alice.deploy.calibrating.recording import Notes
from alice.deploy.calibration import CalibrationError


def main(argv: list[str]) -> int:
    """Check the command line, and write the sheet, the arm's file, or whether a check has passed."""
    parser = usage.DoorParser(__doc__, prog="calibrate_arm.py")
    add = parser.add_argument
    add("--arm", required=True, choices=list(arms.ARMS), help="the arm")
    add("--port", type=usage.word, help="serial port such as /dev/ttyUSB0, hid (the xArm's own board), or emulated")
    add("--protocol", choices=["lx", "lsc-hid", "lsc-serial", "sts"], help="what the port speaks; default: by the arm")
    add("--output", type=files.Target((".json",)), help="the arm's file; measurements go beside it, to go on later")
    add("--name", type=usage.word, help="what you call the arm")
    add("--ball", type=usage.share, default=30.0, help="diameter of the gauge ball [mm]; default 30")
    add("--again", type=usage.word, help="measure again what has this word in its name: elbow, touch, grip ball, ...")
    add("--accept", action="append", default=[], type=usage.word, help="what was found wrong and is really so")
    add("--check", action="store_true", help="touch three marks: only this makes a file verified")
    add("--sheet", type=files.Target((".svg",)), help="write the sheet with the marks, to be printed, and stop")
    add("--world", type=files.Source(".json", "see alice/deploy/emulator/world.py"), help="of an emulated arm")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    arm = arms.named(args.arm)
    if args.sheet is not None:
        files.write_text(args.sheet, sheet.svg(arm))
        print(f"{args.sheet}: print it on A3 without scaling, and put the arm's yaw axis on the cross")
        return 0
    if args.port is None or args.output is None:
        raise usage.UsageError("--port and --output are needed, but for --sheet; see --help")
    try:
        return (check if args.check else measure)(arm, args)
    except (CalibrationError, PortError, BusError, ValueError) as problem:
        raise usage.UsageError(str(problem)) from problem


def measure(arm: arms.Arm, args) -> int:
    """Lead through all that is left to measure, and write the arm's file."""
    notes = Notes(args.output.with_suffix(".measured.json"), arm, {"ball": args.ball})
    if args.again is not None and not notes.forget(args.again):
        raise usage.UsageError(f"nothing that was measured has {args.again!r} in its name: {', '.join(notes.made)}")
    table = desk.of(arm, args.port, args.protocol, args.world)
    led = guide.Guide(arm, table.bus, table.clock, table.person, notes, args.ball / 1e3, frozenset(args.accept))
    try:
        led.measure()
    finally:
        table.bus.close()
    made = led.finish(led.fit(), args.name or "", datetime.now().strftime("%Y-%m-%d %H:%M"))
    made.write(args.output)
    print(f"{args.output}: written, not verified; now the same with --check")
    return 0


def check(arm: arms.Arm, args) -> int:
    """Let the marks decide whether the arm's file is verified."""
    made = calibration.read(args.output, arm, must_be_verified=False)
    table = desk.of(arm, args.port, args.protocol, args.world)
    try:
        made, found = guide.check(arm, made, table.bus, table.clock, table.person)
    finally:
        table.bus.close()
    made.write(args.output)
    worst = f"{max(found.misses.values()) * 1e3:.1f} mm, {guide.CHECK_WITHIN * 1e3:g} mm are allowed"
    print(f"{args.output}: {'verified' if made.verified else 'NOT verified'}; furthest from a mark by {worst}")
    return 0 if made.verified else 1


if __name__ == "__main__":
    usage.run(main)
