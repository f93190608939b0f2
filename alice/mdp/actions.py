"""Action term: increments on the joint targets, held to the speed of the servos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from isaaclab.managers import ActionTerm, ActionTermCfg
from isaaclab.utils import configclass, index_fill_

from alice import compat, robot

from .servos import ServoModel, ServoRanges

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedEnv


class JointTargetAction(ActionTerm):
    """Moves the targets of the arm joints by increments and sends the gripper to an opening, at servo speed.

    Input is (N, 6) in [-1, 1], clamped: five increments in units of ``arm_step`` and one opening of the gripper, where
    -1 is closed and 1 is open, that both fingers share as they share the one servo. With ``coupled_fingers=False`` the
    input is (N, 7) and each finger has its own opening. The targets live here, not in the measured joint positions, so
    a joint that sags or pushes does not drift; they never leave the joint limits.

    With ``servo`` given, the drives follow the targets as bus servos do, one servo for both fingers, and
    :meth:`read_back` returns what such servos report.
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
        self.driven = self.targets.clone()
        """Where the drives pull to, (N, 7) [rad, m]: the targets, or what the servos make of them."""
        self._servos = None
        self.servo_share = 1.0
        """How much of the servos' ranges is drawn at a reset, in [0, 1]; 0 is an ideal servo."""
        if cfg.servo is not None:
            self._servos = ServoModel(self.num_envs, self.action_dim, cfg.servo, env.step_dt, device)

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
        if self.cfg.binary_gripper:
            command[:, 5:] = command[:, 5:].sign()
        self.targets[:, :5] += self.cfg.arm_step * command[:, :5]
        opening = 0.5 * (command[:, 5:] + 1.0) * robot.FINGER_TRAVEL
        change = opening - self.targets[:, 5:]
        self.targets[:, 5:] += change.clamp(-self.cfg.finger_step, self.cfg.finger_step)
        torch.clamp(self.targets, self._lower, self._upper, out=self.targets)
        self.driven = self.targets
        if self._servos is not None:
            self.driven = self._joints(self._servos.follow(self._angles(self.targets)))

    def apply_actions(self) -> None:
        """Send the targets to the drives, through the servos if there are any."""
        self._asset.actuators.target_command.set_position_index(value=self.driven)

    def read_back(self, joint_pos: torch.Tensor) -> torch.Tensor:
        """Return the joint positions as the servos report them, once per control step.

        Args:
            joint_pos: True joint positions, (N, 7) [rad, m].

        Returns:
            (N, 7) [rad, m]; without servos the truth.
        """
        if self._servos is None:
            return joint_pos
        return self._joints(self._servos.read(self._angles(joint_pos)))

    def _angles(self, joints: torch.Tensor) -> torch.Tensor:
        """Return the servo angles of joint positions (K, 7) [rad, m], (K, 6 or 7) [rad]."""
        fingers = joints[:, 5:] if not self.cfg.coupled_fingers else joints[:, 5:].mean(dim=-1, keepdim=True)
        return torch.cat((joints[:, :5], fingers / robot.FINGER_PER_RADIAN), dim=-1)

    def _joints(self, angles: torch.Tensor) -> torch.Tensor:
        """Return the joint positions of servo angles, the reverse of :meth:`_angles`."""
        fingers = angles[:, 5:] * robot.FINGER_PER_RADIAN
        return torch.cat((angles[:, :5], fingers.expand(-1, 2)), dim=-1)

    def set_targets(self, env_ids: torch.Tensor, targets: torch.Tensor) -> None:
        """Place the targets at the start of an episode.

        Args:
            env_ids: Environments, (K,) long.
            targets: Joint targets, (K, 7) [rad, m].
        """
        self.targets[env_ids] = targets
        self.driven[env_ids] = targets
        if self._servos is not None:
            is_bad = torch.rand(len(env_ids), 1, device=self.device) >= self.cfg.ideal_servo_share
            self._servos.reset(env_ids, self._angles(targets), self.servo_share * is_bad)

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
    binary_gripper: bool = False
    """Whether the gripper's number counts by its sign alone: negative is closed."""
    arm_step: float = robot.ARM_SPEED_CAP / robot.CONTROL_RATE_HZ
    """Largest increment of an arm target per control step [rad]."""
    finger_step: float = robot.FINGER_SPEED_CAP / robot.CONTROL_RATE_HZ
    """Largest change of a finger target per control step [m]."""
    servo: ServoRanges | None = None
    """How bad the servos are; None for ideal ones."""
    ideal_servo_share: float = 0.0
    """Share of the episodes whose servos are ideal all the same, in [0, 1]."""
