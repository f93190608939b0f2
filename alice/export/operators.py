"""ONNX operators that TensorRT's parser takes, as far as our networks could use them.

Source: onnx/onnx-tensorrt, docs/operators.md at 96e7811 (TensorRT 10.1, June 2024): opset 9 to 20. That the 10.x
releases after it (10.3 of JetPack 6.2, 10.16 of JetPack 7.2) dropped none is an assumption; neither was run here.
"""

from __future__ import annotations

MIN_OPSET, MAX_OPSET = 9, 20
"""Opsets of TensorRT 10.0 to 10.3; later releases take newer ones too."""

SUPPORTED: frozenset[str] = frozenset(
    {
        "Add", "AveragePool", "Cast", "Clip", "Concat", "Constant", "Conv", "Div", "Elu", "Exp", "Expand", "Flatten",
        "Gather", "Gemm", "GlobalAveragePool", "Identity", "LayerNormalization", "MatMul", "MaxPool", "Mul",
        "ReduceMean", "ReduceSum", "Relu", "Reshape", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub",
        "Transpose", "Unsqueeze",
    }
)  # fmt: skip


def objections(opset: int, operators: set[str]) -> list[str]:
    """Return one sentence for everything that TensorRT 10.3 would refuse.

    Args:
        opset: Version of the default operator set.
        operators: Names of the operators of a graph.
    """
    found = [f"operator {name}" for name in sorted(operators - SUPPORTED)]
    if not MIN_OPSET <= opset <= MAX_OPSET:
        found.append(f"opset {opset} (TensorRT 10.3 takes {MIN_OPSET} to {MAX_OPSET})")
    return found
