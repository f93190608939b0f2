"""Every command that README and the page of recipes print.

Here each runs through its script's own parser and :func:`alice.runs.launch.prepare`, so that words that are not right
fail.
``tests/sim/test_pages.py`` lets them do their work; the test command is what ``.ci/run`` starts.
"""

import json
import re
import runpy
import shlex
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

from alice.runs import launch

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/make_it_yours.md")
TASKS = ("Alice-Ball-Transfer", "Alice-Ball-Transfer-Camera")


def printed(page: str) -> list[str]:
    """Return the commands of a page: all lines set in by four spaces."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    fences = [number for number, line in enumerate(lines) if line.startswith("```")]
    inside = {number for begin, end in zip(fences[::2], fences[1::2], strict=True) for number in range(begin, end)}
    return [line[4:] for number, line in enumerate(lines) if line.startswith("    ") and number not in inside]


COMMANDS = sorted({command for page in PAGES for command in printed(page)})
OURS = [command for command in COMMANDS if command.startswith("./isaaclab.sh -p scripts/")]
ON_AN_ARM = [command for command in COMMANDS if command.startswith("python scripts/")]
"""They run for good in ``test_on_emulator.py``."""
OTHERS = [command for command in COMMANDS if command not in OURS + ON_AN_ARM]


class Prepared(Exception):
    """Ends a script when its command line has been found right."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory in which ``latest`` means something for both tasks."""

    def run_of(task: str, overrides: list[str]) -> None:
        run = tmp_path / "logs" / "rsl_rl" / task.lower() / "2026-01-01_00-00-00"
        (run / "params").mkdir(parents=True)
        now = datetime.now(timezone.utc).isoformat()
        (run / "run.json").write_text(json.dumps({"task": task, "created_at": now}))
        record = {"task": task, "agent": launch.DEFAULT_AGENT, "seed": 1, "num_envs": 4, "max_iterations": 2}
        (run / "params" / "alice.json").write_text(json.dumps({**record, "overrides": overrides, "date": now}))
        shutil.copy(ROOT / "assets" / "policies" / f"{task}.pt", run / "model_1.pt")

    monkeypatch.chdir(tmp_path)
    return run_of


@pytest.mark.parametrize("command", OURS)
def test_a_printed_command_is_right(command, folder, monkeypatch):
    words = shlex.split(command)[2:]
    overrides = [word for word in words if "=" in word and not word.startswith("-")]
    for task in TASKS:
        folder(task, overrides)
    stock = launch.prepare

    def prepare(*args, **options):
        raise Prepared(stock(*args, **options))

    monkeypatch.setattr(launch, "prepare", prepare)
    monkeypatch.setattr(sys, "argv", [str(ROOT / words[0]), *words[1:]])
    with pytest.raises(Prepared) as found:
        runpy.run_path(sys.argv[0], run_name="__main__")
    job = found.value.args[0]
    assert job.task == words[words.index("--task") + 1]
    for path, _, value in (word.partition("=") for word in overrides):
        node = job.env_cfg
        for name in path.split(".")[1:]:
            node = node[name] if isinstance(node, dict) else getattr(node, name)
        assert json.loads(json.dumps(node)) == json.loads("null" if value == "none" else value), path


TESTS = "./isaaclab.sh -p -m pytest -n 2 --dist loadfile"


def test_the_other_commands_are_run_elsewhere():
    assert sorted(OTHERS) == [
        TESTS,
        "./isaaclab.sh -p -m tensorboard.main --logdir logs/rsl_rl",
        "./isaaclab.sh list_envs",
        "./isaaclab.sh train --rl_library rsl_rl --task Alice-Ball-Transfer",
    ]
    assert f'\nexec {TESTS} "$@"\n' in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_readme_is_short_and_in_its_order():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 110
    parts = ["never tried on a real arm", "--checkpoint released --video", "scripts/train.py", "scripts/evaluate.py"]
    parts += ["--checkpoint latest --video", "| alice |", "28 numbers", "train --rl_library", "gymnasium.make"]
    parts += ["## To your arm", "## More"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    table = text[text.index("| | alice |") :].split("\n\n")[0].splitlines()[2:]
    assert len(table) <= 10
    for what in ("GPU", "Isaac Sim", "Real arm"):
        assert f"{what}: not measured" in text


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []
