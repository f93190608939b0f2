"""Export a policy as one ONNX file with its contract inside, for onnxruntime and TensorRT.

./isaaclab.sh -p scripts/export_onnx.py --task Alice-Ball-Transfer --checkpoint released --output exported
"""

from __future__ import annotations

from alice.cli import files, usage
from alice.deploy import runtime
from alice.runs import launch, provenance


def main(argv: list[str]) -> int:
    """Check the command line, export, and tell how far the file is from PyTorch."""
    parser = usage.DoorParser(__doc__, "presets=resnet18", prog="export_onnx.py")
    launch.add_flags(parser, "task", "checkpoint", "agent", "encoder_weights")
    parser.add_argument(
        "--output", type=files.Target(folder=True), default="exported", help="where the file goes; default: exported"
    )
    recording = files.Source(".npz", "make them with scripts/evaluate.py --record FILE.npz")
    parser.add_argument("--inputs", type=recording, help="recorded inputs; default: those of the released policy")
    parser.add_argument("--json", type=files.Target(), help="where to write size, operators and errors")
    parser.add_argument("--dynamic_batch", action="store_true", help="take any number of rows; TensorRT wants one")
    args, words = usage.parse(parser, argv)
    try:
        runtime.onnxruntime()  # the export is checked with it
    except runtime.PolicyError as error:
        raise usage.UsageError(str(error)) from error
    args.device = "cpu"
    job = launch.prepare(args, words, play_mode=True, needs_checkpoint=True)

    from alice.export import actor, onnx_file, recordings

    contract = actor.contract_of(job)
    network = actor.build(job, contract.inputs)
    recorded = recordings.load(args.inputs or recordings.of_task(job.task), contract)
    try:
        done = onnx_file.write(network, contract, args.output, recorded, args.dynamic_batch)
    except onnx_file.ExportError as error:
        raise usage.UsageError(str(error)) from error
    figures, half = done.figures, done.figures["fp16"]
    if args.json:
        known = {"task": job.task, "checkpoint_sha256": provenance.sha256(job.checkpoint)}
        provenance.write_json(args.json, {**known, "onnx_sha256": provenance.sha256(done.onnx), **figures})
    print(f"{done.onnx}: {figures['bytes'] / 1e3:.0f} kB, opset {figures['opset']}, {', '.join(figures['operators'])}")
    print(f"against PyTorch on {figures['recorded_inputs']} recorded inputs: largest error {figures['max_error']:.1e}")
    print(
        f"half precision: {'in range' if half['in_range'] else 'NOT IN RANGE, do not use --fp16'}, largest activation"
        f" {half['largest_activation']:.1f} of 65504, largest error {half['max_error']:.1e}, mean"
        f" {half['mean_error']:.1e}"
    )
    return 0


if __name__ == "__main__":
    usage.run(main)
