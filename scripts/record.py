"""Record episodes of a policy, of the script or of a person as a LeRobot data set: joints, wrist and overview camera.

./isaaclab.sh -p scripts/record.py --task Alice-Ball-Transfer --checkpoint released --episodes 100 --output recorded/a
./isaaclab.sh -p scripts/record.py --task Alice-Ball-Transfer --by script --only_success --output recorded/script
./isaaclab.sh -p scripts/record.py --task Alice-Ball-Transfer --by keyboard --viz viser --output recorded/mine
"""

from __future__ import annotations

from alice.cli import files, terminal, usage, viewers
from alice.runs import launch, world

RECORDING_SEED = 50260
"""Seed of the starts where none is given: none that audits use."""
PEOPLE = ("keyboard", "gamepad")


def main(argv: list[str]) -> int:
    """Check the command line, record, and tell how many episodes there are."""
    parser = usage.DoorParser(__doc__, "physics=newton_mjwarp presets=hobby_servo", prog="record.py")
    launch.add_flags(parser, "task", "checkpoint", "num_envs", "device", "domain_rand", "agent", "verbose")
    world.add_flag(parser)
    parser.add_argument("--by", choices=("policy", "script", *PEOPLE), default="policy", help="who acts")
    parser.add_argument(
        "--output",
        type=files.Target(folder=True),
        default="recorded",
        help="folder of the data set, default: recorded; the same command goes on with it",
    )
    parser.add_argument("--episodes", type=usage.positive, default=50, help="episodes it shall have; default 50")
    parser.add_argument("--only_success", action="store_true", help="keep successes alone")
    parser.add_argument("--seed", type=usage.seed, default=RECORDING_SEED, help="seed of the starts")
    parser.add_argument("--width", type=usage.positive, default=128, help="width of the pictures [pixels]; default 128")
    parser.add_argument("--viz", choices=("newton_gl", "viser", "rerun"), help="open this visualizer of Isaac Lab")
    args, words = usage.parse(parser, argv)
    if args.viz:
        viewers.require(args.viz)
    if args.by in PEOPLE and not args.viz:
        raise usage.UsageError(
            f"--by {args.by}: nobody moves what he does not see; give --viz viser, rerun or newton_gl"
        )
    if args.by != "policy" and args.checkpoint:
        raise usage.UsageError(f"--by {args.by} needs no --checkpoint; leave one of them out")
    if args.width < 64 or args.width % 2:
        raise usage.UsageError(f"--width {args.width}: the video takes even widths from 64 on")
    needs = args.by == "policy"
    job = launch.prepare(args, words, play_mode=True, needs_checkpoint=needs, takes=(".onnx",))

    with terminal.doing("loading Isaac Lab"):
        from alice.recording import dataset, record

    dataset.require()
    return record.record(job, args)


if __name__ == "__main__":
    usage.run(main)
