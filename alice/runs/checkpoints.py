"""Finds and opens policy checkpoints. A file may come from a stranger: none of its code is run."""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alice.assets import POLICIES_DIR
from alice.cli import files
from alice.cli.usage import UsageError, suggest
from alice.runs import records

SELECTORS = ("released", "latest")
"""Names that stand for a file: the policy in this repository, and the newest run below :data:`LOG_ROOT`."""
LOG_ROOT = Path("logs") / "rsl_rl"
"""Where Isaac Lab puts the runs, relative to the working directory."""
POLICY_KEYS = ("actor_state_dict", "student_state_dict")
"""A checkpoint holds one of these: the first of PPO, the second of a distillation."""
OTHERS = {
    ".onnx": ("an exported policy", "export it again with scripts/export_onnx.py"),
    ".safetensors": ("a policy of LeRobot", "give the folder pretrained_model that lerobot-train wrote"),
}
"""Suffix of policies that are no checkpoints of a training: what they are called, and what to do without them."""
LEROBOT_FILES = ("config.json", "model.safetensors")
"""What a policy's folder of LeRobot holds, the weights last."""
REMEDY = "give a file, a run folder, 'latest' or 'released'"
TRAINED = "give a model_<number>.pt written by scripts/train.py, its run folder, 'latest' or 'released'"
_MODEL = re.compile(r"model_(\d+)\.pt")


@dataclass(frozen=True)
class Policy(files.Source):
    """A checkpoint, an exported policy, a run folder or a selector, as a ``type=`` of argparse."""

    kind: str = ".pt"
    remedy: str = REMEDY
    names: tuple[str, ...] = SELECTORS
    folder: bool | None = None
    metavar: str = "CHECKPOINT"

    def __call__(self, text: str) -> Path | str:
        """Return the path or the selector; raise :class:`argparse.ArgumentTypeError` if there is no policy there."""
        if text in self.names:
            return text
        try:
            resolve(text, "")
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return Path(text)


def resolve(name: str, task: str) -> Path:
    """Return the file behind ``--checkpoint``; it looks at names and first bytes and imports nothing heavy.

    An ONNX file (``.onnx``) is left to the runtime to judge. Of a folder of LeRobot's, it is the file of the weights.

    Args:
        name: A file, a run folder (its newest checkpoint by number) or one of :data:`SELECTORS`.
        task: Task id.

    Raises:
        UsageError: If there is no such file, or it cannot be a checkpoint.
    """
    if name == "released":
        return _released(task)
    path = latest_run(task) if name == "latest" else Path(name)
    if os.path.isdir(path) and all((path / file).is_file() for file in LEROBOT_FILES):
        path = path / LEROBOT_FILES[-1]
    elif os.path.isdir(path):
        newest = newest_in(path) or _end_of_chain(path)
        if newest is None:
            raise UsageError(f"{str(path)!r} holds no model_<number>.pt; give a run folder")
        if name == "latest":
            print(f"alice: latest: {records.summary(path, number(newest))}", file=sys.stderr)
        path = newest
    _check_kind(path)
    return path


def _end_of_chain(folder: Path) -> Path | None:
    """Return the checkpoint that a chain named the better one; of one that is under way, the newest."""
    book = records.chain(folder)
    if book is None:
        return None
    better = folder / book.get("better", records.CHAIN)
    if _MODEL.fullmatch(better.name) and better.is_file():
        return better
    stages = [folder / stage for stage in reversed(book.get("stages", []))]
    newest = next((file for stage in stages if stage.is_dir() and (file := newest_in(stage))), None)
    if newest:
        print(f"alice: note: {folder} holds a chain that has not compared its ends: {newest}", file=sys.stderr)
    return newest


def newest_in(folder: Path) -> Path | None:
    """Return the ``model_<number>.pt`` of the greatest number in a folder, None if there is none."""
    return next(iter(newest_first(folder)), None)


def newest_first(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the greatest number first: ``model_5000.pt`` before ``model_750.pt``."""
    try:
        numbered = [(number(file), file) for file in folder.iterdir() if _MODEL.fullmatch(file.name)]
    except OSError as error:
        raise UsageError(f"{str(folder)!r} cannot be read ({error.strerror}); {REMEDY}") from error
    return [file for _, file in sorted(numbered, reverse=True)]


def whole(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder that are whole at first sight, the greatest number first."""
    return [file for file in newest_first(folder) if not _problem(file)]


def number(path: Path) -> int:
    """Return the iteration in the name of a ``model_<number>.pt``."""
    return int(_MODEL.fullmatch(path.name)[1])


def prune(folder: Path, keep: int) -> None:
    """Delete all but the ``keep`` newest checkpoints of a folder."""
    for file in newest_first(folder)[keep:]:
        file.unlink(missing_ok=True)


def newest_sound(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return the newest checkpoint of a run that can be opened, and its content.

    A machine that goes away may leave its newest file damaged; each such file is skipped with a warning.

    Args:
        folder: Run folder.

    Raises:
        UsageError: If there is none.
    """
    found = newest_first(folder)
    for file in found:
        try:
            _check_kind(file)
            return file, load(file)
        except UsageError as error:
            print(f"alice: warning: {error}; trying the checkpoint before it", file=sys.stderr)
    reason = "none of its checkpoints can be opened" if found else "it holds no model_<number>.pt"
    raise UsageError(f"run {str(folder)!r} cannot be resumed, {reason}; train anew, or give another run")


def _released(task: str) -> Path:
    path = POLICIES_DIR / f"{task}.pt"
    if not path.is_file():
        released = [file.stem for file in POLICIES_DIR.glob("*.pt")]
        raise UsageError(f"--checkpoint released: none for {task!r}; {suggest(task, released, 'released')}")
    return path


def latest_run(task: str | None) -> Path:
    """Return the run with a checkpoint that was begun or resumed last, by its own record.

    Args:
        task: Task id, None for any.

    Raises:
        UsageError: If there is none.
    """
    folders = (manifest.parent for manifest in LOG_ROOT.glob(f"*/*/{records.MANIFEST}"))
    fitting = [folder for folder in folders if newest_in(folder) and task in (None, records.task_of(folder))]
    if not fitting:
        raise UsageError(f"latest: no run of {task or 'any task'} with a checkpoint below {LOG_ROOT}; train first")
    return max(fitting, key=lambda folder: (records.time_of(folder), folder.name))


def _problem(path: Path) -> str | None:
    try:
        _check_kind(path)
    except UsageError as error:
        return str(error)
    return None


def _check_kind(path: Path) -> None:
    """Raise :class:`UsageError` unless the first look at a file says that it holds a policy."""
    kind = path.suffix if path.suffix in OTHERS else ".pt"
    try:
        files.Source(kind, OTHERS[kind][1] if kind in OTHERS else TRAINED)(str(path))
    except argparse.ArgumentTypeError as problem:
        raise UsageError(str(problem)) from problem


def lerobot_config(folder: Path) -> dict[str, Any]:
    """Return the configuration of a policy of LeRobot; raise :class:`UsageError` if it cannot be read."""
    return files.read_json(folder / LEROBOT_FILES[0], "--checkpoint: the policy's", OTHERS[".safetensors"][1])


def load(path: Path) -> dict[str, Any]:
    """Load a checkpoint onto the CPU.

    Args:
        path: File.

    Returns:
        The dictionary that RSL-RL saved.

    Raises:
        UsageError: If it is not a checkpoint of RSL-RL, or holds anything but weights and numbers.
    """
    import torch

    remedy = TRAINED
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises nearly anything
        reason = " ".join(str(error).split())[:90]
        raise UsageError(f"{str(path)!r} is damaged or holds more than weights ({reason} …); {remedy}") from error
    if not isinstance(content, dict) or not any(key in content for key in POLICY_KEYS):
        keys = f"has keys {sorted(map(str, content))[:5]}" if isinstance(content, dict) else "is no dictionary"
        raise UsageError(f"{str(path)!r} {keys}, need one of {list(POLICY_KEYS)}; {remedy}")
    return content


def policy_weights(content: dict[str, Any]) -> dict[str, Any]:
    """Return the weights of the network that acts: PPO's actor or the student of a distillation.

    Args:
        content: What :func:`load` returned.
    """
    return next(content[key] for key in POLICY_KEYS if key in content)


def fill(network: Any, weights: dict[str, Any], path: Path, task: str) -> None:
    """Give a network the weights of a checkpoint.

    Args:
        network: PyTorch module.
        weights: Its state.
        path: File that the weights come from, for the message.
        task: Task id, for the message.

    Raises:
        UsageError: If the weights are of another network, or not finite.
    """
    broken = [name for name, values in weights.items() if values.is_floating_point() and not values.isfinite().all()]
    if broken:
        raise UsageError(
            f"{path.name} holds numbers that are not finite ({broken[0]}): its training broke down; give an earlier"
            " checkpoint of the run"
        )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UsageError(misfit(path, error, task)) from error


def misfit(path: Path, error: Exception, what: str) -> str:
    """Return what to say when weights are of another network.

    Args:
        path: File that they come from.
        error: What PyTorch raised.
        what: What they should have fitted.
    """
    reason = " ".join(str(error).split(":", 1)[-1].split())[:160]
    return (
        f"{path.name} does not fit {what} ({reason} …); give the overrides it was trained with, see params/alice.json"
        " of its run"
    )
