"""Go on with a run at a named phase of the curriculum.

./isaaclab.sh -p scripts/resume_phase.py --run logs/rsl_rl/ball_transfer/<run> --phase release --more_iterations 100
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from alice.cli import usage
from alice.runs import checkpoints, training
from alice.transfer import curriculum


def main(argv: list[str]) -> None:
    """Check the two flags and hand over to ``train.py``, which takes all others too."""
    others = "All flags of train.py but --resume and --phase work as well."
    parser = usage.DoorParser(__doc__, "agent.algorithm.learning_rate=1e-4", prog="resume_phase.py", others=others)
    run = checkpoints.Policy(names=("latest",), metavar="RUN")
    parser.add_argument("--run", required=True, type=run, help="run folder, a checkpoint in it, or latest")
    parser.add_argument("--phase", required=True, choices=curriculum.PHASES, help="stage; auto: promoted by success")
    training.add_length_flags(parser)
    args, rest = parser.parse_known_args(argv)
    for name in ("max_iterations", "more_iterations", "keep"):
        value = getattr(args, name)
        rest += [] if value is None else [f"--{name}", str(value)]
    train = Path(__file__).with_name("train.py")
    sys.argv = [str(train), "--resume", str(args.run), "--phase", args.phase, *rest]
    runpy.run_path(str(train), run_name="__main__")


if __name__ == "__main__":
    usage.run(main)
