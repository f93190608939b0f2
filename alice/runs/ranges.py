"""What a policy meets in training that is not as the tables have it, by the names of the quantities."""

from __future__ import annotations

from typing import Any

from alice.arms import Arm, quantities, spreads

Span = tuple[float, float]

EVENTS = {
    "link_mass": ("link_mass", "mass_distribution_params"),
    "joint_friction": ("joint_friction", "friction_distribution_params"),
    "joint_armature": ("joint_armature", "armature_distribution_params"),
    "drive_stiffness": ("drive_gains", "stiffness_distribution_params"),
    "drive_damping": ("drive_gains", "damping_distribution_params"),
    "torque_cap": ("torque_cap", "scale"),
    "camera_position": ("camera_mount", "position"),
    "camera_rotation": ("camera_mount", "rotation"),
}
"""Event term and parameter that draw a quantity."""
PICTURE = {
    "camera_focal_length": "zoom",
    "image_exposure": "exposure",
    "image_white_balance": "white_balance",
    "image_gamma": "gamma",
    "image_blur": "blur",
    "image_noise": "noise",
    "camera_distortion": "distortion",
    "image_side_light": "side_light",
    "image_occluder": "occluder",
    "image_shutter": "shutter",
    "image_latency": "latency",
    "image_drop": "drop",
    "image_stamp": "stamp",
}
"""Fields of :class:`alice.mdp.images.ImageErrorRanges`."""
TOLD = {"ball_pos", "tool_to_ball", "ball_to_dish", "dish_place", "pinch_flag"}
"""Observation terms that reports of ball and dish are behind."""


def trained_for(env_cfg: Any, arm: Arm, groups: list[str]) -> dict[str, Span]:
    """Return lowest and highest value of every quantity that a configuration draws.

    Args:
        env_cfg: Configuration of the training, not that of its audit.
        arm: Its arm.
        groups: Observation groups that the policy sees.
    """
    joints = env_cfg.actions.joints
    found = _drawn("servo_", quantities.of_servo(), joints.servo, joints.ideal_servo_share if joints.servo else 0.0)
    if any(TOLD & vars(getattr(env_cfg.observations, group)).keys() for group in groups):
        told = env_cfg.commands.transfer
        found |= _drawn("report_", quantities.of_reports(), told.reports, told.ideal_report_share)
    for name, (term, parameter) in EVENTS.items():
        event = getattr(env_cfg.events, term, None)
        if event is not None and (not name.startswith("camera") or _errors(env_cfg, groups)):
            span = spreads.hull(event.params[parameter])
            is_friction = name == "joint_friction"
            found[name] = _beside_table(span, event.params["operation"], arm) if is_friction else span
    for errors in _errors(env_cfg, groups):
        found |= {name: tuple(map(float, getattr(errors, field))) for name, field in PICTURE.items()}
    return found


def joined(one: dict[str, Span], other: dict[str, Span]) -> dict[str, Span]:
    """Return what was met in either of two parts of a training; what one does not name was nominal in it."""
    found = {}
    for name in one | other:
        nominal = quantities.QUANTITIES[name].nominal
        ends = [end for part in (one, other) for end in part.get(name, (nominal,))]
        found[name] = (min(ends), max(ends))
    return found


def _drawn(prefix: str, names: tuple[str, ...], drawn: Any, ideal_share: float) -> dict[str, Span]:
    """Return the ranges of a model of servos or reports; some episodes may be ideal all the same."""
    found = {}
    for name in names if drawn is not None else ():
        low, high = spreads.hull(getattr(drawn, name))
        ideal = quantities.QUANTITIES[f"{prefix}{name}"].nominal
        is_met = ideal_share > 0.0
        found[f"{prefix}{name}"] = (min(low, ideal), max(high, ideal)) if is_met else (low, high)
    return found


def _errors(env_cfg: Any, groups: list[str]) -> list[Any]:
    """Return the ranges of the errors of the pictures that a policy sees, if there are any."""
    terms = [term for group in groups for term in vars(getattr(env_cfg.observations, group)).values()]
    drawn = [(getattr(term, "params", None) or {}).get("errors") for term in terms]
    return [errors for errors in drawn if errors is not None]


def _beside_table(span: Span, operation: str, arm: Arm) -> Span:
    """Return the range of the friction that joints have beside that of their table [N·m]."""
    own = [joint.friction for joint in arm.joints]
    beside = [(end * friction if operation == "scale" else end) - friction for friction in own for end in span]
    return min(beside), max(beside)
