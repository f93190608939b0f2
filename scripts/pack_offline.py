"""Pack what training needs, in parts, for a machine that has PyTorch and no network.

./isaaclab.sh -p scripts/pack_offline.py --output packed --megabytes 54
./isaaclab.sh -p scripts/pack_offline.py --output packed --have freeze.txt
"""

from __future__ import annotations

from alice.cli import files, terminal, usage
from alice.offline import pack


def main(argv: list[str]) -> int:
    """Check the command line, pack, and say how to join."""
    parser = usage.DoorParser(__doc__, prog="pack_offline.py")
    where = files.Target(folder=True)
    parser.add_argument("--output", type=where, default="packed", help="where the parts go; default: packed")
    parser.add_argument("--megabytes", type=usage.positive, default=500, help="largest size of a part; default 500")
    have = files.Source("", "make it there with: python3 -m pip freeze > FILE")
    parser.add_argument("--have", type=have, help="what the other machine has; default: what comes with PyTorch")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    carried, expected = pack.names_to_carry(args.have)
    packages = [pack.package(name) for name in carried]
    with terminal.doing(f"packing {len(packages)} packages"):
        about = pack.write(files.Target(folder=True)(str(args.output)), packages, expected, args.megabytes * 10**6)
    size = sum(path.stat().st_size for path in args.output.glob("part.*"))
    print(
        f"{about['parts']} parts, {size / 1e6:.0f} MB; {about['bytes'] / 1e6:.0f} MB unpacked, Python {about['python']}"
    )
    print(f"copy {args.output} there, then: python{about['python']} {args.output}/join.py SITE")
    return 0


if __name__ == "__main__":
    usage.run(main)
