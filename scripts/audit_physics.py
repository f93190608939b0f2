"""Audit the physics: does the simulated arm do what mechanics says it must? A table per engine, and plots.

./isaaclab.sh -p scripts/audit_physics.py --task Alice-Ball-Transfer
./isaaclab.sh -p scripts/audit_physics.py --task Alice-Ball-Transfer --physics ovphysx --plot physics.png
./isaaclab.sh -p scripts/audit_physics.py --task Alice-Ball-Transfer-SO101 --iterations 6 16 32 64 128
"""

from __future__ import annotations

from argparse import Namespace

from alice.cli import files, terminal, usage
from alice.runs import launch

DEFAULT = ("ovphysx", "newton_mjwarp")


def main(argv: list[str]) -> int:
    """Check the command line, run all checks on each engine and print the tables; 1 if a check fails."""
    parser = usage.DoorParser(__doc__, "env.scene.robot.actuators.arm.stiffness=20", prog="audit_physics.py")
    launch.add_flags(parser, "task", "num_envs", "seed", "device", "verbose")
    parser.add_argument("--physics", nargs="+", type=usage.word, default=DEFAULT, help="physics presets; default: both")
    parser.add_argument("--plot", type=files.Target((".png",)), help="where to draw the curves: .png")
    parser.add_argument(
        "--iterations",
        nargs="+",
        type=usage.positive,
        help="instead, on ovphysx: what the gripper holds at these numbers of position iterations",
    )
    args, words = usage.parse(parser, argv)
    args.task = args.task or "Alice-Ball-Transfer"
    if args.iterations:
        return hold(args, words)
    args.num_envs = args.num_envs or 16
    jobs = [launch.prepare(args, [*words, f"physics={preset}"], play_mode=True) for preset in args.physics]
    launch.refuse_two_runtimes(jobs)

    with terminal.doing("loading Isaac Lab"):
        from alice.evaluation.audit import policy
        from alice.evaluation.physics import physics_audit, start_states

    results = {}
    for name, job in zip(args.physics, jobs, strict=True):
        start_states.make_endless(job.env_cfg)
        with policy.open_environment(job) as env, terminal.doing("comparing with paper"):
            results[name] = physics_audit.run(env.unwrapped)
        print(f"{name}\n\n{physics_audit.table(results[name])}\n", flush=True)
    if args.plot:
        physics_audit.plot(results, args.plot)
        print(f"written: {args.plot}")
    return 0 if all(check.passed for result in results.values() for check in result.checks) else 1


def hold(args: Namespace, words: list[str]) -> int:
    """Let the gripper hold balls at each number of iterations and print the table; 1 if none holds all of them."""
    args.num_envs = args.num_envs or 64
    job = launch.prepare(args, [*words, "physics=ovphysx"], play_mode=True)

    with terminal.doing("loading Isaac Lab"):
        from alice.evaluation.audit import policy
        from alice.evaluation.physics import grip_audit, start_states

    start_states.make_endless(job.env_cfg)
    grips = []
    for count in args.iterations:
        grip_audit.set_iterations(job.env_cfg, count)
        job.set_seed(1 if args.seed is None else args.seed)
        with policy.open_environment(job) as env, terminal.doing(f"holding balls with {count} iterations"):
            grips.append(grip_audit.run(env.unwrapped, count))
    print(grip_audit.table(grips))
    return 0 if any(min(grip.held) == 1.0 for grip in grips) else 1


if __name__ == "__main__":
    usage.run(main)
