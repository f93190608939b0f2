"""The errors of a real camera, from lens to cable. Batched, without a simulator.

A picture goes through the lens (focal length, distortion), is smeared by the hand's motion and the focus, lit from one
side and partly hidden, exposed, coloured, made noisy, and arrives late or not at all. Renderers that have one light for
all worlds cannot have another light in each: brightness that grows across the picture stands for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from alice.transfer.constants import constant

LONGEST_SMEAR = 5.0
"""Longest way that a picture is smeared along [pixels]; a faster hand smears no more."""
_TAPS = 5
"""Pictures that a smear is the mean of."""
_ROOM = 0.15
"""Shortest side of an occluder along its edge, of that edge."""


@dataclass
class ImageErrorRanges:
    """What is drawn for the camera of each environment at the start of an episode, uniform in its range."""

    zoom: tuple[float, float]
    """Focal length over the nominal one."""
    distortion: tuple[float, float]
    """Radial distortion of the lens, k1 as OpenCV has it: a barrel's is negative, a pincushion's positive."""
    exposure: tuple[float, float]
    """Factor on all channels; drawn evenly in its logarithm."""
    white_balance: tuple[float, float]
    """Factor on each channel."""
    gamma: tuple[float, float]
    """Exponent of the brightness; drawn evenly in its logarithm."""
    blur: tuple[float, float]
    """Standard deviation of a Gaussian blur [pixels]; over three pixels, so at most 1."""
    noise: tuple[float, float]
    """Standard deviation of the noise of each number, drawn anew in every frame, of full scale."""
    side_light: tuple[float, float]
    """Factor on the brightness at the side that the light comes from; as much is missing at the other."""
    occluder: tuple[float, float]
    """Area of a rectangle at an edge of the picture that hides what is behind it, of the picture's."""
    shutter: tuple[float, float]
    """Time that a picture is exposed for [s]."""
    latency: tuple[float, float]
    """Age of the newest picture, whole control steps."""
    drop: tuple[float, float]
    """Share of the pictures that do not arrive."""
    stamp: tuple[float, float]
    """Error of the time stamp of every picture [s]; a positive one makes it look older than it is."""


class ImageErrors:
    """The cameras of N environments.

    Args:
        count: Number of cameras N.
        ranges: What is drawn.
        focal: Focal length over the width of the picture.
        device: Torch device.

    Raises:
        ValueError: If a picture should come before it is taken.
    """

    def __init__(self, count: int, ranges: ImageErrorRanges, focal: float, device: str = "cpu"):
        if min(*ranges.latency, *ranges.drop, *ranges.shutter, *ranges.occluder) < 0:
            raise ValueError("latency, drop, shutter and occluder of a picture cannot be below 0")
        self.ranges = ranges
        """What is drawn; a change counts from the next reset. A longer latency than that at the start has no room."""
        self._focal = focal
        ones, zeros = torch.ones(count, device=device), torch.zeros(count, device=device)
        self.zoom, self.exposure, self.gamma, self.side_light = (ones.clone() for _ in range(4))
        self.distortion, self.blur, self.noise = (zeros.clone() for _ in range(3))
        self.occluder, self.shutter, self.drop, self.light_angle = (zeros.clone() for _ in range(4))
        self.white_balance = torch.ones(count, 3, device=device)
        self.latency = torch.zeros(count, dtype=torch.long, device=device)
        self.stamp = zeros.clone()
        self.age = zeros.clone()
        """How many control steps ago the newest pictures that have arrived were taken, (N,)."""
        self.notes: torch.Tensor | None = None
        """What was noted beside them when they were taken, (N, K)."""
        self._edge, self._shape = self.latency.clone(), torch.zeros(count, 2, device=device)
        self._paint = torch.zeros(count, 3, device=device)
        self._size: tuple[int, int] | None = None
        self._is_new = torch.ones(count, dtype=torch.bool, device=device)
        self.reset()

    def reset(self, env_ids: torch.Tensor | slice | None = None) -> None:
        """Draw new cameras for some environments, all for ``None``; their next picture is the first of an episode."""
        rows = slice(None) if env_ids is None else env_ids
        for name in ("zoom", "white_balance", "blur", "noise", "distortion"):
            self._draw(getattr(self, name), rows, getattr(self.ranges, name), in_logarithm=False)
        for name in ("side_light", "occluder", "shutter", "drop", "stamp"):
            self._draw(getattr(self, name), rows, getattr(self.ranges, name), in_logarithm=False)
        for name in ("exposure", "gamma"):
            self._draw(getattr(self, name), rows, getattr(self.ranges, name), in_logarithm=True)
        low, high = (round(end) for end in self.ranges.latency)
        share, turn, side = torch.rand(3, *self.zoom[rows].shape, device=self.zoom.device)
        self.latency[rows] = (low + share * (high - low + 1)).long().clamp(max=high)
        self.light_angle[rows] = 2.0 * math.pi * turn
        self._edge[rows] = (4.0 * side).long().clamp(max=3)
        self._shape[rows] = torch.rand_like(self._shape[rows])
        self._paint[rows] = torch.rand_like(self._paint[rows])
        self._is_new[rows], self._has_new = True, True

    def apply(
        self, images: torch.Tensor, flow: torch.Tensor | None = None, notes: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return what the cameras deliver in a control step.

        Args:
            images: What is before them now, (N, H, W, 3) uint8.
            flow: How fast it moves through the picture, to the right and down, (N, 2) [pixels/s]; None for not at all.
            notes: What is noted beside each picture, (N, K); it comes with the picture (:attr:`notes`).

        Returns:
            Pictures of the same shape and type.
        """
        self._settle(images)
        x = images.permute(0, 3, 1, 2).contiguous().float()
        x = torch.nn.functional.grid_sample(x, self._grid, padding_mode="border", align_corners=False)
        x = self._smear(x, flow)
        x = torch.addcmul(self._veil, x, self._gain).clamp_(0.0, 1.0).pow_(self.gamma[:, None, None, None])
        x = x.addcmul_(self.noise[:, None, None, None], torch.randn_like(x))
        taken = x.mul_(255.0).round_().clamp_(0.0, 255.0).to(torch.uint8).permute(0, 2, 3, 1)
        return self._deliver(taken, notes)

    ##
    # Light
    ##

    def _settle(self, images: torch.Tensor) -> None:
        """Work out what stays as it is for an episode, for the environments that have begun one."""
        count, height, width, _ = images.shape
        if self._size != (height, width):
            self._size = (height, width)
            device = images.device
            self._grid = torch.zeros(count, height, width, 2, device=device)
            self._gain, self._veil = torch.zeros(2, count, 3, height, width, device=device)
            depth = 1 + round(self.ranges.latency[1])
            self._ring = torch.zeros(depth, *images.shape, dtype=torch.uint8, device=device)
            self._ages = torch.zeros(depth, count, device=device)
            self._noted: torch.Tensor | None = None
            self._is_new[:], self._has_new = True, True
        if not self._has_new:  # told without asking a GPU
            return
        self._has_new = False
        rows = self._is_new.nonzero().squeeze(-1)
        if len(rows) == 0:
            return
        self._grid[rows] = _rays(self.zoom[rows], self.distortion[rows], self._focal, height, width)
        hidden = self._hidden_part(rows, height, width).unsqueeze(1)
        lit = self._light(rows, height, width)
        self._gain[rows] = lit * (1.0 - hidden) / 255.0
        self._veil[rows] = lit * hidden * self._paint[rows][:, :, None, None]

    def _light(self, rows: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Return the brightness of each pixel over its nominal one, (K, 3, H, W)."""
        right, down = _centres(width, rows.device), _centres(height, rows.device)
        angle = self.light_angle[rows, None, None]
        # From -1 to 1 between the two corners that the light's direction joins.
        across = angle.cos() * right + angle.sin() * down[:, None]
        across = across / (angle.cos().abs() + angle.sin().abs())
        light = 1.0 + (self.side_light[rows, None, None] - 1.0) * across
        factor = (self.exposure[rows, None] * self.white_balance[rows])[:, :, None, None]
        return factor * light.unsqueeze(1).clamp(min=0.0)

    def _hidden_part(self, rows: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Return how much of each pixel an occluder hides, (K, H, W) in [0, 1]."""
        area, (length, place) = self.occluder[rows], self._shape[rows].unbind(-1)
        shortest = (2.0 * area).clamp(min=_ROOM)  # it reaches to the middle of the picture at most
        length = shortest + (1.0 - shortest).clamp(min=0.0) * length
        start, depth = place * (1.0 - length), area / length
        edge = self._edge[rows]
        along, inward = (start, start + length), (torch.zeros_like(depth), depth)
        outward = (1.0 - depth, torch.ones_like(depth))
        inwards = [torch.where(edge % 2 == 0, one, other) for one, other in zip(inward, outward, strict=True)]
        is_side = edge < 2  # the left or the right edge; else the upper or the lower one
        x = [torch.where(is_side, one, other) for one, other in zip(inwards, along, strict=True)]
        y = [torch.where(is_side, one, other) for one, other in zip(along, inwards, strict=True)]
        return _covered(*y, height).unsqueeze(2) * _covered(*x, width).unsqueeze(1)

    def _smear(self, x: torch.Tensor, flow: torch.Tensor | None) -> torch.Tensor:
        """Blur pictures (N, 3, H, W) by their focus, and along the way that they move while the shutter is open."""
        side = torch.exp(-0.5 / self.blur.clamp(min=1e-3) ** 2).unsqueeze(-1)
        line = torch.cat((side, torch.ones_like(side), side), dim=-1) / (1.0 + 2.0 * side)
        kernel = line.unsqueeze(2) * line.unsqueeze(1)
        if flow is not None and self.ranges.shutter[1] > 0.0:
            moved = _along(flow * self.shutter.unsqueeze(-1))
            padded = torch.nn.functional.pad(moved, (2, 2, 2, 2)).unsqueeze(0)
            kernel = torch.nn.functional.conv2d(padded, kernel.unsqueeze(1), groups=len(x)).squeeze(0)
        count, channels, height, width = x.shape
        size = kernel.shape[-1]
        kernels = kernel.repeat_interleave(channels, dim=0).unsqueeze(1)
        wide = torch.nn.functional.pad(x, (size // 2,) * 4, mode="replicate")
        wide = wide.view(1, count * channels, height + size - 1, width + size - 1)
        return torch.nn.functional.conv2d(wide, kernels, groups=count * channels).view_as(x)

    ##
    # Cable
    ##

    def _deliver(self, taken: torch.Tensor, notes: torch.Tensor | None) -> torch.Tensor:
        """Return the pictures that arrive when the newest, (N, H, W, 3) uint8, have been taken."""
        is_lost = (torch.rand_like(self.drop) < self.drop) & ~self._is_new
        if len(self._ring) == 1 and self.ranges.drop[1] <= 0.0:
            self._is_new[:] = False
            self.notes = notes
            return taken
        rows = torch.arange(len(taken), device=taken.device)
        self._ring = self._pushed(self._ring, taken, is_lost)
        self._ages = self._pushed(self._ages + 1.0, torch.zeros_like(self.age), is_lost)
        if notes is not None:
            if self._noted is None:
                self._noted = torch.zeros(len(self._ring), *notes.shape, device=notes.device)
            self._noted = self._pushed(self._noted, notes, is_lost)
            self.notes = self._noted[self.latency, rows]
        self._is_new[:] = False
        self.age = self._ages[self.latency, rows]
        return self._ring[self.latency, rows]

    def _pushed(self, ring: torch.Tensor, newest: torch.Tensor, is_lost: torch.Tensor) -> torch.Tensor:
        """Return a ring (D, N, ...), newest first, after another row (N, ...) of which some never get there."""
        shape = (-1, *(1,) * (newest.dim() - 1))
        newest = torch.where(is_lost.view(shape), ring[0], newest)
        older = torch.where(self._is_new.view(shape), newest, ring[:-1])
        return torch.cat((newest.unsqueeze(0), older))

    @staticmethod
    def _draw(values: torch.Tensor, rows: torch.Tensor | slice, span: tuple[float, float], in_logarithm: bool) -> None:
        ends = constant(span, values.device)
        low, high = ends.log() if in_logarithm else ends
        drawn = low + (high - low) * torch.rand_like(values[rows])
        values[rows] = drawn.exp() if in_logarithm else drawn


def _centres(count: int, device: torch.device) -> torch.Tensor:
    """Return the middles of pixels between -1 and 1, (count,)."""
    return (torch.arange(count, device=device) + 0.5) * (2.0 / count) - 1.0


def _covered(start: torch.Tensor, end: torch.Tensor, count: int) -> torch.Tensor:
    """Return which part of each of ``count`` equal stretches of [0, 1] lies between two ends (K,), (K, count)."""
    edges = torch.arange(count + 1, device=start.device) / count
    low, high = edges[:-1].maximum(start.unsqueeze(-1)), edges[1:].minimum(end.unsqueeze(-1))
    return ((high - low) * count).clamp(min=0.0, max=1.0)


def _rays(zoom: torch.Tensor, k1: torch.Tensor, focal: float, height: int, width: int) -> torch.Tensor:
    """Return where each pixel of a real lens lies in the picture of the nominal one.

    A lens puts what a perfect one of focal length 1 would have at the distance r from the axis at r (1 + k1 r^2), as
    OpenCV has it; the reverse is found with Newton's method. Where no r has that distance, which is beyond the edge of
    what such a lens draws, the largest one stands. Parts outside of the nominal picture repeat its edge.

    Args:
        zoom: Focal length over the nominal one, (K,).
        k1: (K,).
        focal: Nominal focal length over the width.
        height: [pixels].
        width: [pixels].

    Returns:
        Places for ``grid_sample``, right and down from -1 to 1, (K, H, W, 2).
    """
    right, down = _centres(width, zoom.device), _centres(height, zoom.device)
    scale = 1.0 / (2.0 * focal * zoom)[:, None, None]
    x, y = right * scale, (down[:, None] * height / width) * scale
    distorted = torch.sqrt(x**2 + y**2)
    k1 = k1[:, None, None]
    furthest = torch.where(k1 < 0.0, (-3.0 * k1.clamp(max=-1e-9)).rsqrt(), math.inf)
    radius = distorted.clone()
    for _ in range(6):
        slope = (1.0 + 3.0 * k1 * radius**2).clamp(min=0.05)
        radius = radius - (radius * (1.0 + k1 * radius**2) - distorted) / slope
        radius = radius.clamp(min=0.0).minimum(furthest)
    ratio = radius / distorted.clamp(min=1e-9)
    half = 2.0 * focal * ratio
    return torch.stack((x * half, y * half * (width / height)), dim=-1)


def _along(way: torch.Tensor) -> torch.Tensor:
    """Return the kernels that smear a picture evenly along ways (N, 2), right and down [pixels], (N, 5, 5)."""
    length = way.norm(dim=-1, keepdim=True)
    way = way * (LONGEST_SMEAR / length.clamp(min=LONGEST_SMEAR))
    steps = (torch.arange(_TAPS, device=way.device) - (_TAPS - 1) / 2) / _TAPS
    right, down = (steps * way.unsqueeze(1).transpose(1, 2)).unbind(1)
    cells = torch.arange(-2, 3, device=way.device)
    near_right = (1.0 - (right.unsqueeze(-1) - cells).abs()).clamp(min=0.0)
    near_down = (1.0 - (down.unsqueeze(-1) - cells).abs()).clamp(min=0.0)
    return torch.einsum("nty,ntx->nyx", near_down, near_right) / _TAPS


def image_points(
    places: torch.Tensor,
    eye: torch.Tensor,
    rotation: torch.Tensor,
    focal: torch.Tensor,
    k1: torch.Tensor | None,
    aspect: float,
) -> torch.Tensor:
    """Return where points are in pictures, whatever hides them.

    Args:
        places: In the world, (N, P, 3) [m].
        eye: Cameras, (N, 3) [m].
        rotation: Their axes: picture right, down and forward are the columns, (N, 3, 3).
        focal: Focal length over the width, (N,).
        k1: Radial distortion, (N,); None for none.
        aspect: Width of a picture over its height.

    Returns:
        (N, P, 3): to the right and down from -1 to 1 between the edges, and 1 for a point inside of them, else 0.
    """
    right, down, deep = torch.einsum("nij,npi->npj", rotation, places - eye.unsqueeze(1)).unbind(-1)
    x, y = right / deep.clamp(min=1e-3), down / deep.clamp(min=1e-3)
    if k1 is not None:
        k1, square = k1.unsqueeze(-1), x**2 + y**2
        is_drawn = 3.0 * k1 * square > -1.0  # further out such a lens would draw things inwards again
        x, y = x * (1.0 + k1 * square), y * (1.0 + k1 * square)
    x, y = 2.0 * focal.unsqueeze(-1) * x, 2.0 * focal.unsqueeze(-1) * aspect * y
    is_inside = (deep > 1e-3) & (x.abs() < 1.0) & (y.abs() < 1.0)
    if k1 is not None:
        is_inside &= is_drawn
    return torch.stack((x.clamp(-1.0, 1.0), y.clamp(-1.0, 1.0), is_inside.float()), dim=-1)


FARTHEST, NEAREST = 0.4, 0.05
"""What a camera on the hand looks at is this far away at most and at least [m]."""


def image_flow(
    eye: torch.Tensor,
    rotation: torch.Tensor,
    eye_before: torch.Tensor,
    rotation_before: torch.Tensor,
    height: torch.Tensor,
    focal_pixels: float,
) -> torch.Tensor:
    """Return how far the middle of the picture has moved in it, if what it shows lies on the table.

    The rest of the picture moves otherwise, above all where the camera turns about its axis; the middle stands for it.
    Two poses tell more than the simulator's speeds: PhysX reports joints at a fraction of the speed that they move at.

    Args:
        eye: Camera now, in the world, (N, 3) [m].
        rotation: Its axes: picture right, down and forward are the columns, (N, 3, 3).
        eye_before: Camera a little earlier, likewise.
        rotation_before: Likewise.
        height: Height of the camera over the table now, (N,) [m].
        focal_pixels: Focal length [pixels].

    Returns:
        To the right and down, (N, 2) [pixels].
    """
    forward = rotation[:, :, 2]
    depth = (height / (-forward[:, 2]).clamp(min=1e-3)).clamp(NEAREST, FARTHEST)
    offset = eye + depth.unsqueeze(-1) * forward - eye_before
    right, down, deep = torch.einsum("nij,ni->nj", rotation_before, offset).unbind(-1)
    return -focal_pixels * torch.stack((right, down), dim=-1) / deep.clamp(min=NEAREST).unsqueeze(-1)
