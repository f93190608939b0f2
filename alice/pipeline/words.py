"""Words of a user's own for the doors of a pipeline: read from a file, looked at before the first is started."""

from __future__ import annotations

import itertools
from pathlib import Path

from alice.cli import catalogue, files
from alice.cli.usage import UsageError
from alice.pipeline.places import Places
from alice.pipeline.steps import RUNS, STAGES, Step
from alice.runs import ahead, launch, overrides


def read(path: Path | None) -> dict[str, list[str]]:
    """Return more words for the doors by stage from a JSON file; see ``docs/pipeline.md``.

    Raises:
        UsageError: If it holds something else.
    """
    if path is None:
        return {}
    found = files.read_json(path, "--words", "see docs/pipeline.md")
    for stage, words in found.items():
        if stage not in STAGES:
            raise UsageError(f"--words {str(path)!r}: unknown stage {stage!r}; stages: {', '.join(STAGES)}")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UsageError(f'--words {str(path)!r}: {stage} must be a list of words, as ["--num_envs", "256"]')
    return found


def check(more: dict[Step, list[str]], places: Places) -> None:
    """Raise :class:`UsageError` if a ``name=value`` word changes what its configuration does not have.

    Args:
        more: Words of the user, by the step whose door they are for.
        places: Tells the tasks.
    """
    overriding = {step: words for step, words in more.items() if any(map(_is_override, words))}

    def look() -> None:
        for step, words in overriding.items():
            _resolve(step, words, places)

    if overriding:
        ahead.refuse(look)


def _is_override(word: str) -> bool:
    return "=" in word and not word.startswith("-")


def _resolve(step: Step, more: list[str], places: Places) -> None:
    """Resolve the configuration of a step; raise :class:`UsageError` with its stage in front if a word is wrong."""
    every = [*step.words, *more]
    task = launch.resolve_task(places.camera_task if "{camera_task}" in every else places.task)
    given = dict(itertools.pairwise(every))
    words = [word for word in every if _is_override(word)]
    words = overrides.with_preset(words, "domain_rand") if "--domain_rand" in every else words
    try:
        catalogue.check_presets(words)
        agent = catalogue.agent(task, given.get("--agent", launch.DEFAULT_AGENT))
        overrides.resolve_config(task, agent, words, play_mode=step.stage not in RUNS)
    except UsageError as error:
        raise UsageError(f"--words, {step.stage}: {error}") from error
