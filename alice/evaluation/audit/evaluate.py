"""What ``scripts/evaluate.py`` does with a checked command line."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from alice.cli.usage import UsageError
from alice.evaluation.audit import audit, draws, openings, policy, probes, report
from alice.evaluation.audit.tracks import Tracks
from alice.export import recordings
from alice.runs import launch, provenance, seeds
from alice.runs.launch import Job
from alice.transfer import outcome


def audit_policy(job: Job, args: argparse.Namespace) -> int:
    """Audit one policy, print the table and write the files that were asked for.

    Args:
        job: Checked command line.
        args: Its flags.

    Returns:
        Exit code: 1 if the policy succeeds under a probe.
    """
    if args.probe:
        probes.refuse(job)
    if args.record and job.checkpoint.suffix == ".safetensors":
        raise UsageError("--record: a policy of LeRobot makes its own inputs; scripts/record.py records episodes")
    seed = settle(job, args)
    known = {**launch.describe(job), "seed": seeds.in_json(seed), "seed_kind": _kind(args.seed), "probe": args.probe}
    line = _open(known) if args.seed == seeds.RELEASE else None
    began = time.monotonic()
    progress = sys.stderr.isatty()
    paths = Tracks() if args.report else None
    with policy.open_environment(job) as env:
        network = policy.load_policy(env, job)
        network = probes.Probe(network, args.probe) if args.probe else network
        recorder = policy.Recorder(network, job, env.unwrapped) if args.record else None
        episodes = audit.run_audit(env, recorder or network, args.episodes, seed, progress, paths)
        step_dt = env.unwrapped.step_dt
        figures = audit.summarize(episodes, step_dt)
        drawn = draws.counts(env.unwrapped, args.episodes)
        content = {**known, "physics": launch.physics_name(job.env_cfg), "draws": drawn, **figures}
        content["wall_time_s"] = round(time.monotonic() - began, 1)
        intent = _whiskers(env, network, episodes, paths) if args.report else []
    if line:
        openings.finish(line, content, openings.PAGE)
    print(report.table(content))
    if recorder:
        recordings.save(recorder.rows(recordings.COUNT), args.record, recorder.inputs)
        print(f"inputs written to {args.record}")
    if args.json:
        provenance.write_json(args.json, content)
        print(f"figures written to {args.json}")
    if args.report:
        from alice.evaluation.pictures import page, replay

        outcomes = audit.classify(episodes)
        shown = page.choose(outcomes, episodes.length.tolist())
        clips = replay.film(job, [paths[index] for index in shown.values()], progress)
        clips = dict(zip(shown, clips, strict=True))
        print(f"page: {page.write(args.report, content, episodes, outcomes, paths, clips, intent, step_dt)}")
    return _judge(args.probe, figures["success"]["rate"]) if args.probe else 0


def _open(known: dict[str, Any]) -> str | None:
    """Leave the line of an audit on the release seed before it begins, or say why there is none."""
    line = openings.begin(sys.argv, known, openings.PAGE)
    if line is None:
        found = openings.PAGE.is_file()
        why = "it has one of this very command: a repetition" if found else "there is none, this is no checkout"
        print(f"alice: note: no new line in docs/{openings.PAGE.name}, {why}", file=sys.stderr)
    return line


def _judge(probe: str, rate: float) -> int:
    """Say whether a probe was passed and return the exit code."""
    is_blind = rate <= outcome.PROBE_LIMIT
    verdict = "passed" if is_blind else "FAILED: the policy knows the ball from elsewhere"
    print(f"probe {probe}: {rate:.1%} success, at most {outcome.PROBE_LIMIT:.0%}: {verdict}")
    return 0 if is_blind else 1


def _whiskers(env, network, episodes: audit.Episodes, paths: Tracks) -> list:
    """Return the futures of the success that the page will show; none for a policy that cannot be sampled."""
    from alice.evaluation.audit.deployed import DeployedPolicy
    from alice.evaluation.audit.imitated import ImitatedPolicy
    from alice.evaluation.pictures import page, whiskers

    shown = page.choose(audit.classify(episodes), episodes.length.tolist())
    if "success" not in shown or isinstance(network, (DeployedPolicy, ImitatedPolicy, probes.Probe)):
        return []
    index = shown["success"]
    moments = whiskers.branches(paths[index], episodes.stage_steps[index])
    return [whiskers.grow(env, network, paths[index], step, label) for step, label in moments]


def sweep_runs(job: Job, args: argparse.Namespace) -> int:
    """Choose the best checkpoint of each run by an audit, audit these on other starts and compare them.

    Args:
        job: Checked command line.
        args: Its flags.

    Returns:
        Exit code: 0.
    """
    from alice.evaluation.audit import sweep

    runs = sweep.runs_of(args.checkpoints, audit.DEFAULT_SEED if args.seed is None else args.seed)
    seed = settle(job, args, args.selection_episodes)
    progress = sys.stderr.isatty()
    chosen, successes = {}, {}
    with policy.open_environment(job) as env:
        network = policy.load_policy(env, job)
        candidates = sweep.select(env, network, runs, job.task, args.selection_episodes, progress)
        for name in runs:
            winner = sweep.best(candidates, name)
            sweep.load(network, winner.path, job.task)
            episodes = audit.run_audit(env, network, args.episodes, seed, progress)
            successes[name] = episodes.stages[:, -1]
            figures = audit.summarize(episodes, env.unwrapped.step_dt)
            chosen[name] = {"checkpoint": winner.path.name, **figures}
    first, *others = runs
    pairs = [{"first": first, "second": other, **sweep.compare(successes[first], successes[other])} for other in others]
    print("\n".join(sweep.lines(candidates, chosen, pairs)))
    content = {**launch.describe(job), "checkpoint": None, "checkpoint_sha256": None, "seed": seeds.in_json(seed)}
    content["seed_kind"] = _kind(seed)
    content |= {"selection_seed": outcome.SELECTION_SEED, "selection_episodes": args.selection_episodes}
    content |= {"best": chosen, "pairs": pairs}
    if args.report:
        sweep.write(args.report, candidates, content)
        print(f"written: sweep.json, sweep.csv and sweep.png in {args.report}")
    if args.json:
        provenance.write_json(args.json, {**content, "checkpoints": sweep.table(candidates)})
        print(f"figures written to {args.json}")
    return 0


def settle(job: Job, args: argparse.Namespace, episodes: int | None = None) -> int:
    """Set the simulator's seed and the number of environments and return the seed of the audit.

    Args:
        job: Checked command line; changed in place.
        args: Its flags.
        episodes: How many an environment is made for; those of the audit for None.
    """
    seed = audit.DEFAULT_SEED if args.seed is None else args.seed
    if seed == seeds.RELEASE:
        openings.require_clean()
        seed = openings.seed_of(job)
    job.set_seed(seeds.for_simulator(seed))
    wanted = episodes or args.episodes
    kinds = draws.kind_count(job.env_cfg)
    count = job.env_cfg.scene.num_envs = audit.envs_for(wanted, args.num_envs, kinds)
    if args.num_envs and count != min(args.num_envs, wanted):
        size = draws.block_size(kinds)
        why = f"as many of each of {kinds} kinds of ball" if kinds > 1 else "episodes are drawn in blocks of that size"
        print(f"alice: note: {count} environments, a multiple of {size}: {why}", file=sys.stderr)
    return seed


def _kind(seed: int | str | None) -> str:
    """Return what a seed is for: ``release``, ``selection`` or ``audit``."""
    if seed == seeds.RELEASE:
        return "release"
    return "selection" if seed in outcome.SELECTION_SEEDS else "audit"
