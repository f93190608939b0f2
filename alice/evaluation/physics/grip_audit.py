"""What a gripper holds at how many solver iterations, and what they cost: half of the balls are light, half heavy."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch

from alice import arms
from alice.cli.usage import UsageError
from alice.evaluation.physics import scripted
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

MASSES = (0.010, 0.030)
"""Mass of the light and of the heavy balls [kg]."""
SWINGS = (0.5, 0.12)
"""How far the first two joints swing while the ball is held [rad]."""
PERIOD = 2.0
"""Time of one swing, which is how long the ball is to be held [s]."""


@dataclass(frozen=True)
class Grip:
    """What came of one number of iterations."""

    iterations: int
    held: tuple[float, float]
    """Share of the light and of the heavy balls that were pinched in the air to the end."""
    overlap: float
    """How far faces and ball were in each other at most where the ball stayed [m]."""
    speed: float
    """Environment steps a second, all of them, on the machine as it was."""


def set_iterations(env_cfg: Any, count: int) -> None:
    """Give the arm, and what touches it, a number of position iterations.

    Args:
        env_cfg: Resolved configuration for ovphysx.
        count: Number of iterations.

    Raises:
        UsageError: If the arm has no such number.
    """
    found = [
        part
        for part in env_cfg.scene.robot.spawn.articulation_props
        if getattr(part, "solver_position_iteration_count", None) is not None
    ]
    if not found:
        raise UsageError("--iterations: the arm of this task has no position iterations")
    for part in found:
        part.solver_position_iteration_count = count


def run(env: ManagerBasedRLEnv, iterations: int) -> Grip:
    """Take balls from the table, lift them and swing them.

    Args:
        env: Endless environment in play mode (:func:`alice.evaluation.physics.start_states.make_endless`).
        iterations: Its number of position iterations, for the record.
    """
    count, device = env.num_envs, env.device
    heavy = torch.arange(count, device=device) % 2 == 1
    light, weight = MASSES
    masses = torch.where(heavy, weight, light).unsqueeze(-1)
    env.scene["ball"].set_masses_index(masses=masses, body_ids=torch.zeros(1, dtype=torch.int32, device=device))
    script = scripted.Script(env, (scripted.APPROACH, scripted.DESCEND, scripted.CLOSE, scripted.LIFT))
    started, steps = time.perf_counter(), 0
    while script.leg is not None:
        env.step(script.act())
        steps += 1
    held, overlap = torch.ones(count, dtype=torch.bool, device=device), torch.zeros(count, device=device)
    for action in _swing(env):
        env.step(action)
        steps += 1
        state = transfer_state(env)
        held &= state.now.true.is_pinched & (state.now.height > 0.02)
        overlap = torch.maximum(overlap, 2.0 * state.ball_radius - state.now.true.gap)
    speed = steps * count / (time.perf_counter() - started)
    shares = tuple(float(held[which].float().mean()) for which in (~heavy, heavy))
    return Grip(iterations, shares, float(overlap[held].max()) if held.any() else math.nan, speed)


def _swing(env: ManagerBasedRLEnv) -> Iterator[torch.Tensor]:
    """Yield the actions of one swing with the gripper closed, (N, A) each."""
    term, arm = env.action_manager.get_term("joints"), arms.of(env)
    steps = round(PERIOD / env.step_dt)
    angles = [math.sin(math.tau * step / steps) for step in range(steps + 1)]
    for before, after in pairwise(angles):
        action = torch.zeros(env.num_envs, len(arm.action_names), device=env.device)
        for column, swing in enumerate(SWINGS):
            action[:, column] = swing * (after - before) / term.arm_step
        action[:, -1] = -1.0
        yield action


def table(grips: list[Grip]) -> str:
    """Return the figures as a Markdown table."""
    light, heavy = (f"{1000 * mass:.0f} g" for mass in MASSES)
    lines = [f"| iterations | {light} held | {heavy} held | overlap | env-steps/s |", "|---|---|---|---|---|"]
    for grip in grips:
        shares = " | ".join(f"{share:.0%}" for share in grip.held)
        lines.append(f"| {grip.iterations} | {shares} | {1000 * grip.overlap:.1f} mm | {grip.speed:,.0f} |")
    return "\n".join(lines)
