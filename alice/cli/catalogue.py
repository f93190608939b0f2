"""What can be asked for by name: tasks, agents and presets, read from the text of our declarations.

Importing these takes seconds, since they need Gymnasium and Isaac Lab; reading them takes a hundredth of one, so an
unknown name is told at once. What is found here is checked against the imported declarations by a test.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from alice.cli.usage import UsageError, suggest

AGENT_PREFIX, AGENT_SUFFIX = "rsl_rl", "entry_point"
"""How the keys of agent configurations begin and end."""


@functools.cache
def tasks() -> dict[str, tuple[str, ...]]:
    """Return the ids of our tasks with the keys of their agent configurations."""
    found = {}
    for node in _nodes("alice.tasks"):
        if isinstance(node, ast.Call) and _name(node.func) == "register":
            given = {word.arg: word.value for word in node.keywords}
            keys = [ast.literal_eval(key) for key in given["kwargs"].keys]
            agents = [key for key in keys if key.startswith(AGENT_PREFIX) and key.endswith(AGENT_SUFFIX)]
            found[ast.literal_eval(given["id"])] = tuple(agents)
    return found


@functools.cache
def presets() -> frozenset[str]:
    """Return the names of all alternatives of all choices of our tasks and agents, Isaac Lab's renderers among them."""
    found = set()
    for node in (*_nodes("alice.tasks"), *_nodes("alice.agents"), *_nodes("isaaclab_tasks", "utils/presets.py")):
        if isinstance(node, ast.Call) and _name(node.func) == "preset":
            found |= {word.arg for word in node.keywords}
        elif isinstance(node, ast.ClassDef) and any(_name(base).endswith("PresetCfg") for base in node.bases):
            found |= {_name(line.target) for line in node.body if isinstance(line, ast.AnnAssign)}
            found |= {_name(line.targets[0]) for line in node.body if isinstance(line, ast.Assign)}
    return frozenset(found - {"default"})


def task(name: str | None) -> str:
    """Return the id of one of our tasks.

    Args:
        name: What the user gave with ``--task``; a namespace such as ``alice.tasks:`` is dropped.

    Raises:
        UsageError: If there is no such task.
    """
    if name is None:
        raise UsageError(f"--task is missing; tasks: {', '.join(sorted(tasks()))}")
    name = name.split(":")[-1]
    if name not in tasks():
        raise UsageError(f"unknown task {name!r}; {suggest(name, tasks(), 'tasks')}")
    return name


def agent(task: str, name: str) -> str:
    """Return the key of an agent configuration of a task; raise :class:`UsageError` if there is none of that name."""
    if name not in tasks()[task]:
        raise UsageError(f"unknown agent {name!r} of {task}; {suggest(name, tasks()[task], 'agents')}")
    return name


def check_presets(words: list[str]) -> None:
    """Refuse what cannot be a preset of any of our tasks; whether it is one of this task is told later.

    Args:
        words: ``name=value`` overrides.

    Raises:
        UsageError: For the first unknown one.
    """
    for selector, _, value in (word.partition("=") for word in words):
        if selector in ("physics", "presets"):
            for option in (part.strip() for part in value.split(",")):
                if option not in presets():
                    raise UsageError(f"unknown preset {selector}={option}; {suggest(option, presets(), 'options')}")


def _nodes(package: str, files: str = "**/*.py") -> Iterator[ast.AST]:
    """Yield the syntax of modules of a package, which is found but not imported."""
    spec = importlib.util.find_spec(package)
    for place in spec.submodule_search_locations if spec else ():
        for file in sorted(Path(place).glob(files)):
            yield from ast.walk(ast.parse(file.read_text(encoding="utf-8")))


def _name(node: ast.AST) -> str:
    """Return the last part of a dotted name, such as ``register`` of ``gym.register``."""
    return getattr(node, "attr", getattr(node, "id", ""))
