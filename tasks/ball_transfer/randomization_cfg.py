"""What is uncertain about the real arm and its job: one table of ranges, and the terms that draw from it.

``presets=domain_rand`` (``--domain_rand``) turns all of it on, ``presets=hobby_servo`` the servo rows alone and
``presets=reports`` those of ball and dish as they are told; all work in training and in evaluation and are off unless
asked for. What acts on which backend: ``docs/randomization.md``.
"""

from __future__ import annotations

from dataclasses import MISSING
from itertools import product

import isaaclab.sim as sim_utils
from isaaclab.managers import EventTermCfg as EventTerm
from isaaclab.managers import SceneEntityCfg
from isaaclab.utils import configclass, replace

from alice.arms import Arm, quantities
from alice.assets.objects import BALL_CFG, ball_material
from alice.mdp.images import ImageErrorRanges
from alice.mdp.reports import ReportRanges
from alice.mdp.servos import ServoRanges
from alice.transfer.objects import BALL

from .randomization_table import COMMON_ROWS as ROWS
from .randomization_table import rows_of


def servo_ranges(arm: Arm) -> ServoRanges:
    """Return the servo rows of an arm as the servo model takes them."""
    rows = rows_of(arm)
    return ServoRanges(**{name: rows[f"servo_{name}"].span for name in quantities.of_servo()})


REPORTS = ReportRanges(**{name: ROWS[f"report_{name}"].span for name in quantities.of_reports()})

IMAGE_ERRORS = ImageErrorRanges(
    zoom=ROWS["camera_focal_length"].span,
    distortion=ROWS["camera_distortion"].span,
    exposure=ROWS["image_exposure"].span,
    white_balance=ROWS["image_white_balance"].span,
    gamma=ROWS["image_gamma"].span,
    blur=ROWS["image_blur"].span,
    noise=ROWS["image_noise"].span,
    side_light=ROWS["image_side_light"].span,
    occluder=ROWS["image_occluder"].span,
    shutter=ROWS["image_shutter"].span,
    latency=ROWS["image_latency"].span,
    drop=ROWS["image_drop"].span,
    stamp=ROWS["image_stamp"].span,
)

BALL_RADII = (ROWS["ball_radius"].low, 0.010, 0.012, 0.0135, BALL.radius, 0.0175, ROWS["ball_radius"].high)
"""Ball sizes from smallest to largest [m]."""
BALL_ROLLING = (ROWS["ball_rolling"].low, 1.0, ROWS["ball_rolling"].high)
"""Rolling losses of each size, relative to the nominal one."""


def _ball(radius: float, rolling: float) -> sim_utils.SphereCfg:
    """Return how a ball of one size and rolling loss is made."""
    rigid, physx = BALL_CFG.spawn.rigid_props
    damped = replace(physx, angular_damping=rolling * BALL.angular_damping)
    material = ball_material(rolling * BALL.rolling_friction)
    return replace(BALL_CFG.spawn, radius=radius, rigid_props=[rigid, damped], physics_material=material)


BALLS_CFG = replace(
    BALL_CFG,
    spawn=sim_utils.MultiAssetSpawnerCfg(
        assets_cfg=[_ball(radius, rolling) for radius, rolling in product(BALL_RADII, BALL_ROLLING)],
        random_choice=False,
    ),
)
"""Balls of several kinds. Isaac Lab deals them out to equal blocks of environments, for the whole run."""


def _friction(row: str | None, asset_cfg: SceneEntityCfg) -> EventTerm:
    """Return the term of a friction row, None for an arm's own.

    It deals out a fixed set of materials, so these rows have no ramp.
    """
    params = {
        "asset_cfg": asset_cfg,
        "static_friction_range": ROWS[row].span if row else MISSING,
        "dynamic_friction_range": ROWS[row].span if row else MISSING,
        "restitution_range": (0.0, 0.0),
        "num_buckets": 64,
        "make_consistent": True,
    }
    return EventTerm(func="alice.mdp.events:randomize_friction", mode="startup", params=params)


def _per_episode(func: str, asset: str, **params) -> EventTerm:
    """Return a term that draws anew at most every :data:`REDRAW` control steps of an environment."""
    return EventTerm(
        func=func,
        mode="reset",
        min_step_count_between_reset=REDRAW,
        params={"asset_cfg": SceneEntityCfg(asset), **params},
    )


REDRAW = 160
"""Control steps between two draws of an environment, an audit's episode: writing masses and gains takes time."""


@configclass
class RandomizationEventsCfg:
    """The physics rows as event terms; :func:`fit_randomization` fills in those of an arm.

    A row that a backend cannot do raises there.
    """

    ball_friction = _friction("ball_friction", SceneEntityCfg("ball"))
    dish_friction = _friction("dish_friction", SceneEntityCfg("dish"))
    table_friction = _friction("table_friction", SceneEntityCfg("table"))
    finger_friction = _friction(None, SceneEntityCfg("robot", body_names=MISSING))
    ball_mass = _per_episode(
        "isaaclab.envs.mdp:randomize_rigid_body_mass",
        "ball",
        mass_distribution_params=ROWS["ball_mass"].span,
        operation="abs",
        distribution=ROWS["ball_mass"].distribution,
    )
    link_mass = _per_episode(
        "isaaclab.envs.mdp:randomize_rigid_body_mass", "robot", mass_distribution_params=MISSING, operation="scale"
    )
    joint_friction = _per_episode(
        "isaaclab.envs.mdp:randomize_joint_parameters",
        "robot",
        friction_distribution_params=MISSING,
        operation=MISSING,
    )
    joint_armature = _per_episode(
        "isaaclab.envs.mdp:randomize_joint_parameters",
        "robot",
        armature_distribution_params=MISSING,
        operation="scale",
        distribution=MISSING,
    )
    drive_gains = _per_episode(
        "alice.mdp.events:randomize_drive_gains",
        "robot",
        stiffness_distribution_params=MISSING,
        damping_distribution_params=MISSING,
        operation="scale",
    )
    torque_cap = _per_episode("alice.mdp.events:randomize_effort_limits", "robot", scale=MISSING)
    ball_push = EventTerm(
        func="isaaclab.envs.mdp:push_by_setting_velocity",
        mode="interval",
        interval_range_s=(2.0, 6.0),
        params={
            "asset_cfg": SceneEntityCfg("ball"),
            "velocity_range": {"x": ROWS["ball_push"].span, "y": ROWS["ball_push"].span},
        },
    )


def fit_randomization(events: RandomizationEventsCfg, arm: Arm) -> None:
    """Fill in the ranges of an arm's own rows."""
    rows = rows_of(arm)
    pads = rows["finger_friction"].span
    events.finger_friction.params["asset_cfg"].body_names = list(arm.finger_links)
    events.finger_friction.params.update(static_friction_range=pads, dynamic_friction_range=pads)
    events.link_mass.params["mass_distribution_params"] = rows["link_mass"].span
    is_ratio = rows["joint_friction"].unit == "of nominal"
    events.joint_friction.params.update(
        friction_distribution_params=rows["joint_friction"].span, operation="scale" if is_ratio else "abs"
    )
    armature = rows["joint_armature"]
    events.joint_armature.params.update(armature_distribution_params=armature.span, distribution=armature.distribution)
    events.drive_gains.params.update(
        stiffness_distribution_params=rows["drive_stiffness"].span,
        damping_distribution_params=rows["drive_damping"].span,
    )
    events.torque_cap.params["scale"] = rows["torque_cap"].span


def ramped(arm: Arm) -> tuple[tuple[str, str, float], ...]:
    """Return event term, parameter and nominal value of the rows whose range a curriculum can open step by step."""
    rows = rows_of(arm)
    places = (
        ("reset_transfer", "table_height", "table_height"),
        ("ball_mass", "mass_distribution_params", "ball_mass"),
        ("link_mass", "mass_distribution_params", "link_mass"),
        ("joint_friction", "friction_distribution_params", "joint_friction"),
        ("joint_armature", "armature_distribution_params", "joint_armature"),
        ("drive_gains", "stiffness_distribution_params", "drive_stiffness"),
        ("drive_gains", "damping_distribution_params", "drive_damping"),
        ("torque_cap", "scale", "torque_cap"),
        ("ball_push", "velocity_range", "ball_push"),
    )
    return tuple((term, parameter, rows[row].nominal) for term, parameter, row in places)
