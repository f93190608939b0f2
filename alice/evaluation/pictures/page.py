"""Writes the report of an audit: one self-contained HTML page, and the figures behind it as JSON and CSV."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from alice.cli import files
from alice.evaluation.audit import tracks
from alice.evaluation.audit.audit import Episodes
from alice.evaluation.pictures import encoder, plots, video, whiskers
from alice.evaluation.pictures.replay import STRIDE, VIEWS, Clip
from alice.runs import provenance
from alice.transfer import outcome
from alice.transfer.timing import CONTROL_RATE_HZ

TEMPLATE = Path(__file__).with_name("page.html")
LISTED = 16
"""Episodes of each sort, the first ones and the first failures, whose steps are written out."""
SHOTS = 6
"""Pictures of a time-lapse."""
SHOT_WIDTH = 260
"""[pixels]."""
RATE = CONTROL_RATE_HZ / STRIDE
"""Pictures per second of the videos: real time."""


def choose(outcomes: Sequence[str], lengths: Sequence[int]) -> dict[str, int]:
    """Return the episode to show for each outcome that happened: the success of median length, the first failures."""
    shown = {}
    for name in outcome.OUTCOMES:
        found = [index for index, label in enumerate(outcomes) if label == name]
        if found and name == "success":
            shown[name] = sorted(found, key=lambda index: lengths[index])[len(found) // 2]
        elif found:
            shown[name] = found[0]
    return shown


def listed(outcomes: Sequence[str]) -> list[int]:
    """Return the episodes whose steps are written out: the first :data:`LISTED` and as many of the failures."""
    failed = [index for index, label in enumerate(outcomes) if label != "success"][:LISTED]
    return sorted({*range(min(LISTED, len(outcomes))), *failed})


def write(
    folder: Path,
    content: dict[str, Any],
    episodes: Episodes,
    outcomes: Sequence[str],
    paths: tracks.Tracks,
    clips: dict[str, Clip],
    intent: list[whiskers.Whiskers],
    step_dt: float,
) -> Path:
    """Write ``report.html``, ``audit.json``, ``eval_metrics.csv`` and ``episodes.csv``.

    Args:
        folder: Where to.
        content: What ``evaluate.py --json`` writes.
        episodes: What happened.
        outcomes: Outcome of each episode.
        paths: Track of each episode.
        clips: For each outcome to show the pictures of its episode.
        intent: Whiskers of the success that is shown; empty if there are none.
        step_dt: Length of a control step [s].

    Returns:
        The page.
    """
    shown = choose(outcomes, episodes.length.tolist())
    scenes = []
    for name, clip in clips.items():
        index = shown[name]
        steps = episodes.stage_steps[index].tolist()
        scene = {"name": name.replace("_", " "), "episode": index, "seconds": len(paths[index]) * step_dt}
        scene["strip"] = _jpeg(_time_lapse(clip, len(paths[index]), steps, step_dt))
        scene["film"] = _base64(_mp4(clip, name), "video/mp4")
        scenes.append(scene)
    drawn = []
    if intent and "success" in clips:
        track, clip = paths[shown["success"]], clips["success"]
        drawn = [(item.label, _jpeg(whiskers.draw(clip.at(item.step), item, track))) for item in intent]
    charts = {name: getattr(plots, name)(content) for name in ("funnel", "failures")}
    charts |= {"times": plots.times(episodes, step_dt), "drives": plots.drives(episodes)}
    charts["workspace"] = plots.workspace(episodes)
    if len(content["ball_radii"]) > 1:
        charts["radii"] = plots.radii(content)
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    text = page.render(
        audit=content,
        charts={name: _base64(plots.png(chart), "image/png") for name, chart in charts.items()},
        scenes=scenes,
        views=VIEWS,
        whiskers=drawn,
        whisker_steps=whiskers.HORIZON,
        listed=len(listed(outcomes)),
        lifted_cm=100 * outcome.LIFTED_HEIGHT,
        cell_cm=100 * plots.CELL,
    )
    tracks.write_steps(paths, listed(outcomes), step_dt, folder / "eval_metrics.csv")
    tracks.write_episodes(episodes, outcomes, step_dt, folder / "episodes.csv")
    provenance.write_json(folder / "audit.json", content)
    target = folder / "report.html"
    files.write_text(target, text)
    return target


def _time_lapse(clip: Clip, length: int, stage_steps: Sequence[int], step_dt: float) -> np.ndarray:
    """Return some third-person pictures of an episode side by side: its milestones, and moments between them."""
    last = length - 1
    named = {0: "start", last: "end"}
    for name, step in zip(outcome.STAGES, stage_steps, strict=True):
        if 0 < step <= last:
            named.setdefault(step, name)
    moments = sorted(named)
    while len(moments) < min(SHOTS, last + 1):  # halve the longest pause
        gaps = np.diff(moments)
        widest = int(gaps.argmax())
        if gaps[widest] < 2:
            break
        moments.insert(widest + 1, moments[widest] + int(gaps[widest]) // 2)
    while len(moments) > SHOTS:  # drop the second of the two closest, begin and end stay
        gaps = np.diff(moments[:-1])
        del moments[1 + int(gaps[1:].argmin()) if len(gaps) > 1 else 1]
    tiles = []
    for step in moments:
        image = Image.fromarray(clip.at(step))
        image = image.resize((SHOT_WIDTH, round(SHOT_WIDTH * image.height / image.width)), Image.Resampling.LANCZOS)
        tiles.append(video.labelled(np.asarray(image), f"{step * step_dt:.2f} s", named.get(step, ""), video.GREY))
    return np.concatenate(tiles, axis=1)


def _mp4(clip: Clip, name: str) -> bytes:
    """Return an episode as a film with all views side by side."""
    colour = video.GREEN if name == "success" else video.RED
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with encoder.opened(path, RATE) as write:
            for step, views in enumerate(clip.views):
                tiles = [video.labelled(view, title, "", colour) for view, title in zip(views, VIEWS, strict=True)]
                tiles[0] = video.labelled(views[0], f"{step / RATE:.2f} s", name.replace("_", " "), colour)
                write(video.even(np.concatenate(tiles, axis=1)))
        return path.read_bytes()


def _jpeg(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=85)
    return _base64(buffer.getvalue(), "image/jpeg")


def _base64(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
