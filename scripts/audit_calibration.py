"""Calibrate emulated arms of hidden worlds, and print how far zeros, gains and marks are from the truth.

python scripts/audit_calibration.py --arm xarm1s --worlds 50
python scripts/audit_calibration.py --arm so101 --worlds 50 --offset 0.14 --output logs/calibration_so101.md
"""

from __future__ import annotations

import math

from alice import arms
from alice.cli import files, usage
from alice.deploy.calibrating import acceptance


def main(argv: list[str]) -> int:
    """Check the command line, calibrate, and print and write the table."""
    parser = usage.DoorParser(__doc__, prog="audit_calibration.py")
    add = parser.add_argument
    add("--arm", required=True, choices=list(arms.ARMS), help="the arm")
    add("--worlds", type=usage.positive, default=50, help="hidden worlds; default 50")
    add("--seed", type=usage.seed, default=1000, help="of the first world; default 1000")
    add("--offset", type=usage.share, help="largest offset of a servo [rad]; default: that of the table")
    add("--hand", type=usage.share, help="repeatability of the hand [degrees]; default 0.2")
    add("--output", type=files.Target((".md",)), help="where the table is written, beside being printed")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    arm = arms.named(args.arm)
    hand = None if args.hand is None else math.radians(args.hand)
    seeds = range(args.seed, args.seed + args.worlds)
    results = [acceptance.of_world(arm, seed, args.offset, hand) for seed in seeds]
    text = "\n".join(acceptance.table(arm, results))
    print(text)
    if args.output is not None:
        files.write_text(args.output, text + "\n")
    return 0


if __name__ == "__main__":
    usage.run(main)
