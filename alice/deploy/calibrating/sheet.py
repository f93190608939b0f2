"""The sheet under the arm, to be printed: lines straight ahead and to both sides, and the marks, in true size (SVG)."""

from __future__ import annotations

from alice.arms import Arm

from . import tasks

PAPER = (420.0, 297.0)
"""A3 [mm]: the marks of both kinds of arm are on it."""
BELOW = 40.0
"""The yaw axis over the lower edge of the paper [mm]."""
RULER = 100.0
"""Length of the line that says whether the printer has scaled [mm]."""


def svg(arm: Arm) -> str:
    """Return the sheet of an arm as the text of an SVG file.

    Args:
        arm: The arm.
    """
    width, height = PAPER
    middle, foot = width / 2, height - BELOW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm" viewBox="0 0 {width:g}'
        f' {height:g}">',
        '<g fill="none" stroke="black" stroke-width="0.3">',
        f'<path d="M{middle:g} {height:g} V10 M5 {foot:g} H{width - 5:g}"/>',
        f'<circle cx="{middle:g}" cy="{foot:g}" r="2"/>',
        f'<path d="M20 15 h{RULER:g} M20 12 v6 M{20 + RULER:g} 12 v6" stroke-width="0.5"/>',
    ]
    words = [
        (20, 22, f"{RULER:g} mm: print without scaling"),
        (20, 30, f"{arm.title}: the cross is the yaw axis"),
        (middle + 2, 14, "straight ahead"),
    ]
    for table in (tasks.MARKS, tasks.CHECKS):
        for name, (x, y, _) in tasks.marks(arm, table).items():
            across, down = middle - 1e3 * y, foot - 1e3 * x
            lines.append(f'<circle cx="{across:g}" cy="{down:g}" r="4"/>')
            lines.append(f'<path d="M{across - 6:g} {down:g} h12 M{across:g} {down - 6:g} v12"/>')
            words.append((across + 6, down - 3, name))
    lines.append("</g>")
    lines.append('<g font-family="sans-serif" font-size="5">')
    lines += [f'<text x="{x:g}" y="{y:g}">{text}</text>' for x, y, text in words]
    return "\n".join([*lines, "</g>", "</svg>", ""])
