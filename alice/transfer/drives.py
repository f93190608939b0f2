"""What the drives of the arms do: torque and speed over a control step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


def drive(env: ManagerBasedRLEnv) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the size of each joint's mean drive effort and speed over the last control step, (N, J) each.

    The effort is the drive law of the asset, stiffness times error minus damping times speed, within the effort limit,
    where the joint was halfway through its way. Against the sum over the physics steps a work from these is 10 % low on
    the xArm and 4 % high on the SO-101; from the values at the end of the step it is 43 and 64 % low.
    """
    arm = env.scene["robot"].data
    now = transfer_state(env).now.true
    halfway = now.joint_pos - 0.5 * env.step_dt * now.joint_vel
    error = env.action_manager.get_term("joints").driven - halfway
    effort = arm.joint_stiffness.torch * error - arm.joint_damping.torch * now.joint_vel
    return torch.minimum(effort.abs(), arm.joint_effort_limits.torch), now.joint_vel.abs()
