"""One look at the scene: where arm, ball and dish are, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from alice import arms
from alice.arms import kinematics
from alice.transfer import geometry, outcome
from alice.transfer.unread import stand_in

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


@dataclass
class ArmReading:
    """The joints and what follows from them for the hand."""

    joint_pos: torch.Tensor
    """(N, J) [rad, m]."""
    joint_vel: torch.Tensor
    """Change of the positions over the last control step, (N, J) [rad/s, m/s]; 0 where an episode begins."""
    tool_pos: torch.Tensor
    """Tool point, (N, 3), base frame [m]."""
    grip_pos: torch.Tensor
    """Where the centre of the ball is while it is held, (N, 3), base frame [m]."""
    gap: torch.Tensor
    """Diameter of the ball that would fit between the pads, (N,) [m]."""
    is_pinched: torch.Tensor
    """(N,) bool."""


@dataclass
class Told:
    """What the policy is told of ball and dish: the truth, or what reports make of it."""

    ball_pos: torch.Tensor
    """(N, 3), base frame [m]."""
    dish_pos: torch.Tensor
    """Centre of the dish on the table, (N, 3), base frame [m]."""
    is_pinched: torch.Tensor
    """Whether the ball is held, by the reported joints and the told ball, (N,) bool."""


@dataclass
class Snapshot:
    """One reading of the scene.

    All positions are in the robot's base frame [m]; N is the number of environments, J of joints.
    """

    true: ArmReading
    """The arm as it is."""
    measured: ArmReading
    """The arm as its servos report it."""
    told: Told
    """Ball and dish as the policy is told them. Everything else here is the truth."""
    ball_pos: torch.Tensor
    """(N, 3)."""
    ball_speed: torch.Tensor
    """(N,) [m/s]."""
    grip_distance: torch.Tensor
    """From the ball to where it is while it is held, (N,) [m]."""
    height: torch.Tensor
    """Height of the ball over its rest on the table, (N,) [m]."""
    dish_distance: torch.Tensor
    """Horizontal distance of ball and dish centre, (N,) [m]."""
    is_over_dish: torch.Tensor
    """:func:`alice.transfer.outcome.is_over_dish`, (N,) bool."""
    is_in_dish: torch.Tensor
    """:func:`alice.transfer.outcome.is_in_dish`, (N,) bool."""
    is_placed: torch.Tensor
    """:func:`alice.transfer.outcome.is_placed`, (N,) bool."""
    is_settled: torch.Tensor
    """The whole success condition for this one step (:func:`alice.transfer.outcome.is_settled`), (N,) bool."""

    @property
    def held_height(self) -> torch.Tensor:
        """:attr:`height` of a pinched ball, 0 for any other, (N,) [m]."""
        return torch.where(self.true.is_pinched, self.height, 0.0)


class Reader:
    """Reads the scene of an environment; remembers the joints of the last reading, which give their speeds.

    No speed comes from the simulator. What that holds at the end of a control step is the speed of an instant: targets
    move once a control step and the drives have nearly caught up by then, so it is about half of how fast the joint
    moved through the step.

    Args:
        env: Environment with a ``robot`` and a ``ball`` in its scene, an action term ``joints`` and a command term
            ``transfer``.
        ball_radius: (N,) [m].
    """

    def __init__(self, env: ManagerBasedRLEnv, ball_radius: torch.Tensor):
        self._env = env
        self._radius = ball_radius
        self._kind = arms.of(env)
        self._hand = env.scene["robot"].find_bodies(self._kind.hand_link)[0][0]
        self._tool_in_hand = torch.tensor(self._kind.tool_in_hand, device=env.device)
        self._opens_along = torch.tensor(arms.AXES[self._kind.opens_along], device=env.device)
        self._held_at = self._kind.gripper.held_at(ball_radius).unsqueeze(-1)
        self._last: dict[str, torch.Tensor] = {}
        self._has_last = torch.zeros(env.num_envs, 1, dtype=torch.bool, device=env.device)

    def keep(self, snapshot: Snapshot) -> None:
        """Remember a reading's joints: the next one's speeds are counted from them."""
        self._last = {"true": snapshot.true.joint_pos, "measured": snapshot.measured.joint_pos}
        self._has_last[:] = True

    def forget(self, env_ids: torch.Tensor) -> None:
        """Let the speeds of some environments, (K,), begin at zero."""
        self._has_last[env_ids] = False

    def _speeds(self, which: str, joint_pos: torch.Tensor) -> torch.Tensor:
        """Return how fast the ``true`` or ``measured`` joints came to where they are, (N, J) [rad/s, m/s]."""
        change = joint_pos - self._last.get(which, joint_pos)
        return torch.where(self._has_last, change * (1.0 / self._env.step_dt), 0.0)

    def read(
        self, dish_pos: torch.Tensor, table_height: torch.Tensor, started: torch.Tensor | slice | None = None
    ) -> Snapshot:
        """Return what is now.

        Args:
            dish_pos: Centre of the dish on the table, (N, 3), base frame [m].
            table_height: Height of the table's surface in the base frame, (N,) [m].
            started: Environments whose episode begins, (K,) or a slice; None if a control step has passed.
        """
        scene = self._env.scene
        arm, ball = scene["robot"].data, scene["ball"].data
        hand = arm.body_link_pose_w.torch[:, self._hand]
        joint_pos = arm.joint_pos.torch.clone()
        joint_vel = self._speeds("true", joint_pos)
        tool_pos = hand[:, :3] + geometry.rotate(hand[:, 3:], self._tool_in_hand) - scene.env_origins
        ball_pos = ball.root_link_pose_w.torch[:, :3] - scene.env_origins
        ball_speed = ball.root_com_vel_w.torch[:, :3].norm(dim=-1)
        grip_pos = tool_pos + self._held_at * geometry.rotate(hand[:, 3:], self._opens_along)
        true = self._arm(joint_pos, joint_vel, tool_pos, grip_pos, ball_pos, gap_error=0.0)
        reported = self._env.action_manager.get_term("joints").read_back(joint_pos)
        self._hear(true, ball_pos, dish_pos, hand[:, 2] - scene.env_origins[:, 2], started)
        measured = self._measure(reported, ball_pos)
        told = self._tell(measured, ball_pos, dish_pos)
        distance = (grip_pos - ball_pos).norm(dim=-1)
        height = ball_pos[:, 2] - self._radius - table_height
        dish_distance = (ball_pos - dish_pos)[:, :2].norm(dim=-1)
        in_dish = outcome.is_in_dish(dish_distance, height)
        is_placed = outcome.is_placed(in_dish, ball_speed, distance)
        is_calm = outcome.is_calm(joint_vel[:, self._kind.arm_columns].abs().amax(dim=-1))
        return Snapshot(
            true=true,
            measured=measured,
            told=told,
            ball_pos=ball_pos,
            ball_speed=ball_speed,
            grip_distance=distance,
            height=height,
            dish_distance=dish_distance,
            is_over_dish=outcome.is_over_dish(dish_distance, height),
            is_in_dish=in_dish,
            is_placed=is_placed,
            is_settled=outcome.is_settled(is_placed, is_calm),
        )

    def _arm(
        self,
        joint_pos: torch.Tensor,
        joint_vel: torch.Tensor,
        tool_pos: torch.Tensor,
        grip_pos: torch.Tensor,
        ball_pos: torch.Tensor,
        gap_error: float,
    ) -> ArmReading:
        """Return what follows from joints (N, J) [rad, m], three points, (N, 3) [m], and a gap's error [m]."""
        gap = self._kind.gripper.gap(joint_pos[:, self._kind.gripper_columns])
        distance = (grip_pos - ball_pos).norm(dim=-1)
        is_pinched = geometry.is_pinched(distance, gap, self._gap_target(), self._radius, gap_error)
        return ArmReading(joint_pos, joint_vel, tool_pos, grip_pos, gap, is_pinched)

    def _gap_target(self) -> torch.Tensor:
        """Return the commanded gap, (N,) [m]."""
        targets = self._env.action_manager.get_term("joints").targets
        return self._kind.gripper.gap(targets[:, self._kind.gripper_columns])

    @property
    def _reports(self) -> Any:
        """:class:`alice.mdp.reports.ReportModel` of what is reported of ball and dish; None if the truth is told."""
        return self._env.command_manager.get_term("transfer").reports

    def _hear(
        self,
        true: ArmReading,
        ball_pos: torch.Tensor,
        dish_pos: torch.Tensor,
        hand_height: torch.Tensor,
        started: torch.Tensor | slice | None,
    ) -> None:
        """Let what is reported of ball and dish, (N, 3) [m] each, arrive, with the hand's link at a height, (N,) [m].

        ``started`` is that of :meth:`read`.
        """
        reports = self._reports
        if reports is None:
            return
        if started is None:
            hidden = reports.hides(true.grip_pos, ball_pos, hand_height, true.is_pinched)
            reports.advance(ball_pos, dish_pos, hidden)
        else:
            reports.start(started, ball_pos[started], dish_pos[started])

    def _tell(self, measured: ArmReading, ball_pos: torch.Tensor, dish_pos: torch.Tensor) -> Told:
        """Return what the policy is told of ball and dish, which are at (N, 3) [m]."""
        reports = self._reports
        if reports is None:
            return Told(ball_pos, dish_pos, measured.is_pinched)
        gap_error = self._kind.gripper.gap_error
        ball, is_pinched = reports.hold(measured.grip_pos, measured.gap, self._gap_target(), self._radius, gap_error)
        return Told(ball, reports.dish.clone(), is_pinched)

    def _measure(self, reported: torch.Tensor, ball_pos: torch.Tensor) -> ArmReading:
        """Return the arm as its servos report it; a bus servo reports no speed, so it is the change of two reports.

        Where nothing is read commands stand for it, and a gripper is held open by the ball that is told to be in it.

        Args:
            reported: Joint positions as they are read, or what stands for them, (N, J) [rad, m].
            ball_pos: (N, 3) [m].
        """
        tool_pos, _ = kinematics.forward(self._kind, reported)
        grip_pos = tool_pos + self._held_at * kinematics.opening_direction(self._kind, reported)
        reads_back = self._env.action_manager.get_term("joints").reads_back
        if not reads_back and self._env.command_manager.get_term("transfer").cfg.tells_ball:
            known = ball_pos if self._reports is None else self._reports.known_at(grip_pos)
            reported = stand_in(self._kind, reported, (known - grip_pos).norm(dim=-1), self._radius)
        speeds, gap_error = self._speeds("measured", reported), self._kind.gripper.gap_error
        return self._arm(reported, speeds, tool_pos, grip_pos, ball_pos, gap_error)
