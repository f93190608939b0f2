"""Build a TensorRT engine from an ONNX policy on the robot's computer. Needs only `pip install .[deploy]` and TensorRT.

python scripts/build_engine.py --onnx assets/policies/Alice-Ball-Transfer.onnx --output .
python scripts/build_engine.py --onnx assets/policies/Alice-Ball-Transfer.onnx --dry_run
"""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path

from alice.cli import files, usage
from alice.deploy import engine
from alice.deploy.policy import EnginePolicy, OnnxPolicy
from alice.deploy.runtime import PolicyError

TOLERANCE = {False: 1e-4, True: 2e-2}
"""Largest difference of actions to onnxruntime in single and in half precision."""


def main(argv: list[str]) -> int:
    """Check the command line, build and stamp the engine, and compare it with onnxruntime where Python can."""
    parser = usage.DoorParser(__doc__, prog="build_engine.py")
    exported = files.Source(".onnx", "export one with scripts/export_onnx.py")
    parser.add_argument("--onnx", required=True, type=exported, help="policy exported by export_onnx.py")
    parser.add_argument(
        "--output", default=".", type=files.Target(folder=True), help="where engine and stamp go; default: here"
    )
    parser.add_argument("--fp16", action="store_true", help="allow half precision (TensorRT 10)")
    tool = files.Source(remedy="give the trtexec of TensorRT", program=True)
    parser.add_argument("--trtexec", type=tool, help="the tool; default: on PATH or where JetPack puts it")
    parser.add_argument("--dry_run", action="store_true", help="print the command and stop")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    onnx, folder = args.onnx, args.output
    try:
        policy = OnnxPolicy(onnx)
        if args.dry_run:
            tool = engine.Tool(str(args.trtexec or "trtexec"), (10, 3, 0))
            print(shlex.join(engine.command(tool, onnx, folder / f"{onnx.stem}.engine", args.fp16)))
            return 0
        tool = engine.find_tool(args.trtexec and str(args.trtexec))
        judge = Judge(policy, TOLERANCE[args.fp16])
        built = engine.build(tool, onnx, folder, args.fp16, policy.contract.to_json(), judge)
    except PolicyError as problem:
        raise usage.UsageError(str(problem)) from problem
    print(f"{built}: TensorRT {tool.release}, {built.stat().st_size / 1e3:.0f} kB")
    print(judge.verdict)
    return 0


class Judge:
    """Compares an engine with onnxruntime before it is put in place, where this Python has the module tensorrt.

    Args:
        policy: The policy that the engine was built from.
        tolerance: Largest difference of actions.
    """

    def __init__(self, policy: OnnxPolicy, tolerance: float):
        self._policy, self._tolerance = policy, tolerance
        self.verdict = "not compared with onnxruntime: this Python has no module tensorrt"

    def __call__(self, built: Path) -> None:
        """Raise :class:`PolicyError` if an engine differs too much; a difference that is no number does."""
        if importlib.util.find_spec("tensorrt") is None:
            return
        error = engine.largest_difference(self._policy, EnginePolicy(built))
        if not error <= self._tolerance:
            raise PolicyError(
                f"the engine differs from onnxruntime by {error:.2g}, more than {self._tolerance:g}: it was not put in"
                " place; build it without --fp16, or use the .onnx file"
            )
        self.verdict = f"largest difference to onnxruntime: {error:.1e}"


if __name__ == "__main__":
    usage.run(main)
