"""What happened in one episode: stages, success, the ways to fail, and honest intervals.

Standard library only. Everything that speaks of success (reward, termination, metric, audit) uses these names.
"""

from __future__ import annotations

import math

STAGES: tuple[str, ...] = ("reached", "pinched", "lifted", "carried", "released", "success")
"""Milestones of an episode in their order. Each is counted once it has happened, however briefly."""

OUTCOMES: tuple[str, ...] = (
    "success",
    "never_reached",
    "never_pinched",
    "never_lifted",
    "dropped_in_transport",
    "missed_dish",
    "ball_lost",
    "timeout",
)
"""The one label of a finished episode; ``timeout`` means: in the dish or on the way there, but not done in time."""

PROBES: tuple[str, ...] = ("blank", "shuffled", "frozen")
"""Ways to take the picture from a policy that should need it (:mod:`alice.evaluation.probes`)."""
PROBE_LIMIT = 0.05
"""Success that such a policy may have at most."""

SELECTION_SEED = 30260
"""Seed of the starts that checkpoints are chosen on: never those of an audit."""

PINCH_DISTANCE = 0.014
"""Tool point to ball centre within which a ball can be pinched [m]."""
PINCH_GAP = (-0.006, 0.002)
"""How much the distance between the pads may differ from the diameter of a pinched ball [m]."""
PINCH_CLOSING = 0.0005
"""How much further closed than it stands the gripper must be commanded for a pinch [m]."""
REACHED_DISTANCE = 0.02
"""Tool point to ball centre that counts as reached [m]."""
LIFTED_HEIGHT = 0.05
"""Height of a pinched ball over its rest that counts as lifted [m]."""
CARRIED_DISTANCE = 0.03
"""Horizontal distance of a pinched, raised ball to the dish that counts as carried [m]."""
REST_SPEED = 0.06
"""Ball speed below which it is at rest [m/s]."""
CLEAR_DISTANCE = 0.05
"""Tool point to ball centre from which on the arm is clear [m]."""
HOLD_STEPS = 10
"""Consecutive control steps that the whole success condition must hold."""


def classify(stages: dict[str, bool], in_dish: bool, lost: bool, held: bool) -> str:
    """Return the outcome of a finished episode.

    Args:
        stages: Milestones that happened, by the names of :data:`STAGES`.
        in_dish: Whether the ball lay in the dish at the end.
        lost: Whether the ball left the reach of the arm.
        held: Whether the ball was pinched at the end.

    Returns:
        One of :data:`OUTCOMES`.

    Raises:
        KeyError: If a stage is missing.
    """
    if stages["success"]:
        return "success"
    if in_dish or (held and stages["lifted"]):
        return "timeout"
    if lost:
        return "ball_lost"
    for stage in ("reached", "pinched", "lifted"):
        if not stages[stage]:
            return f"never_{stage}"
    return "missed_dish" if stages["carried"] else "dropped_in_transport"


def wilson_interval(successes: int, episodes: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a success rate.

    Args:
        successes: Number of successes.
        episodes: Number of episodes, at least 1.
        z: Normal quantile; the default gives 95 %.

    Returns:
        Lower and upper bound in [0, 1].

    Raises:
        ValueError: If the counts make no sense.
    """
    if episodes < 1 or not 0 <= successes <= episodes:
        raise ValueError(f"successes={successes}, episodes={episodes}: need 0 <= successes <= episodes, episodes >= 1")
    rate = successes / episodes
    centre = rate + z * z / (2 * episodes)
    spread = z * math.sqrt(rate * (1 - rate) / episodes + z * z / (4 * episodes * episodes))
    scale = 1 + z * z / episodes
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
