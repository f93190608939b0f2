"""Isaac Lab configuration of the xArm 1S, every number from :mod:`alice.robot`."""

from __future__ import annotations

import isaaclab.sim as sim_utils
from isaaclab.actuators import ImplicitActuatorCfg
from isaaclab.assets import ArticulationCfg
from isaaclab_newton.sim.schemas import NewtonArticulationCfg
from isaaclab_physx.sim.schemas import PhysxArticulationCfg, PhysxRigidBodyCfg

from alice import robot

from . import DATA_DIR

SOLVER_POSITION_ITERATIONS = 6
"""PhysX position iterations. PhysX would take 32; with 4 the pads begin to sink into the ball."""
SOLVER_VELOCITY_ITERATIONS = 0


def _drive(joint: robot.Joint) -> ImplicitActuatorCfg:
    """Return the drive of one joint."""
    return ImplicitActuatorCfg(
        joint_names_expr=[joint.name],
        stiffness=joint.stiffness,
        damping=joint.damping,
        armature=joint.armature,
        joint_effort_limit=joint.effort_limit,
        joint_velocity_limit=joint.velocity_limit,
    )


XARM1S_CFG = ArticulationCfg(
    spawn=sim_utils.UsdFileCfg(
        usd_path=str(DATA_DIR / "xarm1s.usda"),
        rigid_props=[PhysxRigidBodyCfg(disable_gravity=False)],
        articulation_props=[
            PhysxArticulationCfg(
                enabled_self_collisions=False,
                solver_position_iteration_count=SOLVER_POSITION_ITERATIONS,
                solver_velocity_iteration_count=SOLVER_VELOCITY_ITERATIONS,
            ),
            NewtonArticulationCfg(self_collision_enabled=False),
        ],
    ),
    init_state=ArticulationCfg.InitialStateCfg(joint_pos=dict(robot.HOME)),
    actuators={joint.name: _drive(joint) for joint in robot.JOINTS},
    soft_joint_pos_limit_factor=1.0,
)
"""The arm with gravity on, held by its own servos."""
