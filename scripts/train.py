"""Train a policy with RSL-RL. Isaac Lab's own entry point does the work; this door checks what it is told.

./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer --seed 2 physics=newton_mjwarp
"""

from __future__ import annotations

from alice import launch, training, usage

EPILOG = "All other flags of `isaaclab train --rl_library rsl_rl` and overrides such as env.decimation=2 work as well."


def main(argv: list[str]) -> int:
    """Check the command line, note where the run comes from, train, and say where the result lies."""
    parser = usage.DoorParser(prog="train.py", description="Train a policy.", epilog=EPILOG)
    launch.add_flags(parser)
    parser.add_argument("--max_iterations", type=usage.positive, help="number of policy updates")
    args, rest = parser.parse_known_args(argv)
    words, others = usage.split_overrides(rest)

    job = launch.prepare(args, words, play_mode=False)
    stock = training.stock_flags(others, parser)
    if args.max_iterations:
        job.agent_cfg.max_iterations = args.max_iterations
    folder = training.begin(job, stock)
    code = training.train(job, stock, others, folder)
    print(training.closing_line(job, folder))
    return code


if __name__ == "__main__":
    usage.run(main)
