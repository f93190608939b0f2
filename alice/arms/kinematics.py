"""Closed-form kinematics of an arm, one formula for NumPy arrays and PyTorch tensors.

Shapes are written with (...) for any number of arms. Lengths in m, angles in rad. *Pitch* is the angle between the hand
and straight up: pi points down, pi/2 forward. All arms are solved with the elbow up.
"""

from __future__ import annotations

import math
from typing import Any

from .arm import AXES, Arm, Chain, Vector, cross
from .namespace import namespace


def forward(arm: Arm, joint_pos: Any) -> tuple[Any, Any]:
    """Return the tool point and the direction of the hand.

    Args:
        arm: The arm.
        joint_pos: Joint positions, (..., J) with at least the arm joints [rad].

    Returns:
        Tool point in the base frame, (..., 3) [m], and unit vector from the wrist to the tool, (..., 3).
    """
    chain, xp = arm.chain, namespace(joint_pos)
    azimuth, pitches = _pose(chain, joint_pos)
    reach, height = chain.shoulder
    for length, pitch in zip(chain.lengths, pitches, strict=True):
        reach, height = reach + length * xp.sin(pitch), height + length * xp.cos(pitch)
    level, cos, sin = xp.sin(pitches[-1]), xp.cos(azimuth), xp.sin(azimuth)
    point = xp.stack((reach * cos, reach * sin, height), -1)
    return point, xp.stack((level * cos, level * sin, xp.cos(pitches[-1])), -1)


def skeleton(arm: Arm, joint_pos: Any) -> Any:
    """Return shoulder, elbow, wrist, tool point and the tip of the gripper at joint positions (..., J) [rad].

    Returns:
        Base frame, (..., 5, 3) [m].
    """
    chain, xp = arm.chain, namespace(joint_pos)
    azimuth, pitches = _pose(chain, joint_pos)
    reach, height = (value + 0.0 * azimuth for value in chain.shoulder)
    reaches, heights = [reach], [height]
    for length, pitch in zip((*chain.lengths, arm.tool_to_tip), (*pitches, pitches[-1]), strict=True):
        reaches.append(reaches[-1] + length * xp.sin(pitch))
        heights.append(heights[-1] + length * xp.cos(pitch))
    reaches = xp.stack(reaches, -1)
    cos, sin = xp.cos(azimuth)[..., None], xp.sin(azimuth)[..., None]
    return xp.stack((reaches * cos, reaches * sin, xp.stack(heights, -1)), -1)


def hand_pitch(arm: Arm, joint_pos: Any) -> Any:
    """Return the pitch of the hand at joint positions (..., J), (...) [rad]."""
    return _pose(arm.chain, joint_pos)[1][-1]


def opening_direction(arm: Arm, joint_pos: Any) -> Any:
    """Return the unit vector in which the gripper opens, base frame, (..., 3), for joint positions (..., J) [rad]."""
    azimuth, pitches = _pose(arm.chain, joint_pos)
    return _opening(arm.chain, azimuth, pitches[-1], joint_pos[..., arm.roll_column])


def in_hand(arm: Arm, joint_pos: Any, point: Vector) -> Any:
    """Return where a point of the hand link is.

    Args:
        arm: The arm.
        joint_pos: Joint positions, (..., J) [rad, m].
        point: In the frame of the hand link [m].

    Returns:
        Base frame, (..., 3) [m].
    """
    xp = namespace(joint_pos)
    tool, forward_b = forward(arm, joint_pos)
    length = math.dist(arm.tool_in_hand, (0.0, 0.0, 0.0))
    ahead, opens = tuple(value / length for value in arm.tool_in_hand), AXES[arm.opens_along]
    opens_b = opening_direction(arm, joint_pos)
    away = tuple(one - other for one, other in zip(point, arm.tool_in_hand, strict=True))
    for axis, axis_b in ((ahead, forward_b), (opens, opens_b), (cross(ahead, opens), xp.cross(forward_b, opens_b))):
        tool = tool + sum(a * b for a, b in zip(away, axis, strict=True)) * axis_b
    return tool


def grip_point(arm: Arm, joint_pos: Any, radius: Any) -> Any:
    """Return where the centre of a ball is while the gripper holds it.

    Args:
        arm: The arm.
        joint_pos: Joint positions, (..., J) [rad, m].
        radius: Ball radius, (...) [m].

    Returns:
        Base frame, (..., 3) [m].
    """
    return forward(arm, joint_pos)[0] + arm.gripper.held_at(radius)[..., None] * opening_direction(arm, joint_pos)


def inverse(arm: Arm, tool_pos: Any, pitch: Any, roll: Any = 0.0) -> tuple[Any, Any]:
    """Return arm joint angles that put the tool at a point.

    Args:
        arm: The arm.
        tool_pos: Tool point in the base frame, (..., 3) [m].
        pitch: Pitch of the hand, (...) [rad].
        roll: Roll joint, a number or (...) [rad].

    Returns:
        Angles of the arm joints, (..., A) [rad], and whether each point is in reach and within the joint limits, (...)
        bool. Angles of points out of reach are the nearest ones, clamped to the limits.
    """
    angles, _, reachable = _solve(arm, tool_pos, pitch, roll)
    return angles, reachable


def inverse_grip(arm: Arm, ball_pos: Any, radius: Any, pitch: Any, roll: Any) -> tuple[Any, Any]:
    """Return arm joint angles that put the gripper around a ball, as :func:`inverse` does for the tool point.

    Args:
        arm: The arm.
        ball_pos: Centre of the ball in the base frame, (..., 3) [m].
        radius: Ball radius, (...) [m].
        pitch: Pitch of the hand, (...) [rad].
        roll: Roll joint, a number or (...) [rad].
    """
    xp, beside = namespace(ball_pos), arm.gripper.held_at(radius)[..., None]
    roll = roll + xp.zeros_like(pitch)
    point = ball_pos
    # The ball lies millimetres beside the tool point, so the arm turns a little further than towards the ball itself;
    # each round leaves a thirtieth of the error.
    for _ in range(3):
        azimuth = xp.arctan2(point[..., 1], point[..., 0])
        point = ball_pos - beside * _opening(arm.chain, azimuth, pitch, roll)
    return inverse(arm, point, pitch, roll)


def steepest_pitch(
    arm: Arm, tool_pos: Any, margin: float = 0.12, shallowest: float = math.radians(105), steps: int = 12
) -> Any:
    """Return the steepest pitch of the hand that reaches each point with room to spare at every joint.

    Args:
        arm: The arm.
        tool_pos: Tool points in the base frame, (N, 3) [m].
        margin: Wanted distance of every pitch joint from its limits and of the elbow from straight [rad].
        shallowest: Smallest pitch tried [rad].
        steps: Number of pitches tried.

    Returns:
        Pitch, (N,) [rad]; where no pitch leaves the whole margin, the one that leaves most.
    """
    xp, nothing = namespace(tool_pos), 0.0 * tool_pos[..., 0]
    shares = [step / (steps - 1) for step in range(steps)]
    pitches = xp.stack([math.pi + share * (shallowest - math.pi) + nothing for share in shares], 0)
    room = xp.clip(_room(arm, tool_pos, pitches), -1.0, margin)
    # The first of equals is chosen, and the steepest comes first.
    return math.pi + room.argmax(0) / (steps - 1) * (shallowest - math.pi) + nothing


def _pose(chain: Chain, joint_pos: Any) -> tuple[Any, tuple[Any, Any, Any]]:
    """Return the azimuth of the arm's plane, counter-clockwise from above, and the pitch of its three links."""
    yaw, shoulder, elbow, wrist = (joint_pos[..., column] for column in range(4))
    bent = shoulder + elbow
    turned = (shoulder, bent, bent + wrist)
    return chain.yaw_sign * yaw, tuple(one + pitch for one, pitch in zip(turned, chain.pitches, strict=True))


def _opening(chain: Chain, azimuth: Any, pitch: Any, roll: Any) -> Any:
    """Return the opening direction for azimuth, pitch and roll joint, (..., 3)."""
    xp = namespace(azimuth)
    turn = chain.roll_sign * roll + chain.opening
    growing, left = xp.cos(turn), xp.sin(turn)
    level, cos, sin = growing * xp.cos(pitch), xp.cos(azimuth), xp.sin(azimuth)
    return xp.stack((level * cos - left * sin, level * sin + left * cos, -growing * xp.sin(pitch)), -1)


def _solve(arm: Arm, tool_pos: Any, pitch: Any, roll: Any) -> tuple[Any, Any, Any]:
    """Return what :func:`inverse` does, with the bend of the elbow between both, (...) [rad]: 0 is straight."""
    chain, xp = arm.chain, namespace(tool_pos)
    x, y, z = (tool_pos[..., column] + 0.0 * pitch for column in range(3))
    upper, lower, hand = chain.lengths
    reach = xp.hypot(x, y) - chain.shoulder[0] - hand * xp.sin(pitch)
    height = z - chain.shoulder[1] - hand * xp.cos(pitch)
    cos_bend = (reach**2 + height**2 - upper**2 - lower**2) / (2 * upper * lower)
    bend = xp.arccos(xp.clip(cos_bend, -1.0, 1.0))
    first = xp.arctan2(reach, height) - xp.arctan2(lower * xp.sin(bend), upper + lower * xp.cos(bend))
    shoulder = first - chain.pitches[0]
    elbow = bend + chain.pitches[0] - chain.pitches[1]
    wrist = pitch - chain.pitches[2] - shoulder - elbow
    solved = (chain.yaw_sign * xp.arctan2(y, x), shoulder, elbow, wrist, roll + xp.zeros_like(x))
    reachable, angles = abs(cos_bend) <= 1.0, []
    for joint, angle in zip(arm.arm_joints, solved, strict=True):
        reachable = reachable & (angle >= joint.lower) & (angle <= joint.upper)
        angles.append(xp.clip(angle, joint.lower, joint.upper))
    return xp.stack(angles, -1), bend, reachable


def _room(arm: Arm, tool_pos: Any, pitch: Any) -> Any:
    """Return the distance of the tightest pitch joint from its bounds, (...) [rad]; -1 out of reach."""
    xp = namespace(tool_pos)
    angles, room, reachable = _solve(arm, tool_pos, pitch, 0.0)
    for column in range(1, 4):
        joint, angle = arm.joints[column], angles[..., column]
        room = xp.minimum(room, xp.minimum(angle - joint.lower, joint.upper - angle))
    return xp.where(reachable, room, xp.zeros_like(room) - 1.0)
