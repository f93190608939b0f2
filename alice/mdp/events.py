"""Event terms: how an episode begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from alice import geometry, robot
from alice.objects import DISH

from .transfer import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab.managers import SceneEntityCfg

START_KINDS: tuple[str, ...] = ("home", "pregrasp", "in_hand", "above_dish", "in_dish")
"""Ways an episode can begin. Evaluation uses ``home`` alone."""

SQUEEZE = 0.008
"""How much further closed than the ball's surface the fingers are commanded when they start with a ball [m]."""


def reset_transfer(
    env: ManagerBasedRLEnv,
    env_ids: torch.Tensor | slice | None,
    shares: dict[str, float],
    area: tuple[tuple[float, float], tuple[float, float]],
    min_separation: float,
    home_noise: float,
) -> None:
    """Draw a ball and a dish on the table and place the arm for the start kind of each environment.

    Starts other than ``home`` put the hand at or around the ball through the arm's kinematics; the ball is then held
    by friction from the first physics step on, or falls.

    Args:
        env: Environment.
        env_ids: Environments to reset; all for ``None`` or a slice.
        shares: Share of the episodes per start kind (:data:`START_KINDS`); they are normalized.
        area: Rectangle of ball and dish centres in the base frame, ((x_min, x_max), (y_min, y_max)) [m].
        min_separation: Smallest distance between the two [m].
        home_noise: Half width of the uniform noise on the arm joints of the home pose [rad].

    Raises:
        ValueError: If a start kind is unknown.
    """
    unknown = set(shares) - set(START_KINDS)
    if unknown:
        raise ValueError(f"start kinds {sorted(unknown)} are unknown, use some of {list(START_KINDS)}")
    device = env.device
    if env_ids is None or isinstance(env_ids, slice):
        env_ids = torch.arange(env.num_envs, device=device)
    env_ids = env_ids.long()
    count = len(env_ids)
    state = transfer_state(env)
    radius = state.ball_radius[env_ids]

    ball_xy, dish_xy = draw_pair(count, area, min_separation, device)
    weights = torch.tensor([shares.get(kind, 0.0) for kind in START_KINDS], device=device)
    kind = torch.multinomial(weights, count, replacement=True)
    is_home = kind == 0

    ball = _ball_start(kind, ball_xy, dish_xy, radius)
    joint_pos = torch.tensor([robot.HOME[name] for name in robot.JOINT_NAMES], device=device).repeat(count, 1)
    joint_pos[:, :5] += home_noise * (2.0 * torch.rand(count, 5, device=device) - 1.0)
    targets = joint_pos.clone()
    away = (~is_home).nonzero().squeeze(-1)
    if len(away) > 0:
        joint_pos[away], targets[away] = _arm_at(ball[away], radius[away], kind[away])

    arm = env.scene["robot"]
    arm.write_joint_position_to_sim_index(position=joint_pos, env_ids=env_ids)
    arm.write_joint_velocity_to_sim_index(velocity=torch.zeros_like(joint_pos), env_ids=env_ids)
    env.action_manager.get_term("joints").set_targets(env_ids, targets)
    ground = torch.zeros(count, 1, device=device)
    dish = torch.cat((dish_xy, ground), dim=-1)
    _place(env, "ball", env_ids, ball)
    _place(env, "dish", env_ids, dish)
    _place(env, "nest", env_ids, torch.cat((ball_xy, ground), dim=-1))
    env.scene["ball"].write_root_velocity_to_sim_index(
        root_velocity=torch.zeros(count, 6, device=device), env_ids=env_ids
    )
    state.begin_episode(env_ids, dish, is_home)


def part_bodies(env: ManagerBasedRLEnv) -> None:
    """Take arm and ball apart in all environments and let the simulator step once.

    PhysX remembers contacts from step to step, also across a reset that puts the bodies in contact again elsewhere;
    what follows a reset would depend on what came before it. Reset the environment afterwards.

    Args:
        env: Environment.
    """
    count = env.num_envs
    home = torch.tensor([robot.HOME[name] for name in robot.JOINT_NAMES], device=env.device).repeat(count, 1)
    everyone = torch.arange(count, device=env.device)
    arm, ball = env.scene["robot"], env.scene["ball"]
    arm.write_joint_position_to_sim_index(position=home)
    arm.write_joint_velocity_to_sim_index(velocity=torch.zeros_like(home))
    _place(env, "ball", everyone, torch.tensor((0.0, 0.3, 0.5), device=env.device).repeat(count, 1))
    ball.write_root_velocity_to_sim_index(root_velocity=torch.zeros(count, 6, device=env.device), env_ids=everyone)
    env.action_manager.get_term("joints").set_targets(everyone, home)
    env.action_manager.apply_action()
    env.scene.write_data_to_sim()
    env.sim.step(render=False)
    env.scene.update(dt=env.physics_dt)


def randomize_effort_limits(
    env: ManagerBasedRLEnv,
    env_ids: torch.Tensor | slice | None,
    asset_cfg: SceneEntityCfg,
    scale: tuple[float, float],
) -> None:
    """Scale the largest drive effort of every joint by a factor of its own.

    Args:
        env: Environment.
        env_ids: Environments; all for ``None`` or a slice.
        asset_cfg: The arm.
        scale: Range of the factor on the limits of :data:`alice.robot.JOINTS`.
    """
    if env_ids is None or isinstance(env_ids, slice):
        env_ids = torch.arange(env.num_envs, device=env.device)
    low, high = scale
    nominal = torch.tensor([joint.effort_limit for joint in robot.JOINTS], device=env.device)
    factor = low + (high - low) * torch.rand(len(env_ids), len(nominal), device=env.device)
    env.scene[asset_cfg.name].write_joint_effort_limit_to_sim_index(limits=factor * nominal, env_ids=env_ids)


def draw_pair(
    count: int, area: tuple[tuple[float, float], tuple[float, float]], min_separation: float, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw ball and dish positions, uniform over the area given that they are far enough apart.

    Args:
        count: Number of pairs K.
        area: ((x_min, x_max), (y_min, y_max)) [m].
        min_separation: Smallest distance [m].
        device: Torch device.

    Returns:
        Ball (K, 2) and dish (K, 2) [m].
    """
    (x_min, x_max), (y_min, y_max) = area
    low = torch.tensor((x_min, y_min), device=device)
    span = torch.tensor((x_max - x_min, y_max - y_min), device=device)
    if min_separation > 0.5 * float(span.norm()):
        raise ValueError(f"min_separation={min_separation} m leaves no room in the area {area}: make it smaller")
    pairs = low + span * torch.rand(count, 2, 2, device=device)
    close = (pairs[:, 0] - pairs[:, 1]).norm(dim=-1) < min_separation
    while close.any():
        pairs[close] = low + span * torch.rand(int(close.sum()), 2, 2, device=device)
        close = (pairs[:, 0] - pairs[:, 1]).norm(dim=-1) < min_separation
    return pairs[:, 0], pairs[:, 1]


def _ball_start(kind: torch.Tensor, nest: torch.Tensor, dish: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Return where the ball begins.

    Args:
        kind: Index into :data:`START_KINDS`, (K,).
        nest: Nest centres, (K, 2) [m].
        dish: Dish centres, (K, 2) [m].
        radius: Ball radii, (K,) [m].

    Returns:
        Ball centres, (K, 3) [m].
    """
    chance = torch.rand(len(kind), device=nest.device)
    height = radius.clone()
    height += torch.where(kind == 2, 0.10 * chance, 0.0)
    height += torch.where(kind == 3, 0.012 + 0.05 * chance, 0.0)
    height += torch.where(kind == 4, DISH.floor_thickness, 0.0)
    place = torch.where((kind >= 3).unsqueeze(-1), dish, nest)
    return torch.cat((place, height.unsqueeze(-1)), dim=-1)


def _arm_at(ball: torch.Tensor, radius: torch.Tensor, kind: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return joint positions and targets with the hand at the ball, holding it or open around or above it.

    Above the dish some grippers are already told to open, so that letting go there is seen from the first episode on.

    Args:
        ball: Ball centres, (K, 3) [m].
        radius: Ball radii, (K,) [m].
        kind: Index into :data:`START_KINDS`, (K,).

    Returns:
        Joint positions and joint targets, (K, 7) each [rad, m].
    """
    chance, opening = torch.rand(2, len(ball), device=ball.device)
    point = ball.clone()
    point[:, 2] += torch.where(kind == 1, 0.06 * chance, torch.where(kind == 4, 0.03 * chance, 0.0))
    arm, _ = geometry.inverse_kinematics(point, geometry.hand_pitch(point))
    arm[:, 4] = 0.6 * (2.0 * torch.rand(len(ball), device=ball.device) - 1.0)
    finger = torch.where(kind == 1, robot.FINGER_TRAVEL, radius)
    finger = torch.where(kind == 4, radius + 0.007 * opening, finger).clamp(max=robot.FINGER_TRAVEL)
    squeezed = radius - SQUEEZE
    target = torch.where((kind == 1) | (kind == 4), finger, squeezed)
    target = torch.where(kind == 3, squeezed + 2.0 * SQUEEZE * opening, target)
    fingers = finger.unsqueeze(-1).repeat(1, 2)
    return torch.cat((arm, fingers), dim=-1), torch.cat((arm, target.unsqueeze(-1).repeat(1, 2)), dim=-1)


def _place(env: ManagerBasedRLEnv, name: str, env_ids: torch.Tensor, position: torch.Tensor) -> None:
    """Put an upright object at a position of the base frame, (K, 3) [m]."""
    upright = torch.tensor((0.0, 0.0, 0.0, 1.0), device=env.device).expand(len(env_ids), 4)
    pose = torch.cat((position + env.scene.env_origins[env_ids], upright), dim=-1)
    env.scene[name].write_root_pose_to_sim_index(root_pose=pose, env_ids=env_ids)
