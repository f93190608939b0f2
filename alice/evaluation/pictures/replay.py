"""Re-enacts episodes of an audit before three cameras: an audit itself has too many environments to film."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alice import arms, compat
from alice.cli import terminal
from alice.evaluation.audit import policy
from alice.evaluation.audit.tracks import Track
from alice.evaluation.pictures import video
from alice.mdp.events import place_table, place_transfer
from alice.runs import overrides
from alice.runs.launch import Job, settle_physics
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

TILE = (320, 240)
"""Width and height of each camera's picture [pixels]."""
VIEWS = ("third person", "overhead", "wrist")
CAMERAS = {"film_camera": video.OVERSAMPLING, "overhead_camera": 1, "wrist_camera": 1}
"""The cameras behind the views, and how finely each is rendered: most of the time goes here."""
STRIDE = 2
"""Control steps from one picture to the next."""
OVERHEAD_EYE, OVERHEAD_LOOK_AT = (0.17, 0.0, 0.62), (0.19, 0.0, 0.0)


@dataclass(frozen=True)
class Clip:
    """The pictures of one episode."""

    views: np.ndarray
    """(T, 3, H, W, 3) uint8, a picture every :data:`STRIDE` control steps; the views are those of :data:`VIEWS`."""

    def at(self, step: int) -> np.ndarray:
        """Return the third-person picture nearest before a control step, (H, W, 3) uint8."""
        return self.views[min(step // STRIDE, len(self.views) - 1), 0]


def film(job: Job, tracks: Sequence[Track], show_progress: bool) -> list[Clip]:
    """Put arm, ball and dish through recorded states and take a picture of each.

    No environment may be open; physics does not run.

    Args:
        job: Command line of the audit.
        tracks: Episodes; all are filmed side by side.
        show_progress: Whether to draw a bar on standard error.
    """
    stage = _prepare(job, tracks)
    steps = max(len(track) for track in tracks)
    with policy.open_environment(stage) as wrapped:
        env = wrapped.unwrapped
        env.reset()
        origins = env.scene.env_origins
        video.point(env.scene["film_camera"], origins, video.EYE, video.LOOK_AT)
        video.point(env.scene["overhead_camera"], origins, OVERHEAD_EYE, OVERHEAD_LOOK_AT)
        compat.tell_mounts_apart(env.scene["wrist_camera"])
        radii = torch.tensor([track.ball_radius for track in tracks])
        if not torch.allclose(transfer_state(env).ball_radius.cpu(), radii, atol=1e-5):
            raise RuntimeError("a replay dealt the balls out in another order than it was asked to")
        frames = []
        for step in terminal.bar(range(0, steps, STRIDE), unit="picture", disable=not show_progress):
            _pose(env, tracks, step)
            views = [video.pictures(env.scene[name], oversampling) for name, oversampling in CAMERAS.items()]
            frames.append(np.stack(views, axis=1))
    whole = np.stack(frames)
    return [Clip(whole[: math.ceil(len(track) / STRIDE), index]) for index, track in enumerate(tracks)]


def _prepare(job: Job, tracks: Sequence[Track]) -> Job:
    """Return a command line whose environment has one place and one ball for each track, and the cameras."""
    import isaaclab.sim as sim_utils
    from isaaclab.utils import replace

    from alice.assets.arms import wrist_camera

    words = [word for word in job.words if not word.startswith("physics=")]
    env_cfg, agent_cfg = overrides.resolve_config(job.task, job.agent, words, play_mode=True)
    settle_physics(env_cfg)
    env_cfg.sim.device = job.device
    env_cfg.seed = job.env_cfg.seed
    scene = env_cfg.scene
    scene.num_envs = len(tracks)
    width, height = TILE
    for name in ("film_camera", "overhead_camera"):
        setattr(scene, name, video.camera_cfg(name, width, height, CAMERAS[name]))
    finer = CAMERAS["wrist_camera"]
    scene.wrist_camera = replace(wrist_camera(arms.named(job.env_cfg.arm)), width=width * finer, height=height * finer)
    for group in ("image", "picture_joints", "sight"):
        if hasattr(env_cfg.observations, group):
            setattr(env_cfg.observations, group, None)  # nobody acts, and the camera has another size now
    spawn = scene.ball.spawn
    pattern: Any = getattr(spawn, "assets_cfg", [spawn])[0]
    balls = [replace(pattern, radius=track.ball_radius) for track in tracks]
    if len({track.ball_radius for track in tracks}) > 1:
        scene.ball.spawn = sim_utils.MultiAssetSpawnerCfg(assets_cfg=balls, random_choice=False)
    else:
        scene.ball.spawn = balls[0]
    return Job(job.task, job.agent, job.device, words, env_cfg, agent_cfg, None, None)


def _pose(env: ManagerBasedRLEnv, tracks: Sequence[Track], step: int) -> None:
    """Put every environment into the state of a control step; one that has ended stays in its last."""
    rows = [min(step, len(track) - 1) for track in tracks]

    def gather(name: str) -> torch.Tensor:
        values = [getattr(track, name)[row] for track, row in zip(tracks, rows, strict=True)]
        return torch.stack(values).to(env.device)

    everyone = torch.arange(env.num_envs, device=env.device)
    nest, dish = (torch.stack([getattr(track, name) for track in tracks]).to(env.device) for name in ("nest", "dish"))
    place_table(env, everyone, dish[:, 2])
    place_transfer(
        env,
        everyone,
        gather("joint_pos"),
        gather("targets"),
        gather("ball_pos"),
        nest,
        dish,
        is_home_start=torch.ones_like(everyone, dtype=torch.bool),
    )
    env.scene.write_data_to_sim()
    env.sim.forward()
    env.scene.update(env.step_dt)
