"""Keeps the path of every counted episode of an audit, for reports and replays."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from alice import arms
from alice.cli import files
from alice.transfer import outcome
from alice.transfer.state import TransferState

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

    from alice.evaluation.audit.audit import Episodes


def widths(arm: arms.Arm) -> dict[str, int]:
    """Return name and width of the columns of a track; units are those of :class:`alice.transfer.reading.Snapshot`."""
    joints = dict.fromkeys(("joint_pos", "targets", "effort", "joint_speed"), len(arm.joints))
    scalars = dict.fromkeys(("ball_speed", "gap", "is_pinched", "is_in_dish"), 1)
    return {**joints, "tool_pos": 3, "ball_pos": 3, **scalars}


@dataclass(frozen=True)
class Track:
    """One episode: the states that its policy acted in."""

    arm: arms.Arm
    values: torch.Tensor
    """(T, sum of :func:`widths`), T control steps."""
    nest: torch.Tensor
    """Centre of the nest, (3,), base frame [m]."""
    dish: torch.Tensor
    """Centre of the dish, (3,), base frame [m]; its height is the table's."""
    ball_radius: float
    """[m]."""

    def __len__(self) -> int:
        return len(self.values)

    def __getattr__(self, name: str) -> torch.Tensor:
        """Return a column by its name in :func:`widths`, (T, width)."""
        columns = widths(self.arm) if "arm" in vars(self) else {}
        if name not in columns:
            raise AttributeError(name)
        first = sum(columns[other] for other in list(columns)[: list(columns).index(name)])
        return self.values[:, first : first + columns[name]]


class Tracks:
    """The tracks of an audit, in the order of its episodes."""

    def __init__(self):
        self._env: ManagerBasedRLEnv | None = None
        self._steps: list[torch.Tensor] = []
        self._places: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
        self._finished: list[Track] = []

    def __len__(self) -> int:
        return len(self._finished)

    def __getitem__(self, episode: int) -> Track:
        return self._finished[episode]

    def begin(self, env: ManagerBasedRLEnv) -> None:
        """Begin a round; all environments have just been reset."""
        from alice.transfer.state import transfer_state

        self._env, self._steps = env, []
        state = transfer_state(env)
        nest = env.scene["nest"].data.root_link_pose_w.torch[:, :3] - env.scene.env_origins
        self._places = tuple(place.cpu().clone() for place in (nest, state.dish_pos, state.ball_radius))

    def note(self, state: TransferState, effort: torch.Tensor, speed: torch.Tensor) -> None:
        """Keep one control step of all environments.

        Args:
            state: State that the policy is about to act in.
            effort: Size of the drive efforts, (N, J) [N·m, N].
            speed: Size of the joint speeds, (N, J) [rad/s, m/s].
        """
        now = state.now
        scalars = (now.ball_speed, now.true.gap, now.true.is_pinched, now.is_in_dish)
        columns = [now.true.joint_pos, self._env.action_manager.get_term("joints").targets, effort, speed]
        columns += [now.true.tool_pos, now.ball_pos, *(value.float().unsqueeze(-1) for value in scalars)]
        self._steps.append(torch.cat(columns, dim=-1).cpu())

    def finish(self, lengths: torch.Tensor, counted: torch.Tensor) -> None:
        """End a round.

        Args:
            lengths: Length of the first episode of each environment, (N,) [control steps].
            counted: Environments that count, in the order of their episodes, (K,) long.
        """
        values = torch.stack(self._steps, dim=1)
        for index in counted.tolist():
            nest, dish, radius = (place[index] for place in self._places)
            steps = values[index, : lengths[index]].clone()
            self._finished.append(Track(arms.of(self._env), steps, nest, dish, float(radius)))
        self._steps = []


##
# Tables
##


def write_steps(tracks: Tracks, episodes: Sequence[int], step_dt: float, path: Path) -> None:
    """Write every control step of some episodes as CSV.

    Args:
        tracks: All tracks of an audit.
        episodes: Which of them.
        step_dt: Length of a control step [s].
        path: File.
    """
    names = ["episode", "step", "time_s", "ball_x", "ball_y", "ball_z", "ball_speed", "tool_x", "tool_y", "tool_z"]
    names += ["gap", "is_pinched", "is_in_dish"]
    names += [f"{kind}_{joint}" for kind in ("pos", "effort", "speed") for joint in tracks[0].arm.names]
    with files.writing(path) as fresh, fresh.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for episode in episodes:
            track = tracks[episode]
            columns = [track.ball_pos, track.ball_speed, track.tool_pos, track.gap]
            joints = [track.joint_pos, track.effort, track.joint_speed]
            flags = torch.cat((track.is_pinched, track.is_in_dish), dim=-1).int().tolist()
            before, after = torch.cat(columns, dim=-1).tolist(), torch.cat(joints, dim=-1).tolist()
            for step in range(len(track)):
                numbers = [f"{value:.4f}" for value in before[step]], [f"{value:.4f}" for value in after[step]]
                writer.writerow([episode, step, f"{step * step_dt:.3f}", *numbers[0], *flags[step], *numbers[1]])


def write_episodes(episodes: Episodes, outcomes: Sequence[str], step_dt: float, path: Path) -> None:
    """Write one line for each episode as CSV.

    Args:
        episodes: What happened.
        outcomes: Outcome of each.
        step_dt: Length of a control step [s].
        path: File.
    """
    names = ["episode", "outcome", "length_s", "ball_x", "ball_y", "dish_x", "dish_y", "ball_radius", "max_height"]
    names += [f"{stage}_s" for stage in outcome.STAGES]
    with files.writing(path) as fresh, fresh.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for index, label in enumerate(outcomes):
            places = [*episodes.ball_start[index].tolist(), *episodes.dish[index].tolist()]
            numbers = [*places, float(episodes.ball_radius[index]), float(episodes.max_height[index])]
            steps = episodes.stage_steps[index].tolist()
            times = [f"{step * step_dt:.2f}" if step else "" for step in steps]
            length = f"{int(episodes.length[index]) * step_dt:.2f}"
            writer.writerow([index, label, length, *(f"{value:.4f}" for value in numbers), *times])
