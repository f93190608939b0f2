"""How an arm moves while it does its job: speeds, jerk of the commands, work of the servos, distance to the stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from alice import arms
from alice.transfer.drives import drive
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

    from alice.evaluation.audit.audit import Episodes


class Manners:
    """Adds up what the arms do in their first episodes. J is the number of joints.

    Efforts and speeds are the means over each control step, and a work is the sum of their products: at the end of a
    control step the drives have nearly caught up with their targets, which would hide half of what they did.

    Args:
        env: Environment whose episodes have all just begun.
    """

    def __init__(self, env: ManagerBasedRLEnv):
        self._env, self._arm = env, arms.of(env)
        self._term = env.action_manager.get_term("joints")
        shape, device = (env.num_envs, len(self._arm.joints)), env.device
        self.effort, self.speed = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        """Size of each joint's drive effort and speed in the last control step, (N, J) [N·m, N] and [rad/s, m/s]."""
        self._peak_effort, self._peak_speed, self._way = (torch.zeros(shape, device=device) for _ in range(3))
        self._room = torch.full(shape, torch.inf, device=device)
        self._work, self._steps, self._jerks, self._jerk_steps = torch.zeros(4, env.num_envs, device=device)
        self._lower, self._upper = (torch.tensor(ends, device=device) for ends in (self._arm.lower, self._arm.upper))
        self._targets = [self._term.targets.clone()]

    def note(self, alive: torch.Tensor) -> None:
        """Add a control step of the environments that were not reset by it, (N,) bool."""
        dt, now = self._env.step_dt, transfer_state(self._env).now.true
        self.effort, self.speed = drive(self._env)
        row = alive.unsqueeze(-1)
        self._peak_effort = torch.maximum(self._peak_effort, torch.where(row, self.effort, 0.0))
        self._peak_speed = torch.maximum(self._peak_speed, torch.where(row, self.speed, 0.0))
        self._way += torch.where(row, self.speed, 0.0) * dt
        room = torch.minimum(now.joint_pos - self._lower, self._upper - now.joint_pos)
        self._room = torch.minimum(self._room, torch.where(row, room, torch.inf))
        self._work += torch.where(alive, (self.effort * self.speed).sum(dim=-1) * dt, 0.0)
        self._steps += alive
        self._targets = [*self._targets[-3:], self._term.targets.clone()]
        if len(self._targets) == 4:
            first, second, third, fourth = (targets[:, self._arm.arm_columns] for targets in self._targets)
            jerk = (fourth - 3.0 * third + 3.0 * second - first) / dt**3
            self._jerks += torch.where(alive, jerk.square().mean(dim=-1), 0.0)
            self._jerk_steps += alive

    def results(self) -> dict[str, torch.Tensor]:
        """Return the fields of :class:`alice.evaluation.audit.audit.Episodes` that are about manners, N rows each."""
        seconds = self._steps.clamp(min=1.0).unsqueeze(-1) * self._env.step_dt
        return {
            "peak_effort": self._peak_effort,
            "peak_speed": self._peak_speed,
            "mean_speed": self._way / seconds,
            "room": self._room,
            "work": self._work,
            "jerk": (self._jerks / self._jerk_steps.clamp(min=1.0)).sqrt(),
        }


def summary(episodes: Episodes) -> dict[str, Any]:
    """Return the manners of the successful episodes, ready for JSON; empty without any.

    Speeds are those of the fastest arm joint of an episode, [rad/s], jerk is the root mean square third difference of
    the arm joints' targets over dt cubed [rad/s³], work the sum of torque times speed over all joints [J], and room the
    smallest distance of an arm joint from its stops [rad].
    """
    rows = episodes.stages[:, -1]
    if not rows.any():
        return {}
    columns = episodes.arm.arm_columns
    found = {
        "peak_speed_rad_s": episodes.peak_speed[rows][:, columns].amax(dim=-1),
        "mean_speed_rad_s": episodes.mean_speed[rows][:, columns].amax(dim=-1),
        "jerk_rad_s3": episodes.jerk[rows],
        "work_j": episodes.work[rows],
        "room_rad": episodes.room[rows][:, columns].amin(dim=-1),
    }
    return {
        name: {
            "median": float(values.median()),
            "mean": float(values.mean()),
            "p90": float(values.quantile(0.9)),
            "min": float(values.min()),
            "max": float(values.max()),
        }
        for name, values in found.items()
    }
