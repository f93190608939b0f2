"""Checks the ``name=value`` words of a command line, which Isaac Lab 3.0.0 lets through unread.

Isaac Lab sets whatever attribute it is told to: ``env.decimaton=2`` makes a new one that nobody reads, and
``env.sim.dt=1/240`` puts a text where a number belongs. Here every path is followed through the resolved configuration
and every value compared with what it replaces.
"""

from __future__ import annotations

import ast
import contextlib
import io
import math
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any

from alice.cli.usage import UsageError, suggest

SELECTORS = ("physics", "renderer", "presets")
POSITIVE = (
    "env.decimation",
    "env.episode_length_s",
    "env.sim.dt",
    "agent.max_iterations",
    "agent.num_steps_per_env",
    "agent.save_interval",
)
"""Fields that must be greater than 0."""
REDIRECTED = {
    "env.scene.num_envs": "--num_envs",
    "env.sim.device": "--device",
    "agent.device": "--device",
    "env.seed": "--seed",
    "agent.seed": "--seed",
    "agent.resume": "--resume RUN",
    "agent.load_run": "--resume RUN or --checkpoint RUN",
    "agent.load_checkpoint": "--checkpoint",
    "env.arm": "--task: each task has its own arm",
}
"""Fields that a flag or the task sets, or that Isaac Lab overwrites or ignores, and the flag that is meant."""

PER_JOINT = ("env.actions.joints.servo.", "env.events.drive_gains.params.", "env.events.torque_cap.params.scale")
"""Ranges whose ends may be one for each servo or joint."""
EXAMPLES = {"bool": False, "int": 0, "float": 0.0, "str": ""}
"""A value of each type that an annotation such as ``float | None`` names."""


def resolve_config(task: str, agent: str, overrides: list[str], play_mode: bool = False) -> tuple[Any, Any]:
    """Return the environment and agent configuration of a task with checked overrides applied.

    Args:
        task: Registered task id.
        agent: Key of the agent configuration.
        overrides: Words such as ``physics=ovphysx`` and ``env.decimation=2``.
        play_mode: Whether ``play_mode()`` of the environment configuration is applied.

    Raises:
        UsageError: If a word is wrong.
    """
    from isaaclab_tasks.utils import resolve_task_config

    pairs = [_split(word) for word in overrides]
    with contextlib.redirect_stdout(io.StringIO()):  # Isaac Lab tells of every configuration it reads
        presets = _presets(task, agent)
        selecting = [f"{name}={value}" for name, value in pairs if _selects(name, value, presets)]
        try:
            env_cfg, agent_cfg = resolve_task_config(task, agent, play_mode=play_mode, overrides=selecting)
        except ValueError as error:
            raise UsageError(f"{' '.join(selecting)}: {error}") from error
        for name, value in pairs:
            if f"{name}={value}" not in selecting:
                check_value({"env": env_cfg, "agent": agent_cfg}, name, parse_value(value))
        return resolve_task_config(task, agent, play_mode=play_mode, overrides=overrides)


def with_preset(words: list[str], name: str) -> list[str]:
    """Return overrides that select one preset more, beside those that ``presets=`` names already.

    Args:
        words: ``name=value`` overrides.
        name: Name of the preset.
    """
    chosen = [word.partition("=")[2] for word in words if word.startswith("presets=")]
    names = [part for value in chosen for part in value.split(",") if part]
    others = [word for word in words if not word.startswith("presets=")]
    return [*others, "presets=" + ",".join(dict.fromkeys([*names, name]))]


def merge(words: list[str], given: list[str]) -> list[str]:
    """Return overrides of which those given win over the others of the same name; presets add up.

    Args:
        words: ``name=value`` overrides.
        given: More of them.
    """
    names = {word.partition("=")[0] for word in given}
    merged = [word for word in words if word.partition("=")[0] not in names or word.startswith("presets=")]
    for word in given:
        if word.startswith("presets="):
            for name in word.partition("=")[2].split(","):
                merged = with_preset(merged, name)
        else:
            merged.append(word)
    return merged


def parse_value(text: str) -> Any:
    """Return the Python value of a word's right side, as Isaac Lab reads it: a literal, else a text."""
    constants = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in constants:
        return constants[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _split(word: str) -> tuple[str, str]:
    name, value = word.split("=", 1)
    if name[:1] in "+~":
        raise UsageError(f"{word!r}: fields cannot be added or removed; name one that exists, null switches a term off")
    if name not in SELECTORS and not name.startswith(("env.", "agent.")):
        options = [*(f"{selector}=" for selector in SELECTORS), "env.<field>=", "agent.<field>="]
        raise UsageError(f"unknown override {name!r}; {suggest(name, options, 'overrides')}")
    if name in REDIRECTED:
        raise UsageError(f"{name} cannot be set this way; use {REDIRECTED[name]}")
    return name, value


def _presets(task: str, agent: str) -> dict[str, dict[str, Any]]:
    """Return the alternatives of every choice of a task: path -> name -> value."""
    from isaaclab_tasks.utils.hydra import collect_presets
    from isaaclab_tasks.utils.parse_cfg import load_cfg_from_registry

    found = {}
    for root, key in (("env", "env_cfg_entry_point"), ("agent", agent)):
        for path, options in collect_presets(load_cfg_from_registry(task, key)).items():
            found[f"{root}.{path}" if path else root] = options
    return found


def _selects(name: str, value: str, presets: dict[str, dict[str, Any]]) -> bool:
    """Return whether a word selects presets; raise :class:`UsageError` if it means to and there is no such preset."""
    from isaaclab_tasks.utils.preset_target import PresetTarget

    if name in SELECTORS:
        targets = {target.value: target for target in PresetTarget if target.base_classes}
        options = {
            option
            for alternatives in presets.values()
            for option, config in alternatives.items()
            if option != "default" and (name == "presets" or targets[name].matches(config))
        }
        wanted = [part.strip() for part in value.split(",")]
    elif name in presets and isinstance(parse_value(value), str):
        options, wanted = set(presets[name]), [value]
    else:
        return False
    for option in wanted:
        if option not in options:
            raise UsageError(f"unknown preset {name}={option}; {suggest(option, options, 'options')}")
    return True


def check_value(root: dict[str, Any], path: str, new: Any) -> None:
    """Check one override against a resolved configuration.

    Args:
        root: ``env`` and ``agent`` configuration.
        path: Dotted path, such as ``env.sim.dt``.
        new: Value.

    Raises:
        UsageError: Unless the path exists and takes a value of this type.
    """
    *parents, leaf = path.split(".")
    node, walked = root, ""
    for part in parents:
        node = _child(node, part, walked)
        walked = f"{walked}.{part}" if walked else part
    old = _child(node, leaf, walked)
    if path.startswith(PER_JOINT) and _is_per_joint(new):
        return
    problem = _problem(old, new, _annotation(node, leaf))
    if problem is None and path in POSITIVE and new <= 0:
        problem = "must be greater than 0"
    if problem is None and isinstance(new, float) and not math.isfinite(new) and old not in (math.inf, -math.inf):
        problem = "must be finite"
    if problem:
        raise UsageError(f"{path}={new!r} {problem}; now {_shown(old)}")


def _is_per_joint(new: Any) -> bool:
    """Whether a value is a range with lower and upper ends of several joints, as many of each."""
    return (
        isinstance(new, (list, tuple))
        and len(new) == 2
        and all(isinstance(side, (list, tuple)) for side in new)
        and len(new[0]) == len(new[1]) > 0
        and all(isinstance(e, (int, float)) and not isinstance(e, bool) and math.isfinite(e) for s in new for e in s)
    )


def _child(node: Any, name: str, walked: str) -> Any:
    if isinstance(node, Mapping):
        fields = {str(key): value for key, value in node.items()}
    elif hasattr(node, "__dataclass_fields__"):
        names = {*node.__dataclass_fields__, *vars(node)}
        fields = {field: getattr(node, field, None) for field in names if not field.startswith("_")}
    else:
        raise UsageError(f"{walked} is {_shown(node)} and has no field {name!r}; give {walked}=<value> as a whole")
    if name not in fields:
        raise UsageError(f"{walked} has no field {name!r}; {suggest(name, fields, 'fields')}")
    return fields[name]


def _annotation(node: Any, name: str) -> str:
    fields = getattr(node, "__dataclass_fields__", {})
    return str(fields[name].type) if name in fields else ""


def _problem(old: Any, new: Any, annotation: str = "") -> str | None:
    """Return what is wrong with putting ``new`` where ``old`` is, None if nothing."""
    is_section = hasattr(old, "__dataclass_fields__")
    if old is None and new is not None:
        old = EXAMPLES.get(annotation.removesuffix(" | None"))
    if old is None or old is MISSING or "Any" in annotation:
        return None
    if new is None:
        return None if is_section or "None" in annotation or "Optional" in annotation else "cannot be null"
    if is_section:
        return f"replaces a whole section; set one of its fields {sorted(old.__dataclass_fields__)} or null"
    if isinstance(old, bool):
        return None if isinstance(new, bool) else "must be true or false"
    if isinstance(old, int):
        return None if isinstance(new, int) and not isinstance(new, bool) else "must be a whole number"
    if isinstance(old, float):
        is_number = isinstance(new, (int, float)) and not isinstance(new, bool)
        return None if is_number else "must be a number written out (arithmetic is not evaluated)"
    if callable(old):
        return None if isinstance(new, str) and ":" in new else "must be 'package.module:Name'"
    if isinstance(old, str):
        return None if isinstance(new, str) else "must be a text, quoted twice where it looks like a number"
    if isinstance(old, Mapping):
        return None if isinstance(new, Mapping) else "must be a mapping such as {'home':1.0}"
    if isinstance(old, (list, tuple)):
        return _sequence_problem(old, new)
    return None


def _sequence_problem(old: list | tuple, new: Any) -> str | None:
    if not isinstance(new, (list, tuple)):
        return "must be a list such as [1,2]"
    if isinstance(old, tuple) and len(new) != len(old):
        return f"must have {len(old)} entries"
    for index, value in enumerate(new if old else ()):
        problem = _problem(old[min(index, len(old) - 1)], value)
        if problem:
            return f"entry {index + 1} {problem}"
    return None


def _shown(value: Any) -> str:
    """Return a value for a message, short."""
    if hasattr(value, "__dataclass_fields__"):
        return f"a {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
