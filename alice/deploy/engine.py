"""Builds a TensorRT engine from an ONNX policy with the ``trtexec`` of the machine, and stamps it.

An engine fits the GPU and the TensorRT it was built with and nothing else: build it on the robot, ship the ONNX file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alice.contract import ImageInput, VectorInput
from alice.deploy.runtime import PolicyError, last_line

PLACES = ("/usr/src/tensorrt/bin/trtexec",)
"""Where JetPack puts the tool, which is not on PATH there."""
OLDEST, FIRST_WITHOUT_FP16 = (10, 0), (11, 0)
"""TensorRT 8 and 9 name flags otherwise and were not looked at; 11 dropped ``--fp16`` (vendor's release notes)."""


@dataclass(frozen=True)
class Tool:
    """A ``trtexec`` and its version."""

    path: str
    version: tuple[int, int, int]

    @property
    def release(self) -> str:
        """The version as text, such as ``10.3.0``."""
        return ".".join(map(str, self.version))


def find_tool(given: str | None = None) -> Tool:
    """Return the ``trtexec`` of this machine.

    Args:
        given: Path that the user gave; None looks on PATH and in JetPack's place.

    Raises:
        PolicyError: If there is none, it is no program, it does not run, or does not tell its version.
    """
    candidates = [given] if given else [shutil.which("trtexec"), *PLACES]
    path = next((name for name in candidates if name and Path(name).exists()), None)
    if path is None:
        raise PolicyError(
            f"no trtexec {f'at {given!r}' if given else 'on PATH or in /usr/src/tensorrt/bin'}; install TensorRT"
            " (JetPack has it), give --trtexec PATH, or see the command with --dry_run"
        )
    if Path(path).is_dir():
        raise PolicyError(f"trtexec {path!r} is a folder; give --trtexec the program in it")
    if not os.access(path, os.X_OK):
        raise PolicyError(f"trtexec {path!r} is no program or may not be run; give --trtexec that of TensorRT")
    path = str(Path(path).absolute())  # a bare name would be looked for on PATH
    done = _run([path, "--help"])
    said = done.stdout + done.stderr
    if done.returncode and not re.search(BANNER, said):
        raise PolicyError(f"{path} does not run: {_end(done)}")
    return Tool(path, parse_version(said, path))


BANNER = r"\[TensorRT v(\d{4,6})\]"
"""Where ``trtexec`` tells its version."""


def _run(words: list[str]) -> subprocess.CompletedProcess:
    """Run a program and return what it said; raise :class:`PolicyError` if it cannot be begun."""
    try:
        # What a tool prints need be no UTF-8.
        return subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:  # a text file, or a program for another processor
        raise PolicyError(
            f"{words[0]} cannot be run: {error.strerror}; give the trtexec that TensorRT has for this machine"
        ) from error


def _end(done: subprocess.CompletedProcess) -> str:
    """Return how a program ended and its own last line; the last error, if it told one."""
    lines = [line for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    told = [line for line in lines if "[E]" in line] or lines
    how = f"it left with {done.returncode}"
    number = -done.returncode if done.returncode < 0 else done.returncode - 128  # a shell adds 128
    if number in list(signal.Signals):
        name = signal.Signals(number).name
        how = f"it was killed by {name}" + (", often for want of memory" if name == "SIGKILL" else "")
    return f"{how}; its last line: {last_line(told[-1]) if told else 'none'}"


def parse_version(text: str, path: str = "trtexec") -> tuple[int, int, int]:
    """Return the version in the banner of ``trtexec``: ``[TensorRT v100300]`` is 10.3.0.

    Raises:
        PolicyError: If there is none.
    """
    found = re.search(BANNER, text)
    if not found:
        raise PolicyError(
            f"{path} does not tell its version ({last_line(text)}); is it the trtexec of TensorRT 8 or later?"
        )
    digits = found[1]
    patch, minor, major = digits[-2:], digits[-4:-2], digits[:-4]
    if not major:  # TensorRT 8 and 9 have one digit each for major and minor: 8602
        major, minor = digits[0], digits[1]
    return int(major), int(minor), int(patch)


def command(tool: Tool, onnx: Path, engine: Path, fp16: bool) -> list[str]:
    """Return the words that build an engine.

    Raises:
        PolicyError: If this TensorRT cannot do what is asked.
    """
    if tool.version < OLDEST:
        raise PolicyError(f"TensorRT {tool.release} is older than 10.0; use JetPack 6.1 or later")
    if fp16 and tool.version >= FIRST_WITHOUT_FP16:
        raise PolicyError(
            f"TensorRT {tool.release} has no --fp16 any more: leave --fp16 out (this network takes microseconds), or"
            " build with TensorRT 10 on the Jetson"
        )
    words = [tool.path, f"--onnx={onnx}", f"--saveEngine={engine}", "--skipInference"]
    return [*words, "--fp16"] if fp16 else words


def build(
    tool: Tool,
    onnx: Path,
    folder: Path,
    fp16: bool,
    contract: str,
    approve: Callable[[Path], None] = lambda engine: None,
) -> Path:
    """Build ``<name>.engine`` and its stamp ``<name>.engine.json``.

    Args:
        tool: The ``trtexec``.
        onnx: The policy.
        folder: Where the two files go.
        fp16: Whether TensorRT may compute in half precision.
        contract: The policy's contract as JSON.
        approve: Takes the finished engine under a temporary name, its stamp beside it, and raises
            :class:`PolicyError` if it must not be used.

    Returns:
        The engine.

    Raises:
        PolicyError: If the build fails, the engine is not approved or cannot be written; what lay there stays then.
    """
    engine = folder / f"{onnx.stem}.engine"
    temporary = folder / f".{engine.name}.{os.getpid()}.tmp"
    draft = temporary.with_name(f"{temporary.name}.json")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        done = _run(command(tool, onnx, temporary, fp16))
        if done.returncode or not temporary.is_file() or not temporary.stat().st_size:
            raise PolicyError(f"trtexec built no engine: {_end(done)}")
        stamp = {
            "tensorrt": tool.release,
            "command": shlex.join(["trtexec", *command(tool, Path(onnx.name), Path(engine.name), fp16)[1:]]),
            "onnx_sha256": _sha256(onnx),
            "engine_sha256": _sha256(temporary),
            "machine": platform.machine(),
            "contract": json.loads(contract),
        }
        draft.write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
        approve(temporary)
        os.replace(temporary, engine)
        os.replace(draft, engine.with_name(f"{engine.name}.json"))
    except OSError as error:
        raise PolicyError(f"{engine.name} cannot be written to {str(folder)!r}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
            draft.unlink(missing_ok=True)
    return engine


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def largest_difference(one: Callable, other: Callable, rows: int = 100) -> float:
    """Return the largest difference between the actions of two policies of one contract; NaN if one is no number.

    Args:
        one: Policy with a ``contract``.
        other: The same policy run otherwise.
        rows: Number of inputs: vectors from a normal distribution, pictures from an even one.
    """
    generator = np.random.default_rng(0)
    differences = []
    for _ in range(rows):
        inputs = {item.name: _drawn(item, generator) for item in one.contract.inputs}
        differences.append(np.abs(one(inputs) - other(inputs)).max())
    return float(np.max(differences))  # unlike Python's max it does not lose a NaN


def _drawn(item: VectorInput | ImageInput, generator: np.random.Generator) -> np.ndarray:
    """Return a random input, (1, …)."""
    if isinstance(item, ImageInput):
        return generator.integers(0, 256, (1, *item.shape), np.uint8)
    return generator.normal(0.0, 0.3, (1, item.size)).astype(np.float32)
