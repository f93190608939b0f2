"""Measure what each choice of the design is worth: variants times seeds, one table and one plot. Run it again to go on.

./isaaclab.sh -p scripts/ablate.py --jobs 2 --output docs
./isaaclab.sh -p scripts/ablate.py --variants baseline rent_reward --seeds 1
"""

from __future__ import annotations

from alice.cli import files, usage
from alice.runs import preflight
from alice.studies import ablation


def main(argv: list[str]) -> int:
    """Check the command line, train and audit what is missing, and write ``ablation.csv`` and ``ablation.png``."""
    parser = usage.DoorParser(__doc__, prog="ablate.py")
    names = list(ablation.NAMES)
    parser.add_argument("--variants", nargs="+", choices=names, default=names, help="what to train; default: all")
    parser.add_argument("--seeds", nargs="+", type=usage.seed, default=[1, 2, 3], help="seeds of each; default: 1 2 3")
    parser.add_argument("--iterations", type=usage.positive, default=200, help="policy updates of a training")
    parser.add_argument("--episodes", type=usage.positive, default=1024, help="home starts of an audit")
    parser.add_argument("--jobs", type=usage.positive, default=1, help="trainings at a time, each on its own cores")
    parser.add_argument(
        "--output", type=files.Target(folder=True), default="logs", help="where results, table and plot go"
    )
    parser.add_argument("--dry_run", action="store_true", help="list the runs and stop")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    folder, table = args.output, args.output / "ablation.csv"
    chosen = [variant for variant in ablation.VARIANTS if variant.name in args.variants]
    # Seed by seed, so that whatever is done of it compares all variants.
    cells = [ablation.Cell(variant, seed, args.iterations) for seed in args.seeds for variant in chosen]
    if args.dry_run:
        for cell in cells:
            begun = "begun" if ablation.find(cell.parts[0][0]) else "missing"
            print(f"{cell.parts[-1][0]}: {'done' if ablation.is_done(cell, folder) else begun}")
        return 0
    preflight.require_log_root()
    failed = ablation.run(cells, folder, args.jobs, args.episodes)
    results = ablation.collect(cells, folder)
    if results:
        ablation.write_csv([result["row"] for result in results.values()], table)
        ablation.plot(results, table.with_suffix(".png"))
        print(f"{len(results)} of {len(cells)} runs in {table}")
    return 1 if failed else 0


if __name__ == "__main__":
    usage.run(main)
