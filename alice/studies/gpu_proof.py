"""What a machine with a GPU is asked, in the order of what it is worth: doors with a limit of time each.

Whatever happens, what was found so far is on the disk: ``proof.json``, and ``proof.md`` as a page. A second start does
what is missing, so that a machine lent for a quarter of an hour at a time is enough.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alice.cli import files, terminal
from alice.runs import child, provenance

RESULT, PAGE = "proof.json", "proof.md"
GRACE = 60.0
"""Time that a door has to save after it was asked to stop [s]."""
TAIL = 30
"""Lines of a door's output that are kept."""
TASK, CAMERA = "Alice-Ball-Transfer", "Alice-Ball-Transfer-Camera"
NOT_YET = {
    "ONNX with the CUDA provider": "no door runs onnxruntime on CUDA yet",
    "host synchronisations per step": "no door counts them yet",
}
"""What is not asked yet, and why."""


@dataclass(frozen=True)
class Question:
    """One door with its words, ``{folder}`` and ``{device}`` filled in."""

    name: str
    door: str
    words: tuple[str, ...]
    weight: float
    """Share of the time that it may take, beside the others."""
    figures: str = ""
    """JSON file that it writes, below the folder."""


def _asked(name: str, door: str, weight: float, *words: str, writes: bool = False, device: bool = True) -> Question:
    figures = f"{name.replace(' ', '_')}.json" if writes else ""
    more = ("--device", "{device}") if device else ()
    return Question(
        name, door, (*words, *more, *(("--json", f"{{folder}}/{figures}") if writes else ())), weight, figures
    )


def _speed(name: str, task: str, physics: str, *counts: str) -> Question:
    words = ("--task", task, "--physics", physics, "--envs", *counts, "--seconds", "10")
    return _asked(name, "benchmark", 4, *words, writes=True)


QUESTIONS = (
    _asked("machine", "doctor", 2, device=False),
    _asked("picture", "play", 2, "--task", CAMERA, "--checkpoint", "released", "--sight", "{folder}/sight.png"),
    _asked("tests", "pytest", 6, "-q", str(provenance.ROOT / "tests" / "gpu"), device=False),
    _speed("speed of the state task", TASK, "ovphysx", "1024", "2048", "4096", "8192", "16384"),
    _speed("speed of the camera task", CAMERA, "ovphysx", "256", "512", "1024", "2048"),
    _speed("speed on Newton", TASK, "newton_mjwarp", "1024", "4096", "16384"),
    _asked(
        "state training",
        "train",
        10,
        *("--task", TASK, "--run", "{folder}/state", "--num_envs", "4096", "--max_iterations", "60"),
        "agent.algorithm.num_mini_batches=8",
    ),
    _asked("state audit", "evaluate", 2, "--task", TASK, "--checkpoint", "{folder}/state", writes=True),
    _asked(
        "camera training",
        "train",
        12,
        *("--task", CAMERA, "--teacher", "{folder}/state", "--run", "{folder}/camera", "--num_envs", "512"),
    ),
    _asked("camera audit", "evaluate", 3, "--task", CAMERA, "--checkpoint", "{folder}/camera", writes=True),
    _asked("released state audit", "evaluate", 2, "--task", TASK, "--checkpoint", "released", writes=True),
    _asked("released camera audit", "evaluate", 3, "--task", CAMERA, "--checkpoint", "released", writes=True),
)
"""In the order of their worth. The sizes of the trainings are guesses: nothing was measured on a GPU."""


@dataclass
class Proof:
    """A folder of answers."""

    folder: Path
    device: str
    more: dict[str, list[str]] = field(default_factory=dict)
    """Words behind those of a question, by its name."""

    def run(self, minutes: float) -> int:
        """Ask what was not answered yet, for so many minutes in all, and return the exit code: 0 if all is well."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = read(self.folder) or {"answers": {}}
        content |= {"device": self.device, "made": provenance.collect(None, self.device), "not_asked": NOT_YET}
        answers, end = content["answers"], time.monotonic() + 60 * minutes
        left = [question for question in QUESTIONS if answers.get(question.name, {}).get("code") != 0]
        for number, question in enumerate(left):
            time_left = end - time.monotonic()
            if time_left <= 0:
                break
            share = question.weight / sum(other.weight for other in left[number:])
            terminal.note(f"{question.name}, for {max(share * time_left, 1):.0f} s at most")
            answers[question.name] = self._ask(question, max(share * time_left, 1.0))
            self._write(content)
        self._write(content)
        return 0 if all(answers.get(question.name, {}).get("code") == 0 for question in QUESTIONS) else 1

    def _ask(self, question: Question, seconds: float) -> dict[str, Any]:
        """Run one door and return what came of it."""
        known = {"folder": str(self.folder), "device": self.device}
        words = [word.format_map(known) for word in question.words] + self.more.get(question.name, [])
        scripts = provenance.ROOT / "scripts"
        start = ["-m", "pytest"] if question.door == "pytest" else [str(scripts / f"{question.door}.py")]
        log, began = self.folder / f"{question.name.replace(' ', '_')}.log", time.monotonic()
        with log.open("wb") as stream, Memory() as memory:
            code, is_late = _run([sys.executable, *start, *words], stream, seconds)
        answer = {"code": code, "too_late": is_late, "seconds": round(time.monotonic() - began, 1)}
        answer |= {"command": provenance.command_line([question.door, *words]), "gpu_memory_mb": memory.most}
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        return answer | {"figures": self._figures(question), "tail": lines[-TAIL:]}

    def _figures(self, question: Question) -> dict[str, Any] | None:
        try:
            return json.loads((self.folder / question.figures).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _write(self, content: dict[str, Any]) -> None:
        provenance.write_json(self.folder / RESULT, content)
        files.write_text(self.folder / PAGE, page(content))


def read(folder: Path) -> dict[str, Any] | None:
    """Return what was found so far, None if nothing."""
    try:
        return json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _run(command: list[str], stream, seconds: float) -> tuple[int, bool]:
    """Run a command in a process group of its own; ask it to stop when its time is over, and end it after a grace.

    Returns:
        Exit code, 128 and the signal's number after a signal; and whether its time was over.
    """
    library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None

    def end_with_parent():
        if library:
            library.prctl(child.SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)

    process = subprocess.Popen(
        command, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=end_with_parent
    )
    is_late = False
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        is_late = True
        process.terminate()
        try:
            code = process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    except BaseException:  # this process is to end: its door first
        process.terminate()
        process.wait()
        raise
    return (128 - code if code < 0 else code), is_late


class Memory:
    """Watches the memory of the GPU while a context is open, with ``nvidia-smi`` where there is one."""

    QUERY = ("--query-gpu=memory.used", "--format=csv,noheader,nounits")

    def __init__(self, every: float = 1.0):
        self.most: int | None = None
        """Most that was in use [MB], by whomever; None where it cannot be told."""
        self._program, self._every = shutil.which("nvidia-smi"), every
        self._ended, self._thread = threading.Event(), threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        if self._program:
            self._thread.start()
        return self

    def __exit__(self, *reason) -> None:
        self._ended.set()
        if self._program:
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            done = subprocess.run([self._program, *self.QUERY], capture_output=True, text=True, check=False)
            found = [int(line) for line in done.stdout.split() if line.isdigit()]
            self.most = max([*found, self.most or 0]) if found else self.most


def page(content: dict[str, Any]) -> str:
    """Return what was found as a page."""
    made, answers = content["made"], content["answers"]
    lines = [f"# {made['hardware']['gpu'] or made['hardware']['cpu']}", ""]
    lines += [f"Commit {made['git_commit']}, {made['date']}, device {content['device']}.", ""]
    lines += ["| Question | Answer | Time | Memory of the GPU |", "|---|---|---|---|"]
    for question in QUESTIONS:
        found = answers.get(question.name)
        if found is None:
            lines.append(f"| {question.name} | not measured | | |")
            continue
        memory = "not measured" if found["gpu_memory_mb"] is None else f"{found['gpu_memory_mb']} MB"
        lines.append(f"| {question.name} | {_shown(found)} | {found['seconds']:.0f} s | {memory} |")
    lines += [f"| {name} | not measured: {why} | | |" for name, why in content["not_asked"].items()]
    return "\n".join(lines) + "\n"


def _shown(found: dict[str, Any]) -> str:
    """Return an answer in a few words."""
    figures = found["figures"] or {}
    if found["code"]:
        last = next((line for line in reversed(found["tail"]) if line.strip()), "")
        why = "its time was over" if found["too_late"] else f"left with {found['code']}"
        return f"{why}: {last.strip()[:120]}".replace("|", "/")
    if "success" in figures:
        rate = figures["success"]
        return f"{rate['rate']:.2%} ({rate['low']:.2%} to {rate['high']:.2%}) of {figures['episodes']}"
    if "rows" in figures:
        return ", ".join(f"{row['num_envs']}: {row['env_steps_per_s']:.0f}" for row in figures["rows"]) + " env-steps/s"
    return "done"
