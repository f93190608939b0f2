"""Train a policy with RSL-RL. Isaac Lab's own entry point does the work; this door checks what it is told.

./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer --seed 2 physics=newton_mjwarp
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer --phase auto
./isaaclab.sh -p scripts/train.py --resume logs/rsl_rl/ball_transfer/<run>
./isaaclab.sh -p scripts/train.py --task Alice-Ball-Transfer-Camera --teacher released
"""

from __future__ import annotations

from alice import checkpoints, curriculum, files, launch, memory, teaching, training, usage

OTHERS = "All other flags of `isaaclab train --rl_library rsl_rl` work as well."


def main(argv: list[str]) -> int:
    """Check the command line, note where the run comes from, train, and say where the result lies."""
    parser = usage.DoorParser(__doc__, "physics=newton_mjwarp env.decimation=2", prog="train.py", others=OTHERS)
    launch.add_flags(parser)
    parser.add_argument(
        "--max_iterations",
        type=usage.positive,
        help="policy updates; with --resume, of the whole run, with --teacher, of each stage",
    )
    run = checkpoints.Policy(names=("latest", "released"), metavar="RUN")
    parser.add_argument("--resume", type=run, help="go on with a run: its folder, a checkpoint in it, or latest")
    parser.add_argument("--phase", choices=curriculum.PHASES, help="stage to train at; auto: promoted by success")
    parser.add_argument(
        "--teacher", type=checkpoints.Policy(), help="distil this state policy ('released' is one), then go on with PPO"
    )
    parser.add_argument("--keep", type=usage.positive, help="number of checkpoints to keep on the disk; default: all")
    args, rest = parser.parse_known_args(argv)
    words, others = usage.split_overrides(rest)
    if args.resume and args.checkpoint:
        raise usage.UsageError("--resume goes on with a run and --checkpoint starts a new one: give one of them")
    files.require_place(checkpoints.LOG_ROOT, "the folder of the runs")
    if args.teacher:
        training.stock_flags(others, parser)
        return teaching.run(args, words, others)

    resume = training.find_resume(str(args.resume), args.task) if args.resume else None
    if resume:
        words = training.apply_resume(resume, args, words)
    words = curriculum.select_phase(words, args.phase)
    job = launch.prepare(args, words, play_mode=False)
    stock = training.stock_flags(others, parser)
    teaching.check(job)
    memory.require(job)
    if args.max_iterations:
        job.agent_cfg.max_iterations = args.max_iterations
    training.start_kit(job, stock)
    folder = training.begin(job, stock, resume)
    code = training.train(job, stock, others, folder, args.keep)
    print(training.closing_line(job, folder))
    return code


if __name__ == "__main__":
    usage.run(main)
