"""From a camera's frames to the pictures that a policy sees. NumPy only."""

from __future__ import annotations

import numpy as np

from alice.contract import ImageInput


def fit_picture(pictures: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return pictures of the size that a policy takes: cut to its aspect ratio about the centre, then area averages.

    Args:
        pictures: (N, H, W, 3) uint8, at least as large as asked for.
        width: [pixels].
        height: [pixels].

    Returns:
        (N, height, width, 3) uint8.

    Raises:
        ValueError: If the pictures are smaller, or no RGB pictures.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8:
        raise ValueError(f"pictures of shape {pictures.shape} and type {pictures.dtype}, need (N, H, W, 3) of uint8")
    tall, wide = pictures.shape[1:3]
    if (tall, wide) == (height, width):
        return pictures
    if tall < height or wide < width:
        raise ValueError(f"pictures of {wide}x{tall} are smaller than the policy's {width}x{height}; use a larger mode")
    kept_wide, kept_tall = min(wide, tall * width // height), min(tall, wide * height // width)
    left, top = (wide - kept_wide) // 2, (tall - kept_tall) // 2
    values = pictures[:, top : top + kept_tall, left : left + kept_wide].astype(np.float32)
    values = _averages(_averages(values, 1, height), 2, width)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _averages(values: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Return the averages of ``count`` equal stretches of an axis; a pixel on a border counts for both by its share."""
    length = values.shape[axis]
    sums = np.concatenate((np.zeros_like(values.take([0], axis)), values.cumsum(axis, dtype=np.float64)), axis)
    borders = np.arange(count + 1) * (length / count)
    below = np.minimum(borders.astype(int), length - 1)
    share = (borders - below).reshape([-1 if k == axis else 1 for k in range(values.ndim)])
    at_borders = sums.take(below, axis) * (1.0 - share) + sums.take(below + 1, axis) * share
    return np.diff(at_borders, axis=axis) * (count / length)


class FrameStack:
    """The last pictures of N arms, oldest first; at the start of an episode all are its first one.

    Args:
        item: The contract's input.
        count: Number of arms N.
    """

    def __init__(self, item: ImageInput, count: int):
        self._item = item
        self._frames = np.zeros((count, item.frames, 3, item.height, item.width), np.uint8)

    def push(self, pictures: np.ndarray, is_fresh: np.ndarray) -> np.ndarray:
        """Take the newest pictures and return the network's input, (N, 3 K, height, width) uint8.

        Args:
            pictures: (N, H, W, 3) uint8, see :func:`fit_picture`.
            is_fresh: Whether an episode begins, (N,) bool.

        Raises:
            ValueError: If they are smaller, no RGB pictures, or of another number of arms; nothing is taken then.
        """
        newest = fit_picture(pictures, self._item.width, self._item.height).transpose(0, 3, 1, 2)
        if len(newest) != len(self._frames):
            raise ValueError(f"{len(newest)} pictures for {len(self._frames)} arms; give one for each")
        self._frames[:, :-1] = self._frames[:, 1:]
        self._frames[:, -1] = newest
        self._frames[is_fresh] = newest[is_fresh][:, None]
        return self._frames.reshape(len(newest), *self._item.shape).copy()
