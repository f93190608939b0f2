"""The board of squares and markers (ChArUco) that a wrist camera looks at: to be printed, and found in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from alice.deploy.calibration import CalibrationError
from alice.deploy.camera import CameraError, _opencv

DOTS_PER_INCH = 300
FEWEST = 8
"""Corners that a picture must show to be used."""


@dataclass(frozen=True)
class Board:
    """A board; its frame has x along its squares, y down the columns, z into the table, origin at a corner."""

    columns: int = 8
    rows: int = 6
    square: float = 0.024
    """Side of a square [m]: measure the print, and give what it has."""
    marker: float = 0.75
    """Side of a marker over that of a square."""

    @cached_property
    def _made(self) -> Any:
        cv2 = _opencv()
        if not hasattr(cv2, "aruco") or not hasattr(cv2.aruco, "CharucoDetector"):
            raise CameraError("this OpenCV does not know ChArUco boards; install opencv-python-headless 4.7 or later")
        words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square, self.marker * self.square, words)

    @cached_property
    def _detector(self) -> Any:
        cv2 = _opencv()
        found = cv2.aruco.DetectorParameters()
        found.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        return cv2.aruco.CharucoDetector(self._made, cv2.aruco.CharucoParameters(), found)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height [m]."""
        return self.columns * self.square, self.rows * self.square

    @cached_property
    def corners(self) -> np.ndarray:
        """Places of the inner corners in the board's frame, (N, 3) [m]."""
        return np.array(self._made.getChessboardCorners(), float).reshape(-1, 3)

    def picture(self, per_square: int = int(DOTS_PER_INCH / 0.0254 * 0.024)) -> np.ndarray:
        """Return the board as it is printed, without a margin, (H, W) uint8.

        Args:
            per_square: Side of a square [pixels].
        """
        return self._made.generateImage((self.columns * per_square, self.rows * per_square), None, 0, 1)

    def write(self, path: Any) -> None:
        """Write the board as a PNG that says its true size, with a white margin of one square."""
        from PIL import Image

        per_square = round(DOTS_PER_INCH / 0.0254 * self.square)
        sheet = np.pad(self.picture(per_square), per_square, constant_values=255)
        Image.fromarray(sheet).save(path, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))

    def find(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the board's inner corners in a picture.

        Args:
            picture: (H, W, 3) or (H, W) uint8.

        Returns:
            Which of :attr:`corners`, (M,), and where, column and row (M, 2) [pixels]; none where there are too few.
        """
        cv2 = _opencv()
        grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        places, which, _, _ = self._detector.detectBoard(grey)
        if which is None or len(which) < FEWEST:
            return np.empty(0, int), np.empty((0, 2))
        return np.asarray(which).ravel(), np.asarray(places, float).reshape(-1, 2)


def board_of(words: str | None) -> Board:
    """Return the board that ``columns x rows x square in mm`` says, such as ``8x6x24``; the default for None.

    Raises:
        CalibrationError: If it is none.
    """
    if words is None:
        return Board()
    try:
        columns, rows, square = (float(part) for part in words.lower().split("x"))
    except ValueError:
        columns = rows = square = 0.0
    if not (3 <= columns <= 12 and 3 <= rows <= 12 and 5 <= square <= 100 and columns % 1 == rows % 1 == 0):
        raise CalibrationError(f"board {words!r} is none; give columns x rows x square in mm, such as 8x6x24")
    if columns * rows > 100:
        raise CalibrationError(f"board {words!r} has more than the 50 markers of its dictionary; give fewer squares")
    return Board(int(columns), int(rows), square / 1e3)
