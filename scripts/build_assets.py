"""Write the USD files of arms, dish and nest from the tables of numbers.

./isaaclab.sh -p scripts/build_assets.py
./isaaclab.sh -p scripts/build_assets.py --output elsewhere
"""

from __future__ import annotations

from alice.assets import DATA_DIR
from alice.cli import files, usage


def main(argv: list[str]) -> int:
    """Check the command line and write the files."""
    parser = usage.DoorParser(__doc__, prog="build_assets.py")
    parser.add_argument(
        "--output",
        type=files.Target(folder=True),
        default=str(DATA_DIR),
        help="where the files go; default: the folder that the tasks read them from",
    )
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)

    from alice.assets import arm_builder, objects_builder  # load USD
    from alice.assets.bodies import BODIES

    for body in {body.arm.name: body for body in BODIES.values()}.values():
        print(arm_builder.build(body, args.output / body.file.name))
    print(objects_builder.build_dish(args.output / "dish.usda"))
    print(objects_builder.build_nest(args.output / "nest.usda"))
    return 0


if __name__ == "__main__":
    usage.run(main)
