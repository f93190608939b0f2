"""Says before a training starts whether it will fit into memory, and with how many environments it would."""

from __future__ import annotations

from pathlib import Path

from alice.cli.usage import UsageError
from alice.runs.launch import Job

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

    On the CPU it is what the machine has left or, where that is less, what a container or a job of a cluster may still
    take: beyond that the system kills the process without a word.

    Args:
        device: ``cpu`` or ``cuda:N``.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
        free = [1024 * int(lines["MemAvailable"].split()[0])]
    except (OSError, KeyError, ValueError):
        free = []
    return min([*free, *group_free_bytes()], default=None)


def group_free_bytes(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> list[int]:
    """Return what is left of every memory limit of Linux's control groups that this process is under [bytes].

    Args:
        root: Where the groups are mounted: version 2, or version 1 with its folder ``memory``.
        membership: Which groups the process is in.
    """
    try:
        lines = [line.split(":", 2) for line in membership.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return []
    free = []
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers == "":
            tops, names = (root, root / "unified"), ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            tops, names = (root / "memory",), ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # A limit above binds too. Seen from inside of a container the path may be that outside of it, and only the
        # mounted top is there.
        inner = Path(path.lstrip("/"))
        free += [left for top in tops for part in (inner, *inner.parents) if (left := _left(top / part, *names))]
    return free


def _left(group: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Return what is left of a group's limit [bytes], None without one. Files it read can be dropped from memory."""
    try:
        most, used = int((group / limit).read_text()), int((group / usage).read_text())
        lines = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # "max" is no limit
        return None
    return max(1, most - used + int(lines.get(reclaimable, 0)))
