"""Put this machine's GPU to the proof: environment, tests, speed, training, audits. Run it again for what is missing.

./isaaclab.sh -p scripts/prove_gpu.py --minutes 60 --output logs/gpu
./isaaclab.sh -p scripts/prove_gpu.py --minutes 60 --output logs/cpu --device cpu --words words.json
"""

from __future__ import annotations

from alice.cli import files, usage
from alice.studies import gpu_proof
from alice.system import device


def main(argv: list[str]) -> int:
    """Check the command line, ask one thing after another, and say where the answers are."""
    parser = usage.DoorParser(__doc__, prog="prove_gpu.py")
    parser.add_argument("--minutes", type=usage.positive, default=60, help="time for all of it; default 60")
    where = files.Target(folder=True)
    parser.add_argument("--output", type=where, default="logs/gpu", help="where the answers go; default: logs/gpu")
    parser.add_argument("--device", type=usage.word, default="cuda:0", help="default: cuda:0")
    words = files.Source(".json", 'give an object such as {"state training": ["--num_envs", "8192"]}')
    parser.add_argument("--words", type=words, help="JSON file of more arguments for the commands, by question")
    args, rest = usage.parse(parser, argv)
    usage.refuse_unknown(rest, parser)
    more = files.read_json(args.words, "--words", "see --help") if args.words else {}
    names = [question.name for question in gpu_proof.QUESTIONS]
    for name in more:
        if name not in names:
            raise usage.UsageError(f"--words: unknown question {name!r}; {usage.suggest(name, names, 'questions')}")
    code = gpu_proof.Proof(args.output, device.choose(args.device), more).run(args.minutes)
    print((args.output / gpu_proof.PAGE).read_text(encoding="utf-8"))
    print(f"written: {args.output / gpu_proof.RESULT}")
    return code


if __name__ == "__main__":
    usage.run(main)
