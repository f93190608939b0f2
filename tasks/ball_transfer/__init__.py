"""The ball transfer: pick a ball out of its nest and put it in a dish. Registration is by strings only."""

import gymnasium as gym

gym.register(
    id="Alice-Ball-Transfer",
    entry_point="isaaclab.envs:ManagerBasedRLEnv",
    disable_env_checker=True,
    kwargs={
        "env_cfg_entry_point": f"{__name__}.env_cfg:BallTransferEnvCfg",
        "default_agent": "rsl_rl",
        "rsl_rl_cfg_entry_point": "alice.agents.ball_transfer.rsl_rl_ppo_cfg:BallTransferPPORunnerCfg",
    },
)
