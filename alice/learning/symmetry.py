"""Mirror symmetry of the tasks for data augmentation.

Arm, ball, dish and table look the same in a mirror in the plane y = 0 of the base frame, so every transition that was
seen teaches its mirror image too.
"""

from __future__ import annotations

import torch

JOINT_SIGNS = (-1.0, 1.0, 1.0, 1.0, -1.0, 1.0, 1.0)
"""Sign of each joint in the mirror: yaw and roll turn the other way, the fingers (swapped as well) keep theirs."""
JOINT_ORDER = (0, 1, 2, 3, 4, 6, 5)
"""Left and right finger change places."""
POINT_SIGNS = (1.0, -1.0, 1.0)

_STATE = ("joints", "joints", "point", "point", "point", "point", "plain2")
GROUPS = {
    "policy": _STATE,
    "privileged": _STATE,
    "goal_state": ("plain1",),
    "proprioception": ("joints", "joints"),
    "goal": ("place",),
}
"""What the vectors of the observation groups consist of, 28, 28, 1, 14 and 2 numbers."""


def mirror_left_right(env, obs, actions) -> tuple:
    """Append the mirror image of every sample.

    Args:
        env: Environment; not needed.
        obs: Observation groups, those of :data:`GROUPS` that are there, ``command_state``, (B, 7 + A), and
            ``image``, (B, C, H, W) with the hand's y axis along W; or None.
        actions: Actions, (B, A) with A = 6 or 7, or None.

    Returns:
        Observations and actions with 2B rows, the original ones first; None stays None.
    """
    if obs is not None:
        mirrored = obs.clone()
        for group in mirrored.keys() & GROUPS.keys():
            mirrored[group] = _mirror(obs[group], GROUPS[group])
        if "image" in mirrored.keys():  # noqa: SIM118, a TensorDict asks for it
            if obs["image"].dim() != 4:
                raise ValueError(f"cannot mirror an image of shape {tuple(obs['image'].shape)}, need (B, C, H, W)")
            mirrored["image"] = obs["image"].flip(-1)
        fingers = "plain1" if obs["command_state"].shape[-1] == 13 else "fingers"
        mirrored["command_state"] = _mirror(obs["command_state"], ("joints", "arm", fingers))
        obs = torch.cat((obs, mirrored), dim=0)
    if actions is not None:
        fingers = "plain1" if actions.shape[-1] == 6 else "fingers"
        actions = torch.cat((actions, _mirror(actions, ("arm", fingers))), dim=0)
    return obs, actions


_PARTS = {
    "joints": (JOINT_ORDER, JOINT_SIGNS),
    "arm": (JOINT_ORDER[:5], JOINT_SIGNS[:5]),
    "fingers": ((1, 0), (1.0, 1.0)),
    "point": ((0, 1, 2), POINT_SIGNS),
    "place": ((0, 1), POINT_SIGNS[:2]),
    "plain1": ((0,), (1.0,)),
    "plain2": ((0, 1), (1.0, 1.0)),
}


def _mirror(values: torch.Tensor, parts: tuple[str, ...]) -> torch.Tensor:
    """Return the mirror image of rows that consist of ``parts`` one after another, (B, D)."""
    order, signs = [], []
    for part in parts:
        places, part_signs = _PARTS[part]
        order += [len(signs) + place for place in places]
        signs += list(part_signs)
    if len(order) != values.shape[-1]:
        raise ValueError(f"cannot mirror rows of {values.shape[-1]} numbers as {parts}, which have {len(order)}")
    return values[:, order] * values.new_tensor(signs)
