"""Observation terms. Positions are in the robot's base frame [m]; N is the number of environments, J of joints.

What concerns the arm comes as its servos report it or, with ``arm="true"``, as it is
(:class:`alice.transfer.reading.ArmReading`); ball and dish are where the policy is told or, with ``ball="true"`` and
``dish="true"``, where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from isaaclab.managers import ManagerTermBase

from alice.transfer import outcome
from alice.transfer.past import Past
from alice.transfer.reading import ArmReading
from alice.transfer.state import transfer_state

from .images import picture_age, seen_in_picture

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab.managers import ObservationTermCfg


def joint_pos(env: ManagerBasedRLEnv, arm: str = "measured") -> torch.Tensor:
    """Joint positions, (N, J) [rad, m]."""
    return _arm(env, arm).joint_pos


class picture_joint_pos(ManagerTermBase):
    """Joint positions as the servos reported them when the newest picture was taken, (N, J) [rad, m].

    When that was, its time stamp says, which may be wrong (:attr:`alice.mdp.image_errors.ImageErrors.stamp`).
    """

    def __init__(self, cfg: ObservationTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self._past: Past | None = None
        self._is_first = torch.ones(env.num_envs, 1, dtype=torch.bool, device=env.device)

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        """Forget what was reported of some environments."""
        self._is_first[slice(None) if env_ids is None else env_ids] = True

    def __call__(self, env: ManagerBasedRLEnv) -> torch.Tensor:
        """Return them; the group of the pictures comes before this term's."""
        reported = transfer_state(env).now.measured.joint_pos
        if self._past is None:
            self._past = Past(reported, env.step_dt)
        self._past = self._past.after(reported, self._is_first)
        self._is_first[:] = False
        return self._past.at(picture_age(env))


def seen_points(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Where the ball and the point between the pads are in the newest picture, (N, 6): a lesson, no input of an actor.

    Of each how far to the right and down from -1 to 1 between the picture's edges, and whether it is inside of them.
    """
    return seen_in_picture(env)


def joint_vel(env: ManagerBasedRLEnv, arm: str = "measured") -> torch.Tensor:
    """Joint velocities, (N, J) [rad/s, m/s]."""
    return _arm(env, arm).joint_vel


def tool_pos_b(env: ManagerBasedRLEnv, arm: str = "measured") -> torch.Tensor:
    """Point between the pads, (N, 3)."""
    return _arm(env, arm).tool_pos


def ball_pos_b(env: ManagerBasedRLEnv, ball: str = "told") -> torch.Tensor:
    """Centre of the ball, (N, 3)."""
    return _places(env, ball)[0].clone()


def tool_to_ball_b(env: ManagerBasedRLEnv, arm: str = "measured", ball: str = "told") -> torch.Tensor:
    """Vector from the tool point to the ball's centre, (N, 3)."""
    return _places(env, ball)[0] - _arm(env, arm).tool_pos


def ball_to_dish_b(env: ManagerBasedRLEnv, ball: str = "told") -> torch.Tensor:
    """Vector from the ball's centre to the centre of the dish on the table, (N, 3); ``ball`` goes for both."""
    ball_pos, dish_pos = _places(env, ball)
    return dish_pos - ball_pos


def dish_place_b(env: ManagerBasedRLEnv, dish: str = "told") -> torch.Tensor:
    """Where the dish stands, the goal: x and y of its centre, (N, 2)."""
    return _places(env, dish)[1][:, :2].clone()


def gripper_gap(env: ManagerBasedRLEnv, arm: str = "measured") -> torch.Tensor:
    """Diameter of the ball that would fit between the pads, (N, 1) [m]."""
    return _arm(env, arm).gap.unsqueeze(-1)


def pinch_flag(env: ManagerBasedRLEnv, arm: str = "measured", ball: str = "told") -> torch.Tensor:
    """Whether the ball is pinched (:func:`alice.transfer.outcome.is_pinched`), (N, 1) in {0, 1}.

    The true arm goes by the true ball.
    """
    is_told = (arm, ball) == ("measured", "told")
    reading = transfer_state(env).now.told if is_told else _arm(env, arm)
    return reading.is_pinched.float().unsqueeze(-1)


def dish_flag(env: ManagerBasedRLEnv, ball: str = "told") -> torch.Tensor:
    """Whether the ball is in or over the dish (:func:`alice.transfer.outcome.is_over_dish`), (N, 1) in {0, 1}.

    ``ball`` goes for both: where they are told, or with ``"true"`` where they are.
    """
    ball_pos, dish_pos = _places(env, ball)
    apart = ball_pos - dish_pos
    height = apart[:, 2] - transfer_state(env).ball_radius
    return outcome.is_over_dish(apart[:, :2].norm(dim=-1), height).float().unsqueeze(-1)


def joint_targets(env: ManagerBasedRLEnv, action_name: str = "joints") -> torch.Tensor:
    """Joint targets that the servos are driving to, (N, J) [rad, m].

    Args:
        env: Environment.
        action_name: Name of the :class:`alice.mdp.actions.JointTargetAction` term.
    """
    return env.action_manager.get_term(action_name).targets.clone()


def last_action(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Last action, clamped to [-1, 1], (N, 6 or 7)."""
    return env.action_manager.action.clamp(-1.0, 1.0)


def _arm(env: ManagerBasedRLEnv, arm: str) -> ArmReading:
    """Return the arm as it is (``true``) or as it is ``measured``."""
    return getattr(transfer_state(env).now, arm)


def _places(env: ManagerBasedRLEnv, which: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ball and dish as they are (``true``) or as they are ``told``, (N, 3) each.

    Raises:
        ValueError: If it is neither.
    """
    state = transfer_state(env)
    if which == "true":
        return state.now.ball_pos, state.dish_pos
    if which != "told":
        raise ValueError(f"ball or dish {which!r} is unknown, use 'told' or 'true'")
    return state.now.told.ball_pos, state.now.told.dish_pos
