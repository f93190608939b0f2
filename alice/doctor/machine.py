"""Looks at a machine: has it what training, filming and auditing need?"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from alice.compat import ISAAC_LAB
from alice.runs import memory
from alice.system import device, kit

REQUIRED = {"isaaclab": ISAAC_LAB, "rsl-rl-lib": ("5.5.1",)}
"""Packages that must have one of these versions; the others are looked at for being there."""
PRESENT = ("torch", "torchvision", "ovphysx", "newton", "warp-lang", "onnx", "onnxruntime", "tensorboard")
MEMORY_GB = 4.0
"""Free memory that 512 environments of the state task need on the CPU."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    level: str
    """``ok``, ``note`` or ``problem``."""
    text: str
    """What was found and, for a problem, what to do."""


def look(folder: Path, checkpoints_mb: float) -> list[Finding]:
    """Return all findings but that of rendering.

    Args:
        folder: Where runs will be written.
        checkpoints_mb: What they will write.
    """
    return [_python(), *_packages(), _gpu(), _memory(), _disk(folder, checkpoints_mb), _isaac_sim()]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == (3, 12):
        return Finding("Python", "ok", version)
    return Finding("Python", "problem", f"{version}, Isaac Lab 3 needs 3.12; start with ./isaaclab.sh")


def _packages() -> list[Finding]:
    found = []
    for name in (*REQUIRED, *PRESENT):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(Finding(name, "problem", "not installed; delete .venv and start ./isaaclab.sh again"))
            continue
        wanted = REQUIRED.get(name, (version,))
        if version in wanted:
            found.append(Finding(name, "ok", version))
        else:
            text = f"{version}, need {wanted[0]}; delete .venv and start ./isaaclab.sh again"
            found.append(Finding(name, "problem", text))
    return found


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", "note", "cannot be looked for without PyTorch")
    found = device.cuda()
    if found.problem:
        return Finding("GPU", "problem", found.problem)
    if not found.usable:
        return Finding("GPU", "note", "none; training runs on the CPU")
    import torch

    properties = torch.cuda.get_device_properties(found.usable[0])
    return Finding("GPU", "ok", f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, CUDA {torch.version.cuda}")


def _memory() -> Finding:
    found = memory.free_bytes("cpu")
    if found is None:
        return Finding("memory", "note", "cannot be told on this system")
    free = found / 1e9
    if free >= MEMORY_GB:
        return Finding("memory", "ok", f"{free:.1f} GB free")
    text = f"{free:.1f} GB free, 512 environments need {MEMORY_GB:.0f}; use --num_envs 128"
    return Finding("memory", "problem", text)


def _disk(folder: Path, checkpoints_mb: float) -> Finding:
    place = folder.resolve()
    while not place.is_dir():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e6
    text = f"{free / 1e3:.1f} GB free, the checkpoints of a training need {checkpoints_mb:.0f} MB"
    if free > checkpoints_mb + 200 and os.access(place, os.W_OK):
        return Finding("disk", "ok", text)
    return Finding("disk", "problem", f"{text}; free some, keep fewer with --keep N, or go to another folder")


def _isaac_sim() -> Finding:
    if kit.home() is None:
        return Finding("Isaac Sim", "note", "not installed, and not needed unless physics=isaacsim_physx")
    if lack := kit.missing():
        return Finding("Isaac Sim", "problem", lack)
    return Finding("Isaac Sim", "ok", kit.version())
