"""Action term: increments on the joint targets, held to the speed of the servos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from isaaclab.managers import ActionTerm, ActionTermCfg
from isaaclab.utils import configclass, index_fill_

from alice import arms, compat
from alice.transfer.constants import constant
from alice.transfer.past import Past
from alice.transfer.timing import CONTROL_RATE_HZ
from alice.transfer.unread import LAG

from .servos import ServoModel, ServoRanges

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedEnv


class JointTargetAction(ActionTerm):
    """Moves the targets of the arm joints by increments and sends the gripper to an opening, at servo speed.

    Input is (N, 6) in [-1, 1], clamped: five increments in units of ``arm_step`` and one opening of the gripper, where
    -1 is closed and 1 is open, that all joints of the gripper share as they share the one servo. With
    ``coupled_fingers=False`` the input is (N, J), J joints, and each finger has its own opening. The targets live here,
    not in the measured joint positions, so a joint that sags or pushes does not drift; they never leave the joint
    limits.

    Somebody else may decide where the drives pull to, one control step at a time (:meth:`take_over`): an arm that is
    driven over its bus.

    With ``servo`` given, the drives follow the targets as bus servos do, one servo for both fingers, and
    :meth:`read_back` returns what such servos report: without read-back commands stand for
    it (:mod:`alice.transfer.unread`).
    """

    cfg: JointTargetActionCfg

    def __init__(self, cfg: JointTargetActionCfg, env: ManagerBasedEnv):
        super().__init__(cfg, env)
        self._arm = arms.of(env)
        if tuple(self._asset.joint_names) != self._arm.names:
            raise ValueError(
                f"joint order of the asset is {list(self._asset.joint_names)}, need {list(self._arm.names)}, those of"
                f" env.arm={self._arm.name}: rebuild it with scripts/build_assets.py"
            )
        compat.command_positions_only(self._asset)
        device = self.device
        self._raw = torch.zeros(self.num_envs, self.action_dim, device=device)
        self._lower = torch.tensor(self._arm.lower, device=device)
        self._upper = torch.tensor(self._arm.upper, device=device)
        self._closed = torch.tensor(self._arm.gripper.closed, device=device)
        self._opened = torch.tensor(self._arm.gripper.opened, device=device)
        self.arm_step, self.gripper_step = steps(cfg, self._arm)
        """Largest change of an arm joint's target [rad] and of the gripper's [rad or m] in a control step."""
        self.targets = torch.tensor(self._arm.home, device=device).repeat(self.num_envs, 1)
        """Joint targets in the order of the arm's joints, (N, J) [rad, m]."""
        self.driven = self.targets.clone()
        """Where the drives pull to, (N, J) [rad, m]: the targets, or what the servos make of them."""
        self._commands = None if self.reads_back else Past(self.targets, env.step_dt)
        """What stands for readings; None where there are some."""
        self._taken_over: tuple[torch.Tensor, torch.Tensor] | None = None
        self.servos: ServoModel | None = None
        """The servos between targets and drives; None for ideal ones."""
        self.servo_share = 1.0
        """How much of the servos' ranges is drawn at a reset, in [0, 1]; 0 is an ideal servo."""
        if cfg.servo is not None:
            counts = self._arm.joints[0].servo.counts_per_radian
            self.servos = ServoModel(self.num_envs, self.action_dim, cfg.servo, env.step_dt, counts, device)

    @property
    def action_dim(self) -> int:
        """Number of actions, 6 or J."""
        return len(self._arm.action_names if self.cfg.coupled_fingers else self._arm.joints)

    @property
    def reads_back(self) -> bool:
        """Whether joint positions are read at all."""
        return self.cfg.servo is None or self.cfg.servo.reads_back

    @property
    def raw_actions(self) -> torch.Tensor:
        """Actions as the policy gave them, (N, 6 or J)."""
        return self._raw

    @property
    def processed_actions(self) -> torch.Tensor:
        """Joint targets, (N, J) [rad, m]."""
        return self.targets

    def process_actions(self, actions: torch.Tensor) -> None:
        """Move the targets by one control step.

        Args:
            actions: Actions of the policy, (N, 6 or J).
        """
        self._raw[:] = actions
        if self._taken_over is not None:
            (self.targets[:], self.driven), self._taken_over = self._taken_over, None
            self._take_down()
            return
        command = actions.clamp(-1.0, 1.0)
        arm, gripper = self._arm.arm_columns, self._arm.gripper_columns
        opening = command[:, arm.stop :]
        if self.cfg.binary_gripper:
            opening = opening.sign()
        self.targets[:, arm] += self.arm_step * command[:, arm]
        goal = self._closed + 0.5 * (opening + 1.0) * (self._opened - self._closed)
        change = goal - self.targets[:, gripper]
        self.targets[:, gripper] += change.clamp(-self.gripper_step, self.gripper_step)
        torch.clamp(self.targets, self._lower, self._upper, out=self.targets)
        self._take_down()
        self.driven = self.targets
        if self.servos is not None:
            self.driven = self._joints(self.servos.follow(self._angles(self.targets)))

    def _take_down(self) -> None:
        """Keep the targets of this control step, where they stand for readings later."""
        if self._commands is not None:
            self._commands = self._commands.after(self.targets)

    def take_over(self, targets: torch.Tensor, driven: torch.Tensor) -> None:
        """Decide in the place of the actions in the coming control step.

        Args:
            targets: What the joints are commanded to, (N, J) [rad, m].
            driven: Where the drives pull to, (N, J) [rad, m].
        """
        self._taken_over = targets, driven

    def apply_actions(self) -> None:
        """Send the targets to the drives, through the servos if there are any."""
        self._asset.actuators.target_command.set_position_index(value=self.driven)

    def read_back(self, joint_pos: torch.Tensor) -> torch.Tensor:
        """Return the joint positions as the servos report them, once per control step.

        Args:
            joint_pos: True joint positions, (N, J) [rad, m].

        Returns:
            (N, J) [rad, m]; without servos the truth, without read-back the commands of a moment ago.
        """
        if self._commands is not None:
            return self._commands.at(constant((LAG,), self.targets.device))
        if self.servos is None:
            return joint_pos
        return self._joints(self.servos.read(self._angles(joint_pos)))

    def _angles(self, joints: torch.Tensor) -> torch.Tensor:
        """Return the servo angles of joint positions (K, J) [rad, m], (K, 6 or J) [rad]."""
        columns = self._arm.gripper_columns
        fingers = joints[:, columns]
        if self.cfg.coupled_fingers:
            return torch.cat((joints[:, self._arm.arm_columns], self._arm.gripper.servo_angle(fingers)), dim=-1)
        alone = [self._arm.gripper.servo_angle(finger.expand_as(fingers)) for finger in fingers.split(1, dim=-1)]
        return torch.cat((joints[:, self._arm.arm_columns], *alone), dim=-1)

    def _joints(self, angles: torch.Tensor) -> torch.Tensor:
        """Return the joint positions of servo angles, the reverse of :meth:`_angles`."""
        arm, servos = angles[:, self._arm.arm_columns], angles[:, self._arm.arm_columns.stop :]
        fingers = [self._arm.gripper.from_servo(servo) for servo in servos.split(1, dim=-1)]
        if len(fingers) == 1:
            return torch.cat((arm, fingers[0]), dim=-1)
        alone = [finger[:, index : index + 1] for index, finger in enumerate(fingers)]
        return torch.cat((arm, *alone), dim=-1)

    def set_targets(self, env_ids: torch.Tensor, targets: torch.Tensor) -> None:
        """Place the targets at the start of an episode.

        Args:
            env_ids: Environments, (K,) long.
            targets: Joint targets, (K, J) [rad, m].
        """
        self.targets[env_ids] = targets
        self.driven[env_ids] = targets
        if self._commands is not None:
            self._commands.begin(env_ids, targets)
        if self.servos is not None:
            is_bad = torch.rand(len(env_ids), 1, device=self.device) >= self.cfg.ideal_servo_share
            self.servos.reset(env_ids, self._angles(targets), self.servo_share * is_bad)

    def reset(self, env_ids=None) -> None:
        """Forget the last action. The targets are the reset event's business (:meth:`set_targets`)."""
        index_fill_(self._raw, slice(None) if env_ids is None else env_ids, 0.0)


def steps(cfg: JointTargetActionCfg, arm: arms.Arm) -> tuple[float, float]:
    """Return the largest change of an arm joint's target [rad] and of the gripper's [rad or m] in a control step."""
    caps = (arm.speed_cap / CONTROL_RATE_HZ, arm.gripper.speed_cap / CONTROL_RATE_HZ)
    return tuple(
        cap if step is None else step for step, cap in zip((cfg.arm_step, cfg.gripper_step), caps, strict=True)
    )


@configclass
class JointTargetActionCfg(ActionTermCfg):
    """Configuration of :class:`JointTargetAction`."""

    class_type: type[ActionTerm] = JointTargetAction
    asset_name: str = "robot"
    coupled_fingers: bool = True
    """Whether one number drives both fingers, as on the real arm."""
    binary_gripper: bool = False
    """Whether the gripper's number counts by its sign alone: negative is closed."""
    arm_step: float | None = None
    """Largest increment of an arm target per control step [rad]; None for the arm's own cap."""
    gripper_step: float | None = None
    """Largest change of a gripper joint's target per control step [rad or m]; None for the gripper's own cap."""
    servo: ServoRanges | None = None
    """How bad the servos are; None for ideal ones."""
    ideal_servo_share: float = 0.0
    """Share of the episodes whose servos are ideal all the same, in [0, 1]."""
