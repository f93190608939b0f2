"""Release a trained policy: weights, provenance, recorded inputs and the ONNX file go to assets/policies.

./isaaclab.sh -p scripts/release_policy.py --task Alice-Ball-Transfer --checkpoint RUN --audit A.json --inputs I.npz
./isaaclab.sh -p scripts/release_policy.py --task Alice-Ball-Transfer --checkpoint released --refresh --audit A.json
"""

from __future__ import annotations

from alice.cli import files, usage
from alice.export import release
from alice.runs import launch


def main(argv: list[str]) -> int:
    """Check the command line and write the four files, or two of them anew."""
    parser = usage.DoorParser(__doc__, "presets=resnet18", prog="release_policy.py")
    launch.add_flags(parser, "task", "checkpoint", "agent", "encoder_weights")
    audit = files.Source(".json", "make it with scripts/evaluate.py --seed release --json FILE")
    parser.add_argument("--audit", type=audit, help="JSON file of evaluate.py --seed release")
    recording = files.Source(".npz", "make them with scripts/evaluate.py --record FILE.npz")
    parser.add_argument("--inputs", type=recording, help="recorded inputs of evaluate.py --record")
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
    written = release.refresh(job, args.audit) if args.refresh else release.release(job, args.audit, args.inputs)
    for path in written:
        print(path.name)
    return 0


if __name__ == "__main__":
    usage.run(main)
