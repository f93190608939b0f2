"""Isaac Lab configurations of an arm and of the camera on its hand, every number from the arm's own table."""

from __future__ import annotations

import math

import isaaclab.sim as sim_utils
from isaaclab.actuators import ImplicitActuatorCfg
from isaaclab.assets import ArticulationCfg
from isaaclab.sensors import CameraCfg
from isaaclab_newton.renderers import NewtonWarpRendererCfg
from isaaclab_newton.sim.schemas import NewtonArticulationCfg
from isaaclab_physx.sim.schemas import PhysxArticulationCfg, PhysxRigidBodyCfg

from alice.arms import Arm, Joint

from .bodies import body_of

ROBOT_PATH = "{ENV_REGEX_NS}/Robot"
_APERTURE = 2.0
"""Width of the camera's sensor; only its ratio to the focal length counts."""


def articulation(arm: Arm) -> ArticulationCfg:
    """Return an arm with gravity on, held by its own servos, at home."""
    body = body_of(arm)
    return ArticulationCfg(
        prim_path=ROBOT_PATH,
        spawn=sim_utils.UsdFileCfg(
            usd_path=str(body.file),
            rigid_props=[PhysxRigidBodyCfg(disable_gravity=False)],
            articulation_props=[
                PhysxArticulationCfg(
                    enabled_self_collisions=False,
                    solver_position_iteration_count=body.position_iterations,
                    solver_velocity_iteration_count=body.velocity_iterations,
                    sleep_threshold=0.0,  # as of the ball
                ),
                NewtonArticulationCfg(self_collision_enabled=False),
            ],
        ),
        init_state=ArticulationCfg.InitialStateCfg(joint_pos=arm.home_by_name),
        actuators={joint.name: _drive(joint) for joint in arm.joints},
        soft_joint_pos_limit_factor=1.0,
    )


def _drive(joint: Joint) -> ImplicitActuatorCfg:
    """Return the drive of one joint.

    PhysX's dynamic friction comes from the USD file, equal to the static one: Newton knows one friction and would warn.
    """
    return ImplicitActuatorCfg(
        joint_names_expr=[joint.name],
        stiffness=joint.stiffness,
        damping=joint.damping,
        armature=joint.armature,
        friction=joint.friction,
        viscous_friction=joint.viscous_friction,
        joint_effort_limit=joint.effort_limit,
        joint_velocity_limit=joint.velocity_limit,
    )


def wrist_camera(arm: Arm) -> CameraCfg:
    """Return the camera of an arm, without a body of its own: nothing of a housing is in the picture."""
    camera = arm.camera
    return CameraCfg(
        prim_path=f"{ROBOT_PATH}/{camera.link}/wrist_camera",
        offset=CameraCfg.OffsetCfg(pos=camera.position, rot=camera.rotation, convention="ros"),
        # Without it the picture stays where the hand was at the start.
        update_latest_camera_pose=True,
        width=camera.width,
        height=camera.height,
        data_types=["rgb"],
        spawn=sim_utils.PinholeCameraCfg(
            focal_length=_APERTURE / (2.0 * math.tan(camera.horizontal_fov / 2.0)),
            horizontal_aperture=_APERTURE,
            clipping_range=(0.005, 3.0),
        ),
        renderer_cfg=NewtonWarpRendererCfg(),
    )
