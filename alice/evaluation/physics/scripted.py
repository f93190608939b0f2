"""Transfers that are scripted, not learned: proof that the physics can grip, carry and release a ball.

They drive the arm through the task's own six actions, so what they can do, a policy can do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from alice import arms
from alice.arms import kinematics
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


CLEARANCE = 0.004
"""How far beside the ball a fixed jaw passes it on its way down [m]; two fingers pass it by half of their opening."""


@dataclass(frozen=True)
class Waypoint:
    """One leg of a script."""

    name: str
    over: str
    """What the tool moves over: ``ball`` (its start), ``dish`` or ``behind``, 5 cm past the ball seen from the dish; at
    ``nothing`` the joints' targets stay as they are."""
    height: float
    """Height of the tool over the place where a ball's centre rests on the table [m]."""
    closed: bool
    steps: int
    """Control steps of the leg."""


APPROACH = Waypoint("approach", "ball", 0.05, False, 24)
DESCEND = Waypoint("descend", "ball", 0.0, False, 24)
CLOSE = Waypoint("close", "ball", 0.0, True, 10)
LIFT = Waypoint("lift", "ball", 0.07, True, 20)
CARRY = Waypoint("carry", "dish", 0.07, True, 30)
PUT_DOWN: tuple[Waypoint, ...] = (
    Waypoint("lower", "dish", 0.020, True, 14),
    Waypoint("open", "dish", 0.020, False, 8),
    Waypoint("retreat", "dish", 0.07, False, 12),
    Waypoint("rest", "nothing", 0.07, False, 18),
)

SCRIPT: tuple[Waypoint, ...] = (
    APPROACH,
    DESCEND,
    CLOSE,
    LIFT,
    Waypoint("hold", "ball", 0.07, True, 40),
    CARRY,
    *PUT_DOWN,
)
"""Ten legs, 10 s; ``hold`` is two seconds in the air."""


class Script:
    """Gives the actions of a script for all environments in step.

    The grip is led along a straight line to each waypoint and corrected by the measured sag. After the last leg it
    stays there.
    """

    def __init__(self, env: ManagerBasedRLEnv, legs: tuple[Waypoint, ...] = SCRIPT):
        """Remember where the balls lie; call it right after a reset.

        Args:
            env: Environment of the six-action task.
            legs: The script.
        """
        self._env = env
        self._legs = legs
        state = transfer_state(env)
        self._ball = state.now.ball_pos.clone()
        self._arm = arms.of(env)
        self._from = state.now.true.grip_pos.clone()
        self._bias = torch.zeros_like(self._from)
        self._pitch = kinematics.hand_pitch(self._arm, state.now.true.joint_pos)
        self._roll = self._arm.home[self._arm.roll_column]
        self._step = 0
        self._ends = torch.tensor([leg.steps for leg in legs]).cumsum(0).tolist()

    @property
    def leg(self) -> Waypoint | None:
        """The leg of the next action, None at the end."""
        for leg, end in zip(self._legs, self._ends, strict=True):
            if self._step < end:
                return leg
        return None

    def act(self) -> torch.Tensor:
        """Return the next action, (N, 6) in [-1, 1]."""
        leg = self.leg or self._legs[-1]
        term = self._env.action_manager.get_term("joints")
        targets = term.targets[:, self._arm.arm_columns]
        joints = targets if leg.over == "nothing" else self._joints_of(leg)
        increments = (joints - targets) / term.arm_step
        opening = -1.0 if leg.closed else 1.0
        self._step += 1
        return torch.cat((increments.clamp(-1, 1), torch.full_like(increments[:, :1], opening)), dim=-1)

    def _joints_of(self, leg: Waypoint) -> torch.Tensor:
        """Return where the arm's joints belong in this control step of a leg, (N, A) [rad]."""
        state = transfer_state(self._env)
        index = self._legs.index(leg)
        begin = self._ends[index] - leg.steps
        goal = self._place(leg)
        goal[:, 2] = state.ball_radius + state.table_height + leg.height
        share = min(1.0, 1.5 * (self._step - begin + 1) / leg.steps)
        point = self._from + share * (goal - self._from)
        # The servos sag under the arm's weight; lead the target by what is missing once the hand stands still.
        if share == 1.0:
            self._bias = (self._bias + 0.2 * (point - state.now.true.grip_pos)).clamp(-0.015, 0.015)
        # Fine steps: a jump of the pitch while the fingers close would turn the ball out of them.
        self._pitch += (kinematics.steepest_pitch(self._arm, point, steps=60) - self._pitch).clamp(-0.1, 0.1)
        beside = state.ball_radius + (0.0 if leg.closed else CLEARANCE)
        around = (point + self._bias, beside, self._pitch, self._roll)
        joints, _ = kinematics.inverse_grip(self._arm, *around)
        if self._step + 1 == self._ends[index]:
            self._from = goal
        return joints

    def _place(self, leg: Waypoint) -> torch.Tensor:
        """Return what a leg goes to, (N, 3) [m]; the height is still to be set."""
        dish = transfer_state(self._env).dish_pos
        if leg.over == "dish":
            return dish.clone()
        if leg.over == "ball":
            return self._ball.clone()
        away = self._ball - dish
        away[:, 2] = 0.0
        return self._ball + 0.05 * away / away.norm(dim=-1, keepdim=True)
