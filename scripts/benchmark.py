"""Measure env-steps/s per physics preset and number of environments, and where the time goes.

./isaaclab.sh -p scripts/benchmark.py --task Alice-Ball-Transfer
./isaaclab.sh -p scripts/benchmark.py --task Alice-Ball-Transfer --physics ovphysx --envs 256 512 1024 2048
./isaaclab.sh -p scripts/benchmark.py --task Alice-Ball-Transfer --physics ovphysx --processes 1 2
"""

from __future__ import annotations

import copy
import itertools

from alice.cli import files, terminal, usage
from alice.runs import launch, provenance
from alice.system import affinity

DEFAULT_ENVS = {"ovphysx": (256, 512, 1024), "newton_mjwarp": (256,)}


def main(argv: list[str]) -> int:
    """Check the command line, measure every combination and print a table."""
    parser = usage.DoorParser(__doc__, "env.decimation=3 presets=resnet18", prog="benchmark.py")
    launch.add_flags(parser, "task", "seed", "device", "domain_rand", "encoder_weights", "verbose")
    parser.add_argument(
        "--physics", nargs="+", type=usage.word, default=list(DEFAULT_ENVS), help="physics presets; default: both"
    )
    parser.add_argument("--envs", nargs="+", type=usage.positive, help="numbers of environments")
    parser.add_argument(
        "--processes",
        nargs="+",
        type=usage.positive,
        default=[1],
        metavar="N",
        help="processes at a time, each with its share of the cores and its own --envs; default 1",
    )
    parser.add_argument("--seconds", type=usage.positive, default=20, help="time per measurement; default 20")
    parser.add_argument("--json", type=files.Target(), help="where to write all figures")
    args, words = usage.parse(parser, argv)
    args.task = args.task or "Alice-Ball-Transfer"
    if max(args.processes) > (cores := len(affinity.cores())):
        raise usage.UsageError(f"--processes {max(args.processes)}: there are {cores} cores here; give at most {cores}")
    jobs = [launch.prepare(args, [*words, f"physics={name}"], play_mode=False) for name in args.physics]
    launch.refuse_two_runtimes(jobs)

    with terminal.doing("loading Isaac Lab"):
        from alice.evaluation import benchmark
        from alice.evaluation.audit import policy

    rows = []
    for name, job in zip(args.physics, jobs, strict=True):
        for count, processes in itertools.product(args.envs or DEFAULT_ENVS.get(name, (512,)), args.processes):
            if processes > 1:
                chosen = [*words, f"physics={name}"]
                with terminal.doing(f"measuring {processes} processes of {count} environments on {name}"):
                    timing = benchmark.measure_together(args, chosen, count, args.seconds, processes)
            else:
                run = copy.deepcopy(job)
                run.env_cfg.scene.num_envs = count
                with policy.open_environment(run) as env, terminal.doing(f"measuring for {args.seconds} s"):
                    timing = benchmark.measure(env.unwrapped, args.seconds)
            rows.append({"physics": name, "processes": processes, **vars(timing)})
            parts = "  ".join(f"{part} {share:.0%}" for part, share in timing.shares.items() if share >= 0.01)
            envs = f"{processes} x {count}" if processes > 1 else count
            print(f"{name:14s} {envs:>8} envs {timing.env_steps_per_s:9.0f} env-steps/s   {parts}", flush=True)
    best = {name: max(row["env_steps_per_s"] for row in rows if row["physics"] == name) for name in args.physics}
    print("best: " + ", ".join(f"{name} {speed:.0f} env-steps/s" for name, speed in best.items()))
    if len(best) > 1:
        first, *others = best
        print("ratio: " + ", ".join(f"{first} / {name} = {best[first] / best[name]:.1f}" for name in others))
    if args.json:
        provenance.write_json(args.json, {**launch.describe(jobs[0]), "rows": rows})
    return 0


if __name__ == "__main__":
    usage.run(main)
