"""Mirror symmetry of the tasks for data augmentation.

Arm, ball, dish and table look the same in a mirror in the plane y = 0 of the base frame, so every transition that was
seen teaches its mirror image too. An arm that has no such symmetry says so (:attr:`alice.arms.Arm.mirror`).
"""

from __future__ import annotations

import torch

from alice import arms
from alice.transfer.constants import constant

POINT_SIGNS = (1.0, -1.0, 1.0)

_STATE = ("joints", "joints", "point", "point", "point", "point", "plain2")
GROUPS = {
    "policy": _STATE,
    "privileged": _STATE,
    "goal_state": ("plain1",),
    "privileged_goal": ("plain1",),
    "proprioception": ("joints", "joints"),
    "goal": ("place",),
    "picture_joints": ("joints",),
    "sight": ("seen", "seen"),
}
"""What the vectors of the observation groups consist of, 28, 28, 1, 1, 14, 2, 7 and 6 numbers for an
arm with seven joints."""


def mirror_left_right(env, obs, actions) -> tuple:
    """Append the mirror image of every sample.

    Args:
        env: Environment, or RSL-RL's wrapper of it.
        obs: Observation groups, those of :data:`GROUPS` that are there, ``command_state``, (B, J + A), and
            ``image``, (B, C, H, W) with the hand's y axis along W; or None.
        actions: Actions, (B, A), or None.

    Returns:
        Observations and actions with 2B rows, the original ones first; None stays None.

    Raises:
        ValueError: If the arm has no mirror symmetry.
    """
    arm = arms.of(env.unwrapped)
    if arm.mirror is None:
        raise ValueError(f"{arm.title} has no mirror symmetry: leave data augmentation out of its agent")
    if obs is not None:
        mirrored = obs.clone()
        for group in mirrored.keys() & GROUPS.keys():
            mirrored[group] = _mirror(arm, obs[group], GROUPS[group])
        if "image" in mirrored.keys():  # noqa: SIM118, a TensorDict asks for it
            if obs["image"].dim() != 4:
                raise ValueError(f"cannot mirror an image of shape {tuple(obs['image'].shape)}, need (B, C, H, W)")
            mirrored["image"] = obs["image"].flip(-1)
        is_coupled = obs["command_state"].shape[-1] == len(arm.joints) + len(arm.action_names)
        parts = ("joints", "arm", "plain1" if is_coupled else "gripper")
        mirrored["command_state"] = _mirror(arm, obs["command_state"], parts)
        obs = torch.cat((obs, mirrored), dim=0)
    if actions is not None:
        gripper = "plain1" if actions.shape[-1] == len(arm.action_names) else "gripper"
        actions = torch.cat((actions, _mirror(arm, actions, ("arm", gripper))), dim=0)
    return obs, actions


_PARTS = {
    "point": ((0, 1, 2), POINT_SIGNS),
    "place": ((0, 1), POINT_SIGNS[:2]),
    "seen": ((0, 1, 2), (-1.0, 1.0, 1.0)),
    "plain1": ((0,), (1.0,)),
    "plain2": ((0, 1), (1.0, 1.0)),
}


def _part(arm: arms.Arm, name: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return which number takes each one's place in a part of a vector, and the sign of each."""
    if name in _PARTS:
        return _PARTS[name]
    columns = {"joints": slice(0, None), "arm": arm.arm_columns, "gripper": arm.gripper_columns}[name]
    order = arm.mirror.order[columns]
    return tuple(place - min(order) for place in order), arm.mirror.signs[columns]


def _mirror(arm: arms.Arm, values: torch.Tensor, parts: tuple[str, ...]) -> torch.Tensor:
    """Return the mirror image of rows that consist of ``parts`` one after another, (B, D)."""
    order, signs = [], []
    for part in parts:
        places, part_signs = _part(arm, part)
        order += [len(signs) + place for place in places]
        signs += list(part_signs)
    if len(order) != values.shape[-1]:
        raise ValueError(f"cannot mirror rows of {values.shape[-1]} numbers as {parts}, which have {len(order)}")
    return values[:, constant(order, values.device)] * constant(signs, values.device, values.dtype)
