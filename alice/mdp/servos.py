"""A hobby servo on a bus: late, coarse, loose and badly zeroed. Batched, without a simulator.

The model stands between the joint targets of the action term and the drives of the simulator, and between the
simulator's joint positions and what the policy reads back. Speed and torque limits are not here: the drives have them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from alice.transfer.constants import constant

Span = tuple[float, float] | tuple[tuple[float, ...], tuple[float, ...]]
"""Lowest and highest value; each of them a number for all servos, or one for each."""


@dataclass
class ServoRanges:
    """What is drawn for each servo at the start of an episode: ranges (low, high)."""

    delay: tuple[float, float]
    """Time from command to motion, one draw an episode for the whole bus [s]."""
    jitter: tuple[float, float]
    """Standard deviation of the delay from step to step, one draw an episode for the whole bus [s]."""
    dead_band: Span
    """Greatest change of the command that the servo does not follow [rad]; it acts in whole counts."""
    backlash: Span
    """Play between motor and link [rad]."""
    offset: Span
    """Error of the servo's zero [rad]."""
    gain: Span
    """The servo's scale over the nominal one."""
    read_noise: Span
    """Standard deviation of a read position [rad]."""
    reads_back: bool = True
    """Whether positions are read at all; if not, :mod:`alice.transfer.unread` says what stands for them."""


class ServoModel:
    """The servos of N arms.

    Args:
        count: Number of arms N.
        servos: Number of servos of an arm S.
        ranges: What is drawn.
        step: Control step [s].
        counts_per_radian: Resolution of goals and readings [counts/rad].
        device: Torch device.

    Raises:
        ValueError: If a delay is negative or its bounds are in the wrong order, or a range is of other servos.
    """

    def __init__(
        self,
        count: int,
        servos: int,
        ranges: ServoRanges,
        step: float,
        counts_per_radian: float,
        device: str = "cpu",
    ):
        low, high = ranges.delay
        if not 0.0 <= low <= high:
            raise ValueError(f"servo delay {ranges.delay} s must be (low, high) with 0 <= low <= high")
        for name in ("dead_band", "backlash", "offset", "gain", "read_noise"):
            widths = {len(end) for end in getattr(ranges, name) if not isinstance(end, (int, float))}
            if widths - {servos}:
                raise ValueError(f"servo {name} has ranges for {widths} servos, this arm has {servos}")
        self._ranges, self._step, self._counts_per_radian = ranges, step, counts_per_radian
        zeros = torch.zeros(count, servos, device=device)
        steps = max(2, math.ceil(high / step))
        self._history = torch.zeros(1 + steps, count, servos, device=device)
        """Targets of this control step and those before, as far back as a delay reaches, newest first [rad]."""
        self.delay, self.jitter = zeros[:, :1].clone(), zeros[:, :1].clone()
        self.offset, self.gain, self.backlash = zeros.clone(), zeros + 1.0, zeros.clone()
        self.dead_band, self.read_noise = zeros.clone(), zeros.clone()
        self._command, self._link = zeros.clone(), zeros.clone()

    def reset(self, env_ids: torch.Tensor, targets: torch.Tensor, share: float | torch.Tensor = 1.0) -> None:
        """Draw new servos and let them stand at their targets.

        Args:
            env_ids: Arms, (K,) long.
            targets: Servo targets, (K, S) [rad].
            share: How much of each range is used, a number or (K, 1), in [0, 1]; 0 is an ideal servo.
        """
        for name in ("delay", "jitter"):
            getattr(self, name)[env_ids] = share * _draw(getattr(self._ranges, name), self.delay[env_ids])
        for name in ("dead_band", "backlash", "offset", "read_noise"):
            getattr(self, name)[env_ids] = share * _draw(getattr(self._ranges, name), targets)
        self.gain[env_ids] = 1.0 + share * (_draw(self._ranges.gain, targets) - 1.0)
        self._history[:, env_ids] = targets
        self._command[env_ids] = targets
        self._link[env_ids] = self.gain[env_ids] * targets + self.offset[env_ids]

    def follow(self, targets: torch.Tensor) -> torch.Tensor:
        """Return where the links are driven to in the coming control step.

        The bus command moves a servo evenly to its goal, so the commanded motion is piecewise linear and a delay that
        is no whole number of control steps is read off it by linear interpolation.

        Args:
            targets: Servo targets, (N, S) [rad].

        Returns:
            Where the links are driven to, (N, S) [rad].
        """
        self._history = torch.cat((targets.unsqueeze(0), self._history[:-1]))
        late = self.delay + self.jitter * torch.randn_like(self.delay)
        late = (late / self._step).clamp(0.0, len(self._history) - 1.0)
        newer = late.floor().clamp(max=len(self._history) - 2.0).long().expand_as(targets).unsqueeze(0)
        before, after = (self._history.gather(0, index).squeeze(0) for index in (newer, newer + 1))
        wanted = self._quantize(torch.lerp(before, after, late - late.floor().clamp(max=len(self._history) - 2.0)))
        change = counts(wanted - self._command, self._counts_per_radian)
        # Whole counts on both sides: between numbers of radians the last bit would decide.
        self._command = torch.where(
            change.abs() > whole_counts(self.dead_band, self._counts_per_radian), wanted, self._command
        )
        motor = self.gain * self._command + self.offset
        self._link = play(self._link, motor, self.backlash)
        return self._link

    def read(self, positions: torch.Tensor) -> torch.Tensor:
        """Return what the servos report.

        Args:
            positions: True positions of the links, (N, S) [rad].

        Returns:
            Positions by the servos' own zero and scale, noisy and quantized, (N, S) [rad].
        """
        seen = (positions - self.offset) / self.gain
        return self._quantize(seen + self.read_noise * torch.randn_like(seen))

    def _quantize(self, angle: torch.Tensor) -> torch.Tensor:
        """Return angles rounded to whole servo counts, same shape [rad]."""
        return counts(angle, self._counts_per_radian) / self._counts_per_radian


def counts(angle: torch.Tensor, per_radian: float) -> torch.Tensor:
    """Return angles [rad] in the nearest whole servo counts, same shape."""
    return (angle * per_radian).round()


def whole_counts(angle: torch.Tensor, per_radian: float) -> torch.Tensor:
    """Return how many whole servo counts fit into angles [rad], same shape; an exact number of them fits."""
    return (angle * per_radian + 1e-3).floor()


def play(link: torch.Tensor, motor: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    """Return the link's angle behind a loose gear: it moves only when the motor has crossed the play.

    Args:
        link: Angle before, any shape [rad].
        motor: Angle of the motor now [rad].
        width: Whole play between both [rad].
    """
    return torch.minimum(torch.maximum(link, motor - width / 2), motor + width / 2)


def _draw(span: Span, like: torch.Tensor) -> torch.Tensor:
    """Return uniform numbers between two bounds, or between those of each column, in the shape of a tensor."""
    low, high = (ends(end, like) for end in span)
    return low + (high - low) * torch.rand_like(like)


def ends(value: float | tuple[float, ...], like: torch.Tensor) -> float | torch.Tensor:
    """Return the end of a range for a sum with a tensor; a number stays one, or what is drawn would differ in rounding.

    Args:
        value: A number, or one for each column.
        like: Tensor whose type and device the columns get.
    """
    return value if isinstance(value, (int, float)) else constant(value, like.device, like.dtype)
