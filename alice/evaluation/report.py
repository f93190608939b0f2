"""Turns an audit's figures into a table of plain text."""

from __future__ import annotations

from typing import Any


def table(report: dict[str, Any]) -> str:
    """Return a report as aligned lines.

    Args:
        report: Content of the JSON file that ``scripts/evaluate.py`` writes.
    """
    success = report["success"]
    rows = [
        ("policy", f"{report['checkpoint']} on {report['task']}"),
        ("audit", "{episodes} home starts, seed {seed}, {physics} on {device}".format(**report)),
        ("success", f"{success['rate']:7.2%}   95 % interval {success['low']:.2%} to {success['high']:.2%}"),
    ]
    rows += [(f"  {stage}", f"{rate:7.2%}") for stage, rate in report["stages"].items() if stage != "success"]
    rows += [
        (f"  {name}", f"{result['rate']:7.2%}   {result['count']}")
        for name, result in report["outcomes"].items()
        if result["count"] and name != "success"
    ]
    if len(report["ball_radii"]) > 1:
        rows += [
            (f"  ball {1000 * size['radius_m']:g} mm", "{rate:7.2%}   of {episodes}".format(**size))
            for size in report["ball_radii"]
        ]
    times = report["time_to_success"]
    if times:
        rows.append(("time", f"median {times['median_s']:.1f} s, 90 % within {times['p90_s']:.1f} s"))
    hardest = max(report["joints"].items(), key=lambda item: item[1]["median_peak_effort"] / item[1]["effort_limit"])
    share = hardest[1]["median_peak_effort"] / hardest[1]["effort_limit"]
    rows.append(("effort", f"{hardest[0]} works hardest: in the median episode up to {share:.0%} of its limit"))
    rows.append(("took", f"{report['wall_time_s']:.0f} s, {report['num_envs']} environments at a time"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)
