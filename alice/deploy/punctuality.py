"""How punctual a run was: from command to command, and behind the time that each was due. NumPy only."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

PERCENTILES = (50.0, 99.0, 99.9, 100.0)
"""Those that are told, of times [ms]."""


class Punctuality:
    """Takes down when commands were due and sent, of a whole run: 16 bytes for each."""

    def __init__(self):
        self._due, self._sent = array("d"), array("d")

    def add(self, due: float, sent_at: float) -> None:
        """Take down a command.

        Args:
            due: When it was due [s].
            sent_at: When it was sent [s].
        """
        self._due.append(due)
        self._sent.append(sent_at)

    @property
    def has_sent(self) -> bool:
        """Whether a command was sent."""
        return bool(self._sent)

    def summary(self) -> dict[str, Any]:
        """Return ``commands``, a number, and by the names of :data:`PERCENTILES` (``p50`` …) times [ms].

        ``period_ms`` is from command to command, ``behind_ms`` from when one was due to when it was sent; empty where
        there were too few commands.
        """
        due, sent = (np.frombuffer(times, float) for times in (self._due, self._sent))
        found: dict[str, Any] = {"commands": len(sent)}
        for name, times in (("period_ms", np.diff(sent)), ("behind_ms", sent - due)):
            values = np.percentile(1e3 * times, PERCENTILES).round(3).tolist() if len(times) else []
            found[name] = {f"p{number:g}": value for number, value in zip(PERCENTILES, values, strict=False)}
        return found


def line(found: dict[str, Any]) -> str:
    """Return in words what a black box keeps as ``timing``.

    Args:
        found: :meth:`Punctuality.summary`; ``late``, commands that were late or left out; ``cpu_share`` of one core.
    """
    if not found["period_ms"]:
        return f"{found['commands']} commands"
    period, behind = ("/".join(f"{value:.2f}" for value in found[name].values()) for name in ("period_ms", "behind_ms"))
    return (
        f"{found['commands']} commands, one every {period} ms, behind by {behind} ms"
        f" ({'/'.join(found['period_ms'])}); {found['late']} late or left out; {found['cpu_share']:.1%} of a core"
    )
