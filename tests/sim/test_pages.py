"""What README and the page of recipes print does what they say: the snippets as printed, the commands from a shell.

The commands run in an empty folder, with the sizes that are given here after them; each is as printed but for these.
"""

import re
import shlex
import subprocess
from ctypes.util import find_library
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

import gymnasium

from alice.cli import catalogue
from alice.runs import launch

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/make_it_yours.md")
SNIPPETS = [
    (page, snippet)
    for page in PAGES
    for snippet in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.mark.parametrize(("page", "snippet"), SNIPPETS, ids=[f"{page}-{n}" for n, (page, _) in enumerate(SNIPPETS)])
def test_a_printed_snippet_runs(page, snippet, capsys):
    names = {}
    exec(compile(snippet, page, "exec"), names)
    assert names["reward"].shape in ((4,), (21,)) if "reward" in names else "joint_speed" in capsys.readouterr().out


def test_gymnasium_without_a_configuration_says_which_line_makes_one():
    launch.resolve_task("Alice-Ball-Transfer")  # registers them
    tasks = list(catalogue.tasks())
    assert len(tasks) >= 2
    for task in tasks:
        with pytest.raises(TypeError, match=r"needs a configuration.*parse_env_cfg\(task, device"):
            gymnasium.make(task)


def _run(command: str, more: str, folder: Path) -> str:
    """Run a printed command in a folder of its own, with more words after it, and return what it printed."""
    words = [str(ROOT / word) if word.startswith(("./", "scripts/")) else word for word in shlex.split(command)]
    done = subprocess.run([*words, *more.split()], cwd=folder, capture_output=True, text=True, check=False, timeout=590)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done.stdout


SMALL = "--num_envs 16 --max_iterations 2"


@pytest.mark.slow
def test_a_newcomer_gets_from_readme_to_a_film_of_a_policy_of_their_own(tmp_path):
    task = "--task Alice-Ball-Transfer"
    assert "Alice-Ball-Transfer-Camera" in _run("./isaaclab.sh list_envs", "", tmp_path)
    out = _run(f"./isaaclab.sh -p scripts/train.py {task}", SMALL, tmp_path)
    assert re.search(r"^alice: stage 1 of 5: reach \| success 0.0% \| .* left$", out, re.MULTILINE)
    out = _run(f"./isaaclab.sh -p scripts/evaluate.py {task} --checkpoint latest", "--episodes 16", tmp_path)
    assert "16 home starts" in out and "[Warning]" not in out and "Warp" not in out
    film = f"./isaaclab.sh -p scripts/play.py {task} --checkpoint latest --video mine.mp4"
    out = _run(film, "--steps 4", tmp_path)
    assert out.splitlines()[-1] == "written: mine.mp4" and (tmp_path / "mine.mp4").stat().st_size > 5_000
    _run(f"./isaaclab.sh -p scripts/export_onnx.py {task} --checkpoint latest --output exported", "", tmp_path)
    assert (tmp_path / "exported" / "Alice-Ball-Transfer.onnx").is_file()
    _run(f"./isaaclab.sh -p scripts/train.py {task} --domain_rand", SMALL, tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in (film, "scripts/train.py --task Alice-Ball-Transfer\n", "--checkpoint latest --output exported"):
        assert command in text


@pytest.mark.slow
def test_the_released_policy_is_filmed_as_printed(tmp_path):
    command = "./isaaclab.sh -p scripts/play.py --task Alice-Ball-Transfer --checkpoint released --video transfer.mp4"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    out = _run(command, "", tmp_path)
    assert out.count("environment 0: ") == 5 and (tmp_path / "transfer.mp4").stat().st_size > 50_000


@pytest.mark.slow
def test_isaac_labs_own_command_trains(tmp_path):
    command = "./isaaclab.sh train --rl_library rsl_rl --task Alice-Ball-Transfer"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "Learning iteration 1/2" in _run(command, SMALL, tmp_path)


RECIPES = [
    line.strip()
    for line in (ROOT / "docs" / "make_it_yours.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("    ./isaaclab.sh -p scripts/train.py")
]


@pytest.mark.slow
@pytest.mark.parametrize("command", RECIPES, ids=[command.split()[-1] for command in RECIPES])
def test_a_recipe_trains_and_is_audited(command, tmp_path):
    _run(command, SMALL, tmp_path)
    audit = command.replace("train.py", "evaluate.py").replace("env.curriculum=none ", "")
    _run(audit, "--checkpoint latest --episodes 16", tmp_path)


def test_tensorboard_starts():
    if not find_library("usb-1.0"):
        pytest.skip("needs libusb-1.0, as the page says: a package of Isaac Lab's loads it into TensorBoard")
    assert _run("./isaaclab.sh -p -m tensorboard.main --logdir logs/rsl_rl", "--version_tb", ROOT)
