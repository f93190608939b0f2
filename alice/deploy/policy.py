"""Loads a policy on the robot: one ONNX file, or a TensorRT engine built from it. No PyTorch, no Isaac Lab."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alice import contract as contracts
from alice.contract import Contract, ContractError, VectorInput


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
            inputs: Inputs by name, (N, size) float32 each. A network of batch 1 is run N times.
        """
        count = len(next(iter(inputs.values())))
        if count == 1:
            return self._session.run(None, inputs)[0]
        rows = ({name: value[k : k + 1] for name, value in inputs.items()} for k in range(count))
        return np.concatenate([self._session.run(None, row)[0] for row in rows])


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
    theirs = {item.name: list(item.shape) for item in session.get_inputs()}
    ours = {item.name: _shape(item) for item in contract.inputs}
    agree = theirs.keys() == ours.keys() and all(theirs[key][1:] == ours[key][1:] for key in ours)
    outputs = [item.name for item in session.get_outputs()]
    if not agree or outputs != [contract.output]:
        raise PolicyError(
            f"{name}: the network takes {theirs} and gives {outputs}, its contract says {ours} and"
            f" {[contract.output]!r}; export it again"
        )


def _shape(item: VectorInput) -> list[int]:
    """Return the shape that an input should have."""
    return [1, item.size]
