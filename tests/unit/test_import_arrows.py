"""Who may import whom: reads every module's import statements and compares them with the rules below.

The rules are about import statements only. A string such as "alice.learning.runner:Runner" in a configuration is how
folders are meant to refer to each other without importing.
"""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("alice", "tasks", "agents", "assets", "scripts", "tests")
MAPPED = ("tasks", "agents", "assets")  # imported as alice.tasks, alice.agents, alice.assets
# Standard library and numpy, and each other: they are loaded on the robot, too.
FACTS = {
    "arms",
    "contract",
    "transfer.objects",
    "transfer.outcome",
    "transfer.curriculum",
    "transfer.past",
    "transfer.timing",
    "transfer.told",
    "transfer.unread",
}
SIMULATION = {"isaaclab", "isaaclab_*", "rsl_rl", "gymnasium", "warp", "isaacsim", "omni", "pxr"}
TERMS = {"mdp", "models", "learning"}
DOORS = {"runs", "evaluation", "recording", "export", "doctor", "studies", "deploy", "pipeline", "offline"}
VERBS = TERMS | DOORS

# room -> what it must not import, rooms of ours and libraries. "name_*" stands for every name that starts so. A room
# that has no line here gets DEFAULT.
DEFAULT = {"tasks", "agents", "scripts"}
FORBIDDEN = {
    "transfer": DEFAULT | (SIMULATION - {"isaaclab"}) | VERBS | {"assets", "compat"},
    "mdp": DEFAULT | DOORS | {"rsl_rl", "isaaclab_rl", "learning"},
    "models": DEFAULT | DOORS | {"mdp", "transfer", "learning", "assets"},
    "learning": DEFAULT | (DOORS - {"runs"}) | {"assets"},
    "cli": DEFAULT | VERBS | SIMULATION | {"torch", "arms", "transfer", "assets", "compat"},
    "system": DEFAULT | VERBS | {"arms", "transfer", "assets", "compat"},
    "runs": DEFAULT | {"evaluation", "recording", "deploy", "studies", "doctor", "pipeline", "offline"},
    "offline": DEFAULT | SIMULATION | (VERBS - {"offline", "runs"}) | {"torch", "assets"},
    "pipeline": DEFAULT | {"torch", "isaaclab", "evaluation", "recording", "export", "deploy"},
    "evaluation": DEFAULT | {"recording"},
    "deploy": DEFAULT
    | SIMULATION
    | {"torch", "torchvision", "assets", "transfer", "compat", "system"}
    | (VERBS - {"deploy"}),
    "assets": DEFAULT | VERBS | {"isaaclab_rl", "rsl_rl", "isaaclab_tasks"},
    "tasks": {"agents", "scripts", "isaaclab_rl", "rsl_rl"} | (VERBS - {"mdp"}),
    "agents": {"tasks", "scripts", "assets"} | VERBS,
    "export": {"scripts", "studies", "doctor"},
    "scripts": {"scripts"},
    "tests": {"scripts"},
}
# Loaded by Isaac Lab's command before anything else: a failing or slow import here breaks it for every task.
REGISTRATION_FORBIDDEN = {"torch", "isaaclab", "isaaclab_*", "rsl_rl"}


def room_of(path: Path) -> str:
    """Return the room of a file given by its path in the repository: "mdp", "contract", "tasks", ...; "" for alice."""
    first, second = path.parts[0], path.parts[1]
    if first != "alice":
        return first
    name = second.removesuffix(".py")
    return "" if name == "__init__" else name


def is_fact(dotted: str) -> bool:
    """Whether a module within alice, such as "transfer.outcome.STAGES", is a table of facts or something in one."""
    return any(dotted == fact or dotted.startswith(fact + ".") for fact in FACTS)


def imported_modules(source: str, path: Path) -> list[tuple[int, str]]:
    """Return line and absolute dotted name of everything a file imports, also inside functions.

    ``from a import b`` gives ``a.b``, because ``b`` may be a module. Relative imports are resolved as if the file lay
    at ``path``; a mapped folder counts as part of ``alice``.
    """
    package = [*path.parts[:-1]]
    if package[0] in MAPPED:
        package = ["alice", *package]
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *([node.module] if node.module else [])]
            found += [(node.lineno, ".".join([*module, alias.name])) for alias in node.names]
    return found


def _matches(name: str, patterns: set[str]) -> bool:
    return any(name.startswith(p[:-1]) if p.endswith("*") else name == p for p in patterns)


def violations(source: str, path: Path) -> list[str]:
    """Return one sentence for every import of a file that breaks a rule.

    Args:
        source: The file's text.
        path: Where it lies, relative to the repository.
    """
    room = room_of(path)
    inside = ".".join(path.with_suffix("").parts[1:]) if path.parts[0] == "alice" else ""
    holds_facts = is_fact(inside) or inside == "__init__"
    forbidden = FORBIDDEN.get(room, DEFAULT)
    if path.parts[0] == "tasks" and path.name == "__init__.py" and len(path.parts) <= 3:
        forbidden = forbidden | REGISTRATION_FORBIDDEN
    problems = []
    for line, name in imported_modules(source, path):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0] if top == "alice" else top  # the room of ours, or the library
        where = f"{path.as_posix()}:{line} imports {name}"
        if top in MAPPED:
            problems.append(f"{where}: write alice.{name}; the bare name would load the folder a second time")
        elif holds_facts:
            if not (_matches(top, {*sys.stdlib_module_names, "numpy"}) or is_fact(rest)):
                problems.append(f"{where}: {inside} may use the standard library, numpy and other facts only")
        elif top == "alice" and (target == room or is_fact(rest)):
            pass
        elif target and _matches(target, forbidden):
            problems.append(f"{where}: {room} must not import {target}")
    return problems + _escaping_imports(source, path)


def _escaping_imports(source: str, path: Path) -> list[str]:
    """Relative imports are for neighbours in one folder; between folders the absolute name says where it goes."""
    depth = len(path.parts) - (2 if path.parts[0] == "alice" and len(path.parts) > 2 else 1)
    return [
        f"{path.as_posix()}:{node.lineno} climbs out of its folder with a relative import; write the absolute name"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.level > depth
    ]


def _sources() -> list[Path]:
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".pyi"))
    return sorted(path.relative_to(ROOT) for path in files)


@pytest.mark.parametrize("path", _sources(), ids=str)
def test_imports_follow_the_arrows(path: Path):
    assert violations((ROOT / path).read_text(encoding="utf-8"), path) == []


@pytest.mark.parametrize(
    ("path", "line", "reason"),
    [
        ("alice/arms/xarm1s.py", "import torch", "standard library, numpy and other facts only"),
        ("alice/contract/form.py", "from alice.transfer import geometry", "other facts only"),
        ("alice/__init__.py", "import isaaclab", "other facts only"),
        (
            "alice/transfer/geometry.py",
            "from isaaclab_rl.rsl_rl import X",
            "transfer must not import isaaclab_rl",
        ),
        ("alice/deploy/loop.py", "import torch", "deploy must not import torch"),
        ("alice/deploy/loop.py", "def f():\n    from isaaclab_rl import x", "deploy must not import isaaclab_rl"),
        ("alice/deploy/loop.py", "import rsl_rl.runners", "deploy must not import rsl_rl"),
        ("alice/deploy/loop.py", "from alice import mdp", "deploy must not import mdp"),
        ("alice/deploy/loop.py", "import alice.tasks.ball_transfer", "deploy must not import tasks"),
        ("alice/mdp/rewards.py", "from alice.tasks.ball_transfer import env_cfg", "mdp must not import tasks"),
        ("alice/mdp/rewards.py", "import alice.agents", "mdp must not import agents"),
        (
            "alice/evaluation/audit/audit.py",
            "from alice.tasks import ball_transfer",
            "evaluation must not import tasks",
        ),
        ("alice/evaluation/audit/audit.py", "from alice import recording", "evaluation must not import recording"),
        ("alice/brand_new.py", "from alice import agents", "brand_new must not import agents"),
        ("tasks/ball_transfer/env_cfg.py", "from alice.agents.x import Y", "tasks must not import agents"),
        ("agents/ball_transfer/ppo_cfg.py", "from alice.tasks.x import Y", "agents must not import tasks"),
        ("tasks/ball_transfer/__init__.py", "import isaaclab_tasks", "tasks must not import isaaclab_tasks"),
        ("tasks/__init__.py", "import torch", "tasks must not import torch"),
        ("assets/xarm1s.py", "from alice.mdp import rewards", "assets must not import mdp"),
        ("assets/xarm1s.py", "from alice.tasks import ball_transfer", "assets must not import tasks"),
        ("scripts/play.py", "from scripts import train", "must not import scripts"),
        ("tests/unit/test_x.py", "import scripts.train", "tests must not import scripts"),
        ("scripts/train.py", "import tasks", "write alice.tasks"),
        ("alice/mdp/rewards.py", "from .. import geometry", "climbs out of its folder"),
        ("tasks/ball_transfer/env_cfg.py", "from ...mdp import rewards", "climbs out of its folder"),
    ],
)
def test_a_wrong_import_is_detected(path: str, line: str, reason: str):
    assert any(reason in problem for problem in violations(line, Path(path)))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("alice/contract/form.py", "import json\nimport numpy as np\nfrom alice.arms import Arm"),
        ("alice/transfer/geometry.py", "import torch\nfrom alice.arms import kinematics"),
        ("alice/deploy/loop.py", "import numpy\nimport onnxruntime\nfrom alice.contract import C\nfrom . import d"),
        ("alice/mdp/rewards.py", "import torch\nfrom isaaclab.managers import X\nfrom . import observations"),
        ("tasks/__init__.py", "import gymnasium as gym\nfrom alice import compat\nfrom . import ball_transfer"),
        ("tasks/ball_transfer/env_cfg.py", "from alice import mdp\nfrom alice.assets import xarm1s\nfrom . import s"),
        ("agents/ball_transfer/ppo_cfg.py", "from isaaclab_rl.rsl_rl import X\nC = 'alice.learning.runner:Runner'"),
        ("scripts/evaluate.py", "from alice.evaluation import audit\nimport alice.tasks"),
    ],
)
def test_a_right_import_passes(path: str, line: str):
    assert violations(line, Path(path)) == []
