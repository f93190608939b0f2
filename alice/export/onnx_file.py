"""Writes an actor as one ONNX file, contract inside, and proves that it computes what PyTorch does."""

from __future__ import annotations

import contextlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from alice.contract import METADATA_KEY, Contract
from alice.deploy import runtime
from alice.export import operators
from alice.export.actor import Actor

OPSET = 18
"""What PyTorch's exporter writes without conversion; TensorRT 10.3 takes up to 20."""
MAX_ERROR = 1e-5
"""Largest difference to PyTorch that an export may have."""
FP16_LIMIT = 65504.0
"""Largest number of half precision."""


class ExportError(RuntimeError):
    """An export that must not be shipped. The message is one line."""


@dataclass
class Exported:
    """A finished export."""

    onnx: Path
    contract: Path
    figures: dict[str, Any]
    """Size, operators, parity and half-precision figures."""


def write(
    actor: Actor, contract: Contract, folder: Path, recorded: dict[str, np.ndarray], dynamic_batch: bool = False
) -> Exported:
    """Export, check, and only then put ``<task>.onnx`` and ``<task>.contract.json`` in place.

    Args:
        actor: The actor.
        contract: Its contract.
        folder: Where the two files go; made if missing.
        recorded: Inputs by name that the policy met in simulation, (R, …) each.
        dynamic_batch: Whether the network takes any number of rows at once; TensorRT wants 1.

    Raises:
        ExportError: If the graph is not valid, uses what TensorRT 10.3 does not know, computes something else or what
            is no number, or cannot be written. What lay in the folder stays then.
    """
    target = folder / f"{contract.task}.onnx"
    beside = target.with_suffix(".contract.json")
    temporary, draft = (file.with_name(f".{file.name}.{os.getpid()}.tmp") for file in (target, beside))
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _trace(actor, contract, temporary, dynamic_batch)
        model = onnx.load(temporary)
        _forget_the_exporter(model)
        entry = model.metadata_props.add()
        entry.key, entry.value = METADATA_KEY, contract.to_json()
        onnx.save(model, temporary)
        figures = _check(actor, contract, temporary, recorded)
        draft.write_text(contract.to_json() + "\n", encoding="utf-8")
        os.replace(temporary, target)
        os.replace(draft, beside)
        is_new = False
    except OSError as error:
        raise ExportError(f"{target.name} cannot be written to {str(folder)!r}: {error.strerror or error}") from error
    except (runtime.PolicyError, torch.onnx.errors.OnnxExporterError) as error:
        raise ExportError(f"{target.name} cannot be made: {runtime.last_line(str(error))}") from error
    finally:
        with contextlib.suppress(OSError):
            for leftover in (*folder.glob(f"{temporary.name}*"), draft):
                leftover.unlink(missing_ok=True)
            if is_new:
                folder.rmdir()
    return Exported(target, beside, figures)


def _trace(actor: Actor, contract: Contract, path: Path, dynamic_batch: bool) -> None:
    """Let PyTorch write the graph."""
    example = tuple(torch.zeros(1, *item.shape, dtype=getattr(torch, item.dtype)) for item in contract.inputs)
    shapes = {"inputs": tuple({0: torch.export.Dim.DYNAMIC} for _ in example)} if dynamic_batch else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            actor,
            example,
            str(path),
            opset_version=OPSET,
            input_names=[item.name for item in contract.inputs],
            output_names=[contract.output],
            dynamic_shapes=shapes,
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def _forget_the_exporter(model: onnx.ModelProto) -> None:
    """Drop what PyTorch notes beside the graph: stack traces, with the paths of the machine that exports."""
    graphs = [model.graph, *model.functions]
    while graphs:
        graph = graphs.pop()
        parts = [graph, *graph.node, *graph.value_info]
        if isinstance(graph, onnx.GraphProto):
            parts += [*graph.input, *graph.output, *graph.initializer]
        for part in parts:
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
        for attribute in (attribute for node in graph.node for attribute in node.attribute):
            graphs += [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]


def _check(actor: Actor, contract: Contract, path: Path, recorded: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the figures of an export, or raise :class:`ExportError`."""
    model = onnx.load(path)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the exported graph is not valid ONNX: {' '.join(str(error).split())[:200]}") from error
    used = {node.op_type for node in model.graph.node}
    opset = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    if found := operators.objections(opset, used):
        raise ExportError(f"TensorRT 10.3 would refuse this graph: {', '.join(found)}")
    expected = _torch(actor, contract, recorded)
    if not np.isfinite(expected).all():
        raise ExportError("the policy gives actions that are not finite on recorded inputs; export a sound checkpoint")
    error = float(np.abs(_run(model, recorded) - expected).max())
    if not error <= MAX_ERROR:
        raise ExportError(f"the exported graph differs from PyTorch by {error:.2g}, more than {MAX_ERROR:g}")
    return {
        "bytes": path.stat().st_size,
        "opset": opset,
        "operators": sorted(used),
        "recorded_inputs": len(expected),
        "max_error": error,
        "fp16": half_precision(model, recorded, expected),
    }


def _torch(actor: Actor, contract: Contract, recorded: dict[str, np.ndarray]) -> np.ndarray:
    with torch.inference_mode():
        return actor(*(torch.from_numpy(recorded[item.name]) for item in contract.inputs)).numpy()


def _run(model: onnx.ModelProto, recorded: dict[str, np.ndarray]) -> np.ndarray:
    """Return what onnxruntime computes, row by row where the batch is fixed."""
    session = runtime.open_onnx(model.SerializeToString(), 1, "the exported graph")
    if not isinstance(session.get_inputs()[0].shape[0], int):
        return session.run(None, recorded)[0]
    rows = len(next(iter(recorded.values())))
    parts = [session.run(None, {name: v[k : k + 1] for name, v in recorded.items()})[0] for k in range(rows)]
    return np.concatenate(parts)


def half_precision(
    model: onnx.ModelProto, recorded: dict[str, np.ndarray], expected: np.ndarray
) -> dict[str, float | bool]:
    """Return whether the network would survive half precision: the range of what flows in it, and the error.

    Args:
        model: The exported network.
        recorded: Inputs by name, (R, …) each.
        expected: Its output in single precision, (R, 6).
    """
    runtime.onnxruntime()
    from onnxruntime.transformers.float16 import convert_float_to_float16

    largest = _largest_activation(model, recorded)
    half = convert_float_to_float16(onnx.ModelProto.FromString(model.SerializeToString()), keep_io_types=True)
    error = np.abs(_run(half, recorded) - expected)
    return {
        "largest_activation": largest,
        "in_range": largest < FP16_LIMIT,
        "max_error": float(error.max()),
        "mean_error": float(error.mean()),
    }


def _largest_activation(model: onnx.ModelProto, recorded: dict[str, np.ndarray]) -> float:
    """Return the largest absolute value of any tensor inside the network; NaN if one is no number."""
    opened = onnx.shape_inference.infer_shapes(model)
    outputs = {item.name for item in opened.graph.output}
    kinds = {item.name: item for item in opened.graph.value_info}
    for node in opened.graph.node:
        for name in node.output:
            is_float = name in kinds and kinds[name].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
            if is_float and name not in outputs:
                opened.graph.output.append(kinds[name])
    session = runtime.open_onnx(opened.SerializeToString(), 1, "the exported graph")
    largest = []
    for k in range(len(next(iter(recorded.values())))):
        found = session.run(None, {name: value[k : k + 1] for name, value in recorded.items()})
        largest += [np.abs(value).max() for value in found]
    return float(np.max(largest))  # unlike Python's max it does not lose a NaN
