"""What the pipeline does, as a table: one step is one door with its words; a stage is a folder of steps.

Words in braces stand for what an earlier step has made. What is trained, and for how long, are the commands behind the
figures of ``docs/camera.md`` and ``docs/training.md``.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

from alice.runs import chain
from alice.transfer.outcome import SELECTION_SEED

DISTILLATION, FINETUNE = chain.STAGES
STAGES = ("state", "randomized", "student", "finetune", "audits", "export", "closed_loop", "reports")
"""Folders, in the order of the work."""
RUNS = STAGES[:4]
"""Those that are runs of ``scripts/train.py``."""
MADE_BY = {
    **{stage: f"{stage}/training" for stage in RUNS},
    "camera": "audits/selection_finetune",
    "exported_state": "export/state",
    "exported_camera": "export/camera",
    "inputs_state": "audits/randomized",
    "inputs_camera": "audits/camera",
}
"""Placeholders that stand for a file -> the step that makes it, the last one where it takes several."""
REPORT_EPISODES = 256


@dataclass(frozen=True)
class Step:
    """One door with its words."""

    stage: str
    part: str
    door: str
    words: tuple[str, ...]
    product: str | None = None
    """What the door writes last, below the folder; None for a run, whose product is its newest checkpoint."""

    @property
    def name(self) -> str:
        """What the step is called everywhere."""
        return f"{self.stage}/{self.part}"

    @property
    def placeholders(self) -> list[str]:
        """Names in braces among the words."""
        parsed = (part for word in self.words for part in string.Formatter().parse(word))
        return [name for _, name, _, _ in parsed if name]

    @property
    def inputs(self) -> list[str]:
        """Placeholders of the files that it reads."""
        return [name for name in self.placeholders if name in MADE_BY]


def _run(stage: str, *words: str) -> Step:
    return Step(stage, "training", "train", (*words, "--run", f"{{folder}}/{stage}"))


def _student(stage: str, agent: str, start: str, *words: str) -> Step:
    """Return a run of the camera task in the randomized world; it is shown all of the job from its first step on."""
    given = ("--task", "{camera_task}", "--agent", agent, "--checkpoint", start, "--domain_rand")
    return _run(stage, *given, "env.curriculum=none", *words)


def _audit(stage: str, part: str, task: str, policy: str, *words: str) -> Step:
    product = f"{stage}/{part}.json"
    given = ("--task", f"{{{task}}}", "--checkpoint", f"{{{policy}}}")
    return Step(stage, part, "evaluate", (*given, *words, "--json", f"{{folder}}/{product}"), product)


def _record(part: str) -> tuple[str, str]:
    return "--record", f"{{folder}}/audits/{part}.npz"


def _selection(stage: str) -> Step:
    count = str(chain.SELECTION_EPISODES)
    words = ("--domain_rand", "--episodes", count, "--seed", str(SELECTION_SEED))
    return _audit("audits", f"selection_{stage}", "camera_task", stage, *words)


def _export(part: str, task: str, policy: str) -> Step:
    given = ("--task", f"{{{task}}}", "--checkpoint", f"{{{policy}}}", "--inputs", f"{{inputs_{part}}}")
    product = f"export/{part}.json"
    where = ("--output", "{folder}/export", "--json", f"{{folder}}/{product}")
    return Step("export", part, "export_onnx", (*given, *where), product)


def _report(part: str, task: str, policy: str) -> Step:
    given = ("--task", f"{{{task}}}", "--checkpoint", f"{{{policy}}}", "--episodes", str(REPORT_EPISODES))
    words = (*given, "--domain_rand", "--report", f"{{folder}}/reports/{part}")
    return Step("reports", part, "evaluate", words, f"reports/{part}/report.html")


STEPS = (
    _run("state", "--task", "{task}"),
    _run("randomized", "--task", "{task}", "--checkpoint", "{state}", "--domain_rand", "--max_iterations", "820"),
    _student(
        "student",
        DISTILLATION,
        "{randomized}",
        *("--max_iterations", "1200", "agent.algorithm.decay_iterations=1200"),
        *("agent.algorithm.replay_size=400000", "agent.algorithm.updates_per_step=0.5"),
    ),
    _student("finetune", FINETUNE, "{student}"),
    _selection("student"),
    _selection("finetune"),
    _audit("audits", "state", "task", "state"),
    _audit("audits", "randomized", "task", "randomized", *_record("randomized")),
    _audit("audits", "randomized_domain_rand", "task", "randomized", "--domain_rand"),
    _audit("audits", "camera", "camera_task", "camera", *_record("camera")),
    _audit("audits", "camera_domain_rand", "camera_task", "camera", "--domain_rand"),
    _export("state", "task", "randomized"),
    _export("camera", "camera_task", "camera"),
    _audit("closed_loop", "state", "task", "exported_state"),
    _audit("closed_loop", "camera", "camera_task", "exported_camera"),
    _report("state", "task", "randomized"),
    _report("camera", "camera_task", "camera"),
)
"""Everything, in its order. PPO can spoil a student, so the end of the two that is better on equal starts is taken."""
