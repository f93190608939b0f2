"""What happened in one episode: stages, success and the ways to fail.

Standard library only: the predicates take numbers as well as NumPy arrays and PyTorch tensors. Everything that speaks
of success (reward, termination, metric, audit) uses these names.
"""

from __future__ import annotations

from typing import Any

from alice.transfer.objects import DISH

STAGES: tuple[str, ...] = ("reached", "pinched", "lifted", "carried", "released", "success")
"""Milestones of an episode in their order. Each is counted once it has happened, however briefly."""

HEADLINES: dict[str, tuple[str, ...]] = {
    "success": ("success",),
    "carried_success": ("pinched", "carried", "success"),
    "placed": ("placed",),
}
"""The figures that a policy is judged by, and what an episode must have for each.

A ball that was thrown into the dish is a success; it is no carried success, because it was not pinched and off the
table within 3 cm of the dish. Lifting by 5 cm is not asked for: the rim is lower than that. ``placed`` asks for all of
a success but the calm arm; it is what success meant before it asked for one.
"""

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
"""Ways to take the picture from a policy that should need it (:mod:`alice.evaluation.audit.probes`)."""
PROBE_LIMIT = 0.05
"""Success that such a policy may have at most."""

SELECTION_SEED = 30260
"""Seed of the starts that checkpoints are chosen on: never those of an audit."""
SELECTION_SEEDS = {SELECTION_SEED: "checkpoints", 777: "designs"}
"""Seeds whose starts have chosen something, and what. No figure of theirs is that of a release: it flatters."""

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
RAISED_HEIGHT = 0.01
"""Height of a pinched ball over its rest from which on it can be carried: off the table, over the rim's foot [m]."""
CARRIED_DISTANCE = 0.03
"""Horizontal distance of a pinched, raised ball to the dish that counts as carried [m]."""
RELEASED_DISTANCE = 0.03
"""Tool point to ball centre from which on a ball in the dish counts as released: no finger reaches that far [m]."""
OVER_DISH_RADIUS = DISH.rim_radius - 0.008
"""Horizontal distance to the dish within which a ball that is let go falls inside the rim [m]."""
OVER_DISH_HEIGHT = 0.08
"""Height over its rest up to which a ball counts as over the dish [m]."""
IN_DISH_HEIGHT = DISH.floor_thickness + 0.006
"""Height over its rest on the table up to which a ball lies on the dish's floor [m]."""
REST_SPEED = 0.06
"""Ball speed below which it is at rest [m/s]."""
CLEAR_DISTANCE = 0.05
"""Tool point to ball centre from which on the arm is clear [m]."""
CALM_SPEED = 0.3
"""Speed that every arm joint stays under while the arm is calm [rad/s]."""
HOLD_STEPS = 10
"""Consecutive control steps that the whole success condition must hold."""

##
# Predicates, for numbers and arrays alike
##


def is_pinched(grip_distance: Any, gap: Any, gap_target: Any, radius: Any, gap_error: float = 0.0) -> Any:
    """Return whether a ball is held between the pads, judged as the real arm can: without a force sensor.

    The ball must be between the pads, the fingers must stand a ball's diameter apart and the gripper must be
    commanded further closed than the ball lets it go.

    Args:
        grip_distance: Ball centre to where it is while it is held [m].
        gap: Distance between the pads [m].
        gap_target: Commanded distance between the pads [m].
        radius: Ball radius [m].
        gap_error: How far off a gap may be that servos have reported, of the arm's gripper [m]; 0 for the truth.
    """
    tightest, widest = PINCH_GAP[0] - gap_error, PINCH_GAP[1] + gap_error
    fits = (gap > 2.0 * radius + tightest) & (gap < 2.0 * radius + widest)
    return (grip_distance < PINCH_DISTANCE) & fits & (gap_target < gap - PINCH_CLOSING)


def is_over_dish(dish_distance: Any, height: Any) -> Any:
    """Return whether a ball is inside the rim or up to 8 cm above it, held or falling.

    Args:
        dish_distance: Horizontal distance of ball and dish centre [m].
        height: Height of the ball over its rest on the table [m].
    """
    return (dish_distance < OVER_DISH_RADIUS) & (height < OVER_DISH_HEIGHT)


def is_in_dish(dish_distance: Any, height: Any) -> Any:
    """Return whether a ball lies on the floor of the dish; the arguments are those of :func:`is_over_dish`."""
    return (dish_distance < DISH.floor_radius) & (height < IN_DISH_HEIGHT)


def is_at_rest(ball_speed: Any) -> Any:
    """Return whether a ball of this speed [m/s] is at rest."""
    return ball_speed < REST_SPEED


def is_clear(grip_distance: Any) -> Any:
    """Return whether the arm is clear of the ball, which it has then let go of.

    Args:
        grip_distance: Tool point to ball centre [m].
    """
    return grip_distance > CLEAR_DISTANCE


def is_calm(fastest_joint: Any) -> Any:
    """Return whether an arm stands still enough for a small supply and a light table.

    Args:
        fastest_joint: Speed of its fastest arm joint over a control step, without sign [rad/s].
    """
    return fastest_joint < CALM_SPEED


def is_placed(is_in_dish: Any, ball_speed: Any, grip_distance: Any) -> Any:
    """Return whether the ball is where it belongs, whatever the arm does: in the dish, at rest, the arm clear.

    Args:
        is_in_dish: :func:`is_in_dish`.
        ball_speed: Speed of the ball [m/s].
        grip_distance: Tool point to ball centre [m].
    """
    return is_in_dish & is_at_rest(ball_speed) & is_clear(grip_distance)


def is_settled(is_placed: Any, is_calm: Any) -> Any:
    """Return whether one control step fulfils the success condition: :func:`is_placed` and :func:`is_calm`."""
    return is_placed & is_calm


##
# Episodes
##


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
