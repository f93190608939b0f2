"""Makes the bank of start states: puts hand and ball where the job could be, lets physics settle, keeps what holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from alice import arms
from alice.arms import kinematics
from alice.evaluation.physics import scripted
from alice.mdp.events import place_transfer
from alice.transfer.objects import DISH
from alice.transfer.places import draw_pair
from alice.transfer.start_bank import START_KINDS, StartBank
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

SETTLING_STEPS = 10
"""Control steps between placing and watching: half a second."""
WATCHING_STEPS = 4
"""Control steps in which nothing may move any more."""
MAX_ROUNDS = 120
"""Rounds after which the search for states is given up."""

RETREAT = 0.07
"""How far above the dish the hand may be [m]: some states are a moment before success, which begins at 5 cm."""

PREGRASP, IN_HAND, ABOVE_DISH, IN_DISH = range(1, len(START_KINDS))


def make_endless(env_cfg) -> None:
    """Change a configuration so that no episode ends while states settle."""
    env_cfg.episode_length_s = 1.0e4
    env_cfg.terminations.success = None
    env_cfg.terminations.ball_lost.params.update(min_radius=-1.0, max_radius=99.0, min_height=-99.0)


def build(env: ManagerBasedRLEnv, per_kind: int, progress) -> StartBank:
    """Collect states.

    Args:
        env: Environment that :func:`make_endless` has seen, with balls of all sizes wanted.
        per_kind: Number of states of each kind and ball size.
        progress: Progress bar; its ``update`` gets the number of states found.

    Raises:
        RuntimeError: If a kind and size cannot be filled.
    """
    reset = env.event_manager.get_term_cfg("reset_transfer").params
    sizes = transfer_state(env).ball_radius.unique().tolist()
    missing = {(kind, size): per_kind for kind in range(1, len(START_KINDS)) for size in sizes}
    parts: list[StartBank] = []
    env.reset()
    for turn in range(MAX_ROUNDS):
        kinds = sorted({kind for kind, _ in missing})
        found = _round(env, kinds[turn % len(kinds)], reset["area"], reset["min_separation"])
        for kind, size in list(missing):
            rows = ((found.kind == kind) & (found.radius == size)).nonzero().squeeze(-1)[: missing[kind, size]]
            parts.append(found.take(rows))
            progress.update(len(rows))
            missing[kind, size] -= len(rows)
            if missing[kind, size] == 0:
                del missing[kind, size]
        if not missing:
            break
    if missing:
        kind, size = next(iter(missing))
        name = START_KINDS[kind]
        raise RuntimeError(f"too few states found: physics does not hold a ball of {size:.4g} m in {name!r}")
    return StartBank.concatenate(parts)


def _round(env: ManagerBasedRLEnv, kind: int, area, min_separation: float) -> StartBank:
    """Propose a state of one kind in every environment and return those that physics holds."""
    everyone = torch.arange(env.num_envs, device=env.device)
    state = transfer_state(env)
    nest, dish = (torch.nn.functional.pad(p, (0, 1)) for p in draw_pair(env.num_envs, area, min_separation, env.device))
    ball = propose_ball(kind, nest, dish, state.ball_radius)
    arm = arms.of(env)
    joint_pos, targets = propose_arm(arm, kind, ball, state.ball_radius)
    place_transfer(env, everyone, joint_pos, targets, ball, nest, dish, torch.zeros_like(everyone, dtype=torch.bool))
    action = torch.zeros(env.num_envs, env.action_manager.total_action_dim, device=env.device)
    # How far the gripper is told to open is the same share of the way for each of its joints.
    column, closed, opened = arm.gripper_columns.start, arm.gripper.closed[0], arm.gripper.opened[0]
    action[:, -1] = 2.0 * (targets[:, column] - closed) / (opened - closed) - 1.0
    for _ in range(SETTLING_STEPS):
        env.step(action)
    before = transfer_state(env).now
    for _ in range(WATCHING_STEPS):
        env.step(action)
    now = transfer_state(env).now
    # Not by the speeds: PhysX reports those before gravity and contact have cancelled.
    still = (now.ball_pos - before.ball_pos).norm(dim=-1) < 0.001
    still &= (now.true.joint_pos - before.true.joint_pos).abs().amax(dim=-1) < 0.005
    stayed = (now.ball_pos - ball).norm(dim=-1) < 0.02  # a stretched arm sags
    held = now.true.is_pinched
    good = {
        PREGRASP: ~held & (now.height.abs() < 0.002),
        IN_HAND: held,
        ABOVE_DISH: held & now.is_over_dish,
        IN_DISH: ~held & now.is_in_dish,
    }[kind]
    kept = (good & still & stayed).nonzero().squeeze(-1)
    kinds = torch.full_like(kept, kind)
    term = env.action_manager.get_term("joints")
    columns = (state.ball_radius, now.true.joint_pos, term.targets, now.ball_pos, nest[:, :2], dish[:, :2])
    return StartBank(kinds, *(column[kept].clone() for column in columns))


def propose_ball(kind: int, nest: torch.Tensor, dish: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Return where the ball could be.

    Args:
        kind: Index into :data:`START_KINDS`.
        nest: Nest centres, (N, 3) [m].
        dish: Dish centres, (N, 3) [m].
        radius: Ball radii, (N,) [m].

    Returns:
        Ball centres, (N, 3) [m].
    """
    chance = torch.rand(len(nest), device=nest.device)
    ball = (dish if kind in (ABOVE_DISH, IN_DISH) else nest).clone()
    ball[:, 2] += radius
    if kind == IN_HAND:
        ball[:, 2] += 0.10 * chance
    elif kind == ABOVE_DISH:
        ball[:, 2] += 0.012 + 0.05 * chance
    elif kind == IN_DISH:
        ball[:, 2] += DISH.floor_thickness
    return ball


def propose_arm(
    arm: arms.Arm, kind: int, ball: torch.Tensor, radius: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return joints that put the hand at the ball, holding it or open around or above it.

    Args:
        arm: The arm.
        kind: Index into :data:`START_KINDS`.
        ball: Ball centres, (N, 3) [m].
        radius: Ball radii, (N,) [m].

    Returns:
        Joint positions and joint targets, (N, J) each [rad, m].
    """
    chance, opening, turn = torch.rand(3, len(ball), device=ball.device)
    point = ball.clone()
    if kind in (PREGRASP, IN_DISH):
        point[:, 2] += (0.06 if kind == PREGRASP else RETREAT) * chance
    # The finger tips end below the tool and must stay above what the ball lies on.
    ground = DISH.floor_thickness if kind == IN_DISH else 0.0
    point[:, 2].clamp_(min=ground + arm.tool_to_tip + 0.0015)
    roll = arm.home[arm.roll_column] + 0.6 * (2.0 * turn - 1.0)
    gripper, gap = arm.gripper, 2.0 * radius
    if kind == IN_DISH:
        gap = gap + 0.014 * opening
    beside = radius + scripted.CLEARANCE if kind == PREGRASP else gap / 2.0
    joints, _ = kinematics.inverse_grip(arm, point, beside, kinematics.steepest_pitch(arm, point), roll)
    stands, told = gripper.at_gap(gap), gripper.at_gap(gap)
    if kind == PREGRASP:
        stands = told = torch.tensor(gripper.opened, device=ball.device).expand_as(stands)
    elif kind != IN_DISH:
        told = gripper.at_gap(gap - 2.0 * gripper.squeeze)
    return tuple(torch.cat((joints, gripper_joints), dim=-1) for gripper_joints in (stands, told))
