"""Observation terms. Positions are in the robot's base frame [m]; N is the number of environments.

What concerns the arm is as its servos report it (:class:`alice.mdp.transfer.Measured`); the ball is where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .transfer import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


def joint_pos(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Measured joint positions, (N, 7) [rad, m]."""
    return transfer_state(env).now.measured.joint_pos


def joint_vel(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Measured joint velocities, (N, 7) [rad/s, m/s]."""
    return transfer_state(env).now.measured.joint_vel


def tool_pos_b(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Point between the pads, (N, 3)."""
    return transfer_state(env).now.measured.tool_pos


def ball_pos_b(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Centre of the ball, (N, 3)."""
    return transfer_state(env).now.ball_pos


def tool_to_ball_b(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Vector from the tool point to the ball's centre, (N, 3)."""
    now = transfer_state(env).now
    return now.ball_pos - now.measured.tool_pos


def ball_to_dish_b(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Vector from the ball's centre to the centre of the dish on the table, (N, 3)."""
    state = transfer_state(env)
    return state.dish_pos - state.now.ball_pos


def gripper_gap(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Distance between the pads, (N, 1) in [0, 0.05] m."""
    return transfer_state(env).now.measured.gap.unsqueeze(-1)


def pinch_flag(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Whether the ball is pinched (:func:`alice.geometry.is_pinched`), (N, 1) in {0, 1}."""
    return transfer_state(env).now.measured.is_pinched.float().unsqueeze(-1)


def joint_targets(env: ManagerBasedRLEnv, action_name: str = "joints") -> torch.Tensor:
    """Joint targets that the servos are driving to, (N, 7) [rad, m].

    Args:
        env: Environment.
        action_name: Name of the :class:`alice.mdp.actions.JointTargetAction` term.
    """
    return env.action_manager.get_term(action_name).targets.clone()


def last_action(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Last action, clamped to [-1, 1], (N, 6 or 7)."""
    return env.action_manager.action.clamp(-1.0, 1.0)
