"""Train a policy with RSL-RL. Isaac Lab's own entry point does the work; this door checks what it is told.

./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer --seed 2 physics=newton_mjwarp
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer --phase auto
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer --run runs/first
./isaaclab.sh -p scripts/train.py --resume logs/rsl_rl/ball_transfer/<run>
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer-Camera --teacher released
"""

from __future__ import annotations

from alice.cli import usage
from alice.runs import chain as teaching
from alice.runs import folders, launch, lock, memory, preflight, resume, training, wording
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
    asked = folders.Asked(wording.of(args, given, others), wording.iterations(args, given), args.more_iterations)
    with lock.Lock() as held:
        if args.teacher:
            stock = training.stock_flags(others, parser)
            preflight.check_stock(stock, launch.resolve_task(args.task))
            return teaching.run(args, given, others, stock, asked, held)
        if args.run:
            step, total = folders.enter(args.run, asked, held)
            if step is folders.Step.FINISHED:
                print(f"finished: {args.run}, {total} iterations; --max_iterations or --more_iterations goes on")
                return 0
            if step is folders.Step.GO_ON:
                given, others = folders.as_begun(args, given, others, total)
                args.resume = args.run
        return train(args, given, others, asked, held, parser)


def train(args, given, others, asked, held, parser) -> int:
    """Begin a run or go on with one."""
    run = resume.find(str(args.resume), args.task) if args.resume else None
    if run:
        held.take(run.folder)
    words = resume.apply(run, args, given) if run else given
    others = resume.stock_words(run, others) if run else others
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
    begins = training.beginning(job, words if run is None else given, is_new=run is None)
    if run:
        folder = training.go_on(job, run, {"flags": flags, "more_iterations": asked.more})
    else:
        folder = training.begin(job, stock, held, {"flags": flags, "words": asked.words, "begins": begins}, args.run)
    settings = {"keep": args.keep, "goes_on": resume.goes_on(run, args), **begins}
    code = training.train(job, stock, others, folder, held, **settings)
    print(training.closing_lines(job, folder, is_interrupted=code > 128))
    return code or int(bool(args.run) and training.is_short(job, folder))


if __name__ == "__main__":
    usage.run(main)
