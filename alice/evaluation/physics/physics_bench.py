"""The bench of the physics audit: arm and ball below the task's actions, driven and measured directly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from alice import arms
from alice.mdp.events import part_bodies, place_transfer
from alice.transfer.objects import BALL

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

GRAVITY = 9.81
"""[m/s²]"""
FAR_AWAY = (0.30, 0.30, BALL.radius)
"""On the table, out of the arm's way [m]."""


class Bench:
    """The simulator below the task: drives are given targets directly."""

    def __init__(self, env: ManagerBasedRLEnv):
        self.env = env
        self.kind = arms.of(env)
        self.arm, self.ball = env.scene["robot"], env.scene["ball"]
        self.count, self.device = env.num_envs, env.device
        self.everyone = torch.arange(self.count, device=self.device)
        self.dt = env.step_dt

    def place(self, joints, ball=FAR_AWAY, velocity=None) -> None:
        """Put arm and ball somewhere; the nest lies far away.

        Args:
            joints: Joint positions and targets, (J,) or (N, J) [rad, m].
            ball: Ball centre, (3,) or (N, 3), base frame [m].
            velocity: Ball velocity, (3,) [m/s]; None for rest.
        """
        part_bodies(self.env)
        joints, ball = self._rows(joints), self._rows(ball)
        nest, dish = self._rows((-0.10, 0.33, 0.0)), self._rows((0.30, -0.33, 0.0))
        home = torch.ones_like(self.everyone, dtype=torch.bool)
        place_transfer(self.env, self.everyone, joints, joints, ball, nest, dish, home)
        if velocity is not None:
            whole = torch.cat((self._rows(velocity), torch.zeros(self.count, 3, device=self.device)), dim=-1)
            self.ball.write_root_velocity_to_sim_index(root_velocity=whole, env_ids=self.everyone)
        self.targets = joints.clone()

    def step(self, count: int = 1):
        """Go on by control steps; yields the number of each after it."""
        env = self.env
        joined = env.cfg.decimation if env._physics_handles_decimation else 1
        for index in range(count):
            for _ in range(env.cfg.decimation // joined):
                self.arm.actuators.target_command.set_position_index(value=self.targets)
                env.scene.write_data_to_sim()
                env.sim.step(render=False)
                env.scene.update(dt=env.physics_dt * joined)
            yield index + 1

    def go(self, seconds: float) -> None:
        """Go on for a while."""
        for _ in self.step(round(seconds / self.dt)):
            pass

    @property
    def joint_pos(self) -> torch.Tensor:
        """(N, J) [rad, m]."""
        return self.arm.data.joint_pos.torch.clone()

    @property
    def ball_pos(self) -> torch.Tensor:
        """(N, 3), base frame [m]."""
        return self.ball.data.root_link_pose_w.torch[:, :3] - self.env.scene.env_origins

    @property
    def ball_vel(self) -> torch.Tensor:
        """(N, 3) [m/s]."""
        return self.ball.data.root_com_vel_w.torch[:, :3].clone()

    def pose(self, *arm_joints: float, gap: float = 0.04) -> tuple[float, ...]:
        """Return a joint vector with these arm joints [rad] and the gripper open by a gap [m]."""
        opened = self.kind.gripper.at_gap(torch.tensor(gap)).tolist()
        return (*arm_joints, *opened)

    @property
    def upright(self) -> tuple[float, ...]:
        """Arm straight up, gripper open: every joint can swing freely from here [rad, m]."""
        return self.pose(*self.kind.upright)

    def pitched(self, yaw: float, pitches: Sequence[float]) -> tuple[float, ...]:
        """Return a joint vector with a yaw joint and links at these pitches from straight up [rad], gripper open."""
        upper, lower, hand = (pitch - zero for pitch, zero in zip(pitches, self.kind.chain.pitches, strict=True))
        return self.pose(yaw, upper, lower - upper, hand - lower, 0.0)

    def gains(self, scale: float) -> None:
        """Set the drives to a share of their stiffness and damping."""
        for name in ("stiffness", "damping"):
            nominal = torch.tensor([getattr(joint, name) for joint in self.kind.joints], device=self.device)
            write = getattr(self.arm, f"write_joint_{name}_to_sim_index")
            write(**{name: (scale * nominal).repeat(self.count, 1)})

    def rub(self, scale: float) -> None:
        """Set the friction of the joints to a share of that of the table."""
        dry, thick = (
            torch.tensor([scale * getattr(joint, name) for joint in self.kind.joints], device=self.device)
            for name in ("friction", "viscous_friction")
        )
        if not any(joint.friction or joint.viscous_friction for joint in self.kind.joints):
            return
        both = {"joint_friction_coeff": dry, "joint_viscous_friction_coeff": thick}
        if hasattr(self.arm.data, "joint_dynamic_friction_coeff"):  # Newton knows one friction
            both["joint_dynamic_friction_coeff"] = dry
        self.arm.write_joint_friction_coefficient_to_sim_index(
            **{name: value.repeat(self.count, 1) for name, value in both.items()}
        )

    def pull(self, joint: int, torques: torch.Tensor, seconds: float) -> torch.Tensor:
        """Put a torque on one joint: its drive strives far away and may do no more.

        Args:
            joint: Its number.
            torques: Torque in each environment, (N,) [N·m].
            seconds: For how long.

        Returns:
            Its speed in the end, (N,) [rad/s].
        """
        limits = torch.tensor([each.effort_limit for each in self.kind.joints], device=self.device)
        capped = limits.repeat(self.count, 1)
        capped[:, joint] = torques
        self.arm.write_joint_effort_limit_to_sim_index(limits=capped)
        self.targets[:, joint] += 1.5
        self.go(seconds)
        speed = self.arm.data.joint_vel.torch[:, joint].clone()
        self.arm.write_joint_effort_limit_to_sim_index(limits=limits.repeat(self.count, 1))
        return speed

    def squeeze(self) -> torch.Tensor:
        """Return the force between the pads and a held ball, (N,) [N], from how far the drives are from their targets.

        By virtual work: what the drives do while the gripper closes is what the force does along the gap.
        """
        columns, step = self.kind.gripper_columns, 1e-3
        joints = self.kind.gripper_joints
        stiffness, cap = (
            torch.tensor([getattr(joint, name) for joint in joints], device=self.device)
            for name in ("stiffness", "effort_limit")
        )
        stands = self.joint_pos[:, columns]
        effort = torch.minimum((stands - self.targets[:, columns]) * stiffness, cap)
        widening = self.kind.gripper.gap(stands + step) - self.kind.gripper.gap(stands)
        return effort.sum(dim=-1) * step / widening

    def gravity_torque(self, load: float) -> torch.Tensor:
        """Return the torque that gravity puts on the three pitch joints, (N, 3) [N·m], from body poses and masses.

        Args:
            load: Mass that was added to the hand [kg].
        """
        data = self.arm.data
        names = list(self.arm.body_names)
        masses = torch.tensor([self.kind.link_masses[name] for name in names], device=self.device).repeat(self.count, 1)
        masses[:, names.index(self.kind.hand_link)] += load
        centres = data.body_com_pos_w.torch
        found = []
        yaw = self.kind.joints[0]
        for index, joint in enumerate(self.kind.pitch_joints, start=1):
            pivot = data.body_link_pos_w.torch[:, names.index(joint.child)]
            chain = [names.index(other.child) for other in self.kind.joints[index:]]
            axis = _heading(data.body_link_quat_w.torch[:, names.index(yaw.child)])
            arm = ((centres[:, chain] - pivot.unsqueeze(1))[..., :2] * axis.unsqueeze(1)).sum(dim=-1)
            found.append((masses[:, chain] * GRAVITY * arm).sum(dim=-1))
        return torch.stack(found, dim=-1)

    def energy(self) -> torch.Tensor:
        """Return kinetic and potential energy of the arm, rotors included, (N,) [J]."""
        data = self.arm.data
        masses, names = data.body_mass.torch, list(self.arm.body_names)
        inertia = data.body_inertia.torch.reshape(self.count, len(names), 3, 3)
        centres, quats = data.body_com_pos_w.torch, data.body_com_quat_w.torch
        linear, angular = data.body_com_lin_vel_w.torch, data.body_com_ang_vel_w.torch
        spin = _to_body(quats, angular)
        kinetic = 0.5 * (masses * linear.square().sum(dim=-1)).sum(dim=-1)
        kinetic += 0.5 * torch.einsum("nbi,nbij,nbj->n", spin, inertia, spin)
        armature = data.joint_vel.torch.new_tensor([joint.armature for joint in self.kind.joints])
        kinetic += 0.5 * (armature * data.joint_vel.torch.square()).sum(dim=-1)
        return kinetic + (masses * GRAVITY * centres[..., 2]).sum(dim=-1)

    def _rows(self, values) -> torch.Tensor:
        tensor = torch.as_tensor(values, dtype=torch.float32, device=self.device)
        return tensor.clone() if tensor.ndim == 2 else tensor.repeat(self.count, 1)


def _heading(quat: torch.Tensor) -> torch.Tensor:
    """Return the level direction of a body's x axis, (N, 2), for quaternions (x, y, z, w)."""
    x, y, z, w = quat.unbind(-1)
    return torch.stack((1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z)), dim=-1)


def _to_body(quat: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Turn world vectors (…, 3) into the frames of quaternions (…, 4), (x, y, z, w)."""
    axis, w = -quat[..., :3], quat[..., 3:]
    twice = 2.0 * torch.linalg.cross(axis, vector)
    return vector + w * twice + torch.linalg.cross(axis, twice)
