"""The audit over the wire: one policy twice on equal starts, in closed loop and through everything up to the copper."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from alice.cli import terminal
from alice.cli.usage import UsageError
from alice.deploy.lockstep import Counts, Options
from alice.evaluation.audit import audit, draws, evaluate, policy, sweep
from alice.evaluation.audit.deployed import DeployedPolicy
from alice.evaluation.audit.wired import WiredPolicy
from alice.runs import launch, provenance, seeds
from alice.runs.launch import Job

LARGEST_ROUND = 256
"""Most arms at once, unless the user asks for more: each has a loop with the last minute of its life."""


def audit_wire(job: Job, args: argparse.Namespace) -> int:
    """Audit a policy in closed loop and over the wire, print both and what lies between, and write what was asked for.

    Args:
        job: Checked command line.
        args: Its flags.

    Returns:
        Exit code: 0.

    Raises:
        UsageError: If the policy is no exported one, or the bus does not fit its arm.
    """
    if job.checkpoint.suffix != ".onnx":
        raise UsageError(
            f"--through_wire: {job.checkpoint.name} runs on no robot; give what scripts/export_onnx.py made of it, or"
            f" assets/policies/{job.task}.onnx"
        )
    if not args.num_envs and args.episodes > LARGEST_ROUND:
        args.num_envs = audit.envs_for(args.episodes, LARGEST_ROUND, draws.kind_count(job.env_cfg))
    seed = evaluate.settle(job, args)
    options = Options(args.protocol, args.table_depth, args.told_once)
    content = {**launch.describe(job), "seed": seeds.in_json(seed), "physics": launch.physics_name(job.env_cfg)}
    runs: dict[str, audit.Episodes] = {}
    with policy.open_environment(job) as env:
        wired = WiredPolicy(env.unwrapped, job.checkpoint, options)
        for name, acting in (("closed loop", DeployedPolicy(env.unwrapped, job.checkpoint)), ("wire", wired)):
            began = time.monotonic()
            terminal.note(f"{args.episodes} episodes: {name}")
            runs[name] = audit.run_audit(env, acting, args.episodes, seed, sys.stderr.isatty())
            content[name] = {**audit.summarize(runs[name], env.unwrapped.step_dt)}
            content[name]["wall_time_s"] = round(time.monotonic() - began, 1)
    content["options"] = vars(options) | {"protocol": wired.protocol}
    content["difference"] = sweep.compare(*(episodes.stages[:, -1] for episodes in runs.values()))
    content["on_the_wire"] = vars(wired.counts)
    apart = runs["closed loop"].stages[:, -1] != runs["wire"].stages[:, -1]
    content["apart"] = apart.nonzero().flatten().tolist()
    print("\n".join(lines(content, wired.counts)))
    if args.json:
        provenance.write_json(args.json, content)
        print(f"figures written to {args.json}")
    return 0


def lines(content: dict[str, Any], counts: Counts) -> list[str]:
    """Return what is printed."""
    options = content["options"]
    told = "told once where the ball lies" if options["told_once"] else "told of the ball as in closed loop"
    made = [
        f"{content['checkpoint']} on {content['task']}, seed {content['seed']}, {content['physics']}",
        f"bus {options['protocol']}; tip at most {1e3 * options['table_depth']:g} mm below the table; {told}",
    ]
    for name in ("closed loop", "wire"):
        success, figures = content[name]["success"], content[name]
        made.append(
            f"{name:<12} {success['rate']:7.2%} ({success['low']:.2%} to {success['high']:.2%}) of"
            f" {figures['episodes']}, {_time(figures)}; took {figures['wall_time_s']:g} s"
        )
    pair = content["difference"]
    made.append(
        f"{'difference':<12} {100 * pair['difference']:+.2f} points ({100 * pair['low']:+.2f} to"
        f" {100 * pair['high']:+.2f}); {pair['only_first']} in closed loop alone,"
        f" {pair['only_second']} over the wire alone"
    )
    for what in ("table", "self"):
        made.append(
            f"{what + ' guard':<12} cut {counts.hindered[what] / max(1, counts.steps):.2%} of {counts.steps} commands,"
            f" in {counts.episodes_hindered[what]} episodes"
        )
    made += [f"{'interrupted':<12} {number} episodes: {event}" for event, number in counts.events.most_common()]
    return [*made, *([f"{'left out':<12} {counts.left_out} control steps"] if counts.left_out else [])]


def _time(figures: dict[str, Any]) -> str:
    times = figures["time_to_success"]
    return f"median {times['median_s']:.2f} s" if times else "no success"
