"""Renders one frame of a task without a display and looks whether there is anything in it."""

from __future__ import annotations

import argparse

from alice.doctor.machine import Finding
from alice.runs import launch


def look(task: str) -> Finding:
    """Return whether a frame of a task can be rendered.

    Args:
        task: Task id.
    """
    from alice.evaluation.audit import policy
    from alice.evaluation.pictures import video

    parser = argparse.ArgumentParser()
    launch.add_flags(parser, "task", "num_envs")
    job = launch.prepare(parser.parse_args(["--task", task, "--num_envs", "1"]), [], play_mode=True)
    video.add_camera(job.env_cfg)
    try:
        with policy.open_environment(job) as env:
            env.reset()
            film = video.Film(env.unwrapped)
            film.shoot([])
    except RuntimeError as error:
        return Finding("rendering", "problem", f"failed without a display: {' '.join(str(error).split())[:160]}")
    colours = len({tuple(colour) for colour in film.last.reshape(-1, 3)[::17].tolist()})
    if colours < 20:
        return Finding("rendering", "problem", f"the frame is nearly blank ({colours} colours); update the GPU driver")
    height, width, _ = film.last.shape
    return Finding("rendering", "ok", f"{width} x {height} without a display, {colours} colours in a sample")
