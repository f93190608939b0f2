"""Loads a policy on the robot: one ONNX file, or a TensorRT engine built from it. No PyTorch, no Isaac Lab."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from alice import contract as contracts
from alice.contract import Contract, ContractError
from alice.deploy import runtime
from alice.deploy.runtime import Cuda, PolicyError


class OnnxPolicy:
    """A policy that onnxruntime runs.

    Args:
        path: ``<task>.onnx``.
        threads: Number of threads of the runtime.

    Raises:
        PolicyError: If onnxruntime is missing or unfit, or the file cannot be read, holds no contract, or does not fit
            this arm.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        path = Path(path)
        if path.is_dir():
            raise PolicyError(f"policy {path.name!r} is a folder; give the .onnx file in it")
        if not path.is_file():
            raise PolicyError(f"policy {path.name!r} does not exist; export one with scripts/export_onnx.py")
        self._name = path.name
        self._session = runtime.open_onnx(_read(path), threads, path.name)
        text = self._session.get_modelmeta().custom_metadata_map.get(contracts.METADATA_KEY)
        if text is None:
            raise PolicyError(f"{path.name} holds no contract; export the policy with scripts/export_onnx.py")
        self.contract = fitting_contract(text, path.name)
        _compare_inputs(self.contract, self._session, path.name)

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return actions, (N, 6) float32 in [-1, 1].

        Args:
            inputs: Inputs by name, (N, …) each, as the contract has them. A network of batch 1 is run N times.

        Raises:
            PolicyError: If onnxruntime does not take them.
        """
        count = len(next(iter(inputs.values())))
        rows = ({name: value[k : k + 1] for name, value in inputs.items()} for k in range(count))
        try:
            if count == 1:
                return self._session.run(None, inputs)[0]
            return np.concatenate([self._session.run(None, row)[0] for row in rows])
        except Exception as error:  # onnxruntime raises classes of its own
            raise PolicyError(f"{self._name} gave no action: {runtime.last_line(str(error))}") from error


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
        data, stamp = _stamped(path)
        self._name = path.name
        self.contract = fitting_contract(json.dumps(stamp["contract"]), path.name)
        tensorrt = runtime.tensorrt()
        built, here = stamp["tensorrt"].split(".")[:2], tensorrt.__version__.split(".")[:2]
        if built != here:
            raise PolicyError(
                f"{path.name} was built with TensorRT {stamp['tensorrt']}, this is {tensorrt.__version__}; build it"
                " again on this machine"
            )
        self._cuda = Cuda()
        plan = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.WARNING))
        self._engine = plan.deserialize_cuda_engine(data)
        if self._engine is None:
            raise PolicyError(f"TensorRT cannot load {path.name}; build it again on this machine")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise PolicyError(
                f"TensorRT cannot make ready to run {path.name}: the memory of the GPU may be full; stop what else uses"
                " it, or use the .onnx file"
            )
        self._output = np.empty((1, len(self.contract.action.names)), np.float32)
        self._dtypes = {item.name: np.dtype(item.dtype) for item in self.contract.inputs}
        sizes = {item.name: self._dtypes[item.name].itemsize * math.prod(item.shape) for item in self.contract.inputs}
        sizes[self.contract.output] = self._output.nbytes
        self._sizes, self._buffers = sizes, {name: self._cuda.allocate(size) for name, size in sizes.items()}
        for name, address in self._buffers.items():
            if self._context.set_tensor_address(name, address) is False:
                raise PolicyError(f"{path.name} has no tensor {name!r}, its contract has; build it again")

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return actions, (1, 6) float32 in [-1, 1].

        Args:
            inputs: Inputs by name, (1, …) each, as the contract has them.

        Raises:
            PolicyError: If they are others, or TensorRT does not run: there is no action then, keep the last targets.
        """
        if set(inputs) != set(self._dtypes):
            raise PolicyError(f"{self._name} takes {sorted(self._dtypes)}, was given {sorted(inputs)}")
        for name, values in inputs.items():
            values = np.ascontiguousarray(values, self._dtypes[name])
            if values.nbytes != self._sizes[name]:
                raise PolicyError(
                    f"{self._name}: {name} has the shape {values.shape}; give one row as the contract has"
                )
            self._cuda.to_device(self._buffers[name], values)
        self._output[:] = np.nan  # what is left if nothing comes back
        if self._context.execute_async_v3(0) is False:
            raise PolicyError(f"{self._name} gave no action: TensorRT did not run; keep the last targets")
        self._cuda.to_host(self._output, self._buffers[self.contract.output])
        return self._output.copy()


def _stamped(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Return an engine and its stamp; raise :class:`PolicyError` if they do not belong together."""
    stamp_file = path.with_name(f"{path.name}.json")
    try:
        data, stamp = path.read_bytes(), json.loads(stamp_file.read_text(encoding="utf-8"))
        known = {name: str(stamp[name]) for name in ("engine_sha256", "tensorrt")}
        known["contract"] = stamp["contract"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PolicyError(f"{path.name} or its stamp cannot be read; build it with scripts/build_engine.py") from error
    if hashlib.sha256(data).hexdigest() != known["engine_sha256"]:
        raise PolicyError(f"{path.name} is not the engine of {stamp_file.name}; build it again")
    return data, known


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


def _read(path: Path) -> bytes:
    """Return the content of a file; raise :class:`PolicyError` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PolicyError(f"policy {path.name!r} cannot be read: {error.strerror}; see who may read it") from error


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
