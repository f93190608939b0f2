"""Measure what each choice of the design is worth: variants times seeds, one table and one plot. Run it again to go on.

./isaaclab.sh -p scripts/ablate.py --cores 1 --output docs
./isaaclab.sh -p scripts/ablate.py --variants baseline rent_reward --seeds 1
./isaaclab.sh -p scripts/ablate.py --cores 2 --address auto physics=ovphysx
"""

from __future__ import annotations

from alice.cli import files, usage
from alice.studies import ablation, engine, trials


def main(argv: list[str]) -> int:
    """Check the command line, train and audit what is missing, and write ``ablation.csv`` and ``ablation.png``."""
    parser = usage.DoorParser(__doc__, "physics=ovphysx", prog="ablate.py")
    names = list(ablation.NAMES)
    parser.add_argument("--variants", nargs="+", choices=names, default=names, help="what to train; default: all")
    parser.add_argument("--seeds", nargs="+", type=usage.seed, default=[1, 2, 3], help="seeds of each; default: 1 2 3")
    parser.add_argument("--iterations", type=usage.positive, default=200, help="policy updates of a training")
    parser.add_argument("--num_envs", type=usage.positive, help="number of environments of a training")
    parser.add_argument("--episodes", type=usage.positive, default=1024, help="home starts of an audit")
    place = files.Target(folder=True)
    parser.add_argument("--runs", type=place, default="logs/ablation", help="where runs go, and are gone on with")
    parser.add_argument("--output", type=place, default="logs", help="where results, table and plot go")
    parser.add_argument("--dry_run", action="store_true", help="list the runs and stop")
    engine.add_flags(parser)
    args, words = usage.parse(parser, argv)
    chosen = [variant for variant in ablation.VARIANTS if variant.name in args.variants]
    given = (*(["--num_envs", str(args.num_envs)] if args.num_envs else []), *words)
    # Seed by seed, so that whatever is done of it compares all variants.
    cells = [ablation.Cell(v, seed, args.iterations, given, args.episodes) for seed in args.seeds for v in chosen]
    return ablate(cells, args)


def ablate(cells: list[ablation.Cell], args) -> int:
    """Do what is missing of some cells, or list it."""
    table = args.output / "ablation.csv"
    missing = [cell for cell in cells if not ablation.is_done(cell, args.output)]
    for cell in missing:
        trials.refuse_other_words(cell.trial(), args.runs)
    if args.dry_run:
        for cell in cells:
            begun = "begun" if (args.runs / cell.name / trials.FILE).is_file() else "missing"
            print(f"{cell.name}: {begun if cell in missing else 'done'}")
        return 0
    code = 0
    if missing:
        engine.check(args)
        code = engine.run(args, args.runs, [cell.trial() for cell in missing])
    for cell in missing:
        if cell.trial().is_done(args.runs):
            ablation.keep(cell, args.output, args.runs / cell.name)
    results = ablation.collect(cells, args.output)
    if results:
        ablation.write_csv([result["row"] for result in results.values()], table)
        ablation.plot(results, table.with_suffix(".png"))
        print(f"{len(results)} of {len(cells)} runs in {table}")
    return code or int(len(results) < len(cells))


if __name__ == "__main__":
    usage.run(main)
