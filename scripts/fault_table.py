"""Break an emulated arm in every way in the middle of a transfer, in simulated time, and tell what follows.

python scripts/fault_table.py --arm xarm1s
python scripts/fault_table.py --page docs/robot.md
"""

from __future__ import annotations

from pathlib import Path

from alice import arms
from alice.cli import files, usage
from alice.deploy import fault_bench

BEGIN, END = "<!-- faults: written by fault_table.py -->\n", "<!-- end of the faults -->"
BOTH = "both"


def main(argv: list[str]) -> int:
    """Check the command line, try every fault, print the tables, and write them into a page if one is given."""
    parser = usage.DoorParser(__doc__, prog="fault_table.py")
    kinds = {arm.joints[0].servo.bus: name for name, arm in reversed(arms.ARMS.items())}
    choices = [BOTH, *arms.ARMS]
    parser.add_argument("--arm", choices=choices, default=BOTH, help="the arm; default: one for each kind of bus")
    parser.add_argument("--fault", type=usage.word, help="those alone that have this in their name")
    page = files.Source("", "give docs/robot.md")
    parser.add_argument("--page", type=page, help="page that has the place for the tables, to write them into")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    text = Path(args.page).read_text(encoding="utf-8") if args.page else BEGIN + END
    if BEGIN not in text or END not in text:
        raise usage.UsageError(f"--page {str(args.page)!r} has no place for the tables: {BEGIN.strip()}")
    tables = []
    for name in sorted(kinds.values(), reverse=True) if args.arm == BOTH else [args.arm]:
        arm = arms.named(name)
        found = [fault_bench.run(arm, case) for case in fault_bench.cases(arm) if (args.fault or "") in case.name]
        tables.append(fault_bench.table(found, f"{arm.title} ({arm.joints[0].servo.bus} bus)"))
        print(tables[-1], flush=True)
    if args.page:
        before, _, after = text.partition(BEGIN)[0], *text.partition(END)[1:]
        files.write_text(args.page, before + BEGIN + "".join(tables) + "\n" + END + after)
    return 0


if __name__ == "__main__":
    usage.run(main)
