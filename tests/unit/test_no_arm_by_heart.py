"""Nobody but :mod:`alice.arms` knows an arm by heart: its constants, or which number of a joint vector is what.

Reads every module's syntax; no rule lists modules or variables of ours. Allowed are:

* The module, the value and the name of an arm: in ``alice/arms`` alone. ``tasks/`` and ``assets/``, which declare a
  world and a body for each arm, may name its value, and a body's parts its module. All others are given an arm.
* Columns by literals as far as a point goes and where a pose is parted: ``[:, :3]``, ``[:, 3:]``, ``[..., 2]``. What
  reaches further into a row is a joint vector, an action or a row of observations, whose columns are the arm's
  (``arm_columns``, ``gripper_columns``, ``roll_column``, ``pitch_joints``). In what is called joints, targets, actions
  or commands not even the first columns are known by number.
* Widths that are not those of an arm: a tensor of 5, 6 or 7 columns is as wide as its joints or actions.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from alice import arms

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("alice", "tasks", "agents", "scripts", "assets")
KNOWERS = ROOT / "alice" / "arms"
ANY = next(iter(arms.ARMS.values()))
VALUES = {name for name, value in vars(arms).items() if isinstance(value, arms.Arm)}
MODULES = {
    path.stem
    for path in KNOWERS.glob("[!_]*.py")
    if any(isinstance(value, arms.Arm) for value in vars(importlib.import_module(f"alice.arms.{path.stem}")).values())
}
POINT = 3
"""Numbers of a point, and where the rotation of a pose begins."""
WIDTHS = {size for arm in arms.ARMS.values() for size in (len(arm.joints), len(arm.arm_joints), len(arm.action_names))}
PER_JOINT = {name for name in dir(ANY) if isinstance(getattr(ANY, name), tuple) and len(getattr(ANY, name)) in WIDTHS}
"""What an arm has one of for each joint or action."""
SAYS_JOINTS = re.compile(r"(^|_)(joints?|targets?|actions?|commands?|angles)(_|$)", re.IGNORECASE)
"""Names of what has a column for each joint or action."""
MAKERS = {"zeros", "ones", "empty", "full", "rand", "randn", "split", "narrow"}
SAME = {"torch", "clone", "abs", "cpu", "numpy", "T"}
"""What is the same tensor still: Isaac Lab keeps the one of a buffer under ``torch``."""


def _integer(node: ast.AST | None) -> int | None:
    """Return the integer that a literal stands for, None if it is none."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and _integer(node.operand) is not None:
        return -_integer(node.operand)
    is_integer = isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool)
    return node.value if is_integer else None


def _integers(node: ast.AST) -> list[int]:
    """Return the literals of an index: of a number, a list of them or a slice."""
    parts = (node.lower, node.upper) if isinstance(node, ast.Slice) else getattr(node, "elts", [node])
    return [number for number in map(_integer, parts) if number is not None]


def _name(node: ast.AST) -> str:
    """Return the last name of an expression: that of ``a.b_c[0](1)`` is ``b_c``."""
    while isinstance(node, (ast.Subscript, ast.Call)):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    if isinstance(node, ast.Attribute):
        return _name(node.value) if node.attr in SAME else node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _about_columns(node: ast.AST) -> Iterator[str]:
    """Yield what a subscript knows of a row."""
    if not isinstance(node, ast.Subscript):
        return
    says_joints = SAYS_JOINTS.search(_name(node.value))
    if isinstance(node.slice, ast.Tuple):  # of a tensor
        columns = _integers(node.slice.elts[-1])
        if any(abs(column) > POINT for column in columns) or (says_joints and set(columns) - {-1}):
            yield f"{ast.unparse(node)} knows the columns of an arm"
        return
    is_table = isinstance(node.value, ast.Attribute) and node.value.attr in PER_JOINT
    if (says_joints or is_table) and any(place >= POINT for place in _integers(node.slice)):
        yield f"{ast.unparse(node)} knows the order of an arm"


def _about_widths(node: ast.AST) -> Iterator[str]:
    """Yield what a call or a comparison knows of how many joints there are."""
    if isinstance(node, ast.Call) and _name(node.func) in MAKERS:
        if {number for argument in node.args for number in _integers(argument)} & WIDTHS:
            yield f"{ast.unparse(node)} is as wide as an arm"
    elif isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        if any(_name(side) == "shape" for side in sides) and any((_integer(side) or 0) > POINT for side in sides):
            yield f"{ast.unparse(node)} knows how wide an arm's row is"


def _about_names(node: ast.AST, folder: str) -> Iterator[str]:
    """Yield which arms are named where none is known."""
    allowed = {"tasks": VALUES, "assets": VALUES | MODULES}.get(folder, set())
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [part for alias in node.names for part in alias.name.split(".")]
    elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("alice"):
        names = [*node.module.split("."), *(alias.name for alias in node.names)]
    elif isinstance(node, ast.Attribute) and _name(node.value) == "arms":
        names = [node.attr]
    found = sorted({*names} & (VALUES | MODULES) - allowed)
    if isinstance(node, ast.Constant) and node.value in arms.ARMS and not allowed:
        found.append(repr(node.value))
    if found:
        yield f"knows {', '.join(found)}: take the arm that you are given"


def problems(source: str, path: Path) -> list[str]:
    """Return one sentence for everything in a file that knows an arm by heart.

    Args:
        source: The file's text.
        path: Where it lies, relative to the repository.
    """
    return [
        f"{path.as_posix()}:{node.lineno} {sentence}"
        for node in ast.walk(ast.parse(source))
        for sentence in (*_about_columns(node), *_about_widths(node), *_about_names(node, path.parts[0]))
    ]


def _sources() -> list[Path]:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if KNOWERS not in path.parents]
    return sorted(path.relative_to(ROOT) for path in files)


@pytest.mark.parametrize("path", _sources(), ids=str)
def test_no_module_knows_an_arm_by_heart(path):
    assert problems((ROOT / path).read_text(encoding="utf-8"), path) == []


def test_the_rules_find_the_arms_and_their_tables():
    assert {"XARM1S"} <= VALUES and {"xarm1s"} <= MODULES and "kinematics" not in MODULES
    assert {5, 6, 7} <= WIDTHS and {"joints", "names", "home", "lower", "upper"} <= PER_JOINT


# How the code looked that knew one arm.
KNEW = [
    "from alice.arms import xarm1s",
    "from alice.arms.xarm1s import COUNTS_PER_RADIAN",
    "import alice.arms.xarm1s",
    "from alice.arms import XARM1S",
    "from alice import arms\nreach = arms.XARM1S.chain.lengths[0]",
    "from alice import arms\nreach = arms.xarm1s.UPPER_ARM",
    "arm = arms.named('xarm1s')",
    "arm = ARMS['xarm1s']",
    "command[:, 5:] = command[:, 5:].sign()",
    "arm_joints = joint_pos[:, :5]",
    "targets[:, 5:] = 0.0",
    "gap = joint_pos[:, 5] + joint_pos[:, 6]",
    "gap = joint_pos[..., 5]",
    "base, shoulder, elbow, wrist = joint_pos[:, :4].T",
    "pitch = state.now.true.joint_pos[:, 1:4].sum(dim=-1)",
    "fingers = anything[:, [5, 6]]",
    "rest = anything[:, -5:]",
    "rest = row[..., 4]",
    "yaw = joint_pos[:, 0]",
    "yaw = env.scene['robot'].data.joint_pos.torch[:, 0]",
    "yaw = term.targets.clone()[:, 0]",
    "self._action[:, :2] = 0.0",
    "stiffness = [joint.stiffness for joint in JOINTS[1:4]]",
    "arm = JOINT_ORDER[:5]",
    "finger = arm.home[5]",
    "arm_joints = arm.names[:5]",
    "peak = torch.zeros(count, 7)",
    "peak = torch.zeros((count, 7), device=device)",
    "noise = torch.rand(count, 5, device=device)",
    "arm, fingers = row.split((5, 2), dim=-1)",
    "fingers = row.narrow(1, 5, 2)",
    "is_coupled = obs['command_state'].shape[-1] == 13",
]


@pytest.mark.parametrize("line", KNEW)
@pytest.mark.parametrize("path", ["alice/mdp/actions.py", "scripts/play.py", "agents/ball_transfer/ppo_cfg.py"])
def test_what_knows_an_arm_is_found(line, path):
    assert problems(line, Path(path)), line


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("alice/mdp/actions.py", "change = targets[:, arm.arm_columns]\ngap = gripper.gap(joints[:, columns])"),
        ("alice/mdp/actions.py", "roll = joint_pos[..., arm.roll_column]\nopening = action[:, -1]"),
        ("alice/mdp/rewards.py", "place = pose[:, :3]\nturn = pose[:, 3:]\nheight = ball_pos[:, 2]\nw = quat[:, 3]"),
        ("alice/mdp/rewards.py", "level = ball_pos[..., :2]\nfirst = pairs[:, 0]\npicture = frames[:, ::3, 0, 0]"),
        ("alice/deploy/observation.py", "from alice import arms\narm = arms.named(contract.arm.name)"),
        ("alice/deploy/observation.py", "peak = torch.zeros(count, len(arm.joints))\nspeed = torch.zeros(count, 3)"),
        ("tasks/ball_transfer/env_cfg.py", "from alice.arms import XARM1S\narm: str = XARM1S.name"),
        ("assets/xarm1s_parts.py", "from alice.arms import XARM1S, xarm1s\nlength = xarm1s.FINGER_LENGTH"),
    ],
)
def test_what_is_given_an_arm_passes(path, line):
    assert problems(line, Path(path)) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tasks/ball_transfer/env_cfg.py", "from alice.arms import xarm1s"),
        ("tasks/ball_transfer/env_cfg.py", "from alice.arms.xarm1s import FINGER_TRAVEL"),
        ("tasks/ball_transfer/env_cfg.py", "finger = targets[:, 5]"),
        ("assets/arms.py", "finger = targets[:, 5]"),
    ],
)
def test_those_who_declare_for_an_arm_know_its_value_and_no_more(path, line):
    assert problems(line, Path(path)) != []
