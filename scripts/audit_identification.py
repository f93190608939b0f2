"""Identify arms whose numbers are known, drawn from the table of randomization, and say how far off what was found is.

python scripts/audit_identification.py --arm xarm1s
python scripts/audit_identification.py --arm so101 --worlds 50 --page docs/identification.md
"""

from __future__ import annotations

from alice import arms
from alice.cli import files, usage
from alice.deploy.identification import hidden


def main(argv: list[str]) -> int:
    """Check the command line, identify the arms, print the table and write it into the page."""
    parser = usage.DoorParser(__doc__, prog="audit_identification.py")
    parser.add_argument("--arm", required=True, choices=list(arms.ARMS), help="the kind of arm")
    parser.add_argument("--worlds", type=usage.positive, default=50, help="how many arms are drawn; default 50")
    parser.add_argument("--seed", type=usage.seed, default=hidden.SEED, help=f"of the draws; default {hidden.SEED}")
    parser.add_argument("--page", type=files.Target((".md",)), help="page whose table is written anew")
    args, words = usage.parse(parser, argv)
    usage.refuse_unknown(words, parser)
    arm = arms.named(args.arm)
    text, is_met = hidden.report(arm, args.worlds, args.seed)
    print(text)
    if args.page:
        page = args.page.read_text(encoding="utf-8") if args.page.exists() else "# Identification\n\n"
        files.write_text(args.page, hidden.into_page(page, arm, text))
        print(f"written to {args.page}")
    return 0 if is_met else 1


if __name__ == "__main__":
    usage.run(main)
