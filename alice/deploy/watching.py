"""Pictures on their way to a policy: which are good, and how old the newest good one is. NumPy only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from alice.contract import Contract, ImageInput
from alice.deploy.pictures import fit_picture

BLANK = 2.0
"""Standard deviation of a picture's numbers below which there is nothing in it [of 255]."""
MOVED = 0.01
"""How far a joint must have moved for the same picture to be an old one [rad, m]."""


@dataclass(frozen=True)
class Shot:
    """One picture of a camera."""

    picture: np.ndarray
    """(H, W, 3) uint8, red, green, blue."""
    at: float
    """When it was taken, or came if nobody says when it was taken [s]."""
    is_news: bool = True
    """Whether it has not been seen before."""


class Eye(Protocol):
    """A camera."""

    def read(self) -> tuple[np.ndarray | None, float]:
        """Return the newest picture, (H, W, 3) uint8 red, green, blue, and when it was taken [s]. Waits for nothing.

        Raises:
            OSError: If the camera is gone.
        """

    def close(self) -> None:
        """Give the camera back."""


class Watch:
    """Keeps the newest good picture. A blank one, or the same again from an arm that has moved since, is none.

    Args:
        camera: The camera; None if there is none.
        contract: Of the policy that looks at the pictures.
        straight: Makes of a picture one that the camera of the contract would take
            (:func:`alice.deploy.camera.straightener`).
    """

    def __init__(
        self, camera: Eye | None, contract: Contract, straight: Callable[[np.ndarray], np.ndarray] = lambda shot: shot
    ):
        self._straight = straight
        self._item = next((item for item in contract.inputs if isinstance(item, ImageInput)), None)
        self._camera = camera if self._item is not None else None
        self._last: np.ndarray | None = None
        self._good: Shot | None = None
        self._pose: np.ndarray | None = None
        self._given_at = -np.inf

    @property
    def pictures(self) -> np.ndarray | None:
        """The newest good picture as the policy's input has it, (1, H, W, 3) uint8; None if there is none."""
        return None if self._good is None else self._good.picture[None]

    def age(self, now: float) -> float | None:
        """Return how old the newest good picture is [s]; None if the policy sees none."""
        if self._item is None:
            return None
        return np.inf if self._good is None else now - self._good.at

    def look(self, joints: np.ndarray | None, now: float) -> Shot | None:
        """Take the camera's newest picture and return the newest good one, cut to the policy's size.

        Args:
            joints: Where the arm is, (J,) [rad, m].
            now: Time by the camera's clock [s].
        """
        try:
            picture, taken_at = (None, -np.inf) if self._camera is None else self._camera.read()
        except OSError:
            return self._again()
        if picture is None or taken_at <= self._given_at:
            return self._again()
        self._given_at = taken_at
        if picture.std() < BLANK or self._is_old(picture, joints):
            return self._again()
        fitted = fit_picture(self._straight(picture)[None], self._item.width, self._item.height)[0]
        self._good = Shot(fitted, taken_at)
        return self._good

    def _is_old(self, picture: np.ndarray, joints: np.ndarray | None) -> bool:
        """Whether a picture is the one before, though the arm has moved since it came."""
        if self._last is None or not np.array_equal(self._last, picture):
            self._last, self._pose = picture, joints
            return False
        return self._pose is None or joints is None or bool(np.abs(joints - self._pose).max() > MOVED)

    def _again(self) -> Shot | None:
        return None if self._good is None else Shot(self._good.picture, self._good.at, is_news=False)
