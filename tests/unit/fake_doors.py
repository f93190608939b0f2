"""Doors that are processes but simulate nothing, for tests that kill what is around them.

They keep the promises of the real ones: a checkpoint after every iteration, a signal that saves and leaves, one start
at a time in a folder, an audit that appears whole as the last thing. What they "train" is a chain of hashes, so an
iteration that is missing, or another start, shows in every figure.
"""

from pathlib import Path

COMMON = """
import hashlib, json, os, signal, sys, time
from pathlib import Path

given = dict(zip(sys.argv[1:], sys.argv[2:]))

def write(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    os.replace(fresh, path)

def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()
"""
TRAIN = """
import fcntl

asked = []
signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
run = Path(given["--run"])
run.mkdir(parents=True, exist_ok=True)
lock = open(run / ".lock", "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    (run / "refused").touch()
    sys.exit(2)
write(run / "process", str(os.getpid()))
words = " ".join(word for word in sys.argv[1:] if word.startswith("agent."))
state = words
numbers = []
if (run / "iterations").exists():
    numbers = [line.split() for line in (run / "iterations").read_text().splitlines()]
    state = numbers[-1][1] if numbers else state
if "agent.fails=1" in sys.argv:
    sys.exit("no good")
for number in range(len(numbers), int(given["--max_iterations"])):
    state = digest(f"{number} {state}")
    time.sleep(PAUSE)
    with (run / "iterations").open("a") as log:
        log.write(f"{number} {state}\\n")
    if asked:
        time.sleep(10 * PAUSE)  # it takes a moment to save
        (run / "saved").touch()
        sys.exit(128 + asked[0])
"""
EVALUATE = """
with open(Path(given["--json"]).with_name("audits"), "a") as log:
    log.write("begun\\n")
time.sleep(PAUSE)
state = (Path(given["--checkpoint"]) / "iterations").read_text().split()[-1]
rate = int(state[:4], 16) / 0xFFFF
content = {"success": {"rate": rate, "low": rate / 2, "high": 1.0}, "episodes": 8, "stages": {"lifted": 0.5}}
write(given["--json"], json.dumps(content))
"""


def checkout(root: Path, pause: float = 0.02) -> Path:
    """Write what looks like a checkout with two doors.

    Args:
        root: Folder that exists.
        pause: Time of an iteration [s].
    """
    (root / "scripts").mkdir()
    for name, text in (("train", TRAIN), ("evaluate", EVALUATE)):
        (root / "scripts" / f"{name}.py").write_text(f"{COMMON}\nPAUSE = {pause}\n{text}")
    return root


def iterations(folder: Path) -> list[int]:
    """Return the numbers of the iterations that the training of a trial has done, in their order."""
    lines = (folder / "training" / "iterations").read_text().splitlines()
    return [int(line.split()[0]) for line in lines]
