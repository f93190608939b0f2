"""Loads a policy on the robot: one ONNX file, or a TensorRT engine built from it. No PyTorch, no Isaac Lab."""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
from pathlib import Path

import numpy as np

from alice import contract as contracts
from alice.contract import Contract, ContractError


class PolicyError(ValueError):
    """A policy that cannot be used. The message is one line."""


class OnnxPolicy:
    """A policy that onnxruntime runs.

    Args:
        path: ``<task>.onnx``.
        threads: Number of threads of the runtime.

    Raises:
        PolicyError: If the file cannot be read, holds no contract, or does not fit this arm.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        import onnxruntime

        path = Path(path)
        if not path.is_file():
            raise PolicyError(f"policy {path.name!r} does not exist; export one with scripts/export_onnx.py")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, ["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own for each kind of damage
            reason = " ".join(str(error).split())[:160]
            raise PolicyError(f"{path.name} is damaged or no ONNX file ({reason}); export it again") from error
        text = self._session.get_modelmeta().custom_metadata_map.get(contracts.METADATA_KEY)
        if text is None:
            raise PolicyError(f"{path.name} holds no contract; export the policy with scripts/export_onnx.py")
        self.contract = fitting_contract(text, path.name)
        _compare_inputs(self.contract, self._session, path.name)

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return actions, (N, 6) float32 in [-1, 1].

        Args:
            inputs: Inputs by name, (N, …) each, as the contract has them. A network of batch 1 is run N times.
        """
        count = len(next(iter(inputs.values())))
        if count == 1:
            return self._session.run(None, inputs)[0]
        rows = ({name: value[k : k + 1] for name, value in inputs.items()} for k in range(count))
        return np.concatenate([self._session.run(None, row)[0] for row in rows])


class EnginePolicy:
    """A policy that TensorRT runs, from an engine of :mod:`alice.deploy.engine`.

    Args:
        path: ``<task>.engine``, with its stamp beside it.

    Raises:
        PolicyError: If file or stamp are missing or do not belong together, TensorRT is missing or another one than the
            engine was built with, or the policy does not fit this arm.
    """

    def __init__(self, path: str | Path):
        path = Path(path)
        stamp_file = path.with_name(f"{path.name}.json")
        try:
            data, stamp = path.read_bytes(), json.loads(stamp_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PolicyError(
                f"{path.name} or its stamp cannot be read; build it with scripts/build_engine.py"
            ) from error
        if hashlib.sha256(data).hexdigest() != stamp.get("engine_sha256"):
            raise PolicyError(f"{path.name} is not the engine of {stamp_file.name}; build it again")
        self.contract = fitting_contract(json.dumps(stamp["contract"]), path.name)
        try:
            import tensorrt
        except ImportError as error:
            raise PolicyError("Python has no module tensorrt; use the .onnx file, or install JetPack's") from error
        built, here = stamp["tensorrt"].split(".")[:2], tensorrt.__version__.split(".")[:2]
        if built != here:
            raise PolicyError(
                f"{path.name} was built with TensorRT {stamp['tensorrt']}, this is {tensorrt.__version__}; build it"
                " again on this machine"
            )
        runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.WARNING))
        self._engine = runtime.deserialize_cuda_engine(data)
        if self._engine is None:
            raise PolicyError(f"TensorRT cannot load {path.name}; build it again on this machine")
        self._context = self._engine.create_execution_context()
        self._cuda = Cuda()
        self._output = np.empty((1, len(self.contract.action.names)), np.float32)
        self._dtypes = {item.name: np.dtype(item.dtype) for item in self.contract.inputs}
        sizes = {item.name: self._dtypes[item.name].itemsize * math.prod(item.shape) for item in self.contract.inputs}
        sizes[self.contract.output] = self._output.nbytes
        self._buffers = {name: self._cuda.allocate(size) for name, size in sizes.items()}
        for name, address in self._buffers.items():
            self._context.set_tensor_address(name, address)

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return actions, (1, 6) float32 in [-1, 1].

        Args:
            inputs: Inputs by name, (1, …) each, as the contract has them.
        """
        for name, values in inputs.items():
            self._cuda.to_device(self._buffers[name], np.ascontiguousarray(values, self._dtypes[name]))
        self._context.execute_async_v3(0)
        self._cuda.to_host(self._output, self._buffers[self.contract.output])
        return self._output.copy()


class Cuda:
    """The three calls of CUDA's runtime library that an engine needs, on the default stream.

    Raises:
        PolicyError: If there is no CUDA runtime library, or one of its calls fails.
    """

    TO_DEVICE, TO_HOST = 1, 2

    def __init__(self):
        try:
            self._library = ctypes.CDLL("libcudart.so")
        except OSError as error:
            raise PolicyError("no CUDA runtime (libcudart.so) on this machine; use the .onnx file") from error

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


def load(path: str | Path, threads: int = 1) -> OnnxPolicy | EnginePolicy:
    """Load a policy by the kind of its file: ``.onnx`` or ``.engine``.

    Args:
        path: The file.
        threads: Number of threads of onnxruntime.

    Raises:
        PolicyError: If it cannot be used.
    """
    suffix = Path(path).suffix
    if suffix == ".engine":
        return EnginePolicy(path)
    if suffix == ".onnx":
        return OnnxPolicy(path, threads)
    raise PolicyError(f"policy {Path(path).name!r} must end in .onnx or .engine")


def fitting_contract(text: str, name: str) -> Contract:
    """Return a contract that fits this arm.

    Args:
        text: The contract as JSON.
        name: File that it comes from, for the message.

    Raises:
        PolicyError: If it cannot be read or does not fit.
    """
    try:
        contract = contracts.from_json(text)
        contracts.check(contract)
    except ContractError as error:
        raise PolicyError(f"{name}: {error}") from error
    return contract


def _compare_inputs(contract: Contract, session, name: str) -> None:
    """Raise :class:`PolicyError` if the network takes other inputs than its contract says."""
    theirs = {item.name: [*item.shape, item.type] for item in session.get_inputs()}
    kinds = {"float32": "tensor(float)", "uint8": "tensor(uint8)"}
    ours = {item.name: [1, *item.shape, kinds.get(item.dtype, item.dtype)] for item in contract.inputs}
    agree = theirs.keys() == ours.keys() and all(theirs[key][1:] == ours[key][1:] for key in ours)
    outputs = [item.name for item in session.get_outputs()]
    if not agree or outputs != [contract.output]:
        raise PolicyError(
            f"{name}: the network takes {theirs} and gives {outputs}, its contract says {ours} and"
            f" {[contract.output]!r}; export it again"
        )
