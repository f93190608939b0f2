"""Look at this machine, or at a training that does not get anywhere.

./isaaclab.sh -p scripts/doctor.py
./isaaclab.sh -p scripts/doctor.py --run logs/rsl_rl/ball_transfer/<run>
"""

from __future__ import annotations

from pathlib import Path

from alice.cli import files, usage
from alice.doctor import diagnosis, machine
from alice.runs import launch

STATE_CHECKPOINT_MB = 1.4
"""Size of a checkpoint of the state task, optimizer included."""


def main(argv: list[str]) -> int:
    """Check the command line and print what is found; the exit code is 1 if anything is wrong."""
    parser = usage.DoorParser(__doc__, prog="doctor.py")
    run = files.Source(remedy="give logs/rsl_rl/<experiment>/<run>", folder=True)
    parser.add_argument("--run", type=run, help="run folder of a training")
    parser.add_argument("--checkpoints", type=usage.positive, default=10, help="how many will be kept; default 10")
    parser.add_argument("--no_render", action="store_true", help="do not render a frame, which takes half a minute")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    return look_at_run(args.run) if args.run else look_at_machine(args.checkpoints, not args.no_render)


def look_at_run(folder: Path) -> int:
    """Print stage rates, the stuck stage and its likely causes."""
    run = diagnosis.read(folder)
    print(f"{folder.name}: {run.iterations} iterations")
    print("  " + "  ".join(f"{stage} {rate:.1%}" for stage, rate in run.rates.items()))
    stuck, causes = diagnosis.stuck_stage(run), diagnosis.causes(run)
    print(f"stuck at: {stuck or 'nothing'}")
    for number, cause in enumerate(causes, 1):
        print(f"{number}. {cause.name}\n   evidence: {cause.evidence}\n   remedy: {cause.remedy}")
    if stuck and not causes:
        print(f"no known cause fits; look at a film: {run.film()}")
    return 1 if stuck or causes else 0


def look_at_machine(checkpoints: int, render: bool) -> int:
    """Print what was found on this machine."""
    findings = machine.look(Path("logs"), checkpoints * STATE_CHECKPOINT_MB)
    for finding in findings:
        print(f"{finding.level:<8s} {finding.name}: {finding.text}", flush=True)
    if render and all(finding.level != "problem" for finding in findings):
        from alice.evaluation.pictures import render_check

        finding = render_check.look(launch.resolve_task("Alice-Ball-Transfer"))
        findings.append(finding)
        print(f"{finding.level:<8s} {finding.name}: {finding.text}")
    return 1 if any(finding.level == "problem" for finding in findings) else 0


if __name__ == "__main__":
    usage.run(main)
