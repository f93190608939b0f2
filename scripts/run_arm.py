"""Run a policy on an arm, real or emulated. Needs only `pip install .[deploy]`; read docs/robot.md first.

python scripts/run_arm.py --arm xarm1s --policy assets/policies/Alice-Ball-Transfer.onnx --port emulated \
--dish 0.18 -0.09 --ball 0.20 0.03 0.015
"""

from __future__ import annotations

import sys
from datetime import datetime

from alice import arms
from alice.cli import files, usage
from alice.deploy import black_box, punctuality, running, trials
from alice.deploy.camera import DELAY
from alice.deploy.clock import MachineClock
from alice.deploy.operator import Console


def main(argv: list[str]) -> int:
    """Check the command line and all that it names, drive the arm, and write what happened."""
    parser = usage.DoorParser(__doc__, prog="run_arm.py")
    exported = files.Source(".onnx", "export one with scripts/export_onnx.py")
    measured = files.Source(".json", "make it as docs/robot.md says")
    add = parser.add_argument
    add("--policy", required=True, type=exported, help=".onnx or .engine")
    add("--arm", required=True, choices=list(arms.ARMS), help="the arm")
    add("--port", type=usage.word, help="serial port such as /dev/ttyUSB0, hid (the xArm's own board), or emulated")
    add("--protocol", choices=["lx", "lsc-hid", "lsc-serial", "sts"], help="what the port speaks; default: by the arm")
    add("--mode", choices=["run", "dry"], default="run", help="dry reads and computes and moves nothing; default run")
    add("--calibration", type=measured, help="the arm's own file; not needed for emulated, nor to look (dry)")
    add("--dish", nargs="+", type=usage.word, help="X and Y of the dish's centre [m], or the word teach")
    add("--ball", nargs="+", type=usage.word, help="X, Y and radius of the ball [m], for a policy that is told")
    add("--camera", type=usage.word, help="number, emulated, a film, a folder, or --picture of emulate_arm.py")
    add(
        "--camera_delay", type=usage.share, default=DELAY, help="how old a camera's picture is when it comes [s]; 0.033"
    )
    add("--seconds", type=usage.share, default=trials.SECONDS, help="length of a transfer; default 8")
    add(
        "--trials", type=usage.positive, help="number of trials to count: tells where to put the ball, asks how it went"
    )
    add("--seed", type=usage.seed, default=0, help="seed of the ball's places in trials; default 0")
    add("--results", type=files.Target((".json",)), help="where trials are written; default: beside the black box")
    add("--box", type=files.Target((".zip",)), help="black box; default: logs/arm/<date and time>.zip")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    if args.port is None:
        raise usage.UsageError("--port is missing; give a serial port, hid for the xArm's own board, or emulated")
    ball, clock = running.place(args.ball, "--ball X Y R"), MachineClock()
    is_taught = args.dish == [running.TEACH]
    dish = None if is_taught else running.place(args.dish, "--dish X Y")
    box = args.box or black_box.FOLDER / f"{datetime.now():%Y-%m-%d_%H-%M-%S}.zip"
    parts = running.open_parts(args, clock)
    with parts.opened, Console() as console:
        dish = running.teach_dish(parts, clock, console) if is_taught else dish
        told = (parts.calibration, parts.policy.contract, ball, dish)
        plan = trials.plan(args, *told, args.results or box.with_suffix(".json"), tell)
        loop = running.loop_of(parts, clock, plan, console, args.mode == "dry", {"arguments": argv}, tell)
        ended = running.drive(loop, box)
        if loop.punctuality.has_sent:
            tell(punctuality.line(loop.box.about["timing"]))
        plan.end(ended.reason)
    line = f"{ended.event}: {ended.reason}; {ended.steps} control steps, {ended.late} late; {box}"
    if ended.exit_code == 2:
        return usage.tell(f"{ended.reason}; nothing was moved ({box})")
    print(f"alice: {line}", file=sys.stderr if ended.exit_code else sys.stdout)
    return ended.exit_code


def tell(line: str) -> None:
    """Print a line for the operator at once."""
    print(line, flush=True)


if __name__ == "__main__":
    usage.run(main)
