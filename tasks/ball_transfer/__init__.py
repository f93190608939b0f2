"""The ball transfer: pick a ball out of its nest and put it in a dish. Registration is by strings only."""

import gymnasium as gym

gym.register(
    id="Alice-Ball-Transfer",
    entry_point=f"{__name__}.environment:TransferEnv",
    disable_env_checker=True,
    kwargs={
        "env_cfg_entry_point": f"{__name__}.env_cfg:BallTransferEnvCfg",
        "default_agent": "rsl_rl",
        "rsl_rl_cfg_entry_point": "alice.agents.ball_transfer.rsl_rl_ppo_cfg:BallTransferPPORunnerCfg",
    },
)

gym.register(
    id="Alice-Ball-Transfer-Camera",
    entry_point=f"{__name__}.environment:TransferEnv",
    disable_env_checker=True,
    kwargs={
        "env_cfg_entry_point": f"{__name__}.camera_env_cfg:BallTransferCameraEnvCfg",
        "default_agent": "rsl_rl",
        "rsl_rl_cfg_entry_point": "alice.agents.ball_transfer.rsl_rl_camera_cfg:CameraPPORunnerCfg",
        "rsl_rl_distillation_cfg_entry_point": (
            "alice.agents.ball_transfer.rsl_rl_distillation_cfg:CameraDistillationRunnerCfg"
        ),
        "rsl_rl_finetune_cfg_entry_point": "alice.agents.ball_transfer.rsl_rl_camera_cfg:CameraFinetuneRunnerCfg",
        "teacher_task": "Alice-Ball-Transfer",
    },
)
