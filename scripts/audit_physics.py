"""Audit the physics: does the simulated arm do what mechanics says it must? A table per engine, and plots.

./isaaclab.sh -p scripts/audit_physics.py --task Alice-Ball-Transfer
./isaaclab.sh -p scripts/audit_physics.py --task Alice-Ball-Transfer --physics ovphysx --plot physics.png
"""

from __future__ import annotations

from alice.cli import files, terminal, usage
from alice.runs import launch

DEFAULT = ("ovphysx", "newton_mjwarp")


def main(argv: list[str]) -> int:
    """Check the command line, run all checks on each engine and print the tables; 1 if a check fails."""
    parser = usage.DoorParser(__doc__, "env.scene.robot.actuators.arm.stiffness=20", prog="audit_physics.py")
    launch.add_flags(parser, "task", "num_envs", "seed", "device", "verbose")
    parser.add_argument("--physics", nargs="+", type=usage.word, default=DEFAULT, help="physics presets; default: both")
    parser.add_argument("--plot", type=files.Target((".png",)), help="where to draw the curves: .png")
    args, words = usage.parse(parser, argv)
    args.task = args.task or "Alice-Ball-Transfer"
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


if __name__ == "__main__":
    usage.run(main)
