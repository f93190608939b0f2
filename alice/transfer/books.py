"""The books: milestones of the running episodes, results of the last ones, and the rates behind the curriculum."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from alice.transfer import outcome

from .reading import Snapshot

HISTORY = 1000
"""Number of finished home-start episodes behind the training metrics."""
_CARRIED = outcome.STAGES.index("carried")


@dataclass
class Last:
    """The episode that ended last in each environment."""

    stages: torch.Tensor
    """Its milestones, (N, 6) bool in the order of :data:`alice.transfer.outcome.STAGES`."""
    stage_steps: torch.Tensor
    """Control step of each milestone, (N, 6); 0 where it did not happen."""
    max_height: torch.Tensor
    """Greatest height of the pinched ball, (N,) [m]."""
    in_dish: torch.Tensor
    """Whether the ball lay in the dish at its end, (N,) bool."""
    held: torch.Tensor
    """Whether the ball was pinched at its end, (N,) bool."""
    lost: torch.Tensor
    """Whether it ended because the ball was lost, (N,) bool."""
    placed: torch.Tensor
    """Whether it held the success condition for long enough but for the calm of the arm, (N,) bool."""
    length: torch.Tensor
    """Its length, (N,) [control steps]."""


class Books:
    """Milestones of the running episodes and results of the finished ones.

    Args:
        count: Number of environments N.
        device: Torch device.
    """

    def __init__(self, count: int, device: str):
        no = torch.zeros(count, dtype=torch.bool, device=device)
        whole = torch.zeros(count, dtype=torch.long, device=device)
        self.is_home_start = ~no
        """Whether the running episode began at the home pose with the ball in its nest, (N,) bool."""
        self.stages = torch.zeros(count, len(outcome.STAGES), dtype=torch.bool, device=device)
        """Milestones of the running episode, (N, 6) bool in the order of :data:`alice.transfer.outcome.STAGES`."""
        self.stage_steps = torch.zeros_like(self.stages, dtype=torch.long)
        """Control step of each milestone, (N, 6); 0 while it has not happened."""
        self.max_height = torch.zeros(count, device=device)
        """Greatest height of the pinched ball in the running episode, (N,) [m]."""
        self.is_brought = no.clone()
        """Whether the ball was carried to the dish, or the episode began with it there, (N,) bool."""
        self.last = Last(
            *(value.clone() for value in (self.stages, self.stage_steps, self.max_height, no, no, no, no, whole))
        )
        self.asks_calm = True
        """Whether success asks for a calm arm. It does in every audit; a training may ask for it later."""
        self._hold, self._placed_hold = whole.clone(), whole.clone()
        self._was_placed = no.clone()
        self._longest_hold = whole.clone()
        self.rest_progress = torch.zeros(count, device=device)
        """How much longer than ever before in its episode the success condition has held in the last control step, in
        shares of what success asks for, (N,) in {0, 0.1}."""
        self._finished = torch.zeros(HISTORY, len(outcome.STAGES), device=device)
        self._finished_stage = torch.zeros(HISTORY, dtype=torch.long, device=device)
        self.finished_count = 0
        """Number of home-start episodes that have ended."""
        self._stage = 0
        self._began_in_stage = whole.clone()

    def note(self, now: Snapshot, step: torch.Tensor) -> None:
        """Write down one control step.

        Args:
            now: Reading of the scene.
            step: Number of the control step in each episode, (N,) from 1.
        """
        self._hold = torch.where(now.is_settled, self._hold + 1, 0)
        longest = torch.maximum(self._longest_hold, self._hold)
        self.rest_progress = (longest - self._longest_hold) / outcome.HOLD_STEPS
        self._longest_hold = longest
        self._placed_hold = torch.where(now.is_placed, self._placed_hold + 1, 0)
        self._was_placed |= self._placed_hold >= outcome.HOLD_STEPS
        hold = self._hold if self.asks_calm else self._placed_hold
        height = now.held_height
        self.max_height = torch.maximum(self.max_height, height)
        events = torch.stack(
            (
                (now.grip_distance < outcome.REACHED_DISTANCE) | self.stages[:, 0],
                now.true.is_pinched,
                height >= outcome.LIFTED_HEIGHT,
                (height > outcome.RAISED_HEIGHT) & (now.dish_distance < outcome.CARRIED_DISTANCE),
                now.is_in_dish & (now.grip_distance > outcome.RELEASED_DISTANCE) & self.stages[:, 1],
                hold >= outcome.HOLD_STEPS,
            ),
            dim=-1,
        )
        self.stage_steps = torch.where(events & ~self.stages, step.unsqueeze(-1), self.stage_steps)
        self.stages |= events
        self.is_brought |= events[:, _CARRIED]

    def close(self, env_ids: torch.Tensor, now: Snapshot, is_lost: torch.Tensor, length: torch.Tensor) -> None:
        """Keep the results of episodes that have just ended.

        Args:
            env_ids: Their environments, (K,).
            now: Last reading of the scene.
            is_lost: Whether each environment's episode ended because the ball was lost, (N,) bool.
            length: Length of each environment's episode, (N,) [control steps].
        """
        last = self.last
        last.stages[env_ids] = self.stages[env_ids]
        last.stage_steps[env_ids] = self.stage_steps[env_ids]
        last.max_height[env_ids] = self.max_height[env_ids]
        last.in_dish[env_ids] = now.is_in_dish[env_ids]
        last.held[env_ids] = now.true.is_pinched[env_ids]
        last.lost[env_ids] = is_lost[env_ids]
        last.placed[env_ids] = self._was_placed[env_ids]
        last.length[env_ids] = length[env_ids]
        counted = env_ids[self.is_home_start[env_ids]]
        places = (self.finished_count + torch.arange(len(counted), device=counted.device)) % HISTORY
        self._finished[places] = self.stages[counted].float()
        self._finished_stage[places] = self._began_in_stage[counted]
        self.finished_count += len(counted)

    def open(self, env_ids: torch.Tensor, is_home_start: torch.Tensor) -> None:
        """Begin new episodes.

        Args:
            env_ids: Their environments, (K,).
            is_home_start: Whether each starts from home, (K,) bool.
        """
        self.is_home_start[env_ids] = is_home_start
        self._began_in_stage[env_ids] = self._stage
        self.stages[env_ids] = False
        self.stage_steps[env_ids] = 0
        self.max_height[env_ids] = 0.0
        self._hold[env_ids] = 0
        self._placed_hold[env_ids] = 0
        self._longest_hold[env_ids] = 0
        self._was_placed[env_ids] = False
        self.is_brought[env_ids] = False

    def rates(self) -> dict[str, float]:
        """Return the share of the last :data:`HISTORY` home-start episodes that passed each stage, in [0, 1]."""
        count = min(self.finished_count, HISTORY)
        if count == 0:
            return {}
        return dict(zip(outcome.STAGES, self._finished[:count].mean(dim=0).tolist(), strict=True))

    def finished_since(self, count: int) -> list[tuple[bool, ...]]:
        """Return which stages the home-start episodes passed that ended since there were ``count`` of them.

        Oldest first, :data:`HISTORY` at most, without those that began before the last :meth:`begin_stage`.
        """
        first = max(count, self.finished_count - HISTORY)
        places = torch.arange(first, self.finished_count, device=self._finished.device) % HISTORY
        places = places[self._finished_stage[places] == self._stage]
        return [tuple(passed) for passed in self._finished[places].bool().tolist()]

    def begin_stage(self) -> None:
        """Tell the episodes that begin from now on from those before, for :meth:`finished_since`."""
        self._stage += 1

    def leave_out_running_episodes(self) -> None:
        """Keep the episodes under way out of :meth:`rates`."""
        self.is_home_start[:] = False

    def state_dict(self) -> dict[str, torch.Tensor | int]:
        """Return what outlives the running episodes: the results behind :meth:`rates`."""
        return {
            "finished": self._finished.cpu().clone(),
            "finished_stage": self._finished_stage.cpu().clone(),
            "finished_count": self.finished_count,
            "stage": self._stage,
        }

    def load_state_dict(self, state: dict[str, torch.Tensor | int]) -> None:
        """Take over a :meth:`state_dict`."""
        self._finished[:] = state["finished"].to(self._finished.device)
        self._finished_stage[:] = state["finished_stage"].to(self._finished.device)
        self.finished_count, self._stage = int(state["finished_count"]), int(state["stage"])
