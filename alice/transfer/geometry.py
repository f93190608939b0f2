"""Pure batched functions on tensors: transforms, the arm's closed-form kinematics, kernels and contact tests.

Shapes are written with N for the number of environments. Quaternions are (x, y, z, w). Lengths are in m, angles in rad.
"""

from __future__ import annotations

import math

import torch

from alice import robot
from alice.transfer import outcome

##
# Transforms
##


def rotate(quat: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Rotate vectors by unit quaternions.

    Args:
        quat: Rotations, (N, 4) as (x, y, z, w).
        vector: Vectors, (N, 3) or (3,).

    Returns:
        Rotated vectors, (N, 3).
    """
    axis = quat[:, :3]
    vector = vector.expand_as(axis)
    twice = 2.0 * torch.linalg.cross(axis, vector)
    return vector + quat[:, 3:] * twice + torch.linalg.cross(axis, twice)


##
# Kinematics of the arm
##


def forward_kinematics(joint_pos: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tool point and the direction of the hand for arm joint angles.

    Args:
        joint_pos: Arm joint angles, (N, 5) or wider in the order of :data:`alice.robot.JOINT_NAMES` [rad].

    Returns:
        Tool point in the base frame, (N, 3) [m], and unit vector from the wrist to the tool, (N, 3).
    """
    base, shoulder, elbow, wrist = joint_pos[:, :4].unbind(-1)
    pitch_2 = shoulder + elbow
    pitch_3 = pitch_2 + wrist
    reach = (
        robot.SHOULDER_OFFSET
        + robot.UPPER_ARM * torch.sin(shoulder)
        + robot.FOREARM * torch.sin(pitch_2)
        + robot.PITCH_TO_TOOL * torch.sin(pitch_3)
    )
    height = (
        robot.SHOULDER_HEIGHT
        + robot.UPPER_ARM * torch.cos(shoulder)
        + robot.FOREARM * torch.cos(pitch_2)
        + robot.PITCH_TO_TOOL * torch.cos(pitch_3)
    )
    point = torch.stack((reach * torch.cos(base), reach * torch.sin(base), height), dim=-1)
    level = torch.sin(pitch_3)
    direction = torch.stack((level * torch.cos(base), level * torch.sin(base), torch.cos(pitch_3)), dim=-1)
    return point, direction


def inverse_kinematics(tool_pos: torch.Tensor, pitch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return arm joint angles that put the tool at a point, elbow up, with the roll joint at zero.

    Args:
        tool_pos: Tool point in the base frame, (N, 3) [m].
        pitch: Angle between the hand and straight up, (N,) [rad]: pi points down, pi/2 forward.

    Returns:
        Joint angles, (N, 5) [rad], and whether each point is in reach and within the joint limits, (N,) bool. Angles of
        points out of reach are the nearest ones, clamped to the limits.
    """
    base = torch.atan2(tool_pos[:, 1], tool_pos[:, 0])
    reach = torch.hypot(tool_pos[:, 0], tool_pos[:, 1]) - robot.SHOULDER_OFFSET - robot.PITCH_TO_TOOL * torch.sin(pitch)
    height = tool_pos[:, 2] - robot.SHOULDER_HEIGHT - robot.PITCH_TO_TOOL * torch.cos(pitch)
    squared = reach.square() + height.square()
    cos_elbow = (squared - robot.UPPER_ARM**2 - robot.FOREARM**2) / (2 * robot.UPPER_ARM * robot.FOREARM)
    elbow = torch.acos(cos_elbow.clamp(-1.0, 1.0))
    shoulder = torch.atan2(reach, height) - torch.atan2(
        robot.FOREARM * torch.sin(elbow), robot.UPPER_ARM + robot.FOREARM * torch.cos(elbow)
    )
    angles = torch.stack((base, shoulder, elbow, pitch - shoulder - elbow, torch.zeros_like(base)), dim=-1)
    lower = angles.new_tensor([joint.lower for joint in robot.JOINTS[:5]])
    upper = angles.new_tensor([joint.upper for joint in robot.JOINTS[:5]])
    reachable = (cos_elbow.abs() <= 1.0) & ((angles >= lower) & (angles <= upper)).all(dim=-1)
    return torch.clamp(angles, lower, upper), reachable


def hand_pitch(
    tool_pos: torch.Tensor, margin: float = 0.12, shallowest: float = math.radians(105), steps: int = 12
) -> torch.Tensor:
    """Return the steepest hand pitch that reaches each point with room to spare at every joint.

    Args:
        tool_pos: Tool points in the base frame, (N, 3) [m].
        margin: Wanted distance of every joint from its limits and of the elbow from straight [rad].
        shallowest: Smallest pitch tried [rad].
        steps: Number of pitches tried.

    Returns:
        Pitch, (N,) [rad]; where no pitch leaves the whole margin, the one that leaves most.
    """
    pitches = torch.linspace(math.pi, shallowest, steps, device=tool_pos.device)
    count = len(tool_pos)
    room = _joint_room(tool_pos.repeat(steps, 1), pitches.repeat_interleave(count)).view(steps, count)
    # argmax returns the first of equals, and the steepest comes first.
    return pitches[room.clamp(max=margin).argmax(dim=0)]


def _joint_room(tool_pos: torch.Tensor, pitch: torch.Tensor) -> torch.Tensor:
    """Return the distance of the tightest joint from its bounds, (N,) [rad]; -1 out of reach."""
    angles, reachable = inverse_kinematics(tool_pos, pitch)
    lower = angles.new_tensor([joint.lower for joint in robot.JOINTS[:5]])
    upper = angles.new_tensor([joint.upper for joint in robot.JOINTS[:5]])
    room = torch.minimum(angles - lower, upper - angles)[:, 1:4].amin(dim=-1)
    return torch.where(reachable, torch.minimum(room, angles[:, 2]), -1.0)


##
# Kernels and tests
##


def tanh_kernel(distance: torch.Tensor, scale: float) -> torch.Tensor:
    """Return ``1 - tanh(distance / scale)``: 1 at zero distance, 0.24 at ``scale``, 0 far away.

    Args:
        distance: Non-negative distances, any shape [m].
        scale: Distance of the bend [m].
    """
    return 1.0 - torch.tanh(distance / scale)


def is_pinched(
    tool_ball_distance: torch.Tensor, gap: torch.Tensor, gap_target: torch.Tensor, radius: torch.Tensor
) -> torch.Tensor:
    """Return whether a ball is held between the pads, judged as the real arm can: without a force sensor.

    The ball must be between the pads, the fingers must stand a ball's diameter apart and the gripper must be
    commanded further closed than the ball lets it go.

    Args:
        tool_ball_distance: Tool point to ball centre, (N,) [m].
        gap: Distance between the pads, (N,) [m].
        gap_target: Commanded distance between the pads, (N,) [m].
        radius: Ball radius, (N,) [m].

    Returns:
        Pinch flag, (N,) bool.
    """
    tightest, widest = outcome.PINCH_GAP
    fits = (gap > 2.0 * radius + tightest) & (gap < 2.0 * radius + widest)
    return (tool_ball_distance < outcome.PINCH_DISTANCE) & fits & (gap_target < gap - outcome.PINCH_CLOSING)
