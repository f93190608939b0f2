"""Loads what a policy runs on: onnxruntime, TensorRT and CUDA, each with a remedy where it is missing or unfit."""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
from typing import Any

import numpy as np

INSTALL = "pip install '.[deploy]'"


class PolicyError(ValueError):
    """A policy that cannot be used. The message is one line."""


def onnxruntime() -> Any:
    """Return the module onnxruntime.

    Raises:
        PolicyError: If it is missing, or cannot be loaded here.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):  # NumPy prints a page about modules that were built for another NumPy
            import onnxruntime as module
    except ModuleNotFoundError as error:
        if error.name == "onnxruntime":
            raise PolicyError(f"Python has no module onnxruntime; {INSTALL}") from error
        raise PolicyError(f"onnxruntime lacks the module {error.name}; {INSTALL}") from error
    except Exception as error:  # a broken installation fails in its own way
        raise PolicyError(_unfit(f"{said.getvalue()}\n{error}")) from error
    if _OTHER_NUMPY.search(said.getvalue()) or not hasattr(module, "InferenceSession"):
        raise PolicyError(_unfit(f"{said.getvalue()}\nit has no InferenceSession"))
    return module


_OTHER_NUMPY = re.compile(r"NumPy 1\.x|numpy\.core\.multiarray|_ARRAY_API|numpy\.dtype size changed")


def _unfit(said: str) -> str:
    """Return why onnxruntime cannot be loaded and what helps."""
    if _OTHER_NUMPY.search(said):
        return (
            f"onnxruntime was built for another NumPy than {np.__version__}; install a newer onnxruntime, or"
            " pip install 'numpy<2'"
        )
    return f"onnxruntime cannot be loaded ({last_line(said)}); {INSTALL} --force-reinstall"


def open_onnx(data: bytes, threads: int, name: str) -> Any:
    """Return a session of an ONNX file on one CPU.

    Args:
        data: The file.
        threads: Number of threads.
        name: Name of the file, for the message.

    Raises:
        PolicyError: If onnxruntime cannot be used, is too old for the file, or the file is no ONNX file.
    """
    module = onnxruntime()
    options = module.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return module.InferenceSession(data, options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own for each kind of damage
        said = " ".join(str(error).split())
        if found := _TOO_NEW.search(said):
            raise PolicyError(
                f"onnxruntime {module.__version__} is too old for {name} ({found[0][:120]}); install 1.18 or later"
            ) from error
        raise PolicyError(f"{name} is damaged or no ONNX file ({said[:160]}); export it again") from error


_TOO_NEW = re.compile(r"Unsupported model IR version.*|Opset \d+ is under development.*|[^.]*NOT_IMPLEMENTED.*")
"""What onnxruntime says of a file that is newer than itself."""


def tensorrt() -> Any:
    """Return the module tensorrt.

    Raises:
        PolicyError: If it is missing, or cannot be loaded here.
    """
    try:
        import tensorrt as module
    except ModuleNotFoundError as error:
        raise PolicyError("Python has no module tensorrt; use the .onnx file, or install JetPack's") from error
    except Exception as error:  # a library that it needs is missing
        raise PolicyError(f"tensorrt cannot be loaded ({last_line(str(error))}); use the .onnx file") from error
    return module


def last_line(text: str) -> str:
    """Return the last line of a text that says something, short enough for a message."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no reason given"


class Cuda:
    """The three calls of CUDA's runtime library that an engine needs, on the default stream.

    Raises:
        PolicyError: If there is no CUDA runtime library, or one of its calls fails.
    """

    TO_DEVICE, TO_HOST = 1, 2
    NAMES = ("libcudart.so", "libcudart.so.13", "libcudart.so.12")
    """The first is there with the development packages only."""

    def __init__(self):
        for name in self.NAMES:
            with contextlib.suppress(OSError):
                self._library = ctypes.CDLL(name)
                return
        raise PolicyError("no CUDA runtime (libcudart.so) on this machine; use the .onnx file")

    def allocate(self, size: int) -> int:
        """Return the address of new device memory of ``size`` bytes."""
        address = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(address), ctypes.c_size_t(size))
        return address.value

    def to_device(self, address: int, values: np.ndarray) -> None:
        """Copy an array to device memory."""
        self._copy(ctypes.c_void_p(address), values.ctypes.data_as(ctypes.c_void_p), values.nbytes, self.TO_DEVICE)

    def to_host(self, values: np.ndarray, address: int) -> None:
        """Copy device memory into an array, when all work before is done."""
        self._copy(values.ctypes.data_as(ctypes.c_void_p), ctypes.c_void_p(address), values.nbytes, self.TO_HOST)

    def _copy(self, target, source, size: int, kind: int) -> None:
        self._call("cudaMemcpy", target, source, ctypes.c_size_t(size), ctypes.c_int(kind))

    def _call(self, name: str, *arguments) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise PolicyError(f"{name} failed with CUDA error {code}")
