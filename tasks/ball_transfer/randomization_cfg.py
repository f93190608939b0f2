"""What is uncertain about the real arm and its job: one table of ranges, and the terms that draw from it.

``presets=domain_rand`` (``--domain_rand``) turns all of it on, ``presets=hobby_servo`` the servo rows alone; both work
in training and in evaluation and are off unless asked for. What acts on which backend: ``docs/randomization.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import isaaclab.sim as sim_utils
from isaaclab.managers import EventTermCfg as EventTerm
from isaaclab.managers import SceneEntityCfg
from isaaclab.utils import configclass, replace

from alice.assets.objects import BALL_CFG, ball_material
from alice.assets.xarm1s_parts import PAD_FRICTION
from alice.mdp.images import ImageErrorRanges
from alice.mdp.servos import ServoRanges
from alice.transfer.objects import BALL, DISH, TABLE

BACKENDS = ("ovphysx", "newton_mjwarp", "isaacsim_physx")
NOT_RUN = BACKENDS[2:]
"""Those on which nothing of this table has ever run: their rows are declared, not measured."""
KITLESS = BACKENDS[:2]
"""Those that render with Newton Warp; what the camera rows do under Isaac Sim's renderer is not measured."""


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
    """Physics presets that it is meant to act on; it was seen to on all but :data:`NOT_RUN`."""

    @property
    def acts_on(self) -> str:
        """What the documentation says of :attr:`backends`."""
        seen = ", ".join(name for name in self.backends if name not in NOT_RUN)
        declared = ", ".join(name for name in self.backends if name in NOT_RUN)
        return f"{seen}; {declared}: declared, not run" if declared else seen

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return self.low, self.high


ROWS: dict[str, Row] = {
    # Physics
    "ball_radius": Row(0.008, 0.020, BALL.radius, "m", "what the gripper can hold (CAD)", when="start"),
    "ball_mass": Row(0.003, 0.030, BALL.mass, "kg", "table-tennis ball to glass marble", distribution="log_uniform"),
    "ball_friction": Row(0.6, 1.2, BALL.friction, "", "guess: plastic to rubber on a rubber pad", when="start"),
    "ball_rolling": Row(
        0.3, 3.0, 1.0, "of nominal", "guess: glass plate to table cloth", when="start", distribution="log_uniform"
    ),
    "dish_friction": Row(0.3, 0.8, DISH.friction, "", "guess: glazed to unglazed", when="start"),
    "table_friction": Row(0.3, 0.9, TABLE.friction, "", "guess: lacquer to cork", when="start"),
    "table_height": Row(-0.003, 0.003, 0.0, "m", "guess: after measuring the base; sources differ by 30 mm"),
    "finger_friction": Row(0.7, 1.2, PAD_FRICTION, "", "guess: worn to new rubber pads", when="start"),
    "joint_friction": Row(0.0, 0.02, 0.0, "N·m", "guess: gear friction of a small servo"),
    "joint_armature": Row(0.5, 2.0, 1.0, "of nominal", "guess", distribution="log_uniform"),
    "drive_stiffness": Row(0.7, 1.4, 1.0, "of nominal", "guess: error at full torque 3 to 6 degrees"),
    "drive_damping": Row(0.7, 1.4, 1.0, "of nominal", "guess"),
    "torque_cap": Row(0.75, 1.05, 1.0, "of nominal", "servo strength +-7 %, and supply 7.4 to 6.6 V"),
    "link_mass": Row(0.85, 1.15, 1.0, "of nominal", "guess: spread of the shop lists"),
    "ball_push": Row(-0.05, 0.05, 0.0, "m/s", "guess: a nudged table", when="interval"),
    # Servos
    "servo_delay": Row(0.020, 0.060, 0.0, "s", "presets of other Hiwonder arms; count of the bus traffic"),
    "servo_jitter": Row(0.005, 0.005, 0.0, "s", "the same preset; a standard deviation", when="step"),
    "servo_dead_band": Row(0.0, math.radians(0.48), 0.0, "rad", "guess: no count or one; none is published"),
    "servo_backlash": Row(0.0, math.radians(2.0), 0.0, "rad", "comparable bus servos; none is published"),
    "servo_offset": Row(-0.02, 0.02, 0.0, "rad", "after calibration; without it up to 0.14 rad"),
    "servo_gain": Row(0.985, 1.015, 1.0, "of nominal", "spread of 0.24 degrees per count between servos"),
    "servo_read_noise": Row(
        0.005, 0.005, 0.0, "rad", "presets of other Hiwonder arms; a standard deviation", when="step"
    ),
    # Camera
    "camera_position": Row(-0.004, 0.004, 0.0, "m", "guess: a bracket mounted by hand; each axis", backends=KITLESS),
    "camera_rotation": Row(
        -math.radians(3), math.radians(3), 0.0, "rad", "guess: the same; about each axis", backends=KITLESS
    ),
    "camera_focal_length": Row(
        0.96, 1.04, 1.0, "of nominal", "guess: spread of small lenses and their focus", backends=KITLESS
    ),
    "image_exposure": Row(
        0.6, 1.6, 1.0, "of nominal", "guess: stands for the light too", distribution="log_uniform", backends=KITLESS
    ),
    "image_white_balance": Row(
        0.85, 1.15, 1.0, "of nominal", "guess: lamp to daylight; each channel", backends=KITLESS
    ),
    "image_gamma": Row(
        0.8, 1.25, 1.0, "", "guess: spread of camera pipelines", distribution="log_uniform", backends=KITLESS
    ),
    "image_blur": Row(0.0, 0.8, 0.0, "pixels", "guess: focus and motion; a standard deviation", backends=KITLESS),
    "image_noise": Row(
        0.0, 0.04, 0.0, "of full scale", "guess: small sensor, indoors; a standard deviation", backends=KITLESS
    ),
    "colour_ball": Row(-0.15, 0.15, 0.0, "linear RGB", "guess; each channel", backends=KITLESS),
    "colour_dish": Row(-0.10, 0.10, 0.0, "linear RGB", "guess; each channel", backends=KITLESS),
    "colour_table": Row(-0.35, 0.30, 0.0, "linear RGB", "guess: dark wood to white; each channel", backends=KITLESS),
    "colour_arm": Row(
        -0.10, 0.10, 0.0, "linear RGB", "guess; each channel of fingers, plates and servos", backends=KITLESS
    ),
    "clutter_place": Row(
        0.06, 0.20, 0.0, "m", "guess: three things on the table; distance from the workspace", backends=KITLESS
    ),
}
"""The table. Start and place of ball and dish and the home pose are drawn always, not only with randomization."""

HOBBY_SERVO = ServoRanges(
    delay=ROWS["servo_delay"].span,
    jitter=ROWS["servo_jitter"].span,
    dead_band=ROWS["servo_dead_band"].span,
    backlash=ROWS["servo_backlash"].span,
    offset=ROWS["servo_offset"].span,
    gain=ROWS["servo_gain"].span,
    read_noise=ROWS["servo_read_noise"].span,
)

IMAGE_ERRORS = ImageErrorRanges(
    zoom=ROWS["camera_focal_length"].span,
    exposure=ROWS["image_exposure"].span,
    white_balance=ROWS["image_white_balance"].span,
    gamma=ROWS["image_gamma"].span,
    blur=ROWS["image_blur"].span,
    noise=ROWS["image_noise"].span,
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


def _friction(row: str, asset_cfg: SceneEntityCfg) -> EventTerm:
    """Return the term of a friction row. It deals out a fixed set of materials, so these rows have no ramp."""
    params = {
        "asset_cfg": asset_cfg,
        "static_friction_range": ROWS[row].span,
        "dynamic_friction_range": ROWS[row].span,
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
    """The physics rows as event terms. A row that a backend cannot do raises there."""

    ball_friction = _friction("ball_friction", SceneEntityCfg("ball"))
    dish_friction = _friction("dish_friction", SceneEntityCfg("dish"))
    table_friction = _friction("table_friction", SceneEntityCfg("table"))
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


RAMPED: tuple[tuple[str, str, float], ...] = (
    ("reset_transfer", "table_height", ROWS["table_height"].nominal),
    ("ball_mass", "mass_distribution_params", ROWS["ball_mass"].nominal),
    ("link_mass", "mass_distribution_params", ROWS["link_mass"].nominal),
    ("joint_friction", "friction_distribution_params", ROWS["joint_friction"].nominal),
    ("joint_armature", "armature_distribution_params", ROWS["joint_armature"].nominal),
    ("drive_gains", "stiffness_distribution_params", ROWS["drive_stiffness"].nominal),
    ("drive_gains", "damping_distribution_params", ROWS["drive_damping"].nominal),
    ("torque_cap", "scale", ROWS["torque_cap"].nominal),
    ("ball_push", "velocity_range", ROWS["ball_push"].nominal),
)
"""Event term, parameter and nominal value of the rows whose range a curriculum can open step by step."""
