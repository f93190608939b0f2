"""Say how fast trainings have learned: steps and seconds to 50, 90 and 97 % success, median and worst over the runs.

./isaaclab.sh -p scripts/learning_speed.py --runs logs/rsl_rl/ball_transfer/<run>
./isaaclab.sh -p scripts/learning_speed.py --runs RUN OTHER_RUN --json speed.json --plot speed.png
"""

from __future__ import annotations

from alice.cli import files, usage
from alice.studies import learning_speed


def main(argv: list[str]) -> int:
    """Check the command line, read the runs, print the table and write what was asked for."""
    parser = usage.DoorParser(__doc__, prog="learning_speed.py")
    run = files.Source(remedy="give logs/rsl_rl/<experiment>/<run>", folder=True)
    parser.add_argument(
        "--runs", nargs="+", required=True, type=run, metavar="RUN", help="run folders, such as one for each seed"
    )
    parser.add_argument("--json", type=files.Target((".json",)), help="where to write all figures and curves")
    parser.add_argument("--plot", type=files.Target((".png",)), help="where to draw success over steps (.png)")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    speeds = [learning_speed.measure(folder) for folder in args.runs]
    print(learning_speed.table(speeds))
    if args.json:
        learning_speed.write(speeds, args.json)
    if args.plot:
        learning_speed.plot(speeds, args.plot)
    return 0


if __name__ == "__main__":
    usage.run(main)
