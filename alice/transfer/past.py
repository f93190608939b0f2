"""Where the joints were a moment ago: what a picture shows is older than what the servos report beside it.

Of NumPy and PyTorch alike, since training and the robot go by the same rule (:mod:`alice.mdp.images`,
:mod:`alice.deploy.observation`).
"""

from __future__ import annotations

from typing import Any

from alice.arms.namespace import namespace

DEPTH = 8
"""Readings that are kept. An older moment is taken for the oldest."""


class Past:
    """The last readings of N arms, of J joints, one in each control step; a step that was left out is not known of.

    Args:
        reading: Where they stand, (N, J) [rad, m].
        period: Control step [s].
    """

    def __init__(self, reading: Any, period: float):
        self._period = period
        self._kept = [0.0 + reading for _ in range(DEPTH)]

    def keep(self, reading: Any, is_first: Any) -> None:
        """Take down the readings of a control step.

        Args:
            reading: (N, J) [rad, m].
            is_first: Whether an episode begins, (N, 1) bool: nothing was before it.
        """
        xp = namespace(reading)
        self._kept = [0.0 + reading, *(xp.where(is_first, reading, kept) for kept in self._kept[:-1])]

    def at(self, age: Any) -> Any:
        """Return the readings of a moment ago, between two of them in proportion, (N, J) [rad, m].

        Args:
            age: How long ago, (N,) [s]; what is still to come is taken for now.
        """
        steps = (age / self._period)[:, None].clip(0.0, DEPTH - 1.0)
        shares = ((1.0 - abs(steps - place)).clip(0.0, 1.0) for place in range(DEPTH))
        return sum(share * kept for share, kept in zip(shares, self._kept, strict=True))
