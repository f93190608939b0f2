"""The page of an audit: made from a real audit, opened in a browser without a window."""

import base64
import csv
import io
import json
import math
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def _run(name: str, *words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(ROOT / "scripts" / f"{name}.py"), *map(str, words)])
        with pytest.raises(SystemExit) as leaving:
            runpy.run_path(sys.argv[0], run_name="__main__")
    assert leaving.value.code == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Audit the released policy with a page and return its folder. All balls but those of one size are randomized."""
    target = tmp_path_factory.mktemp("audit") / "report"
    words = ("--task", "Alice-Ball-Transfer", "--device", "cpu", "--checkpoint", "released", "--episodes", 42)
    _run("evaluate", *words, "--seed", 3, "--domain_rand", "--report", target)
    return target


def test_the_page_stands_alone_and_says_what_the_figures_say(folder):
    page = (folder / "report.html").read_text()
    figures = json.loads((folder / "audit.json").read_text())
    assert f"{100 * figures['success']['rate']:.2f} %" in page
    assert figures["checkpoint_sha256"] in page
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources and all(source.startswith("data:") for source in sources)
    shown = [name for name, result in figures["outcomes"].items() if result["count"]]
    for name in shown:
        assert f"<strong>{name.replace('_', ' ')}</strong>" in page
    assert page.count("<video") == len(shown) >= 1
    assert "What the policy intends" in page
    assert str(Path.home()) not in page and str(folder) not in page


def test_every_picture_of_the_page_shows_something(folder):
    page = (folder / "report.html").read_text()
    pictures = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
    assert len(pictures) >= 8
    for data in pictures:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"))
        assert pixels.std() > 8 and pixels.shape[1] >= 300


def test_the_films_show_three_views_of_the_whole_episode(folder, tmp_path):
    import imageio

    figures = json.loads((folder / "audit.json").read_text())
    films = re.findall(r'src="data:video/mp4;base64,([^"]+)"', (folder / "report.html").read_text())
    with (folder / "episodes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == figures["episodes"]
    lengths = {math.ceil(10 * float(row["length_s"]) - 1e-6) for row in rows}
    (tmp_path / "film.mp4").write_bytes(base64.b64decode(films[0]))
    with imageio.get_reader(tmp_path / "film.mp4") as film:
        frames = np.stack([np.asarray(frame) for frame in film])
    assert len(frames) in lengths
    assert frames.shape[2] == 960
    for view in np.split(frames, 3, axis=2):  # each view moves
        assert np.abs(view[0].astype(int) - view[-1].astype(int)).mean() > 1.0
        assert (view[0].std(axis=(0, 1)) > 5).all()


def test_every_hand_has_its_own_camera_also_with_balls_of_several_sizes():
    import argparse

    import torch

    from alice.arms import XARM1S
    from alice.evaluation.audit import tracks
    from alice.evaluation.pictures import replay
    from alice.runs import launch

    def look(yaw: float, radius: float) -> tracks.Track:
        values = torch.zeros(1, sum(tracks.widths(XARM1S).values()))
        track = tracks.Track(XARM1S, values, torch.zeros(3), torch.tensor([0.3, 0.3, 0.0]), radius)
        for name in ("joint_pos", "targets"):
            getattr(track, name)[:] = torch.tensor(list(XARM1S.home))
            getattr(track, name)[:, 0] = yaw
        tool = (0.178 * math.cos(yaw) + 0.01, 0.178 * math.sin(yaw), radius)  # below the hand
        track.ball_pos[:] = torch.tensor(tool)
        return track

    parser = argparse.ArgumentParser()
    launch.add_flags(parser)
    words = ["--task", "Alice-Ball-Transfer", "--device", "cpu", "--domain_rand"]
    job = launch.prepare(parser.parse_args(words), [], play_mode=True)
    clips = replay.film(job, [look(-0.5, 0.008), look(0.0, 0.015), look(0.5, 0.020)], show_progress=False)
    reds = []
    for clip in clips:
        wrist = clip.views[0, replay.VIEWS.index("wrist")].astype(int)
        reds.append(int((wrist[..., 0] > 2 * wrist[..., 1:].max(axis=-1)).sum()))
    assert 0 < reds[0] < reds[1] < reds[2], reds


def test_the_steps_of_an_episode_agree_with_its_line(folder):
    with (folder / "episodes.csv").open() as file:
        episodes = {row["episode"]: row for row in csv.DictReader(file)}
    with (folder / "eval_metrics.csv").open() as file:
        steps = list(csv.DictReader(file))
    of_first = [row for row in steps if row["episode"] == "0"]
    assert len(of_first) == round(20 * float(episodes["0"]["length_s"]))
    assert of_first[0]["ball_x"] == episodes["0"]["ball_x"]


def test_the_page_opens_in_a_browser_without_errors(folder, tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)}")
    shot = tmp_path / "page.png"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--hide-scrollbars"]
    command += ["--window-size=1100,4200", f"--screenshot={shot}", (folder / "report.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    pixels = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    assert pixels.shape[:2] == (4200, 1100)
    bands = [pixels[row : row + 300].std() for row in range(0, 3000, 300)]
    assert min(bands) > 5, bands  # nowhere a blank stretch
