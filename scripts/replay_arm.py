"""Play what an arm was told into a simulator, with and without its fitted servos: how far joints and tool are off.

python scripts/replay_arm.py --box logs/arm/2026-11-29_13-14-05.zip --servo servo.json
./isaaclab.sh -p scripts/replay_arm.py --box run.zip --servo servo.json --task Alice-Ball-Transfer --page gap.html

Without --task the emulated arm on its bench stands for the simulator, which needs NumPy alone.
"""

from __future__ import annotations

import numpy as np

from alice.arms import fitted
from alice.cli import catalogue, files, terminal, usage
from alice.deploy.identification import gap
from alice.runs import launch

PLAIN, FITTED = "as its table has it", "as fitted"


def main(argv: list[str]) -> int:
    """Check the command line, simulate, print the table and write what was asked for."""
    parser = usage.DoorParser(__doc__, "physics=newton_mjwarp", prog="replay_arm.py")
    parser.add_argument("--box", type=files.Source("", "give one of run_arm.py"), help="the black box")
    launch.add_flags(parser, "task", "device", "servo", "verbose")
    parser.add_argument("--json", type=files.Target((".json",)), help="where to write errors over time")
    parser.add_argument("--page", type=files.Target((".html",)), help="where to show the curves of every joint")
    args, words = usage.parse(parser, argv)
    if args.task:
        catalogue.task(args.task)
    if args.box is None:
        raise usage.UsageError("--box is missing; give the black box of a run, logs/arm/<date and time>.zip")
    if args.servo is None:
        raise usage.UsageError("--servo is missing; give the servo.json of identify_arm.py")
    run = gap.read(args.box)
    try:
        found = fitted.read(args.servo, run.arm)
    except fitted.FittedError as error:
        raise usage.UsageError(f"--servo: {error}") from error
    if args.task:
        simulated = in_training(args, words, run, found)
    elif words:
        raise usage.UsageError(f"{words[0]}: the bench has no such configuration; give --task")
    else:
        simulated = {PLAIN: gap.on_bench(run, None), FITTED: gap.on_bench(run, found)}
    gaps = {name: gap.gap(run, places) for name, places in simulated.items()}
    told = gap.table(run, gaps)
    print(told)
    if args.json:
        from alice.runs import provenance

        series = {name: {"joints": one.joints.tolist(), "tool": one.tool.tolist()} for name, one in gaps.items()}
        provenance.write_json(
            args.json, {"arm": run.arm.name, "time": (run.read_at - run.read_at[0]).tolist(), **series}
        )
    if args.page:
        from alice.evaluation.pictures import curves

        print(f"page: {curves.of_run(args.page, run, simulated, gaps, told)}")
    return 0


def in_training(args, words: list[str], run: gap.Run, found: fitted.FittedServos) -> dict[str, np.ndarray]:
    """Return where the joints of the training's simulator were at the readings of a run, (K, J) each."""
    servo, args.servo, args.num_envs = args.servo, None, 2
    job = launch.prepare(args, words, play_mode=True)
    args.servo = servo
    if job.env_cfg.arm != run.arm.name:
        raise usage.UsageError(f"--task {job.task} has the arm {job.env_cfg.arm!r}, the box is of {run.arm.name!r}")
    with terminal.doing("loading Isaac Lab"):
        from alice.evaluation.audit import policy
        from alice.evaluation.physics import arm_replay, start_states
    start_states.make_endless(job.env_cfg)
    with policy.open_environment(job) as env, terminal.doing("playing the commands"):
        step = env.unwrapped.step_dt
        ends = run.at[0] + step * np.arange(1, int((run.at[-1] - run.at[0]) / step) + 2)
        # The command that counts in each control step is the last one that was sent before it.
        rows = np.clip(np.searchsorted(run.at, ends - step + 1e-4, side="right") - 1, 0, len(run.at) - 1)
        places = arm_replay.replay(env.unwrapped, run.joints[0], run.command[rows], found)
    moments = np.concatenate(([run.at[0]], ends))
    whole = np.concatenate((np.repeat(run.joints[:1][None], 2, axis=0), places), axis=1)
    read = [
        np.stack([np.interp(run.read_at, moments, one[:, column]) for column in range(one.shape[1])], -1)
        for one in whole
    ]
    return {PLAIN: read[0], FITTED: read[1]}


if __name__ == "__main__":
    usage.run(main)
