"""Where the joints were, or were told to be, a moment ago.

What a picture shows is older than what the servos report beside it, and where nothing is read a command of a moment ago
stands for the reading. Of NumPy and PyTorch alike, since training and the robot go by the same rule
(:mod:`alice.mdp.observations`, :mod:`alice.mdp.actions`; :mod:`alice.deploy.observation`, :mod:`alice.deploy.pilot`).
"""

from __future__ import annotations

from typing import Any

from alice.arms.namespace import namespace

DEPTH = 8
"""Control steps that are kept. An older moment is taken for the oldest."""


class Past:
    """The last joint positions of N arms, of J joints, one in each control step; one that was left out is not known of.

    Args:
        joint_pos: Where they stand, (N, J) [rad, m].
        period: Control step [s].
    """

    def __init__(self, joint_pos: Any, period: float):
        self._period = period
        self._kept = [0.0 + joint_pos for _ in range(DEPTH)]

    def begin(self, which: Any, joint_pos: Any) -> None:
        """Let arms have stood still.

        Args:
            which: Arms, indices or mask of length N.
            joint_pos: (K, J) [rad, m].
        """
        for kept in self._kept:
            kept[which] = joint_pos

    def after(self, joint_pos: Any, is_first: Any = None) -> Past:
        """Return the past a control step later; this one stays what it is.

        Args:
            joint_pos: (N, J) [rad, m].
            is_first: Where an episode begins, (N, 1) bool, nothing was before it; None for nowhere.
        """
        xp, older = namespace(joint_pos), self._kept[:-1]
        if is_first is not None:
            older = [xp.where(is_first, joint_pos, kept) for kept in older]
        later = Past.__new__(Past)
        later._period, later._kept = self._period, [0.0 + joint_pos, *older]
        return later

    def at(self, age: Any) -> Any:
        """Return the joint positions of a moment ago, between two that are kept in proportion, (N, J) [rad, m].

        Args:
            age: How long ago, (N,), or (1,) for all [s]; what is still to come is taken for now.
        """
        steps = (age / self._period)[:, None].clip(0.0, DEPTH - 1.0)
        shares = ((1.0 - abs(steps - place)).clip(0.0, 1.0) for place in range(DEPTH))
        return sum(share * kept for share, kept in zip(shares, self._kept, strict=True))
