"""Audit the rewards: does any trick earn more than the honest next step? The rewards of earlier attempts must fail.

./isaaclab.sh -p scripts/audit_rewards.py --task Alice-Ball-Transfer
"""

from __future__ import annotations

from alice.cli import terminal, usage
from alice.runs import launch
from alice.transfer import curriculum


def main(argv: list[str]) -> int:
    """Check the command line, play every behaviour once, judge all rewards and print the tables."""
    parser = usage.DoorParser(__doc__, "env.rewards.action_rate.weight=-0.01", prog="audit_rewards.py")
    launch.add_flags(parser, "task", "num_envs", "seed", "device", "verbose")
    args, words = usage.parse(parser, argv)
    args.task = args.task or "Alice-Ball-Transfer"
    args.num_envs = args.num_envs or 64
    ours = launch.prepare(args, words, play_mode=False).env_cfg.rewards
    job = launch.prepare(args, [*words, "env.rewards=audit"], play_mode=True)

    with terminal.doing("loading Isaac Lab"):
        from alice.evaluation.audit import policy
        from alice.evaluation.physics import reward_audit
    from alice.tasks.ball_transfer.historic_rewards_cfg import HISTORIC

    costs = {name: getattr(ours, name).weight for name in ("action_rate", "action_excess")}
    with policy.open_environment(job) as env, terminal.doing("playing every behaviour once"):
        recorded = reward_audit.record(env.unwrapped)
    bad = []
    for stage in curriculum.STAGES:
        verdicts = reward_audit.judge(recorded, reward_audit.parts_of(stage, costs))
        print(f"stage {stage.name}\n{reward_audit.table(verdicts)}")
        bad += [f"{stage.name}: {v.behaviour}" for v in verdicts if not v.passed]
    for name, weights in HISTORIC.items():
        verdicts = reward_audit.judge(recorded, weights)
        print(f"earlier attempt {name} (must fail)\n{reward_audit.table(verdicts)}")
        bad += [] if any(not v.passed for v in verdicts) else [f"{name} is not caught"]
    print("passed" if not bad else f"failed: {', '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    usage.run(main)
