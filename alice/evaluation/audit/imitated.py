"""Lets a policy of LeRobot, such as ACT, act in a simulation: joint values and pictures in, joint targets out.

A policy of LeRobot is a folder, ``pretrained_model``, as ``lerobot-train`` writes it. It sees what a data set of
``scripts/record.py`` has, and its targets are moved to no faster than the task's own actions allow, as on a robot.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from alice import arms
from alice.arms import lerobot
from alice.cli.usage import UsageError
from alice.evaluation.pictures import lerobot_cameras
from alice.runs import checkpoints
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

PICTURE = "observation.images."
STATE = "observation.state"


def prepare(env_cfg: Any, folder: Path) -> None:
    """Add the cameras that a policy sees by to the configuration of an environment.

    Args:
        env_cfg: Environment configuration; changed in place.
        folder: The policy's folder.

    Raises:
        UsageError: If it wants to see what no simulation of ours shows, or LeRobot is not installed.
    """
    if importlib.util.find_spec("lerobot") is None:
        raise UsageError("--checkpoint: a policy of LeRobot needs LeRobot; docs/lerobot.md has the command")
    seen = pictures_of(checkpoints.lerobot_config(folder))
    if seen:
        lerobot_cameras.add(env_cfg, tuple(seen), next(iter(seen.values())))


def pictures_of(config: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return width and height of the pictures that a policy sees, by camera [pixels].

    Args:
        config: Content of its ``config.json``.

    Raises:
        UsageError: If there is anything among its inputs or outputs that is not in our data sets.
    """
    inputs, outputs = config.get("input_features") or {}, config.get("output_features") or {}
    found = {}
    for name, feature in inputs.items():
        camera = name.removeprefix(PICTURE)
        if name.startswith(PICTURE) and camera in lerobot_cameras.NAMES and len(feature["shape"]) == 3:
            found[camera] = (feature["shape"][2], feature["shape"][1])
        elif name != STATE or feature["shape"] != [len(lerobot.FEATURES)]:
            raise UsageError(
                f"--checkpoint: its policy wants {name} {feature['shape']}; the simulation has {STATE} of"
                f" {len(lerobot.FEATURES)} numbers and pictures of {', '.join(lerobot_cameras.NAMES)}"
            )
    if outputs.get("action", {}).get("shape") != [len(lerobot.FEATURES)] or len(set(found.values())) > 1:
        raise UsageError(
            f"--checkpoint: its policy must give {len(lerobot.FEATURES)} joint values and see pictures of one size"
        )
    return found


class ImitatedPolicy:
    """A policy of LeRobot for all environments in step.

    Its chunks of actions begin together and are not cut short where single environments begin anew: an audit counts
    first episodes, which all begin at once.

    Args:
        env: Environment whose configuration has gone through :func:`prepare`.
        folder: The policy's folder.
    """

    def __init__(self, env: ManagerBasedRLEnv, folder: Path):
        from lerobot.configs import PreTrainedConfig
        from lerobot.policies import get_policy_class, make_pre_post_processors

        device = str(env.device)
        try:
            config = PreTrainedConfig.from_pretrained(folder, local_files_only=True)
            config.device = device
            if hasattr(config, "pretrained_backbone_weights"):
                config.pretrained_backbone_weights = None  # the file has them; nothing is fetched
            kind = get_policy_class(config.type)
            loaded = kind.from_pretrained(folder, config=config, local_files_only=True, strict=True)
            self._policy = loaded.to(device).eval()
            self._before, self._after = make_pre_post_processors(
                config, str(folder), preprocessor_overrides={"device_processor": {"device": device}}
            )
        except Exception as error:  # a damaged folder raises nearly anything
            said = " ".join(str(error).split())[:160]
            raise UsageError(f"--checkpoint {folder.name}: LeRobot cannot load it ({said})") from error
        self._env, self._arm = env, arms.of(env)
        seen = tuple(pictures_of(checkpoints.lerobot_config(folder)))
        self._cameras = lerobot_cameras.Cameras(env, seen)
        self._chunk: list[torch.Tensor] = []

    def __call__(self, obs: Any) -> torch.Tensor:
        """Return actions, (N, 6); the observations that the environment worked out are not looked at."""
        if not self._chunk:
            self._chunk = self._think()
        values = self._after(self._chunk.pop(0))
        return actions_towards(self._env, lerobot.joints_of(self._arm, values.to(self._env.device)))

    def _think(self) -> list[torch.Tensor]:
        """Look, and return the actions until the next look, (N, V) each as the network gives them."""
        joints = transfer_state(self._env).now.measured.joint_pos
        batch = {STATE: lerobot.values_of(self._arm, joints).float()}
        for name, pictures in self._cameras.pictures().items():
            shown = torch.from_numpy(pictures).to(self._env.device)
            batch[PICTURE + name] = shown.permute(0, 3, 1, 2).float() / 255.0
        batch, config = self._before(batch), self._policy.config
        if config.n_obs_steps > 1 or getattr(config, "temporal_ensemble_coeff", None) is not None:
            return [self._policy.select_action(batch)]  # it wants to see every control step
        return list(self._policy.predict_action_chunk(batch)[:, : config.n_action_steps].unbind(1))

    def reset(self, dones: torch.Tensor) -> None:
        """Forget the running chunk where all environments begin anew."""
        if bool(dones.all()):
            self._chunk = []
            self._policy.reset()


def actions_towards(env: ManagerBasedRLEnv, wanted: torch.Tensor) -> torch.Tensor:
    """Return the task's actions that move the joint targets to what is wanted, as fast as they may, (N, 6).

    Args:
        env: Environment of the six-action task.
        wanted: Joint targets, (N, J) [rad, m].
    """
    arm, term = arms.of(env), env.action_manager.get_term("joints")
    increments = (wanted[:, arm.arm_columns] - term.targets[:, arm.arm_columns]) / term.arm_step
    first = arm.gripper_columns.start
    closed, opened = arm.gripper.closed[0], arm.gripper.opened[0]
    opening = 2.0 * (wanted[:, first : first + 1] - closed) / (opened - closed) - 1.0
    return torch.cat((increments, opening), dim=-1).nan_to_num(0.0).clamp(-1.0, 1.0)
