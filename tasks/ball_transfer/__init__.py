"""The ball transfer: pick a ball out of its nest and put it in a dish. Registration is by strings only."""

import gymnasium as gym

_AGENTS = "alice.agents.ball_transfer"

gym.register(
    id="Alice-Ball-Transfer",
    entry_point=f"{__name__}.environment:TransferEnv",
    disable_env_checker=True,
    kwargs={
        "env_cfg_entry_point": f"{__name__}.env_cfg:BallTransferEnvCfg",
        "default_agent": "rsl_rl",
        "rsl_rl_cfg_entry_point": f"{_AGENTS}.rsl_rl_ppo_cfg:BallTransferPPORunnerCfg",
    },
)

gym.register(
    id="Alice-Ball-Transfer-Camera",
    entry_point=f"{__name__}.environment:TransferEnv",
    disable_env_checker=True,
    kwargs={
        "env_cfg_entry_point": f"{__name__}.camera_env_cfg:BallTransferCameraEnvCfg",
        "default_agent": "rsl_rl",
        "rsl_rl_cfg_entry_point": f"{_AGENTS}.rsl_rl_camera_cfg:CameraPPORunnerCfg",
        "rsl_rl_distillation_cfg_entry_point": f"{_AGENTS}.rsl_rl_distillation_cfg:CameraDistillationRunnerCfg",
        "rsl_rl_finetune_cfg_entry_point": f"{_AGENTS}.rsl_rl_camera_cfg:CameraFinetuneRunnerCfg",
        "teacher_task": "Alice-Ball-Transfer",
    },
)

gym.register(
    id="Alice-Ball-Transfer-SO101",
    entry_point=f"{__name__}.environment:TransferEnv",
    disable_env_checker=True,
    kwargs={
        "env_cfg_entry_point": f"{__name__}.so101_env_cfg:BallTransferSO101EnvCfg",
        "default_agent": "rsl_rl",
        "rsl_rl_cfg_entry_point": f"{_AGENTS}.rsl_rl_so101_cfg:SO101PPORunnerCfg",
    },
)

gym.register(
    id="Alice-Ball-Transfer-SO101-Camera",
    entry_point=f"{__name__}.environment:TransferEnv",
    disable_env_checker=True,
    kwargs={
        "env_cfg_entry_point": f"{__name__}.so101_env_cfg:BallTransferSO101CameraEnvCfg",
        "default_agent": "rsl_rl",
        "rsl_rl_cfg_entry_point": f"{_AGENTS}.rsl_rl_so101_cfg:SO101CameraPPORunnerCfg",
        "rsl_rl_distillation_cfg_entry_point": f"{_AGENTS}.rsl_rl_so101_cfg:SO101CameraDistillationRunnerCfg",
        "rsl_rl_finetune_cfg_entry_point": f"{_AGENTS}.rsl_rl_so101_cfg:SO101CameraFinetuneRunnerCfg",
        "teacher_task": "Alice-Ball-Transfer-SO101",
    },
)
