"""Draws what a policy is about to do: tool paths of many futures, sampled from its action distribution.

The futures happen in the audit's own environments. All begin like one recorded episode and follow the deterministic
policy up to a branch; from there each takes its own samples. Where the whiskers spread, the policy has not made up its
mind; where they stay together, it is sure of its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw
from tensordict import TensorDict

from alice.evaluation.audit.tracks import Track
from alice.evaluation.pictures import video
from alice.mdp.events import place_table, place_transfer
from alice.transfer import outcome
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper

COUNT = 24
"""Futures of one branch, at most."""
HORIZON = 20
"""Control steps that a future is followed."""
WHISKER, TAKEN = (230, 120, 20), (20, 110, 60)
"""Colours of the futures and of the path really taken."""


@dataclass(frozen=True)
class Whiskers:
    """Futures from one moment of an episode."""

    step: int
    """Control step of the branch."""
    label: str
    """What had just happened."""
    paths: list[np.ndarray]
    """Tool paths, (1 to HORIZON + 1, 3) each, base frame [m]."""


def branches(track: Track, stage_steps: torch.Tensor) -> list[tuple[int, str]]:
    """Return the moments of an episode to branch at: its begin and the first step of pinching and lifting.

    Args:
        track: Episode.
        stage_steps: Control step of each milestone, (6,); 0 where it did not happen.
    """
    found = [(0, "start")]
    for stage in ("pinched", "lifted"):
        step = int(stage_steps[outcome.STAGES.index(stage)])
        if 0 < step < len(track):
            found.append((step, stage))
    return found


@torch.inference_mode()
def grow(env: RslRlVecEnvWrapper, policy: torch.nn.Module, track: Track, step: int, label: str) -> Whiskers:
    """Roll the policy forward in copies of one episode.

    Args:
        env: Environment of the audit; it is reset.
        policy: Network whose distribution can be sampled.
        track: Episode to copy.
        step: Control step of the branch.
        label: What had just happened there.
    """
    world = env.unwrapped
    env.reset()
    state = transfer_state(world)
    everyone = torch.arange(env.num_envs, device=env.device)
    copies = everyone[(state.ball_radius - track.ball_radius).abs() < 1e-5][:COUNT]
    _place(world, everyone, track)
    obs = TensorDict(world.observation_manager.compute(), batch_size=[env.num_envs])
    alive = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
    paths: list[torch.Tensor] = []
    for now in range(step + HORIZON + 1):
        if now >= step:
            tool = state.now.true.tool_pos.clone()
            paths.append(torch.where(alive.unsqueeze(-1), tool, torch.nan)[copies])
        actions = policy(obs, stochastic_output=True) if now >= step else policy(obs)
        obs, _, dones, _ = env.step(actions)
        policy.reset(dones)
        alive &= ~dones.bool()
    whole = torch.stack(paths, dim=1).cpu().numpy()
    return Whiskers(step, label, [path[~np.isnan(path[:, 0])] for path in whole if not np.isnan(path[0, 0])])


def _place(world, everyone: torch.Tensor, track: Track) -> None:
    """Begin the episode of a track in all environments."""

    def repeat(values: torch.Tensor) -> torch.Tensor:
        return values.to(world.device).repeat(len(everyone), 1)

    dish = repeat(track.dish)
    place_table(world, everyone, dish[:, 2])
    joints, targets, ball, nest = (
        repeat(values) for values in (track.joint_pos[0], track.targets[0], track.ball_pos[0], track.nest)
    )
    home = torch.ones_like(everyone, dtype=torch.bool)
    place_transfer(world, everyone, joints, targets, ball, nest, dish, is_home_start=home)
    world.scene.write_data_to_sim()
    world.sim.forward()
    transfer_state(world).read_start(everyone)
    for sensor in world.scene.sensors.values():
        sensor.reset()
    world.observation_manager.reset()  # the pictures of the reset are of other balls


def draw(picture: np.ndarray, whiskers: Whiskers, track: Track) -> np.ndarray:
    """Return the third-person picture of the branch with the futures and the path really taken.

    Args:
        picture: (H, W, 3) uint8.
        whiskers: Futures.
        track: The episode as it went.
    """
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    taken = track.tool_pos[whiskers.step : whiskers.step + HORIZON + 1].numpy()
    for path, colour, width in (*((path, WHISKER, 1) for path in whiskers.paths), (taken, TAKEN, 3)):
        if len(path) > 1:
            places = video.project(path, image.width, image.height)
            pen.line([tuple(place) for place in places], fill=colour, width=width, joint="curve")
    return np.asarray(image)
