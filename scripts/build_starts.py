"""Make the bank of start states that training episodes begin in, by physics.

./isaaclab.sh -p scripts/build_starts.py
"""

from __future__ import annotations

from pathlib import Path

from alice.cli import files, terminal, usage
from alice.runs import launch


def main(argv: list[str]) -> int:
    """Check the command line, let states settle in the simulator and write those that hold."""
    parser = usage.DoorParser(__doc__, "env.events.reset_transfer.params.min_separation=0.1", prog="build_starts.py")
    launch.add_flags(parser, "task", "num_envs", "seed", "device", "verbose")
    parser.add_argument("--per_kind", type=usage.positive, default=512, help="states of each kind and ball size")
    parser.add_argument("--output", type=files.Target((".pt",)), help="file to write; default: that of the task")
    args, words = usage.parse(parser, argv)
    args.task = args.task or "Alice-Ball-Transfer"
    args.num_envs = args.num_envs or 1008
    job = launch.prepare(args, ["env.scene.ball=domain_rand", *words], play_mode=True)

    path = args.output or Path(job.env_cfg.events.reset_transfer.params["bank"])

    from alice.evaluation.audit import policy
    from alice.evaluation.physics import start_states

    job.set_seed(1 if args.seed is None else args.seed)
    start_states.make_endless(job.env_cfg)
    with policy.open_environment(job) as env, terminal.bar(unit="state") as bar:
        bank = start_states.build(env.unwrapped, args.per_kind, bar)
    bank.save(path)
    print(f"{len(bank.kind)} states written to {path}")
    return 0


if __name__ == "__main__":
    usage.run(main)
