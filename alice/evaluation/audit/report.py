"""Turns an audit's figures into a table of plain text."""

from __future__ import annotations

from typing import Any

from alice.transfer import outcome

LIFTED = f"   by {100 * outcome.LIFTED_HEIGHT:g} cm; not required, a ball may be carried lower"
SEED_NOTES = {
    "release": " (the release seed of this policy)",
    "selection": " (a selection seed: not a release figure)",
}
"""What the table says of a seed, by ``seed_kind``."""


def table(report: dict[str, Any]) -> str:
    """Return a report as aligned lines.

    Args:
        report: Content of the JSON file that ``scripts/evaluate.py`` writes.
    """
    audit = "{episodes} home starts, seed {seed}{note}, {physics} on {device}"
    rows = [
        ("policy", f"{report['checkpoint']} on {report['task']}"),
        *([("run", _run(report))] if report.get("iterations") else []),
        ("audit", audit.format(note=SEED_NOTES.get(report["seed_kind"], ""), **report)),
        *_draws(report["draws"]),
    ]
    rows += [
        (name.replace("_", " "), f"{figure['rate']:7.2%}   95 % interval {figure['low']:.2%} to {figure['high']:.2%}")
        for name, figure in report["headlines"].items()
    ]
    rows += [
        (f"  {stage}", f"{rate:7.2%}{LIFTED if stage == 'lifted' else ''}")
        for stage, rate in report["stages"].items()
        if stage != "success"
    ]
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
    if manners := report["manners"]:
        rows += [
            (
                "speed",
                "fastest arm joint {median:.2f} rad/s, median of peaks; {max:.2f} at most".format(
                    **manners["peak_speed_rad_s"]
                ),
            ),
            ("jerk", "{median:.0f} rad/s³, median of the targets' root mean square".format(**manners["jerk_rad_s3"])),
            ("work", "{median:.2f} J a transfer, median".format(**manners["work_j"])),
            (
                "stops",
                "{min:.2f} rad away at the nearest, {median:.2f} rad in the median".format(**manners["room_rad"]),
            ),
        ]
    rows.append(("took", f"{report['wall_time_s']:.0f} s, {report['num_envs']} environments at a time"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _draws(draws: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the row of how many different worlds are behind an audit; none where starts alone differ."""
    if draws["ball_kinds"] == 1 and not draws["friction_values"]:
        return []
    said = [f"{draws['starts']} starts, masses and servos", f"{draws['ball_kinds']} kinds of ball in turn"]
    sizes = sorted({size for size in draws["friction_values"].values() if size})
    said += [f"each friction one of {size} values" for size in sizes]
    said += ["frictions of their own"] if None in draws["friction_values"].values() else []
    return [("draws", ", ".join(said))]


def _run(report: dict[str, Any]) -> str:
    """Return where a policy comes from: its folder, how long it was trained, and when that began."""
    trained = report.get("trained") or ""
    when = f", begun {trained[:16].replace('T', ' ')}" if trained else ""
    return f"{report['run']}, {report['iterations']} iterations{when}"
