"""Train a policy with RSL-RL. Isaac Lab's own entry point does the work; this door checks what it is told.

./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer --seed 2 physics=newton_mjwarp
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer --phase auto
./isaaclab.sh -p scripts/train.py --resume logs/rsl_rl/ball_transfer/<run>
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer-Camera --teacher released
"""

from __future__ import annotations

from alice.cli import usage
from alice.runs import chain as teaching
from alice.runs import launch, memory, preflight, resume, training
from alice.transfer import curriculum

OTHERS = "All other flags of `isaaclab train --rl_library rsl_rl` work as well."


def main(argv: list[str]) -> int:
    """Check the command line, note where the run comes from, train, and say where the result lies."""
    parser = usage.DoorParser(__doc__, "physics=newton_mjwarp env.decimation=2", prog="train.py", others=OTHERS)
    launch.add_flags(parser)
    training.add_flags(parser)
    args, rest = parser.parse_known_args(argv)
    given, others = usage.split_overrides(rest)
    others += ["--verbose"] if args.verbose else []  # Isaac Lab's own flag as well
    preflight.check_flags(args, others)
    if args.teacher:
        stock = training.stock_flags(others, parser)
        preflight.check_stock(stock, launch.resolve_task(args.task))
        return teaching.run(args, given, others, stock)

    going_on = resume.find(str(args.resume), args.task) if args.resume else None
    words = resume.apply(going_on, args, given) if going_on else given
    others = resume.stock_words(going_on, others) if going_on else others
    words = curriculum.select_phase(words, args.phase)
    flags = {"keep": args.keep, "device": args.device, "stock": resume.lasting(others)}
    job = launch.prepare(args, words, play_mode=False)
    stock = training.stock_flags(others, parser)
    preflight.check(job, stock, words)
    teaching.check(job)
    memory.require(job)
    if args.max_iterations:
        job.agent_cfg.max_iterations = args.max_iterations
    training.start_kit(job, stock)
    folder = training.begin(job, stock, going_on, flags)
    settings = {"keep": args.keep, "goes_on": resume.goes_on(going_on, args)}
    code = training.train(job, stock, others, folder, learning_rate=training.learning_rate(given), **settings)
    print(training.closing_lines(job, folder, is_interrupted=code > 128))
    return code


if __name__ == "__main__":
    usage.run(main)
