"""Show a black box: what ran, how it ended, every event, and how far the arm was from its commands.

python scripts/show_run.py
python scripts/show_run.py --box logs/arm/2026-11-29_13-14-05.zip --plot run.png
"""

from __future__ import annotations

import numpy as np

from alice.cli import files, usage
from alice.deploy import black_box, punctuality

ABOUT = ("arm", "calibration", "task", "bus", "reads_back", "mode", "written_at", "ended")


def main(argv: list[str]) -> int:
    """Check the command line, print a summary and the events, and draw if it is asked for."""
    parser = usage.DoorParser(__doc__, prog="show_run.py")
    kept = files.Source("", "give one of run_arm.py")
    parser.add_argument("--box", type=kept, help="the black box; default: the newest in logs/arm")
    parser.add_argument("--plot", type=files.Target((".png", ".pdf", ".svg")), help="draw joints, and needs matplotlib")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    found = black_box.read(args.box or black_box.newest())
    columns = found.columns
    for name in ABOUT:
        print(f"{name:12s} {found.about.get(name)}")
    print("\n".join(summary(found)))
    print(f"\n{'time s':>8s} {'state':<10s} {'event':<14s} reason")
    begin = columns["time"][0] if len(columns["time"]) else 0.0
    for event in found.events:
        print(f"{event['time'] - begin:8.2f} {event['state']:<10s} {event['event']:<14s} {event['reason']}")
    if args.plot:
        black_box.plot(found, args.plot)
        print(f"\n{args.plot}")
    return 0


def summary(found: black_box.Recording) -> list[str]:
    """Return lines about a black box's numbers."""
    columns, lines = found.columns, [""]
    behind = 1e3 * (columns["sent_at"] - columns["due"])
    behind = behind[np.isfinite(behind)]
    lines.append(
        f"{len(columns['time'])} control steps of {found.about['period'] * 1e3:.0f} ms, {len(behind)} commands"
    )
    if len(behind):
        p50, p99 = np.percentile(behind, [50, 99])
        lines.append(f"commands late by {p50:.1f} ms (half), {p99:.1f} ms (99 of 100), {behind.max():.1f} ms (most)")
    if timing := found.about.get("timing"):
        lines.append(f"the whole run: {punctuality.line(timing)}")
    for number, servo in enumerate(found.about["servos"]):
        warm, volt = columns["temperature"][:, number], columns["voltage"][:, number]
        if np.isfinite(volt).any():
            heat = f"{np.nanmax(warm):.0f} °C at most, " if np.isfinite(warm).any() else ""
            lines.append(f"servo {servo}: {heat}{np.nanmin(volt):.1f} to {np.nanmax(volt):.1f} V")
    away = np.abs(columns["joints"] - columns["command"])
    for number, joint in enumerate(found.about["joints"]):
        if np.isfinite(away[:, number]).any():
            lines.append(f"{joint}: at most {np.nanmax(away[:, number]):.3f} from its command")
    return lines


if __name__ == "__main__":
    usage.run(main)
