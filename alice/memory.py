"""Says before a training starts whether it will fit into memory, and with how many environments it would."""

from __future__ import annotations

from pathlib import Path

from alice.launch import Job
from alice.usage import UsageError

PROCESS = 1.3e9
"""Isaac Lab, PyTorch and a scene of one environment [bytes]."""
SCENE = 1.3e6
"""Simulator, managers and buffers of an environment [bytes]."""
PIXEL = 200
"""Buffers of the renderer and of the camera sensor for each pixel [bytes]."""
VECTORS = 600
"""Vectors of one sample in a rollout: observations, actions and what PPO keeps with them [bytes]."""
ACTIVATION = 64
"""What a small CNN keeps for its gradient for each number of a picture [bytes]."""
HEADROOM = 0.9
"""Share of the free memory that may be used."""


def require(job: Job) -> None:
    """Raise :class:`UsageError` if a training would not fit, with the largest number of environments that would.

    Args:
        job: Checked command line of a training.
    """
    free = free_bytes(job.device)
    if free is None:
        return
    fixed, each = estimate(job)
    count = job.env_cfg.scene.num_envs
    need = fixed + count * each
    if need <= HEADROOM * free:
        return
    fitting = int((HEADROOM * free - fixed) // each)
    remedy = f"at most --num_envs {fitting} fits" if fitting > 0 else "free some, or take another machine"
    raise UsageError(
        f"--num_envs {count} needs about {need / 1e9:.1f} GB of memory on {job.device}, {free / 1e9:.1f} GB are free;"
        f" {remedy}"
    )


def estimate(job: Job) -> tuple[float, float]:
    """Return what a training needs whatever the number of environments, and for each of them [bytes].

    Measured on the CPU: state task with 64 and 1,024 environments 1.08 and 2.18 GB, camera task with 128 and 512
    environments 1.87 and 3.89 GB; on the safe side by a tenth to a fifth. CUDA: not measured.

    Args:
        job: Checked command line of a training.
    """
    pixels, numbers = _picture(job)
    settings = job.agent_cfg.algorithm
    steps = job.agent_cfg.num_steps_per_env
    fixed = PROCESS
    each = SCENE + PIXEL * pixels + steps * (numbers + VECTORS)
    if hasattr(settings, "replay_size"):
        fixed += settings.replay_size * (numbers + VECTORS) + settings.batch_size * ACTIVATION * numbers
    elif hasattr(settings, "num_mini_batches"):
        each += steps / settings.num_mini_batches * ACTIVATION * numbers
    return fixed, each


def _picture(job: Job) -> tuple[int, int]:
    """Return the pixels of a task's camera, and the numbers of the pictures that its policy learns from."""
    camera = getattr(job.env_cfg.scene, "wrist_camera", None)
    if camera is None:
        return 0, 0
    pixels = camera.width * camera.height
    params = job.env_cfg.observations.image.wrist_image.params
    return pixels, 0 if "weights" in params else 3 * params["frame_stack"] * pixels


def free_bytes(device: str) -> int | None:
    """Return the free memory of a device [bytes], None where it cannot be told.

    Args:
        device: ``cpu`` or ``cuda:N``.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
        return 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return None
