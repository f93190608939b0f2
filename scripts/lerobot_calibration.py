"""Between LeRobot's calibration file and ours, for arms that LeRobot drives itself. Needs only `pip install .[deploy]`.

python scripts/lerobot_calibration.py --arm so101 --lerobot my_follower.json --output my_arm.json
python scripts/lerobot_calibration.py --arm so101 --lerobot my_follower.json --calibration my_arm.json
python scripts/lerobot_calibration.py --arm so101 --port /dev/ttyACM0 --write my_follower.json
"""

from __future__ import annotations

import math

from alice import arms
from alice.cli import files, usage
from alice.deploy import calibration, lerobot_file
from alice.deploy.bus.interface import BusError
from alice.deploy.bus.opening import open_bus
from alice.deploy.calibrating.desk import ANY_STIFFNESS
from alice.deploy.clock import MachineClock

BUDGET = 0.5
"""Time to read all registers [s]."""


def main(argv: list[str]) -> int:
    """Check the command line, and do what the flags together say."""
    parser = usage.DoorParser(__doc__, prog="lerobot_calibration.py")
    add = parser.add_argument
    add("--arm", required=True, choices=list(arms.ARMS), help="the arm")
    theirs = files.Source(".json", "see ~/.cache/huggingface/lerobot/calibration/robots")
    add("--lerobot", type=theirs, help="LeRobot's file: with --output made into ours, with the others compared")
    ours = files.Source(".json", "make it with scripts/calibrate_arm.py")
    add("--calibration", type=ours, help="our file: prints how far LeRobot's zeros are from it")
    add("--port", type=usage.word, help="serial port: compares LeRobot's file with the servos, or reads for --write")
    add("--output", type=files.Target((".json",)), help="write ours from LeRobot's; zeros are the table's, unverified")
    add("--write", type=files.Target((".json",)), help="write LeRobot's file from what stands in the servos")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    arm = arms.named(args.arm)
    if args.write is None and args.lerobot is None:
        raise usage.UsageError("give --lerobot FILE to read one, or --port and --write FILE to make one")
    try:
        lerobot_file.zeros_of(arm)
        registers = None if args.port is None else read(arm, args.port)
        if args.write is not None:
            return write(arm, registers, args.write)
        return compare(arm, lerobot_file.read(args.lerobot, arm), registers, args)
    except (ValueError, BusError) as problem:
        raise usage.UsageError(str(problem)) from problem


def read(arm: arms.Arm, port: str) -> dict[int, tuple[int, int, int]]:
    """Return what stands in the servos."""
    bus = open_bus(arm, port, MachineClock(), stiffness=ANY_STIFFNESS)
    try:
        return bus.limits(arm.servo_ids, BUDGET)
    finally:
        bus.close()


def write(arm: arms.Arm, registers, path) -> int:
    """Write LeRobot's file from what stands in the servos, so that it leaves them as they are."""
    if registers is None:
        raise usage.UsageError("--write needs --port: LeRobot writes over servos that do not have what its file says")
    lerobot_file.write(path, lerobot_file.of_registers(arm, registers))
    print(f"{path}: as the servos have it; LeRobot will leave them so")
    return 0


def compare(arm: arms.Arm, motors, registers, args) -> int:
    """Print how LeRobot's file differs from the servos and from ours, and write ours from it."""
    lines = [] if registers is None else lerobot_file.differences(motors, registers)
    for line in lines:
        print(f"LeRobot would write over {line}")
    if args.calibration is not None:
        made = calibration.read(args.calibration, arm, must_be_verified=False)
        for joint, angle in lerobot_file.offsets(made, motors).items():
            print(f"{joint}: ours = LeRobot's {math.degrees(angle):+.2f}°")
    if args.output is not None:
        lerobot_file.calibration(arm, motors).write(args.output)
        print(f"{args.output}: zeros by {arm.source}, not verified; see scripts/calibrate_arm.py")
    return 1 if lines else 0


if __name__ == "__main__":
    usage.run(main)
