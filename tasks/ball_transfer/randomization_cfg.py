"""What is uncertain about the real arm and its job: one table of ranges, and the terms that draw from it.

``presets=domain_rand`` (``--domain_rand``) turns all of it on, ``presets=hobby_servo`` the servo rows alone; both work
in training and in evaluation and are off unless asked for. What acts on which backend: ``docs/randomization.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import isaaclab.sim as sim_utils
from isaaclab.managers import EventTermCfg as EventTerm
from isaaclab.managers import SceneEntityCfg
from isaaclab.utils import configclass, replace

from alice.assets.objects import BALL_CFG
from alice.mdp.servos import ServoRanges
from alice.objects import BALL

BACKENDS = ("ovphysx", "newton_mjwarp", "isaacsim_physx")


@dataclass(frozen=True)
class Row:
    """One uncertain quantity."""

    low: float
    high: float
    nominal: float
    """Its value without randomization; a relative quantity is 1."""
    unit: str
    source: str
    """``measured``, ``data sheet``, where it was published, or ``guess``."""
    when: str = "episode"
    """When it is drawn: ``start`` of the program, ``episode``, control ``step`` or ``interval``."""
    distribution: str = "uniform"
    backends: tuple[str, ...] = BACKENDS
    """Physics presets that it acts on."""

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return self.low, self.high


ROWS: dict[str, Row] = {
    # Physics
    "ball_radius": Row(0.008, 0.020, BALL.radius, "m", "what the gripper can hold (CAD)", when="start"),
    "ball_mass": Row(0.003, 0.030, BALL.mass, "kg", "table-tennis ball to glass marble", distribution="log_uniform"),
    "ball_friction": Row(0.6, 1.2, BALL.friction, "", "guess: plastic to rubber on a rubber pad", when="start"),
    "dish_friction": Row(0.3, 0.8, 0.6, "", "guess: glazed to unglazed", when="start"),
    "finger_friction": Row(0.7, 1.2, 1.0, "", "guess: worn to new rubber pads", when="start"),
    "joint_friction": Row(0.0, 0.02, 0.0, "N·m", "guess: gear friction of a small servo"),
    "joint_armature": Row(0.5, 2.0, 1.0, "of nominal", "guess", distribution="log_uniform"),
    "drive_stiffness": Row(0.7, 1.4, 1.0, "of nominal", "guess: error at full torque 3 to 6 degrees"),
    "drive_damping": Row(0.7, 1.4, 1.0, "of nominal", "guess"),
    "torque_cap": Row(0.75, 1.05, 1.0, "of nominal", "servo strength +-7 %, and supply 7.4 to 6.6 V"),
    "link_mass": Row(0.85, 1.15, 1.0, "of nominal", "guess: spread of the shop lists"),
    "ball_push": Row(-0.05, 0.05, 0.0, "m/s", "guess: a nudged table", when="interval"),
    # Servos
    "servo_delay": Row(0.020, 0.060, 0.0, "s", "presets of other Hiwonder arms; count of the bus traffic"),
    "servo_jitter": Row(0.0, 0.005, 0.0, "s", "the same preset; a standard deviation", when="step"),
    "servo_dead_band": Row(0.0, math.radians(0.24), 0.0, "rad", "guess: one count; none is published", when="step"),
    "servo_backlash": Row(0.0, math.radians(2.0), 0.0, "rad", "comparable bus servos; none is published"),
    "servo_offset": Row(-0.02, 0.02, 0.0, "rad", "after calibration; without it up to 0.14 rad"),
    "servo_gain": Row(0.985, 1.015, 1.0, "of nominal", "spread of 0.24 degrees per count between servos"),
    "servo_read_noise": Row(
        0.0, 0.005, 0.0, "rad", "presets of other Hiwonder arms; a standard deviation", when="step"
    ),
}
"""The table. Start and place of ball and dish and the home pose are drawn always, not only with randomization."""

NOT_AVAILABLE = {
    "table_height": "the table is static in all environments; calibrate the base's height instead",
    "table_friction": "no backend changes a static collider per environment; the ball's friction meets the same pair",
    "rolling_resistance": "ovphysx has no access to angular damping at run time",
}
"""What was asked for and what cannot be done, with the reason."""

HOBBY_SERVO = ServoRanges(
    delay=ROWS["servo_delay"].span,
    jitter=ROWS["servo_jitter"].high,
    dead_band=ROWS["servo_dead_band"].high,
    backlash=ROWS["servo_backlash"].span,
    offset=ROWS["servo_offset"].high,
    gain=ROWS["servo_gain"].high - 1.0,
    read_noise=ROWS["servo_read_noise"].high,
)

BALL_SIZES = 7
"""Number of ball sizes. Isaac Lab deals them out to equal blocks of environments, for the whole run."""


def ball_radii() -> list[float]:
    """Return the ball radii from smallest to largest, evenly spaced [m]."""
    row = ROWS["ball_radius"]
    return [row.low + (row.high - row.low) * k / (BALL_SIZES - 1) for k in range(BALL_SIZES)]


BALLS_CFG = replace(
    BALL_CFG,
    spawn=sim_utils.MultiAssetSpawnerCfg(
        assets_cfg=[replace(BALL_CFG.spawn, radius=radius) for radius in ball_radii()], random_choice=False
    ),
)
"""Balls of several sizes."""


def _friction(row: str, asset_cfg: SceneEntityCfg) -> EventTerm:
    """Return the term of a friction row. Isaac Lab draws a set of materials once, so these rows have no ramp."""
    params = {
        "asset_cfg": asset_cfg,
        "static_friction_range": ROWS[row].span,
        "dynamic_friction_range": ROWS[row].span,
        "restitution_range": (0.0, 0.0),
        "num_buckets": 64,
        "make_consistent": True,
    }
    return EventTerm(func="isaaclab.envs.mdp:randomize_rigid_body_material", mode="startup", params=params)


def _per_episode(func: str, asset: str, **params) -> EventTerm:
    """Return a term that draws anew at most every :data:`REDRAW` control steps of an environment."""
    return EventTerm(
        func=func,
        mode="reset",
        min_step_count_between_reset=REDRAW,
        params={"asset_cfg": SceneEntityCfg(asset), **params},
    )


REDRAW = 160
"""Control steps between two draws of an environment, one full episode: writing masses and gains takes time."""


@configclass
class RandomizationEventsCfg:
    """The physics rows as event terms. A row that a backend cannot do raises there."""

    ball_friction = _friction("ball_friction", SceneEntityCfg("ball"))
    dish_friction = _friction("dish_friction", SceneEntityCfg("dish"))
    finger_friction = _friction("finger_friction", SceneEntityCfg("robot", body_names=[".*_finger"]))
    ball_mass = _per_episode(
        "isaaclab.envs.mdp:randomize_rigid_body_mass",
        "ball",
        mass_distribution_params=ROWS["ball_mass"].span,
        operation="abs",
        distribution=ROWS["ball_mass"].distribution,
    )
    link_mass = _per_episode(
        "isaaclab.envs.mdp:randomize_rigid_body_mass",
        "robot",
        mass_distribution_params=ROWS["link_mass"].span,
        operation="scale",
    )
    joint_friction = _per_episode(
        "isaaclab.envs.mdp:randomize_joint_parameters",
        "robot",
        friction_distribution_params=ROWS["joint_friction"].span,
        operation="abs",
    )
    joint_armature = _per_episode(
        "isaaclab.envs.mdp:randomize_joint_parameters",
        "robot",
        armature_distribution_params=ROWS["joint_armature"].span,
        operation="scale",
        distribution=ROWS["joint_armature"].distribution,
    )
    drive_gains = _per_episode(
        "isaaclab.envs.mdp:randomize_actuator_gains",
        "robot",
        stiffness_distribution_params=ROWS["drive_stiffness"].span,
        damping_distribution_params=ROWS["drive_damping"].span,
        operation="scale",
    )
    torque_cap = _per_episode("alice.mdp.events:randomize_effort_limits", "robot", scale=ROWS["torque_cap"].span)
    ball_push = EventTerm(
        func="isaaclab.envs.mdp:push_by_setting_velocity",
        mode="interval",
        interval_range_s=(2.0, 6.0),
        params={
            "asset_cfg": SceneEntityCfg("ball"),
            "velocity_range": {"x": ROWS["ball_push"].span, "y": ROWS["ball_push"].span},
        },
    )


RAMPED: dict[str, tuple[str, float]] = {
    "ball_mass": ("mass_distribution_params", ROWS["ball_mass"].nominal),
    "link_mass": ("mass_distribution_params", 1.0),
    "joint_friction": ("friction_distribution_params", 0.0),
    "joint_armature": ("armature_distribution_params", 1.0),
    "drive_gains": ("stiffness_distribution_params", 1.0),
    "torque_cap": ("scale", 1.0),
}
"""Event term, parameter and nominal value of the rows whose range a curriculum can open step by step."""
