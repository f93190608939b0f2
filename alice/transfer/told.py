"""Where a thing is told to be after a report of it: the mean of its reports since it was last seen to move.

A report is off by noise of its own, and what lies still is reported again and again. Of NumPy and PyTorch alike, since
training and the robot tell by the same rule (:mod:`alice.mdp.reports`, :mod:`alice.deploy.tracking`).
"""

from __future__ import annotations

from typing import Any

from alice.arms.namespace import namespace

MOVED = 0.008
"""Distance of a report from what was told until then that says that the thing has moved [m]: four deviations of the
noise that the table of randomization has."""
MEMORY = 8.0
"""Most reports that a mean counts; older ones fade."""


def after_report(told: Any, count: Any, report: Any) -> tuple[Any, Any]:
    """Return where a thing is told to be after a report, (..., 3) [m], and how many reports that counts, (...) float.

    Args:
        told: Where it was told to be, (..., 3) [m]; anything where ``count`` is 0.
        count: How many reports that counts, (...) float; 0 where it came about in another way, and says nothing then.
        report: (..., 3) [m].
    """
    xp, change = namespace(report), report - told
    is_first = (count < 0.5) | ((change * change).sum(-1) > MOVED**2)
    count = xp.where(is_first, 1.0, xp.clip(count + 1.0, 1.0, MEMORY))
    return xp.where(is_first[..., None], report, told + change / count[..., None]), count
