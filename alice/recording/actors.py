"""Who acts while episodes are recorded: a policy, the script, or a person's hands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from alice import arms
from alice.arms import kinematics
from alice.evaluation.physics import scripted
from alice.recording.episodes import DiscardError
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

    from alice.recording.hands import Hands

LEGS = (scripted.APPROACH, scripted.DESCEND, scripted.CLOSE, scripted.LIFT, scripted.CARRY, *scripted.PUT_DOWN)
"""The script's legs without its two seconds in the air, 8 s."""
HAND_SPEED = 0.10
"""Speed of the tool at full deflection [m/s]."""
LEAD = 0.03
"""How far the commanded tool point may run ahead of the true one [m]."""


class Learned:
    """A policy.

    Args:
        network: From observation groups to actions.
        env: Its environment.
    """

    def __init__(self, network: Any, env: ManagerBasedRLEnv):
        self._network, self._env = network, env

    def begin(self) -> None:
        """Let it forget what was."""
        self._network.reset(torch.ones(self._env.num_envs, dtype=torch.bool, device=self._env.device))

    def act(self, obs: Any) -> torch.Tensor:
        """Return its actions, (N, 6)."""
        return self._network(obs)

    def after(self, dones: torch.Tensor) -> None:
        """Tell it which environments have begun anew."""
        self._network.reset(dones)


class Scripted:
    """The script of :mod:`alice.evaluation.physics.scripted`."""

    def __init__(self, env: ManagerBasedRLEnv):
        self._env = env
        self._script: scripted.Script | None = None

    def begin(self) -> None:
        """Begin at the first leg."""
        self._script = scripted.Script(self._env, LEGS)

    def act(self, obs: Any) -> torch.Tensor:
        """Return its actions, (N, 6)."""
        return self._script.act()

    def after(self, dones: torch.Tensor) -> None:
        """Go on: those that have ended are not looked at any more."""


class Person:
    """A person who moves the tool point of one arm in real time; the hand stays as steep as it can be.

    Args:
        env: Environment of one arm.
        hands: Keyboard or gamepad.
    """

    def __init__(self, env: ManagerBasedRLEnv, hands: Hands):
        self._env, self._hands, self._arm = env, hands, arms.of(env)
        self._point = self._pitch = torch.empty(0)
        self._due = 0.0

    def begin(self) -> None:
        """Take the tool point where it is; the gripper opens."""
        self._hands.begin()
        joints = transfer_state(self._env).now.true.joint_pos
        self._point = kinematics.forward(self._arm, joints)[0].clone()
        self._pitch = kinematics.hand_pitch(self._arm, joints)
        self._due = time.monotonic()

    def act(self, obs: Any) -> torch.Tensor:
        """Return the action of this control step, (1, 6), when its time has come."""
        self._due = max(self._due + self._env.step_dt, time.monotonic() - self._env.step_dt)
        time.sleep(max(0.0, self._due - time.monotonic()))
        wish = self._hands.read()
        if wish.discard:
            raise DiscardError
        now, arm = transfer_state(self._env).now.true, self._arm
        true = kinematics.forward(arm, now.joint_pos)[0]
        step = HAND_SPEED * self._env.step_dt * self._point.new_tensor(wish.move)
        point = true + (self._point + step - true).clamp(-LEAD, LEAD)
        pitch = self._pitch + (kinematics.steepest_pitch(arm, point, steps=60) - self._pitch).clamp(-0.1, 0.1)
        joints, reachable = kinematics.inverse(arm, point, pitch, arm.home[arm.roll_column])
        if bool(reachable):
            self._point, self._pitch = point, pitch
        term = self._env.action_manager.get_term("joints")
        increments = (joints - term.targets[:, arm.arm_columns]) / term.arm_step
        opening = torch.full_like(increments[:, :1], -1.0 if wish.is_closed else 1.0)
        return torch.cat((increments.clamp(-1.0, 1.0), opening), dim=-1)

    def after(self, dones: torch.Tensor) -> None:
        """Wait for the next episode."""
