"""Reward terms.

Each part of the job pays for progress only: the change of a potential in [0, 1]. What is undone is paid back, so the
sum over an episode never exceeds 1 a term, no posture earns rent, and grasp-release cycles earn nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from isaaclab.managers import ManagerTermBase

from alice import arms
from alice.transfer import outcome
from alice.transfer.drives import drive
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab.managers import RewardTermCfg


def transfer_progress(env: ManagerBasedRLEnv, part: str) -> torch.Tensor:
    """Progress of one part of the transfer in the last control step, in [-1, 1].

    Pays nothing for holding any state. Terminal states keep what they earned; losing the ball therefore has its own
    cost (:func:`is_ball_lost`).

    Args:
        env: Environment.
        part: ``reach``, ``grasp``, ``lift``, ``transport`` or ``release``.

    Returns:
        Change of the potential, (N,).
    """
    return transfer_state(env).progress[part]


def transfer_potential(env: ManagerBasedRLEnv, part: str) -> torch.Tensor:
    """How far one part of the transfer is, in [0, 1].

    This pays rent: a posture that keeps a potential up earns in every step. It stands here to be measured against
    :func:`transfer_progress`.

    Args:
        env: Environment.
        part: ``reach``, ``grasp``, ``lift``, ``transport`` or ``release``.

    Returns:
        The potential, (N,).
    """
    return transfer_state(env).potentials[part]


def is_near_ball(env: ManagerBasedRLEnv, distance: float) -> torch.Tensor:
    """Whether the tool point is near the ball, whatever the fingers do, (N,) in {0, 1}.

    An earlier attempt called this a grasp. It pays rent for hovering; it stands here to be measured.

    Args:
        env: Environment.
        distance: Largest distance [m].
    """
    return (transfer_state(env).now.grip_distance < distance).float()


def is_ball_high(env: ManagerBasedRLEnv, height: float, held: bool) -> torch.Tensor:
    """Whether the ball is above a height over its rest, (N,) in {0, 1}.

    A threshold gives no slope below it, and it pays rent above; it stands here to be measured.

    Args:
        env: Environment.
        height: Lowest height [m].
        held: Whether it counts only while the ball is pinched.
    """
    now = transfer_state(env).now
    is_high = now.height > height
    return (is_high & now.true.is_pinched if held else is_high).float()


def rest_progress(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Share of the rest that success asks for by which the longest so far has grown, (N,) in {0, 0.1}.

    The whole pays 1 an episode, once: a rest that is broken off is not paid back, and not paid again either. With the
    noise of exploration on it a whole rest is rare and a longer one is not.
    """
    return transfer_state(env).books.rest_progress.clone()


def transfer_success(env: ManagerBasedRLEnv) -> torch.Tensor:
    """1 in the one control step in which the episode succeeds, else 0, (N,). The episode ends with it."""
    return transfer_state(env).books.stages[:, -1].float()


def is_terminated_term(env: ManagerBasedRLEnv, term_name: str) -> torch.Tensor:
    """1 in the step in which the named termination ends the episode, else 0, (N,).

    Args:
        env: Environment.
        term_name: Name of the termination term.
    """
    return env.termination_manager.get_term(term_name).float()


def arm_unrest_l1(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Mean speed of the arm's joints, without sign, over the calm speed, once the ball lies in the dish, (N,).

    A cost and no progress: a speed can be had back in the next step, so its change would pay nothing for staying slow.
    It tells the noise, too, where to be small; squared it would stop telling long before the arm is calm. It does not
    ask whether the arm is clear, or the hand would stay close enough never to pay.

    Returns:
        Non-negative, 1 at the calm speed.
    """
    now = transfer_state(env).now
    speed = now.true.joint_vel[:, arms.of(env).arm_columns] / outcome.CALM_SPEED
    return torch.where(now.is_in_dish, speed.abs().mean(dim=-1), 0.0)


def servo_power(env: ManagerBasedRLEnv, transfer_work: float) -> torch.Tensor:
    """Power of the servos, torque times speed without sign over all joints, (N,), non-negative [1/s].

    Args:
        env: Environment.
        transfer_work: Work that counts as 1 [J], that of a calm transfer of the arm. A joule of a strong arm with much
            friction is not that of a light one: paid for alike, the one would do best to leave the job alone.
    """
    effort, speed = drive(env)
    return (effort * speed).sum(dim=-1) / transfer_work


class TargetJerk(ManagerTermBase):
    """Mean squared third difference of the arm joints' targets, over their largest step, (N,), non-negative.

    It is the audit's jerk, squared. An episode begins with targets that have long stood still.
    """

    def __init__(self, cfg: RewardTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self._term = env.action_manager.get_term("joints")
        self._columns = arms.of(env).arm_columns
        self._past = [self._term.targets[:, self._columns].clone() for _ in range(3)]

    def reset(self, env_ids: torch.Tensor | slice | None = None) -> None:
        """Forget the targets of some environments, (K,); of all for None."""
        which = slice(None) if env_ids is None else env_ids
        for targets in self._past:
            targets[which] = self._term.targets[which, self._columns]

    def __call__(self, env: ManagerBasedRLEnv) -> torch.Tensor:
        """Take in the targets of the control step that has just passed, and return the cost."""
        now = self._term.targets[:, self._columns].clone()
        first, second, third = self._past
        jerk = (now - 3.0 * third + 3.0 * second - first) / self._term.arm_step
        self._past = [second, third, now]
        return jerk.square().mean(dim=-1)


def action_rate_l2(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Mean squared change of the clamped action between two control steps, (N,) in [0, 4]."""
    manager = env.action_manager
    change = manager.action.clamp(-1.0, 1.0) - manager.prev_action.clamp(-1.0, 1.0)
    return change.square().mean(dim=-1)


def action_excess_l2(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Mean squared part of the action beyond [-1, 1], (N,), non-negative.

    The action term clamps there, so nothing else keeps the policy's mean in the range from which its noise can still
    change the command: a gripper mean of -3 never opens by chance.
    """
    return (env.action_manager.action.abs() - 1.0).clamp(min=0.0).square().mean(dim=-1)
