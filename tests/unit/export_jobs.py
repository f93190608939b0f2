"""Checked command lines of exports, and runs to export from: released weights that say they were trained otherwise."""

from __future__ import annotations

import argparse
import copy
import functools
import shutil
from pathlib import Path

from alice.assets import POLICIES_DIR
from alice.runs import launch, overrides, provenance, training

TASK, CAMERA = "Alice-Ball-Transfer", "Alice-Ball-Transfer-Camera"


@functools.cache
def configurations(task: str, words: tuple[str, ...] = (), play_mode: bool = True) -> tuple:
    """Return environment and agent configuration of a task with some overrides; copy them before you change them."""
    launch.resolve_task(task)
    return overrides.resolve_config(task, launch.DEFAULT_AGENT, list(words), play_mode=play_mode)


def prepare(*words: str, checkpoint: object = "released") -> launch.Job:
    """Return the checked command line of an export."""
    parser = argparse.ArgumentParser()
    launch.add_flags(parser)
    flags = ["--task", TASK, "--checkpoint", str(checkpoint), "--device", "cpu"]
    return launch.prepare(parser.parse_args(flags), list(words), play_mode=True, needs_checkpoint=True)


def make_run(place: Path, *words: str, **record: object) -> Path:
    """Return a run folder with the released weights, trained with some overrides as its record says."""
    folder = place / "run"
    (folder / "params").mkdir(parents=True)
    shutil.copy(POLICIES_DIR / f"{TASK}.pt", folder / "model_1.pt")
    content = {"task": TASK, "agent": launch.DEFAULT_AGENT, "overrides": list(words), **record}
    provenance.write_json(folder / training.RECORD, content)
    return folder


def resolved(*words: str, task: str = TASK, **changes: object):
    """Return the environment configuration of a task.

    Args:
        words: Overrides, resolved by Isaac Lab; slow.
        task: Task id.
        changes: Values by dotted path without ``env.``, put into the finished configuration; fast.
    """
    env_cfg = copy.deepcopy(configurations(task, words)[0])
    for path, value in changes.items():
        *parents, leaf = path.split(".")
        node = env_cfg
        for name in parents:
            node = node[name] if isinstance(node, dict) else getattr(node, name)
        node.__setitem__(leaf, value) if isinstance(node, dict) else setattr(node, leaf, value)
    return env_cfg
