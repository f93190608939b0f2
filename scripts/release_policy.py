"""Release a trained policy: weights, provenance, recorded inputs and the ONNX file go to assets/policies.

./isaaclab.sh -p scripts/release_policy.py --task Alice-Ball-Transfer --checkpoint RUN --audit A.json --inputs I.npz
./isaaclab.sh -p scripts/release_policy.py --task Alice-Ball-Transfer --checkpoint released --refresh --audit A.json
"""

from __future__ import annotations

from pathlib import Path

from alice import launch, release, usage


def main(argv: list[str]) -> int:
    """Check the command line and write the four files, or two of them anew."""
    parser = usage.DoorParser(prog="release_policy.py", description="Release a trained policy.")
    launch.add_flags(parser)
    parser.add_argument("--audit", metavar="FILE", help="JSON file of evaluate.py --seed release")
    parser.add_argument("--inputs", metavar="FILE", help="recorded inputs of evaluate.py --record")
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="write record and ONNX file of a released policy anew; --audit is optional",
    )
    args, words = usage.parse(parser, argv)
    if args.refresh and args.inputs:
        raise usage.UsageError("--refresh keeps the recorded inputs of the release; leave --inputs out")
    if not args.refresh and not (args.audit and args.inputs):
        raise usage.UsageError("a release needs --audit and --inputs, two files of evaluate.py; see --help")
    args.device = "cpu"
    job = launch.prepare(args, words, play_mode=True, needs_checkpoint=True)
    audit = Path(args.audit) if args.audit else None
    for path in release.refresh(job, audit) if args.refresh else release.release(job, audit, Path(args.inputs)):
        print(path.name)
    return 0


if __name__ == "__main__":
    usage.run(main)
