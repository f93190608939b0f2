"""Which device simulation and learning run on: CUDA where this PyTorch can really use it, else the CPU."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from alice.cli.usage import UsageError, suggest


@dataclass(frozen=True)
class Cuda:
    """What PyTorch finds on this machine."""

    usable: tuple[int, ...]
    """Numbers of the devices that can be used."""
    problem: str | None
    """Why a GPU that is there is left alone, with the remedy; None where all is well or there is none."""


def preferred() -> str:
    """Return the first CUDA device that works, as ``cuda:N``, else ``cpu``."""
    usable = cuda().usable
    return f"cuda:{usable[0]}" if usable else "cpu"


def tell() -> None:
    """Say on standard error, once a process, that a GPU is there and left alone, and why."""
    if cuda().problem:
        _tell_once(cuda().problem)


def choose(requested: str | None) -> str:
    """Return a device of this machine.

    Args:
        requested: ``cpu``, ``cuda`` or ``cuda:N``; None leaves the choice to the machine.

    Raises:
        UsageError: If the machine does not have it, or PyTorch cannot use it.
    """
    if requested is None:
        tell()
        return preferred()
    found = cuda()
    known = ["cpu", *(f"cuda:{index}" for index in found.usable)]
    name = known[1] if requested == "cuda" and found.usable else requested
    if name not in known:
        reason = ""
        if name.startswith("cuda"):
            reason = found.problem or ("" if found.usable else "PyTorch finds no CUDA device on this machine")
        reason += "; " if reason else ""
        raise UsageError(f"--device {requested!r} cannot be used; {reason}{suggest(name, known, 'devices')}")
    return name


@functools.cache
def cuda() -> Cuda:
    """Return what PyTorch finds; asked once a process."""
    import torch

    with warnings.catch_warnings():  # PyTorch's own run over a dozen lines, and come again for every device
        warnings.simplefilter("ignore")
        if not torch.cuda.is_available():
            return Cuda((), _missing(torch.version.cuda))
        count, kernels = torch.cuda.device_count(), torch.cuda.get_arch_list()
        capabilities = [torch.cuda.get_device_capability(index) for index in range(count)]
    usable = tuple(index for index in range(count) if runs_on(kernels, capabilities[index]))
    old = [index for index in range(count) if index not in usable]
    if not old:
        return Cuda(usable, None)
    major, minor = capabilities[old[0]]
    return Cuda(
        usable,
        f"cuda:{old[0]} ({torch.cuda.get_device_name(old[0])}, capability {major}.{minor}) is none that PyTorch"
        f" {torch.__version__} was built for ({' '.join(kernels)}); take another device, or install a PyTorch that was",
    )


def runs_on(kernels: Iterable[str], capability: tuple[int, int]) -> bool:
    """Return whether a device can run a PyTorch.

    Machine code of ``sm_86`` runs on devices of the same major and an equal or later minor capability, what was
    compiled for one device alone (``sm_90a``) on that one, and ``compute_80`` is translated for every later one.

    Args:
        kernels: What PyTorch was built for; nothing, as builds from source may say, counts as everything.
        capability: Major and minor compute capability of the device.
    """
    kernels = list(kernels)
    for kernel in kernels:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", kernel)
        if match is None:
            continue
        kind, built, special = match[1], (int(match[2]), int(match[3])), match[4]
        if built == capability:
            return True
        if not special and built < capability and (kind == "compute" or built[0] == capability[0]):
            return True
    return not kernels


def _missing(built_for: str | None) -> str | None:
    """Return why PyTorch finds no GPU on a machine that has one; None where nobody expects one.

    Args:
        built_for: Version of CUDA that PyTorch was built for, None for a build without it.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return None
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, errors="replace", timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    said = " ".join((done.stdout + done.stderr).split())[:200]
    if done.returncode == 0 and "GPU " not in said:
        return None
    if done.returncode == 0 and built_for is None:
        return (
            "nvidia-smi finds a GPU and this PyTorch is built without CUDA; install one that has it (delete .venv and"
            " start ./isaaclab.sh again)"
        )
    if done.returncode == 0:
        return (
            f"nvidia-smi finds a GPU and PyTorch none for CUDA {built_for}; the driver may be too old (compare with the"
            " version of CUDA that nvidia-smi shows)"
        )
    return f"nvidia-smi is there and fails ({said}); mend the driver to train on the GPU"


@functools.cache
def _tell_once(problem: str) -> None:
    print(f"alice: note: {problem}", file=sys.stderr, flush=True)
