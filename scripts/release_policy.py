"""Release a trained policy: its weights and provenance go to assets/policies.

./isaaclab.sh -p scripts/release_policy.py --task Alice-Ball-Transfer --checkpoint RUN --audit AUDIT.json
"""

from __future__ import annotations

from pathlib import Path

from alice import checkpoints, launch, release, usage


def main(argv: list[str]) -> int:
    """Check the command line and write the two files."""
    parser = usage.DoorParser(prog="release_policy.py", description="Release a trained policy.")
    parser.add_argument("--task", required=True, help="task id")
    parser.add_argument("--checkpoint", required=True, help="a model_<number>.pt or its run folder")
    parser.add_argument("--audit", required=True, metavar="FILE", help="JSON file of scripts/evaluate.py")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    task = launch.resolve_task(args.task)
    for path in release.release(checkpoints.resolve(args.checkpoint, task), Path(args.audit), task):
        print(path.name)
    return 0


if __name__ == "__main__":
    usage.run(main)
