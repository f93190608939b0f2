"""Event terms: how an episode begins."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import warp as wp
from isaaclab.envs.mdp import randomize_actuator_gains, randomize_rigid_body_material
from isaaclab.managers import ManagerTermBase
from isaaclab.utils.math import quat_from_angle_axis, quat_mul

from alice import arms, compat
from alice.arms import kinematics, spreads
from alice.mdp.servos import ends
from alice.transfer.constants import constant
from alice.transfer.objects import TABLE
from alice.transfer.places import draw_pair
from alice.transfer.start_bank import START_KINDS, StartBank
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedEnv, ManagerBasedRLEnv
    from isaaclab.managers import EventTermCfg, SceneEntityCfg


def reset_transfer(
    env: ManagerBasedRLEnv,
    env_ids: torch.Tensor | slice | None,
    shares: dict[str, float],
    bank: str,
    area: tuple[tuple[float, float], tuple[float, float]],
    min_separation: float,
    home_noise: float,
    table_height: tuple[float, float],
) -> None:
    """Begin episodes: from home with a ball and a dish drawn on the table, or in a state of the bank.

    Args:
        env: Environment.
        env_ids: Environments to reset; all for ``None`` or a slice.
        shares: Share of the episodes per start kind (:data:`START_KINDS`); they are normalized.
        bank: File of the :class:`StartBank`; read when a start other than ``home`` is drawn.
        area: Rectangle of ball and dish centres in the base frame, ((x_min, x_max), (y_min, y_max)) [m].
        min_separation: Smallest distance between the two [m].
        home_noise: Half width of the uniform noise on the arm joints of the home pose [rad].
        table_height: Range of the height of the table's surface in the base frame [m].

    Raises:
        ValueError: If a start kind is unknown, the bank has no start of a kind, or a table that cannot be moved should
            have another height than 0.
    """
    unknown = set(shares) - set(START_KINDS)
    if unknown:
        raise ValueError(f"start kinds {sorted(unknown)} are unknown, use some of {list(START_KINDS)}")
    device = env.device
    env_ids = _indices(env, env_ids).long()
    count = len(env_ids)
    radius = transfer_state(env).ball_radius[env_ids]

    nest, dish = (torch.nn.functional.pad(place, (0, 1)) for place in draw_pair(count, area, min_separation, device))
    ball = nest.clone()
    ball[:, 2] = radius
    arm = arms.of(env)
    joint_pos = constant(arm.home, device).repeat(count, 1)
    joint_pos[:, arm.arm_columns] += home_noise * (2.0 * torch.rand(count, len(arm.arm_joints), device=device) - 1.0)
    targets = joint_pos.clone()
    weights = constant([shares.get(kind, 0.0) for kind in START_KINDS], device)
    kind = torch.multinomial(weights, count, replacement=True)
    away = (kind > 0).nonzero().squeeze(-1)
    if len(away) > 0:
        starts = StartBank.load(bank, device).draw(kind[away], radius[away], area)
        joint_pos[away], targets[away], ball[away] = starts.joint_pos, starts.targets, starts.ball
        nest[away, :2], dish[away, :2] = starts.nest, starts.dish
        _open_some_grippers(arm, targets, kind)

    low, high = table_height
    lift = low + (high - low) * torch.rand(count, device=device)
    if low != 0.0 or high != 0.0:
        for place in (ball, nest, dish):
            place[:, 2] += lift
        _raise_arm(arm, joint_pos, targets, torch.where(kind > 0, lift, 0.0))
    if low != 0.0 or high != 0.0 or "table" in env.scene.rigid_objects:
        place_table(env, env_ids, lift)
    place_transfer(env, env_ids, joint_pos, targets, ball, nest, dish, is_home_start=kind == 0)


def place_transfer(
    env: ManagerBasedRLEnv,
    env_ids: torch.Tensor,
    joint_pos: torch.Tensor,
    targets: torch.Tensor,
    ball: torch.Tensor,
    nest: torch.Tensor,
    dish: torch.Tensor,
    is_home_start: torch.Tensor,
) -> None:
    """Put arm, ball, nest and dish at rest where an episode begins.

    Args:
        env: Environment.
        env_ids: Environments, (K,) long.
        joint_pos: Joint positions, (K, J) [rad, m].
        targets: Joint targets, (K, J) [rad, m].
        ball: Ball centres in the base frame, (K, 3) [m].
        nest: Nest centres on the table, (K, 3) [m].
        dish: Dish centres on the table, (K, 3) [m].
        is_home_start: Whether the arm starts at home with the ball in its nest, (K,) bool.
    """
    arm = env.scene["robot"]
    arm.write_joint_position_to_sim_index(position=joint_pos, env_ids=env_ids)
    arm.write_joint_velocity_to_sim_index(velocity=torch.zeros_like(joint_pos), env_ids=env_ids)
    env.action_manager.get_term("joints").set_targets(env_ids, targets)
    for name, position in (("ball", ball), ("dish", dish), ("nest", nest)):
        _place(env, name, env_ids, position)
    body = env.scene["ball"]
    at_rest = torch.zeros_like(body.data.root_com_vel_w.torch[env_ids])
    body.write_root_velocity_to_sim_index(root_velocity=at_rest, env_ids=env_ids)
    transfer_state(env).begin_episode(env_ids, dish, is_home_start)


PARTING_STEPS = 8
"""Physics steps until PhysX has forgotten what touched: after one of them, a randomized world still went on unlike its
twin by the fifth digit; after 60, or after these, bit for bit. The ball is in the air all the while."""


def part_bodies(env: ManagerBasedRLEnv) -> None:
    """Take arm and ball apart in all environments and let the simulator step a few times.

    PhysX remembers contacts from step to step, also across a reset that puts the bodies in contact again elsewhere;
    what follows a reset would depend on what came before it. Reset the environment afterwards.

    Args:
        env: Environment.
    """
    count = env.num_envs
    home = constant(arms.of(env).home, env.device).repeat(count, 1)
    everyone = torch.arange(count, device=env.device)
    arm, ball = env.scene["robot"], env.scene["ball"]
    arm.write_joint_position_to_sim_index(position=home)
    arm.write_joint_velocity_to_sim_index(velocity=torch.zeros_like(home))
    _place(env, "ball", everyone, constant((0.0, 0.3, 0.5), env.device).repeat(count, 1))
    at_rest = torch.zeros_like(ball.data.root_com_vel_w.torch)
    ball.write_root_velocity_to_sim_index(root_velocity=at_rest, env_ids=everyone)
    env.action_manager.get_term("joints").set_targets(everyone, home)
    env.action_manager.apply_action()
    for _ in range(PARTING_STEPS):
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
        scale: Range of the factor on the limits of the arm's table; its ends may be one for each joint.
    """
    env_ids = _indices(env, env_ids)
    nominal = constant([joint.effort_limit for joint in arms.of(env).joints], env.device)
    low, high = (ends(end, nominal) for end in scale)
    factor = low + (high - low) * torch.rand(len(env_ids), len(nominal), device=env.device)
    env.scene[asset_cfg.name].write_joint_effort_limit_to_sim_index(limits=factor * nominal, env_ids=env_ids)


class randomize_drive_gains(randomize_actuator_gains):
    """Isaac Lab's ``randomize_actuator_gains`` with ranges whose ends may be one for each joint of the arm."""

    RANGES = ("stiffness_distribution_params", "damping_distribution_params")

    def __init__(self, cfg: EventTermCfg, env: ManagerBasedEnv):
        plain = copy.copy(cfg)
        plain.params = {key: spreads.hull(value) if key in self.RANGES else value for key, value in cfg.params.items()}
        super().__init__(plain, env)
        self._everywhere = self.asset_cfg
        names = self.asset.joint_names
        if any(isinstance(end, Sequence) and len(end) != len(names) for key in self.RANGES for end in cfg.params[key]):
            raise ValueError(f"drive_gains needs one range, or one for each of the joints {', '.join(names)}")

    def __call__(
        self,
        env: ManagerBasedEnv,
        env_ids: torch.Tensor | slice | None,
        asset_cfg: SceneEntityCfg,
        stiffness_distribution_params,
        damping_distribution_params,
        operation: str = "scale",
        distribution: str = "uniform",
    ) -> None:
        """Draw gains; joints of equal ranges at once.

        Args:
            env: Environment.
            env_ids: Environments.
            asset_cfg: The arm.
            stiffness_distribution_params: Range, its ends a number or one for each joint.
            damping_distribution_params: The same.
            operation: As Isaac Lab has it, which fills in what is not given from this signature.
            distribution: Likewise.
        """
        both = stiffness_distribution_params, damping_distribution_params
        if all(isinstance(end, (int, float)) for span in both for end in span):
            super().__call__(env, env_ids, asset_cfg, *both, operation, distribution)
            return
        groups: dict[tuple, list[int]] = {}
        for joint in range(self.asset.num_joints):
            ranges = tuple(tuple(e[joint] if isinstance(e, Sequence) else e for e in span) for span in both)
            groups.setdefault(ranges, []).append(joint)
        for ranges, joints in groups.items():
            self.asset_cfg = copy.copy(self._everywhere)
            self.asset_cfg.joint_ids = constant(joints, self.asset.device)
            super().__call__(env, env_ids, asset_cfg, *ranges, operation, distribution)
        self.asset_cfg = self._everywhere


class randomize_friction(randomize_rigid_body_material):
    """Isaac Lab's ``randomize_rigid_body_material`` with a set of materials that is the same in every run.

    PhysX takes a limited number of materials, so Isaac Lab draws a set of them when the term is made and deals these
    out. Drawn from the run's own generator the set would differ with the number of environments; which material an
    environment gets is drawn when the term is called.
    """

    def __init__(self, cfg: EventTermCfg, env: ManagerBasedEnv):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(zlib.crc32(cfg.params["asset_cfg"].name.encode()))
            super().__init__(cfg, env)


class randomize_camera_mount(ManagerTermBase):
    """Mount the camera of each arm a little off its nominal pose."""

    def __init__(self, cfg: EventTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        camera = env.scene[cfg.params["sensor_cfg"].name]
        compat.tell_mounts_apart(camera)
        self._view = camera._view
        self._position, self._rotation = (pose.torch.clone() for pose in self._view.get_local_poses())

    def __call__(
        self,
        env: ManagerBasedRLEnv,
        env_ids: torch.Tensor | slice | None,
        sensor_cfg: SceneEntityCfg,
        position: tuple[float, float],
        rotation: tuple[float, float],
    ) -> None:
        """Draw mounts.

        Args:
            env: Environment.
            env_ids: Environments; all for ``None`` or a slice.
            sensor_cfg: The camera.
            position: Range of the error along each axis of the hand [m].
            rotation: Range of the rotation about each axis of the camera [rad].
        """
        env_ids = _indices(env, env_ids)
        shape = (2, len(env_ids), 3)
        shift, turn = torch.rand(shape, device=env.device)
        shift = position[0] + (position[1] - position[0]) * shift
        turn = rotation[0] + (rotation[1] - rotation[0]) * turn
        angle = turn.norm(dim=-1)
        off = quat_from_angle_axis(angle, turn / angle.clamp(min=1e-9).unsqueeze(-1))
        self._view.set_local_poses(
            wp.from_torch((self._position[env_ids] + shift).contiguous(), dtype=wp.vec3f),
            wp.from_torch(quat_mul(self._rotation[env_ids], off).contiguous(), dtype=wp.vec4f),
            wp.from_torch(env_ids.int().contiguous(), dtype=wp.int32),
        )


def scatter(
    env: ManagerBasedRLEnv,
    env_ids: torch.Tensor | slice | None,
    things: dict[str, float],
    area: tuple[tuple[float, float], tuple[float, float]],
    keep_out: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    """Put things somewhere on the table, turned about the vertical.

    Args:
        env: Environment.
        env_ids: Environments; all for ``None`` or a slice.
        things: Scene names of kinematic objects, and how high over the table the origin of each is [m].
        area: Rectangle of their centres in the base frame, ((x_min, x_max), (y_min, y_max)) [m].
        keep_out: Rectangle inside it where none may be [m].
    """
    env_ids = _indices(env, env_ids)
    low, high = constant(area, env.device).T
    out_low, out_high = constant(keep_out, env.device).T
    for name, height in things.items():
        place = low + (high - low) * torch.rand(len(env_ids), 2, device=env.device)
        while (inside := ((place > out_low) & (place < out_high)).all(dim=-1)).any():
            place[inside] = low + (high - low) * torch.rand(int(inside.sum()), 2, device=env.device)
        half = torch.pi * torch.rand(len(env_ids), device=env.device)
        zeros = torch.zeros_like(half)
        upright = torch.stack((zeros, zeros, half.sin(), half.cos()), dim=-1)
        position = torch.nn.functional.pad(place, (0, 1), value=height) + env.scene.env_origins[env_ids]
        pose = torch.cat((position, upright), dim=-1)
        env.scene[name].write_root_pose_to_sim_index(root_pose=pose, env_ids=env_ids)


def _indices(env: ManagerBasedRLEnv, env_ids: torch.Tensor | slice | None) -> torch.Tensor:
    """Return the environments of a reset as indices, (K,); all for ``None`` or a slice."""
    if env_ids is None or isinstance(env_ids, slice):
        return torch.arange(env.num_envs, device=env.device)
    return env_ids


def _open_some_grippers(arm: arms.Arm, targets: torch.Tensor, kind: torch.Tensor) -> None:
    """Tell some grippers above the dish to open, so that letting go there is seen from the first episode on.

    Args:
        arm: The arm.
        targets: Joint targets, (K, J) [rad, m]; changed in place.
        kind: Index into :data:`START_KINDS`, (K,).
    """
    gripper, columns = arm.gripper, arm.gripper_columns
    wider = 6.0 * gripper.squeeze * torch.rand(len(kind), device=targets.device)
    above = (kind == START_KINDS.index("above_dish")).unsqueeze(-1)
    opened = gripper.at_gap(gripper.gap(targets[:, columns]) + wider)
    targets[:, columns] = torch.where(above, opened, targets[:, columns])


def _raise_arm(arm: arms.Arm, joint_pos: torch.Tensor, targets: torch.Tensor, height: torch.Tensor) -> None:
    """Move the hands up with the table, so that they stay where they are relative to the ball.

    Args:
        arm: The arm.
        joint_pos: Joint positions, (K, J) [rad, m]; changed in place.
        targets: Joint targets, (K, J) [rad, m]; changed by as much.
        height: How far up, (K,) [m].
    """
    tool, _ = kinematics.forward(arm, joint_pos)
    pitch, roll = kinematics.hand_pitch(arm, joint_pos), joint_pos[:, arm.roll_column]
    before, _ = kinematics.inverse(arm, tool, pitch, roll)
    after, _ = kinematics.inverse(arm, tool + torch.nn.functional.pad(height.unsqueeze(-1), (2, 0)), pitch, roll)
    for joints in (joint_pos, targets):
        joints[:, arm.arm_columns] += after - before


def place_table(env: ManagerBasedRLEnv, env_ids: torch.Tensor, height: torch.Tensor) -> None:
    """Put the table's surface at a height of the base frame, (K,) [m].

    Raises:
        ValueError: If a table that cannot be moved should have another height than 0.
    """
    if "table" in env.scene.rigid_objects:
        centre = constant(TABLE.centre, env.device).repeat(len(env_ids), 1)
        centre[:, 2] += height
        _place(env, "table", env_ids, centre)
    elif height.any():
        raise ValueError("table_height needs a table that can be moved: env.scene.table=domain_rand")


def _place(env: ManagerBasedRLEnv, name: str, env_ids: torch.Tensor, position: torch.Tensor) -> None:
    """Put an upright object at a position of the base frame, (K, 3) [m]."""
    upright = constant((0.0, 0.0, 0.0, 1.0), env.device).expand(len(env_ids), 4)
    pose = torch.cat((position + env.scene.env_origins[env_ids], upright), dim=-1)
    env.scene[name].write_root_pose_to_sim_index(root_pose=pose, env_ids=env_ids)
