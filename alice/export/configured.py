"""What a resolved environment configuration says of actions, arm, inputs and camera, in the words of the contract.

Nothing here comes from a default: an override of the scale, the rate or the lens is in the contract, and what the
robot's side cannot do is refused by the name of its field.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NoReturn

from alice import arms, contract
from alice.cli.usage import UsageError
from alice.contract import TERM_NAMES, Action, ArmSpec, ImageInput, Term, VectorInput
from alice.mdp import actions, images, observations

FUNCTIONS = {name: getattr(observations, name, None) or getattr(observations, f"{name}_b") for name in TERM_NAMES}
"""What works out each term in the simulator."""
PICTURES = (images.wrist_image, images.resnet18_features)
"""Observation terms that are pictures, or are made of them by an encoder that is exported too."""
PARAMS = {"arm": "measured", "ball": "told", "dish": "told", "action_name": "joints"}
"""Parameters that an exported observation term may have, and their values."""


def action(env_cfg: Any) -> Action:
    """Return what the actions do; raise :class:`UsageError` if the robot's side cannot do it."""
    terms = {name: term for name, term in vars(env_cfg.actions).items() if term is not None}
    joints = terms.get("joints")
    if list(terms) != ["joints"] or not isinstance(joints, actions.JointTargetActionCfg):
        _refuse("env.actions", sorted(terms), "the term joints alone, a JointTargetActionCfg")
    if _is_other(joints.class_type, actions.JointTargetAction):
        _refuse("env.actions.joints.class_type", _name(joints.class_type), _name(actions.JointTargetAction))
    if not joints.coupled_fingers:
        _refuse("env.actions.joints.coupled_fingers", False, "true: one servo moves both fingers of the arm")
    if joints.binary_gripper:
        _refuse("env.actions.joints.binary_gripper", True, "false: the gripper's number is an opening")
    if joints.asset_name != "robot":
        _refuse("env.actions.joints.asset_name", joints.asset_name, "'robot'")
    kind = arm_of(env_cfg)
    arm_step, gripper_step = actions.steps(joints, kind)
    full = contract.action_of(kind)
    return replace(full, arm_scale=float(arm_step), gripper_slew=float(gripper_step))


def arm_of(env_cfg: Any) -> arms.Arm:
    """Return the arm that a configuration names; raise :class:`UsageError` if there is none."""
    try:
        return arms.named(env_cfg.arm)
    except ValueError as error:
        raise UsageError(f"env.arm={env_cfg.arm!r}: {error}") from error


def arm(env_cfg: Any) -> ArmSpec:
    """Return what a contract says of the arm; raise :class:`UsageError` if the robot's side cannot do it.

    Links, limits and home are those that the simulator has, which are those of the arm's table, or else refused.
    """
    kind = arm_of(env_cfg)
    rate = 1.0 / (env_cfg.sim.dt * env_cfg.decimation)
    whole = round(rate)
    stands = env_cfg.scene.robot.init_state.joint_pos
    home = tuple(float(stands.get(name, math.nan)) for name in kind.names)
    if not contract.same(home, kind.home):
        _refuse("env.scene.robot.init_state.joint_pos", stands, f"the home pose of {kind.source}: episodes begin there")
    return contract.spec_of(kind, whole if math.isclose(rate, whole, rel_tol=1e-9) else rate)


def reads_back(env_cfg: Any) -> bool:
    """Return whether the servos' positions are read in a configuration."""
    servo = env_cfg.actions.joints.servo
    return servo is None or bool(servo.reads_back)


def input_of(env_cfg: Any, group: str) -> VectorInput | ImageInput:
    """Return the input of an observation group.

    Args:
        env_cfg: Resolved environment configuration.
        group: Name of the group.

    Raises:
        UsageError: If the robot's side cannot make it.
    """
    group_cfg, where = getattr(env_cfg.observations, group), f"env.observations.{group}"
    terms = {name: term for name, term in vars(group_cfg).items() if hasattr(term, "func")}
    _refuse_unless(where, group_cfg, concatenate_terms=(True,), concatenate_dim=(-1,), history_length=(None, 0))
    for name, term in terms.items():
        _refuse_unless(f"{where}.{name}", term, modifiers=(None, []), delay_max_lag=(0,), history_length=(0,))
    pictures = [name for name, term in terms.items() if "frame_stack" in (term.params or {})]
    if not pictures:
        known = contract.terms_of(arm_of(env_cfg))
        return VectorInput(group, tuple(_term(known, where, name, term) for name, term in terms.items()))
    if len(terms) > 1:
        _refuse(where, sorted(terms), "a picture alone")
    return _image(env_cfg, group, f"{where}.{pictures[0]}", terms[pictures[0]])


def _term(known: dict[str, Term], where: str, name: str, term: Any) -> Term:
    """Return a term of an observation vector. Noise is left out: the robot has its own."""
    params = term.params or {}
    is_known = name in known and not _is_other(term.func, FUNCTIONS[name])
    if not is_known or any(PARAMS.get(key) != value for key, value in params.items()):
        said = f"{_name(term.func)} {params or ''}".rstrip()
        raise UsageError(
            f"observation {where.removeprefix('env.observations.')}.{name} cannot be exported ({said}): the robot side"
            f" knows {', '.join(sorted(known))}, as the servos report them"
        )
    scale = 1.0 if term.scale is None else term.scale
    if not isinstance(scale, (int, float)) or not math.isfinite(scale):
        _refuse(f"{where}.{name}.scale", scale, "one finite number")
    clip = term.clip
    if clip is not None:
        if len(clip) != 2 or not all(isinstance(end, (int, float)) and math.isfinite(end) for end in clip):
            _refuse(f"{where}.{name}.clip", clip, "two finite numbers, or null")
        clip = tuple(float(end) for end in clip)
    return replace(known[name], clip=clip, scale=float(scale))


def _image(env_cfg: Any, group: str, where: str, term: Any) -> ImageInput:
    """Return the pictures of an observation term, with lens and mount of the scene's camera."""
    if all(_is_other(term.func, known) for known in PICTURES):
        _refuse(f"{where}.func", _name(term.func), " or ".join(map(_name, PICTURES)))
    _refuse_unless(where, term, clip=(None,), scale=(None,))
    name = term.params["sensor_cfg"].name
    camera, lens, at = getattr(env_cfg.scene, name), getattr(env_cfg.scene, name).spawn, f"env.scene.{name}"
    _refuse_unless(at, camera, data_types=(["rgb"],))
    _refuse_unless(f"{at}.spawn", lens, projection_type=("pinhole",), distortion=(None,))
    _refuse_unless(f"{at}.spawn", lens, horizontal_aperture_offset=(0.0,), vertical_aperture_offset=(0.0,))
    square = lens.horizontal_aperture * camera.height / camera.width
    if lens.vertical_aperture is not None and not contract.same(lens.vertical_aperture, square):
        _refuse(f"{at}.spawn.vertical_aperture", lens.vertical_aperture, f"{square:.6g} or null: pixels are square")
    return ImageInput(
        name=group,
        width=camera.width,
        height=camera.height,
        frames=term.params["frame_stack"],
        horizontal_fov=2.0 * math.atan(lens.horizontal_aperture / (2.0 * lens.focal_length)),
        camera_link=camera.prim_path.split("/")[-2],
        camera_position=tuple(float(value) for value in camera.offset.pos),
        camera_rotation=_rotation(at, camera.offset),
        distortion=(0.0, 0.0, 0.0, 0.0, 0.0),
    )


def _rotation(at: str, offset: Any) -> tuple[float, ...]:
    """Return the orientation of a camera's mount, (x, y, z, w) with w of the sign that the arm's table has."""
    _refuse_unless(f"{at}.offset", offset, convention=("ros",))
    turned = tuple(float(value) for value in offset.rot)
    return tuple(-value for value in turned) if turned[3] < 0 else turned


def _is_other(found: Any, expected: Any) -> bool:
    """Whether a function or class, or its name as configurations have it, is another one."""
    return _name(found) != _name(expected)


def _name(thing: Any) -> str:
    return thing if isinstance(thing, str) else f"{thing.__module__}:{thing.__name__}"


def _refuse_unless(where: str, cfg: Any, **allowed: tuple) -> None:
    """Raise :class:`UsageError` for the first field that has none of the values that the robot's side can do."""
    for name, values in allowed.items():
        value = getattr(cfg, name, values[0])
        if not any(value == one for one in values):
            _refuse(f"{where}.{name}", value, " or ".join(map(repr, values)))


def _refuse(what: str, value: Any, options: str) -> NoReturn:
    raise UsageError(f"{what}={value!r}: the robot side cannot do that, it needs {options}")
