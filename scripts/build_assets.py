"""Write the USD files of arm, dish and nest from the tables of numbers.

./isaaclab.sh -p scripts/build_assets.py
./isaaclab.sh -p scripts/build_assets.py --output elsewhere
"""

from __future__ import annotations

from alice.assets import DATA_DIR
from alice.cli import files, usage


def main(argv: list[str]) -> int:
    """Check the command line and write the three files."""
    parser = usage.DoorParser(__doc__, prog="build_assets.py")
    parser.add_argument(
        "--output",
        type=files.Target(folder=True),
        default=str(DATA_DIR),
        help="where the files go; default: the folder that the tasks read them from",
    )
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)

    from alice.assets import objects_builder, xarm1s_builder  # load USD

    builders = {
        "xarm1s": xarm1s_builder.build,
        "dish": objects_builder.build_dish,
        "nest": objects_builder.build_nest,
    }
    for name, build in builders.items():
        print(build(args.output / f"{name}.usda"))
    return 0


if __name__ == "__main__":
    usage.run(main)
