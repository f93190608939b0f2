"""From nothing to audited and exported policies, from numbers and from pixels. Run it again to go on.

./isaaclab.sh -p scripts/pipeline.py runs/whole
./isaaclab.sh -p scripts/pipeline.py runs/whole --stages state randomized
./isaaclab.sh -p scripts/pipeline.py runs/arm --task Alice-Ball-Transfer-SO101 --words words.json
"""

from __future__ import annotations

from alice.cli import catalogue, files, usage
from alice.pipeline import drive, manifest
from alice.pipeline import words as own
from alice.pipeline.places import Places
from alice.pipeline.steps import STAGES


def main(argv: list[str]) -> int:
    """Check the command line, do what is missing, and write the manifest when everything is there."""
    parser = usage.DoorParser(__doc__, prog="pipeline.py")
    parser.add_argument("folder", type=files.Target(folder=True), help="where everything goes, and is gone on with")
    parser.add_argument(
        "--task", type=usage.word, default="Alice-Ball-Transfer", help="state task; it has a camera task"
    )
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="what to do; default: all")
    words = files.Source(".json", "see docs/pipeline.md")
    parser.add_argument("--words", type=words, help="JSON file of more arguments for the commands, by stage")
    parser.add_argument("--seed", type=usage.seed, help="seed of all trainings")
    parser.add_argument("--device", type=usage.word, help="cpu or cuda:N; default: CUDA where there is one")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    places = Places(args.folder, catalogue.task(args.task))
    if places.camera_task not in catalogue.tasks():
        raise usage.UsageError(f"--task {args.task} has no camera task {places.camera_task!r}; give a state task")
    stages = [stage for stage in STAGES if stage in args.stages]
    pipeline = drive.Pipeline(places, stages, own.read(args.words), args.seed, args.device)
    if code := pipeline.run():
        return code
    if pipeline.missing:
        print(f"done: {', '.join(stages)}; not yet: {', '.join(pipeline.missing)}")
        return 0
    path = args.folder / manifest.FILE
    print(manifest.table(manifest.read(path)), f"finished: {path}", sep="\n")
    return 0


if __name__ == "__main__":
    usage.run(main)
