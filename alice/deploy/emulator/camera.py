"""A camera that is not there: plain pictures that differ from one to the next. NumPy only."""

from __future__ import annotations

import contextlib
import math
import os
import struct
from pathlib import Path

import numpy as np

from alice.deploy.clock import Clock

from .faults import Faults

BLOCK = 8
"""Size of a block of the counter [pixels]."""


def grained(picture: np.ndarray, number: int) -> np.ndarray:
    """Return a rendered picture with as much grain as it takes to tell it from the one before.

    A real camera never gives the same picture twice; to the loop one that does, though the arm has moved, is frozen.

    Args:
        picture: (H, W, 3) uint8.
        number: Of the picture; the first pixel's last bits count along.
    """
    made = picture.copy()
    made[0, 0] = (made[0, 0] & 0xFE) | np.array([number >> bit & 1 for bit in range(3)], np.uint8)
    return made


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


class SharedPicture:
    """A file that always holds the newest picture of a camera, written by one process and read by others.

    Times are those of ``CLOCK_MONOTONIC``, which all processes of a machine share.

    Args:
        path: The file; whoever writes makes it.
        is_writer: Whether this is the process with the camera.

    Raises:
        OSError: If it cannot be made, or is not there.
    """

    HEAD = struct.Struct("<8sQdII")
    MAGIC = b"alicepic"

    def __init__(self, path: str | Path, is_writer: bool = False):
        self._path, self._is_writer = Path(path), is_writer
        self._number = 0
        if not is_writer:
            self.read()

    def write(self, picture: np.ndarray, taken_at: float) -> None:
        """Put a picture (H, W, 3) uint8 in the place of the one before."""
        self._number += 1
        height, width, _ = picture.shape
        head = self.HEAD.pack(self.MAGIC, self._number, taken_at, height, width)
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.write_bytes(head + np.ascontiguousarray(picture).tobytes())
        os.replace(beside, self._path)  # whoever reads gets the whole of one or the other

    def read(self) -> tuple[np.ndarray, float]:
        """Return the newest picture, (H, W, 3) uint8, and when it was taken [s].

        Raises:
            OSError: If there is none.
        """
        data = self._path.read_bytes()
        if len(data) < self.HEAD.size or data[:8] != self.MAGIC:
            raise OSError(f"{self._path.name} holds no picture of an emulated camera")
        _, _, taken_at, height, width = self.HEAD.unpack_from(data)
        return np.frombuffer(data, np.uint8, offset=self.HEAD.size).reshape(height, width, 3).copy(), taken_at

    def close(self) -> None:
        """Take the file away, if this is the process with the camera."""
        if self._is_writer:
            with contextlib.suppress(OSError):
                self._path.unlink()
