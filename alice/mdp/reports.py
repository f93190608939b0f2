"""Reports of where ball and dish are, as a camera over the table gives them. Batched, without a simulator.

They are late, seldom, noisy and off, and there is none of the ball while the hand is in the way. The model stands
between the simulator's ball and what the policy is told. What the robot makes of such reports is
:class:`alice.deploy.tracking.BallTracker`, by the same rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from alice.transfer import outcome
from alice.transfer.told import after_report

_SLACK = 1e-6
"""Share of a time by which sums of control steps may miss it [s]."""


@dataclass
class ReportRanges:
    """What is drawn at the start of an episode, uniform in its range, (low, high) each, unless it says otherwise."""

    bias: tuple[float, float]
    """Told place minus true place along each axis, one draw for the ball and one for the dish [m]."""
    noise: tuple[float, float]
    """Standard deviation of each coordinate from report to report [m]."""
    interval: tuple[float, float]
    """Time from one report to the next [s]; 0 is one in every control step."""
    age: tuple[float, float]
    """Time from the moment that a report describes to its arrival [s]."""
    gap: tuple[float, float]
    """Length of a drop-out, drawn for each [s]."""
    gap_rate: tuple[float, float]
    """Drop-outs that begin in a second [1/s]."""
    hidden: tuple[float, float]
    """Horizontal distance from the grip point within which the hand hides a ball below it [m]; 0 hides nothing."""


class ReportModel:
    """The reports of N environments.

    Args:
        count: Number of environments N.
        ranges: What is drawn.
        step: Control step [s].
        device: Torch device.

    Raises:
        ValueError: If something that cannot be negative is, or its bounds are in the wrong order.
    """

    def __init__(self, count: int, ranges: ReportRanges, step: float, device: str = "cpu"):
        for name, (low, high) in vars(ranges).items():
            if not low <= high or (low < 0.0 and name != "bias"):
                raise ValueError(f"report {name} {(low, high)} must be (low, high) with 0 <= low <= high")
        self.ranges = ranges
        """What is drawn; a change counts from the next reset. A greater age than that at the start has no room."""
        self._step = step
        each, points = torch.zeros(count, device=device), torch.zeros(count, 3, device=device)
        never = torch.zeros(count, dtype=torch.bool, device=device)
        self.is_perfect = ~never
        """Whether the truth itself is told, (N,) bool."""
        self.ball_bias, self.dish_bias = points.clone(), points.clone()
        self.noise, self.interval, self.age = each.clone(), each.clone(), each.clone()
        self.gap_rate, self.hidden = each.clone(), each.clone()
        self._first_noise, self._phase = torch.zeros(count, 2, 3, device=device), each.clone()
        samples = 3 + math.ceil(ranges.age[1] / step)
        self._balls = points.repeat(samples, 1, 1)
        """The ball in this control step and those before, newest first, as far back as a report looks [m]."""
        self._hidden = never.repeat(samples, 1)
        self._wait, self._gap_left, self._since_held = each.clone(), each.clone(), each + math.inf
        self._was_gap = never.clone()
        self._last, self._was_held = points.clone(), never.clone()
        self._ball_count, self._dish_count = each.clone(), each.clone()
        """How many reports the told places are the mean of, (N,)."""
        self.ball, self.dish = points.clone(), points.clone()
        """Where ball and dish are told to be, (N, 3) [m]."""
        self.is_held = never.clone()
        """Whether the ball is told to be where the gripper is, (N,) bool."""
        self.has_ball, self.has_dish = never.clone(), never.clone()
        """Whether a report of the ball, and of the dish, has arrived in this control step, (N,) bool."""
        self.ball_report, self.dish_report = points.clone(), points.clone()
        """What the reports of this control step say, (N, 3) [m]."""
        self.lag = each.clone()
        """How long ago the moment is that they describe, (N,) [s]."""

    def reset(self, env_ids: torch.Tensor, share: float | torch.Tensor = 1.0) -> None:
        """Draw what belongs to an episode. The reports begin with :meth:`start`, which draws nothing.

        Args:
            env_ids: Environments, (K,) long.
            share: How much of each range is used, a number or (K, 1), in [0, 1]; at 0 the truth is told.
        """
        count, device = len(env_ids), self.age.device
        if not isinstance(share, torch.Tensor):
            share = torch.full((count, 1), share, device=device, dtype=self.age.dtype)
        share = share.to(device, self.age.dtype).expand(count, 1)
        self.is_perfect[env_ids] = share.squeeze(-1) <= 0.0
        for name in ("ball_bias", "dish_bias"):
            getattr(self, name)[env_ids] = share * _draw(self.ranges.bias, count, 3, device=device)
        for name in ("noise", "interval", "age", "gap_rate", "hidden"):
            drawn = _draw(getattr(self.ranges, name), count, device=device)
            getattr(self, name)[env_ids] = share.squeeze(-1) * drawn
        self._phase[env_ids] = torch.rand(count, device=device)
        self._first_noise[env_ids] = torch.randn(count, 2, 3, device=device)

    def start(self, env_ids: torch.Tensor | slice, ball: torch.Tensor, dish: torch.Tensor) -> None:
        """Begin episodes: the ball has lain where it is, and one report has told so.

        Args:
            env_ids: Environments, (K,) long or a slice.
            ball: Centre of the ball, (K, 3), base frame [m].
            dish: Centre of the dish on the table, likewise.
        """
        off = self.noise[env_ids, None, None] * self._first_noise[env_ids]
        self._balls[:, env_ids] = ball
        self._hidden[:, env_ids] = False
        self._last[env_ids] = self.ball[env_ids] = ball + self.ball_bias[env_ids] + off[:, 0]
        self.dish[env_ids] = dish + self.dish_bias[env_ids] + off[:, 1]
        self.ball_report[env_ids], self.dish_report[env_ids] = self.ball[env_ids], self.dish[env_ids]
        self._ball_count[env_ids] = self._dish_count[env_ids] = 1.0
        self.has_ball[env_ids] = self.has_dish[env_ids] = True
        self.lag[env_ids] = self.age[env_ids]
        self._wait[env_ids] = self._phase[env_ids] * self.interval[env_ids]
        self._gap_left[env_ids], self._was_gap[env_ids] = 0.0, False
        self._since_held[env_ids] = math.inf
        self._was_held[env_ids] = self.is_held[env_ids] = False

    def hides(
        self, grip_pos: torch.Tensor, ball: torch.Tensor, hand_height: torch.Tensor, is_pinched: torch.Tensor
    ) -> torch.Tensor:
        """Return whether the hand hides the ball from above, (N,) bool: it is over it, or holds it.

        Args:
            grip_pos: Grip point, (N, 3), base frame [m].
            ball: Centre of the ball, likewise.
            hand_height: Height of the hand's link, (N,) [m].
            is_pinched: Whether the ball is held, (N,) bool.
        """
        is_under = ((grip_pos - ball)[:, :2].norm(dim=-1) < self.hidden) & (ball[:, 2] < hand_height)
        return is_under | (is_pinched & (self.hidden > 0.0))

    def advance(self, ball: torch.Tensor, dish: torch.Tensor, is_hidden: torch.Tensor) -> None:
        """Let a control step pass and take in what has arrived in it.

        Of several reports the newest counts. None describes a moment in which the ball was hidden, none arrives while
        it is, and one that describes a moment before the last in which the ball was told to be held says nothing new.

        Args:
            ball: Centre of the ball, (N, 3), base frame [m].
            dish: Centre of the dish on the table, likewise.
            is_hidden: Whether the hand hides the ball (:meth:`hides`), (N,) bool.
        """
        self._last, self._was_held = self.ball, self.is_held
        self._ball_count = torch.where(self._was_held, 0.0, self._ball_count)
        self._since_held = torch.where(self.is_held, 0.0, self._since_held) + self._step
        self._balls = torch.cat((ball.unsqueeze(0), self._balls[:-1]))
        self._hidden = torch.cat((is_hidden.unsqueeze(0), self._hidden[:-1]))
        has_come, late = self._arrivals()
        self.lag = late + self.age
        seen, was_hidden = self._look_back(self.lag)
        noise = self.noise[:, None, None] * torch.randn_like(self._first_noise)
        self.ball_report = seen + self.ball_bias + noise[:, 0]
        self.dish_report = dish + self.dish_bias + noise[:, 1]
        self.has_dish = has_come & ~self._is_gap()
        self.has_ball = self.has_dish & ~was_hidden & ~is_hidden
        is_news = self.has_ball & (self.lag < self._since_held)
        self._last, self._ball_count = _taken_in(is_news, self._last, self._ball_count, self.ball_report)
        self._last = torch.where(self.is_perfect.unsqueeze(-1), ball, self._last)
        self.dish, self._dish_count = _taken_in(self.has_dish, self.dish, self._dish_count, self.dish_report)
        self.dish = torch.where(self.is_perfect.unsqueeze(-1), dish, self.dish)

    def known_at(self, grip_pos: torch.Tensor) -> torch.Tensor:
        """Return where the ball is told to be before it is judged whether it is held, (N, 3) [m].

        A ball that was held in the last control step has moved with the hand.

        Args:
            grip_pos: Grip point by the reported joints, (N, 3), base frame [m].
        """
        follows = (self._was_held & ~self.is_perfect).unsqueeze(-1)
        return torch.where(follows, grip_pos, self._last)

    def hold(
        self,
        grip_pos: torch.Tensor,
        gap: torch.Tensor,
        gap_target: torch.Tensor,
        radius: torch.Tensor,
        gap_error: float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return where the ball is told to be, (N, 3) [m], and the pinch flag, (N,) bool, in this control step.

        While the flag is on, the ball is told to be where the gripper holds it; afterwards the last told place stands
        until the next report. Asking again, as a reset of other environments does, changes nothing but for the noise in
        the joints.

        Args:
            grip_pos: Grip point by the reported joints, (N, 3), base frame [m].
            gap: Gap by the reported joints, (N,) [m].
            gap_target: Commanded gap, (N,) [m].
            radius: Ball radius, (N,) [m].
            gap_error: How far off the gap may be that the arm's gripper reports [m].
        """
        distance = (self.known_at(grip_pos) - grip_pos).norm(dim=-1)
        self.is_held = outcome.is_pinched(distance, gap, gap_target, radius, gap_error)
        follows = (self.is_held & ~self.is_perfect).unsqueeze(-1)
        self.ball = torch.where(follows, grip_pos, self._last)
        return self.ball, self.is_held

    def _arrivals(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return whether a report has arrived in this control step, and how long ago the newest did, (N,) [s]."""
        self._wait = self._wait - self._step
        has_come = self._wait <= _SLACK
        since = (-self._wait).clamp(min=0.0)
        late = torch.where(self.interval > _SLACK, since.remainder(self.interval.clamp(min=_SLACK)), 0.0)
        self._wait = torch.where(has_come, self.interval - late, self._wait)
        return has_come, late

    def _is_gap(self) -> torch.Tensor:
        """Return whether nothing arrives in this control step because of a drop-out, (N,) bool."""
        begins, length = torch.rand(2, len(self.age), device=self.age.device)
        low, high = self.ranges.gap
        # A second one right after the first would be longer than one may be.
        begins = (begins < self.gap_rate * self._step) & ~self._was_gap
        self._gap_left = torch.where(begins, low + (high - low) * length, self._gap_left)
        self._was_gap = self._gap_left > _SLACK
        self._gap_left = (self._gap_left - self._step).clamp(min=0.0)
        return self._was_gap

    def _look_back(self, lag: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return where the ball was some time ago, (N, 3) [m], and whether it was hidden then, (N,) bool."""
        steps = (lag / self._step).clamp(0.0, len(self._balls) - 1.0)
        newer = steps.floor().clamp(max=len(self._balls) - 2.0)
        index = newer.long().unsqueeze(0)
        places = [self._balls.gather(0, at.unsqueeze(-1).expand(1, -1, 3)).squeeze(0) for at in (index, index + 1)]
        between = (steps - newer).unsqueeze(-1)
        is_older_used = between.squeeze(-1) > _SLACK
        hidden = [self._hidden.gather(0, at).squeeze(0) for at in (index, index + 1)]
        return torch.lerp(*places, between), hidden[0] | (hidden[1] & is_older_used)


def _taken_in(
    is_news: torch.Tensor, told: torch.Tensor, count: torch.Tensor, report: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return told places, (N, 3) [m], and counts, (N,), after reports of those that ``is_news``, (N,) bool."""
    after, more = after_report(told, count, report)
    return torch.where(is_news.unsqueeze(-1), after, told), torch.where(is_news, more, count)


def _draw(span: tuple[float, float], *shape: int, device: torch.device) -> torch.Tensor:
    """Return uniform numbers between two bounds."""
    low, high = span
    return low + (high - low) * torch.rand(*shape, device=device)
