"""Isaac Lab configurations of ball, dish, nest and table, every number from :mod:`alice.transfer.objects`."""

from __future__ import annotations

import isaaclab.sim as sim_utils
from isaaclab.assets import AssetBaseCfg, RigidObjectCfg
from isaaclab.sim.spawners.materials.physics_materials_cfg import RigidBodyMaterialBaseCfg
from isaaclab.utils import replace
from isaaclab_newton.sim.schemas import MujocoCollisionCfg, NewtonMaterialPropertiesCfg
from isaaclab_physx.sim.schemas import PhysxRigidBodyCfg

from alice.transfer.objects import BALL, TABLE

from . import DATA_DIR

_POSITION_ITERATIONS = 6
"""PhysX position iterations of a ball on its own; together with an arm it is solved with those of the arm's body where
they are more."""


def _friction(value: float) -> RigidBodyMaterialBaseCfg:
    """Return a material of equal static and dynamic friction without bounce."""
    return RigidBodyMaterialBaseCfg(static_friction=value, dynamic_friction=value, restitution=0.0)


def ball_material(rolling_friction: float) -> NewtonMaterialPropertiesCfg:
    """Return the ball's material.

    Args:
        rolling_friction: Rolling loss on Newton, MuJoCo's rolling friction length [m].
    """
    return NewtonMaterialPropertiesCfg(
        static_friction=BALL.friction,
        dynamic_friction=BALL.friction,
        restitution=0.0,
        rolling_friction=rolling_friction,
    )


BALL_CFG = RigidObjectCfg(
    prim_path="{ENV_REGEX_NS}/Ball",
    spawn=sim_utils.SphereCfg(
        radius=BALL.radius,
        rigid_props=[
            sim_utils.UsdPhysicsRigidBodyCfg(),
            PhysxRigidBodyCfg(
                disable_gravity=False,
                solver_position_iteration_count=_POSITION_ITERATIONS,
                solver_velocity_iteration_count=0,
                angular_damping=BALL.angular_damping,
                sleep_threshold=0.0,  # when a body falls asleep depends on what came before its last reset
            ),
        ],
        mass_props=sim_utils.MassCfg(mass=BALL.mass),
        # Six contact dimensions: MuJoCo knows rolling friction only then.
        collision_props=[sim_utils.UsdPhysicsCollisionCfg(), MujocoCollisionCfg(condim=6)],
        physics_material=ball_material(BALL.rolling_friction),
        visual_material=sim_utils.PreviewSurfaceCfg(diffuse_color=BALL.colour, roughness=0.4),
    ),
    init_state=RigidObjectCfg.InitialStateCfg(pos=(0.19, -0.06, BALL.radius)),
)
"""The ball: a free rigid body under gravity, held by nothing but friction."""

DISH_CFG = RigidObjectCfg(
    prim_path="{ENV_REGEX_NS}/Dish",
    spawn=sim_utils.UsdFileCfg(usd_path=str(DATA_DIR / "dish.usda")),
    init_state=RigidObjectCfg.InitialStateCfg(pos=(0.19, 0.06, 0.0)),
)
"""The dish: kinematic, placed at a reset."""

NEST_CFG = RigidObjectCfg(
    prim_path="{ENV_REGEX_NS}/Nest",
    spawn=sim_utils.UsdFileCfg(usd_path=str(DATA_DIR / "nest.usda")),
    init_state=RigidObjectCfg.InitialStateCfg(pos=(0.19, -0.06, 0.0)),
)
"""The nest under the ball's start: kinematic, placed at a reset."""

TABLE_CFG = AssetBaseCfg(
    prim_path="{ENV_REGEX_NS}/Table",
    spawn=sim_utils.CuboidCfg(
        size=TABLE.size,
        collision_props=[sim_utils.UsdPhysicsCollisionCfg()],
        physics_material=_friction(TABLE.friction),
        visual_material=sim_utils.PreviewSurfaceCfg(diffuse_color=TABLE.colour, roughness=0.8),
    ),
    init_state=AssetBaseCfg.InitialStateCfg(pos=TABLE.centre),
)
"""The table top: static."""

MOVABLE_TABLE_CFG = RigidObjectCfg(
    prim_path=TABLE_CFG.prim_path,
    spawn=replace(TABLE_CFG.spawn, rigid_props=[sim_utils.UsdPhysicsRigidBodyCfg(kinematic_enabled=True)]),
    init_state=RigidObjectCfg.InitialStateCfg(pos=TABLE.centre),
)
"""The same table top, kinematic: it can be placed at a reset and has a friction of its own in each environment."""
