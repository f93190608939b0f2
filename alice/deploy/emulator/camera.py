"""A camera that is not there: plain pictures that differ from one to the next. NumPy only."""

from __future__ import annotations

import math

import numpy as np

from alice.deploy.clock import Clock

from .faults import Faults

BLOCK = 8
"""Size of a block of the counter [pixels]."""


class EmulatedCamera:
    """A camera that takes pictures at a rate.

    A picture shows which one it is: a row of blocks, the picture's number in binary, over a gradient with noise. Faults
    are those of the arm that it is mounted on, or its own.

    Args:
        clock: Its clock.
        width: [pixels].
        height: [pixels].
        rate: Pictures in a second [Hz].
        faults: The arm's faults (:attr:`alice.deploy.emulator.EmulatedArm.faults`); its own if None.
        latency: How old a picture is when it arrives [s].
    """

    def __init__(
        self,
        clock: Clock,
        width: int = 64,
        height: int = 48,
        rate: float = 30.0,
        faults: Faults | None = None,
        latency: float = 0.0,
    ):
        self._clock, self._rate, self._latency = clock, rate, latency
        self._shape = height, width
        self.faults = faults or Faults((), clock.now)
        self._began = clock.now()
        self._frozen: tuple[np.ndarray, float] | None = None
        ramp = np.linspace(40.0, 200.0, width)[None, :] + np.linspace(0.0, 40.0, height)[:, None]
        self._plain = np.stack((ramp, ramp[::-1], ramp[:, ::-1]), axis=-1)

    def read(self) -> tuple[np.ndarray, float]:
        """Return the newest picture, (H, W, 3) uint8, and when it was taken by the clock [s]; it waits for nothing.

        Raises:
            OSError: If the camera is gone.
        """
        now = self._clock.now()
        if self.faults.on("camera_vanish", now) is not None:
            raise OSError("the emulated camera is gone")
        freeze = self.faults.on("camera_freeze", now)
        if freeze is None:
            self._frozen = None
            number = max(0, math.floor((now - self._latency - self._began) * self._rate + 1e-9))
            found = self._picture(number), self._began + number / self._rate
        else:
            if self._frozen is None:
                number = max(0, math.floor((freeze.begins - self._latency - self._began) * self._rate + 1e-9))
                self._frozen = self._picture(number), self._began + number / self._rate
            picture, taken_at = self._frozen
            found = picture.copy(), now if freeze.numbers["stamped"] else taken_at
        if self.faults.on("camera_blank", now) is not None:
            return np.zeros((*self._shape, 3), np.uint8), found[1]
        return found

    def close(self) -> None:
        """Do nothing."""

    def _picture(self, number: int) -> np.ndarray:
        """Return the picture of a number: always the same one."""
        noise = np.random.default_rng(number).normal(0.0, 3.0, self._plain.shape)
        picture = np.clip(self._plain + noise, 0.0, 255.0).astype(np.uint8)
        for bit in range(self._shape[1] // BLOCK):
            picture[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 if number >> bit & 1 else 0
        return picture
