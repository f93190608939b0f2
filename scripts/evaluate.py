"""Audit a policy: success, stages and outcomes over home starts, as a table, as JSON and as a page with pictures.

./isaaclab.sh -p scripts/evaluate.py --task Alice-Ball-Transfer --checkpoint released --episodes 4096 --seed 20261
./isaaclab.sh -p scripts/evaluate.py --task Alice-Ball-Transfer --checkpoint released --episodes 4096 --seed release
./isaaclab.sh -p scripts/evaluate.py --task Alice-Ball-Transfer --checkpoint released --report logs/report
./isaaclab.sh -p scripts/evaluate.py --task Alice-Ball-Transfer --checkpoint exported/Alice-Ball-Transfer.onnx
./isaaclab.sh -p scripts/evaluate.py --task Alice-Ball-Transfer-Camera --checkpoint released --probe blank
./isaaclab.sh -p scripts/evaluate.py --task Alice-Ball-Transfer --checkpoint exported/Alice-Ball-Transfer.onnx \
--through_wire --episodes 2048
./isaaclab.sh -p scripts/evaluate.py --task Alice-Ball-Transfer --checkpoints RUN OTHER_RUN --report logs/sweep
"""

from __future__ import annotations

from alice.cli import files, terminal, usage
from alice.evaluation import wire_flags
from alice.runs import checkpoints, launch, seeds, world
from alice.transfer.outcome import PROBES, SELECTION_SEEDS

SEED_HELP = (
    "seed of the audit, any whole number; equal seeds, equal episodes; 'release' is the policy's own, which needs a"
    " clean work tree and leaves a line in docs/releases.md. Not for the figure of a release, since they have chosen"
    f" designs and checkpoints: {', '.join(map(str, sorted(SELECTION_SEEDS)))}"
)


def main(argv: list[str]) -> int:
    """Check the command line, run the audit, print the table and write what was asked for."""
    parser = usage.DoorParser(
        __doc__, "physics=newton_mjwarp presets=hobby_servo", prog="evaluate.py", conflict_handler="resolve"
    )
    launch.add_flags(parser)
    world.add_flag(parser)
    parser.add_argument("--seed", type=usage.audit_seed, metavar="N", help=SEED_HELP)
    parser.add_argument("--episodes", type=usage.positive, default=1024, help="episodes to count; default 1024")
    parser.add_argument("--json", type=files.Target(), help="where to write all figures")
    recording = files.Target((".npz",))
    parser.add_argument("--record", type=recording, help="where to write 1,000 of the policy's inputs (.npz)")
    page = files.Target(folder=True)
    parser.add_argument("--report", type=page, help="where to write a page with plots, pictures and videos")
    parser.add_argument(
        "--checkpoints",
        nargs="+",
        type=checkpoints.Policy(),
        metavar="RUN",
        help="choose the best checkpoint of each run",
    )
    parser.add_argument(
        "--selection_episodes", type=usage.positive, default=512, help="episodes a checkpoint is chosen on"
    )
    parser.add_argument("--probe", choices=PROBES, help="spoil the picture: a policy that needs it must fail")
    wire_flags.add(parser)
    args, words = usage.parse(parser, argv)
    words = wire_flags.settle(args, words)
    if args.checkpoints and (args.checkpoint or args.record):
        raise usage.UsageError("--checkpoints goes with neither --checkpoint nor --record; give one of them")
    if args.probe and args.checkpoints:
        raise usage.UsageError("--checkpoints chooses by plain success; probe the chosen one with --checkpoint")
    args.checkpoint = args.checkpoint or (args.checkpoints and args.checkpoints[0])
    if args.seed == seeds.RELEASE and args.checkpoints:
        raise usage.UsageError("--seed release is the seed of one policy; audit the chosen one with --checkpoint")
    seed, args.seed = args.seed, None  # any whole number; the simulator's own is made from it
    takes = () if args.checkpoints else (".onnx", ".safetensors")
    job = launch.prepare(args, words, play_mode=True, needs_checkpoint=True, takes=takes)
    args.seed = seed

    with terminal.doing("loading Isaac Lab"):
        # takes seconds, so it comes after all that can go wrong at once
        from alice.evaluation.audit import evaluate, through_wire

    if args.through_wire:
        return through_wire.audit_wire(job, args)
    return (evaluate.sweep_runs if args.checkpoints else evaluate.audit_policy)(job, args)


if __name__ == "__main__":
    usage.run(main)
