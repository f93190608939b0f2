"""Release a trained policy: weights, provenance, recorded inputs and the ONNX file go to assets/policies.

./isaaclab.sh -p scripts/release_policy.py --task Alice-Ball-Transfer --checkpoint RUN --audit A.json --inputs I.npz
"""

from __future__ import annotations

from pathlib import Path

from alice import launch, release, usage


def main(argv: list[str]) -> int:
    """Check the command line and write the four files."""
    parser = usage.DoorParser(prog="release_policy.py", description="Release a trained policy.")
    launch.add_flags(parser)
    parser.add_argument("--audit", required=True, metavar="FILE", help="JSON file of scripts/evaluate.py")
    parser.add_argument("--inputs", required=True, metavar="FILE", help="recorded inputs of evaluate.py --record")
    args, words = usage.parse(parser, argv)
    args.device = "cpu"
    job = launch.prepare(args, words, play_mode=True, needs_checkpoint=True)
    for path in release.release(job, Path(args.audit), Path(args.inputs)):
        print(path.name)
    return 0


if __name__ == "__main__":
    usage.run(main)
