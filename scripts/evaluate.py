"""Audit a policy: success, stages and outcomes over home starts, as a table and as JSON.

./isaaclab.sh -p scripts/evaluate.py --task Alice-Ball-Transfer --checkpoint released --episodes 4096 --seed 20261
./isaaclab.sh -p scripts/evaluate.py --task Alice-Ball-Transfer --checkpoint latest physics=newton_mjwarp
./isaaclab.sh -p scripts/evaluate.py --task Alice-Ball-Transfer --checkpoint exported/Alice-Ball-Transfer.onnx
"""

from __future__ import annotations

import sys
import time

from alice import launch, provenance, usage


def main(argv: list[str]) -> int:
    """Check the command line, run the audit, print the table and write the JSON file."""
    parser = usage.DoorParser(prog="evaluate.py", description="Audit a policy.")
    launch.add_flags(parser)
    parser.add_argument("--episodes", type=usage.positive, default=1024, help="episodes to count; default 1024")
    parser.add_argument("--json", metavar="FILE", help="where to write all figures")
    parser.add_argument("--record", metavar="FILE", help="where to write 1,000 of the policy's inputs (.npz)")
    args, words = usage.parse(parser, argv)
    target = usage.require_writable(args.json, "--json")
    record = usage.require_writable(args.record, "--record", (".npz",))
    job = launch.prepare(args, words, play_mode=True, needs_checkpoint=True, takes_onnx=True)

    # These load PyTorch, so they come after all that can go wrong at once.
    from alice.evaluation import audit, policy, report
    from alice.export import recordings

    job.set_seed(audit.DEFAULT_SEED if args.seed is None else args.seed)
    job.env_cfg.scene.num_envs = audit.envs_for(args.episodes, args.num_envs)
    began = time.monotonic()
    with policy.open_environment(job) as env:
        network = policy.load_policy(env, job)
        recorder = policy.Recorder(network, job.actor_groups) if record else None
        episodes = audit.run_audit(env, recorder or network, args.episodes, show_progress=sys.stderr.isatty())
        figures = audit.summarize(episodes, env.unwrapped.step_dt)
    content = {**launch.describe(job), **figures, "wall_time_s": round(time.monotonic() - began, 1)}
    print(report.table(content))
    if recorder:
        recordings.save(recorder.rows(recordings.COUNT), record)
        print(f"inputs written to {record}")
    if target:
        provenance.write_json(target, content)
        print(f"figures written to {target}")
    return 0


if __name__ == "__main__":
    usage.run(main)
