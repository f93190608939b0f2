"""What a training has logged: the TensorBoard files of a run folder, whoever started the run."""

from __future__ import annotations

from pathlib import Path

from alice.cli.usage import UsageError


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return iteration and value of all that a run has logged, by tag and in order.

    A run that was resumed has several files; of an iteration that was done twice the later one counts.

    Args:
        folder: Run folder.

    Raises:
        UsageError: If it holds no TensorBoard log, or one that cannot be read.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = sorted(folder.glob("events.out.tfevents.*"))
    if not files:
        raise UsageError(f"run {str(folder)!r} holds no TensorBoard log; give logs/rsl_rl/<experiment>/<run>")
    found: dict[str, dict[int, float]] = {}
    for file in files:
        events = EventAccumulator(str(file), size_guidance={"scalars": 0})
        try:
            events.Reload()
        except Exception as error:  # what a damaged file raises is TensorBoard's affair
            raise UsageError(f"{file.name} of the run cannot be read: {' '.join(str(error).split())[:120]}") from error
        for tag in events.Tags()["scalars"]:
            if not tag.endswith("/time"):
                found.setdefault(tag, {}).update({event.step: event.value for event in events.Scalars(tag)})
    return {tag: sorted(points.items()) for tag, points in found.items()}
