"""The environment class of the tasks: Isaac Lab's, with a hint for who forgets its configuration."""

from __future__ import annotations

from isaaclab.envs import ManagerBasedRLEnv, ManagerBasedRLEnvCfg


class TransferEnv(ManagerBasedRLEnv):
    """Isaac Lab's manager-based environment.

    Args:
        cfg: Configuration, as ``isaaclab_tasks.utils.parse_env_cfg`` makes it.
        options: Everything else goes to Isaac Lab.

    Raises:
        TypeError: If there is no configuration, with the line that makes one.
    """

    def __init__(self, cfg: ManagerBasedRLEnvCfg | None = None, **options):
        if cfg is None:
            raise TypeError(
                "the task needs a configuration: `from isaaclab_tasks.utils import parse_env_cfg`, then"
                ' `gymnasium.make(task, cfg=parse_env_cfg(task, device="cpu", num_envs=16))`; see docs/make_it_yours.md'
            )
        super().__init__(cfg, **options)
