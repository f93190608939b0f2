"""Words of a training, and folders that look like what it leaves."""

import argparse
import json

from alice.runs import records, wording

TASK = "Alice-Ball-Transfer"


def flags(**given) -> argparse.Namespace:
    names = (*wording.FLAGS, "max_iterations", "more_iterations")
    found = {**dict.fromkeys(names), "agent": "default", "task": TASK, "domain_rand": False, **given}
    return argparse.Namespace(**found)


def words(*overrides, others=(), **given) -> dict[str, str]:
    return wording.of(flags(**given), list(overrides), list(others))


def run_of(planned: int = 10, **more) -> dict:
    return {"task": TASK, "agent": "default", "max_iterations": planned, "seed": 1, "words": words(), **more}


def make_run(folder, *numbers: int, **more):
    """Make what a training leaves; its checkpoints are archives that look right from outside."""
    import zipfile

    (folder / "params").mkdir(parents=True)
    (folder / records.RECORD).write_text(json.dumps(run_of(**more)))
    for name in ("run.json", "events.out.tfevents.1.host", ".model_9.pt.77.tmp"):
        (folder / name).write_text("{}")
    for number in numbers:
        with zipfile.ZipFile(folder / f"model_{number}.pt", "w") as archive:
            archive.writestr("archive/data.pkl", b"x")
    return folder
