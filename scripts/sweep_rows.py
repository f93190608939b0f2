"""Audit a policy with one row of the randomization at a time, up to twice its width: a table and a plot of each.

./isaaclab.sh -p scripts/sweep_rows.py --task Alice-Ball-Transfer --checkpoint released --report logs/rows
./isaaclab.sh -p scripts/sweep_rows.py --task Alice-Ball-Transfer --checkpoint released --rows report_age --episodes 128
"""

from __future__ import annotations

import sys

from alice.arms import quantities
from alice.cli import files, terminal, usage
from alice.runs import launch, ranges

ROWS = (*(f"report_{name}" for name in quantities.of_reports()), *ranges.PICTURE)


def main(argv: list[str]) -> int:
    """Check the command line, audit every setting, print the table and write what was asked for."""
    parser = usage.DoorParser(__doc__, "physics=newton_mjwarp", prog="sweep_rows.py", conflict_handler="resolve")
    launch.add_flags(parser, "task", "checkpoint", "num_envs", "device", "agent", "verbose")
    parser.add_argument("--seed", type=usage.seed, help="seed of the audits; equal seeds, equal starts")
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="rows to open; default: all that act in the task")
    parser.add_argument("--factors", nargs="+", type=usage.share, help="shares of a width; default: 0 0.5 1 1.5 2")
    parser.add_argument("--episodes", type=usage.positive, default=512, help="episodes of a setting; default 512")
    report = files.Target(folder=True)
    parser.add_argument("--report", type=report, help="where to write rows.json, rows.csv, rows.md and rows.png")
    args, words = usage.parse(parser, argv)
    job = launch.prepare(args, words, play_mode=True, needs_checkpoint=True, takes=(".onnx",))

    with terminal.doing("loading Isaac Lab"):
        from alice.evaluation.audit import evaluate, policy, rows
        from alice.export import configured
        from alice.tasks.ball_transfer.randomization_table import rows_of

    table = {name: row.span for name, row in rows_of(configured.arm_of(job.env_cfg)).items()}
    factors = args.factors or rows.FACTORS
    opened = rows.Rows(job.env_cfg, table, max(1.0, *factors))
    names = args.rows or opened.names
    rows.check(names, opened.names, job.task)
    seed = evaluate.settle(job, args)
    with policy.open_environment(job) as env:
        network = policy.load_policy(env, job)
        opened.attach(env.unwrapped)
        found = rows.sweep(env, network, opened, names, factors, args.episodes, seed, sys.stderr.isatty())
    print("\n".join(rows.lines(found, args.episodes)))
    if args.report:
        content = {**launch.describe(job), "seed": seed, "episodes": args.episodes}
        rows.write(args.report, found, content)
        print(f"written: rows.json, rows.csv, rows.md and rows.png in {args.report}")
    return 0


if __name__ == "__main__":
    usage.run(main)
