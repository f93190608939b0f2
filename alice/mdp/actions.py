"""Action term: increments on the joint targets, held to the speed of the servos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from isaaclab.managers import ActionTerm, ActionTermCfg
from isaaclab.utils import configclass, index_fill_

from alice import compat, robot

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedEnv


class JointTargetAction(ActionTerm):
    """Moves the targets of the arm joints by increments and sends the gripper to an opening, at servo speed.

    Input is (N, 6) in [-1, 1], clamped: five increments in units of ``arm_step`` and one opening of the gripper, where
    -1 is closed and 1 is open, that both fingers share as they share the one servo. With ``coupled_fingers=False`` the
    input is (N, 7) and each finger has its own opening. The targets live here, not in the measured joint positions, so
    a joint that sags or pushes does not drift; they never leave the joint limits.
    """

    cfg: JointTargetActionCfg

    def __init__(self, cfg: JointTargetActionCfg, env: ManagerBasedEnv):
        super().__init__(cfg, env)
        _, names = self._asset.find_joints(list(robot.JOINT_NAMES), preserve_order=True)
        if list(names) != list(self._asset.joint_names):
            raise ValueError(
                f"joint order of the asset is {list(self._asset.joint_names)}, need {list(robot.JOINT_NAMES)}:"
                " rebuild it with scripts/build_assets.py"
            )
        compat.command_positions_only(self._asset)
        device = self.device
        self._raw = torch.zeros(self.num_envs, self.action_dim, device=device)
        self._lower = torch.tensor([joint.lower for joint in robot.JOINTS], device=device)
        self._upper = torch.tensor([joint.upper for joint in robot.JOINTS], device=device)
        home = torch.tensor([robot.HOME[name] for name in robot.JOINT_NAMES], device=device)
        self.targets = home.repeat(self.num_envs, 1)
        """Joint targets in the order of :data:`alice.robot.JOINT_NAMES`, (N, 7) [rad, m]."""

    @property
    def action_dim(self) -> int:
        """Number of actions, 6 or 7."""
        return 6 if self.cfg.coupled_fingers else 7

    @property
    def raw_actions(self) -> torch.Tensor:
        """Actions as the policy gave them, (N, 6 or 7)."""
        return self._raw

    @property
    def processed_actions(self) -> torch.Tensor:
        """Joint targets, (N, 7) [rad, m]."""
        return self.targets

    def process_actions(self, actions: torch.Tensor) -> None:
        """Move the targets by one control step.

        Args:
            actions: Actions of the policy, (N, 6 or 7).
        """
        self._raw[:] = actions
        command = actions.clamp(-1.0, 1.0)
        self.targets[:, :5] += self.cfg.arm_step * command[:, :5]
        opening = 0.5 * (command[:, 5:] + 1.0) * robot.FINGER_TRAVEL
        change = opening - self.targets[:, 5:]
        self.targets[:, 5:] += change.clamp(-self.cfg.finger_step, self.cfg.finger_step)
        torch.clamp(self.targets, self._lower, self._upper, out=self.targets)

    def apply_actions(self) -> None:
        """Send the targets to the drives."""
        self._asset.actuators.target_command.set_position_index(value=self.targets)

    def set_targets(self, env_ids: torch.Tensor, targets: torch.Tensor) -> None:
        """Place the targets at the start of an episode.

        Args:
            env_ids: Environments, (K,) long.
            targets: Joint targets, (K, 7) [rad, m].
        """
        self.targets[env_ids] = targets

    def reset(self, env_ids=None) -> None:
        """Forget the last action. The targets are the reset event's business (:meth:`set_targets`)."""
        index_fill_(self._raw, slice(None) if env_ids is None else env_ids, 0.0)


@configclass
class JointTargetActionCfg(ActionTermCfg):
    """Configuration of :class:`JointTargetAction`."""

    class_type: type[ActionTerm] = JointTargetAction
    asset_name: str = "robot"
    coupled_fingers: bool = True
    """Whether one number drives both fingers, as on the real arm."""
    arm_step: float = robot.ARM_SPEED_CAP / robot.CONTROL_RATE_HZ
    """Largest increment of an arm target per control step [rad]."""
    finger_step: float = robot.FINGER_SPEED_CAP / robot.CONTROL_RATE_HZ
    """Largest change of a finger target per control step [m]."""
