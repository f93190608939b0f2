"""What a policy meets in training that is not as the tables have it, by the names of the quantities."""

from __future__ import annotations

from typing import Any

from alice.arms import Arm, quantities

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
}
"""Fields of :class:`alice.mdp.images.ImageErrorRanges`."""


def trained_for(env_cfg: Any, arm: Arm, groups: list[str]) -> dict[str, Span]:
    """Return lowest and highest value of every quantity that a configuration draws.

    Args:
        env_cfg: Configuration of the training, not that of its audit.
        arm: Its arm.
        groups: Observation groups that the policy sees.
    """
    found = _of_servos(env_cfg.actions.joints)
    for name, (term, parameter) in EVENTS.items():
        event = getattr(env_cfg.events, term, None)
        if event is not None and (not name.startswith("camera") or _errors(env_cfg, groups)):
            span = tuple(map(float, event.params[parameter]))
            is_friction = name == "joint_friction"
            found[name] = _beside_table(span, event.params["operation"], arm) if is_friction else span
    for errors in _errors(env_cfg, groups):
        found |= {name: tuple(map(float, getattr(errors, field))) for name, field in PICTURE.items()}
    return found


def _of_servos(joints: Any) -> dict[str, Span]:
    """Return the ranges of the servo model of an action term; some episodes may have ideal servos all the same."""
    found = {}
    for name in quantities.of_servo() if joints.servo is not None else ():
        low, high = map(float, getattr(joints.servo, name))
        ideal = quantities.QUANTITIES[f"servo_{name}"].nominal
        is_met = joints.ideal_servo_share > 0.0
        found[f"servo_{name}"] = (min(low, ideal), max(high, ideal)) if is_met else (low, high)
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
