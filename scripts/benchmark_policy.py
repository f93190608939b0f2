"""Measure how long an exported policy takes for one action. Needs only `pip install .[deploy]`.

python scripts/benchmark_policy.py --policy assets/policies/Alice-Ball-Transfer.onnx
"""

from __future__ import annotations

import resource
import time

import numpy as np

from alice.cli import files, usage
from alice.contract import ImageInput
from alice.deploy import policy as policies
from alice.deploy.observation import Controller
from alice.deploy.runtime import PolicyError


def main(argv: list[str]) -> int:
    """Check the command line, measure with one thread and with two, and print a table."""
    parser = usage.DoorParser(__doc__, prog="benchmark_policy.py")
    exported = files.Source(".onnx", "export one with scripts/export_onnx.py")
    parser.add_argument("--policy", required=True, type=exported, help=".onnx or .engine")
    parser.add_argument("--calls", type=usage.positive, default=5000, help="calls per measurement; default 5000")
    parser.add_argument("--threads", nargs="+", type=usage.positive, default=[1, 2], help="threads of onnxruntime")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    try:
        for index, threads in enumerate(args.threads):
            policy = policies.load(args.policy, threads)
            measured = measure(policy, args.calls)
            budget = 1000.0 / policy.contract.arm.control_rate_hz
            if index == 0:
                print(f"{'threads':>7s} {'what':<20s} {'p50 ms':>9s} {'p99 ms':>9s} {f'of {budget:.1f} ms':>12s}")
            for what, times in measured.items():
                p50, p99 = np.percentile(times, [50, 99])
                print(f"{threads:7d} {what:<20s} {p50:9.3f} {p99:9.3f} {p99 / budget:12.2%}")
    except PolicyError as problem:
        raise usage.UsageError(str(problem)) from problem
    print(f"memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0


def measure(policy, calls: int) -> dict[str, np.ndarray]:
    """Return the times of the network alone and of a whole control step, (calls,) [ms] each.

    Raises:
        PolicyError: If the policy gives what is no action.
    """
    controller = Controller(policy.contract)
    generator = np.random.default_rng(0)
    arm = policy.contract.arm
    readings = generator.uniform(arm.joint_lower, arm.joint_upper, (calls, 1, len(arm.home))).astype(np.float32)
    ball, dish, radius = np.array([[0.2, 0.0, 0.015]]), np.array([[0.2, 0.1, 0.0]]), np.array([0.015])
    sizes = [(item.height, item.width) for item in policy.contract.inputs if isinstance(item, ImageInput)]
    pictures = generator.integers(0, 256, (16, 1, *sizes[0], 3), np.uint8) if sizes else [None]
    age = [0.03] if sizes else None
    network, step = np.empty(calls), np.empty(calls)
    for warm in (True, False):
        for k in range(min(calls, 200) if warm else calls):
            began = time.perf_counter()
            inputs = controller.inputs(readings[k], ball, dish, radius, pictures[k % len(pictures)], age)
            asked = time.perf_counter()
            actions = policy(inputs)
            answered = time.perf_counter()
            controller.targets_after(actions)
            if controller.refused.any():
                raise PolicyError("the policy gives actions that are not finite; export a sound one")
            network[k], step[k] = answered - asked, time.perf_counter() - began
    return {"network": 1e3 * network, "whole control step": 1e3 * step}


if __name__ == "__main__":
    usage.run(main)
