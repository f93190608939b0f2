"""The seed of a release, and the page that keeps count of who opened it: ``docs/releases.md``.

A figure of a release is worth something because its episodes were never looked at before: the seed follows from the
policy itself (:func:`alice.runs.seeds.of_release`), and whoever audits on it leaves a line, before the first episode
begins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alice.cli import files
from alice.cli.usage import UsageError
from alice.runs import provenance, seeds
from alice.runs.launch import Job

PAGE = provenance.ROOT / "docs" / "releases.md"
UNFINISHED = "begun, no figure"
"""What stands for the figure of an audit that has not ended, or never did."""
OUTPUTS = ("--json", "--report", "--record")
"""Flags that say where figures go and not what they are of."""


def seed_of(job: Job) -> int:
    """Return the release seed of a job's policy.

    Args:
        job: Checked command line with a checkpoint or an exported policy.

    Raises:
        UsageError: If an exported policy does not say its own.
    """
    if job.checkpoint.suffix == ".safetensors":
        raise UsageError("--seed release: a policy of LeRobot has none; give a number")
    if job.checkpoint.suffix != ".onnx":
        from alice.runs import checkpoints

        return seeds.of_release(checkpoints.policy_weights(job.weights))
    from alice.deploy.policy import OnnxPolicy, PolicyError

    try:
        text = OnnxPolicy(job.checkpoint).contract.release_seed
    except PolicyError as error:
        raise UsageError(f"--checkpoint: {error}") from error
    if text is None:
        raise UsageError(
            f"--seed release: {job.checkpoint.name} was exported without its release seed; export it again, or audit"
            " the checkpoint it came from"
        )
    return int(text)


def require_clean() -> None:
    """Raise :class:`UsageError` if files of this checkout differ from its commit; ``docs`` may, it decides nothing."""
    changed = provenance.changes(provenance.ROOT)
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise UsageError(
            f"--seed release needs a clean work tree, so that the figure has a commit: {', '.join(changed[:3])}{more}"
            " differ; commit or stash them, or take another seed"
        )


def begin(words: list[str], content: dict[str, Any], page: Path) -> str | None:
    """Write the line of an audit that is about to begin, unless the same was opened before.

    Args:
        words: Script and arguments.
        content: What ``evaluate.py --json`` will write, as far as it is known.
        page: The page, :data:`PAGE`.

    Returns:
        The line; None if this is a repetition, or there is no page because this is no checkout.

    Raises:
        UsageError: If the page cannot be written.
    """
    if not page.is_file():
        return None
    policy = f"`{content['checkpoint']}` {content['checkpoint_sha256'][:12]}"
    cells = [content["date"][:10], policy, str(content["seed"]), f"`{_command(words)}`"]
    cells += [(content["git_commit"] or "none")[:7], UNFINISHED]
    same = [line for line in page.read_text(encoding="utf-8").splitlines() if _cells(line)[1:4] == cells[1:4]]
    if any(UNFINISHED not in line for line in same):
        return None
    line = same[0] if same else f"| {' | '.join(cells)} |"
    if not same:
        _rewrite(page, page.read_text(encoding="utf-8").rstrip("\n") + f"\n{line}\n")
    return line


def finish(line: str, content: dict[str, Any], page: Path) -> None:
    """Put the figures into the line of an audit that has ended.

    Args:
        line: What :func:`begin` returned.
        content: What ``evaluate.py --json`` writes.
        page: The page, :data:`PAGE`.
    """
    text = page.read_text(encoding="utf-8")
    _rewrite(page, text.replace(line, line.replace(UNFINISHED, _figure(content))))


def has(content: dict[str, Any], page: Path) -> bool:
    """Return whether the page has the line of an audit.

    Args:
        content: JSON of the audit.
        page: The page, :data:`PAGE`.
    """
    lines = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    policy, seed = content["checkpoint_sha256"][:12], str(content["seed"])
    return any(policy in line and seed in _cells(line) and _figure(content) in line for line in lines)


def _command(words: list[str]) -> str:
    """Return the command without the flags that say where its figures go."""
    kept, skip = [], False
    for word in words:
        is_output = word.partition("=")[0] in OUTPUTS
        if not skip and not is_output:
            kept.append(word)
        skip = is_output and "=" not in word
    return provenance.command_line(kept).replace("|", "/")


def _figure(content: dict[str, Any]) -> str:
    """Return the headline figures with their intervals, percent."""
    parts = [
        f"{name.replace('_', ' ')} {100 * value['rate']:.2f} % ({100 * value['low']:.2f} to {100 * value['high']:.2f})"
        for name, value in content["headlines"].items()
    ]
    return f"{', '.join(parts)} of {content['episodes']}"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _rewrite(page: Path, text: str) -> None:
    try:
        files.write_text(page, text)
    except UsageError as error:
        raise UsageError(f"--seed release leaves a line in docs/{page.name}: {error}") from error
