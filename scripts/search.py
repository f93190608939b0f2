"""Search for words of the configuration that train better, on Ray with Optuna. Run it again to go on.

./isaaclab.sh -p scripts/search.py runs/entropy agent.algorithm.entropy_coef=log:0.0005..0.02 --iterations 100 --cores 1
./isaaclab.sh -p scripts/search.py runs/gripper env.actions=binary_gripper|default agent.num_steps_per_env=16..48
"""

from __future__ import annotations

from functools import partial

from alice.cli import catalogue, files, usage
from alice.runs import advice, ahead, launch, overrides
from alice.studies import engine, search, trials


def main(argv: list[str]) -> int:
    """Check the command line, run what is missing, and write the table."""
    parser = usage.DoorParser(__doc__, "physics=ovphysx", prog="search.py")
    parser.add_argument("folder", type=files.Target(folder=True), help="where everything goes, and is gone on with")
    launch.add_flags(parser, "task", "num_envs", "seed", "device")
    parser.set_defaults(task="Alice-Ball-Transfer", seed=1)
    parser.add_argument("--trials", type=usage.positive, default=12, help="choices to be tried; default 12")
    parser.add_argument("--iterations", type=usage.positive, default=100, help="policy updates of a training")
    parser.add_argument("--episodes", type=usage.positive, default=512, help="home starts of an audit")
    engine.add_flags(parser)
    args, words = usage.parse(parser, argv)
    args.task = catalogue.task(args.task)
    searched = wanted(args, words)
    search.refuse_others(args.folder, searched)
    engine.check(args)
    ahead.refuse(partial(look, args.task, searched["space"], words))
    code = engine.run(args, args.folder, searched=searched)
    begun = search.known(args.folder)
    table = search.rows(begun, args.folder)
    if table:
        path = args.folder / search.TABLE
        search.write_csv(table, path)
        print(search.shown(table), f"{len(table)} trials in {path}", sep="\n")
    if code or len(table) < len(begun):
        print(f"{len(begun) - len(table)} begun and not done; go on: {advice.again()}")
    return code or int(not table or len(table) < len(begun))


def wanted(args, words: list[str]) -> dict:
    """Return what is searched for."""
    space = dict(search.parse(word) for word in words if search.is_searched(word))
    if not space:
        raise usage.UsageError(f"no word leaves its value to the search; {search.SYNTAX}")
    fixed = [word for word in words if not search.is_searched(word)]
    shared = ["--task", args.task, *(["--device", args.device] if args.device else [])]
    train = [*shared, "--seed", str(args.seed), "--max_iterations", str(args.iterations), *fixed]
    train += ["--num_envs", str(args.num_envs)] if args.num_envs else []
    audit = [*shared, "--episodes", str(args.episodes), "--seed", str(trials.AUDIT_SEED)]
    audit += [word for word in fixed if not word.startswith("agent.")]
    return {"space": space, "trials": args.trials, "seed": args.seed, "train": train, "audit": audit}


def look(task: str, space: dict, words: list[str]) -> None:
    """Raise :class:`UsageError` if the configuration does not take a word."""
    fixed = [word for word in words if not search.is_searched(word)]
    catalogue.check_presets(fixed)
    launch.register()
    for chosen in search.edges(space):
        overrides.resolve_config(task, catalogue.agent(task, launch.DEFAULT_AGENT), [*fixed, *chosen])


if __name__ == "__main__":
    usage.run(main)
