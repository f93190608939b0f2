"""Lens and mount of a wrist camera from pictures of a board on the table, taken at known poses of the arm.

One least-squares problem for all: focal lengths, centre, distortion, the camera in the hand, the board on the table,
and what the arm's angles may be off by, which a calibration leaves: an angle of each joint for all pictures, and a
smaller one of each picture. OpenCV finds where to begin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from alice.arms import Arm
from alice.deploy.calibration import CalibrationError, CameraCalibration
from alice.deploy.camera import _opencv

from . import frames
from .board import FEWEST, Board

PICTURES = 15
FEWEST_PICTURES = 8
PIXELS = 0.3
"""Standard deviation of where a corner is found [pixels]."""
JOINT_OFF, PICTURE_OFF = math.radians(0.15), math.radians(0.12)
"""What a calibrated arm's angles are off by, standard deviations: always, and in each picture [rad]."""
PLACE_WITHIN, TURN_WITHIN, FOCAL_WITHIN = 0.002, math.radians(1.0), 0.01
"""What place [m], turn [rad] and focal length of a camera must be within; the data must tell them twice as well."""
FAR = 1.5
"""Root mean square of the residuals from which on the pictures do not fit [pixels]."""


@dataclass(frozen=True)
class View:
    """One picture of the board."""

    joint_pos: np.ndarray
    """Where the arm's joints were by its calibration, (A,) [rad]."""
    which: np.ndarray
    """Corners of the board that it shows, (M,)."""
    places: np.ndarray
    """Where, column and row (M, 2) [pixels]."""


@dataclass(frozen=True)
class CameraFit:
    """A camera as measured."""

    camera: CameraCalibration
    board: tuple[np.ndarray, np.ndarray]
    """The board in the base frame: rotation (3, 3) and origin (3,) [m]."""
    residual: float
    """Root mean square of the corners' residuals [pixels]."""
    place_sd: float
    """Of the camera's place [m]."""
    turn_sd: float
    """Of its turn [rad]."""
    focal_sd: float
    """Of its focal length, of itself."""

    def problem(self) -> str | None:
        """Return why the fit is not to be believed, None if it is."""
        if self.residual > FAR:
            return f"corners are {self.residual:.1f} pixels from where they should be: was the board moved?"
        told = 2 * self.place_sd <= PLACE_WITHIN and 2 * self.turn_sd <= TURN_WITHIN
        if told and 2 * self.focal_sd <= FOCAL_WITHIN:
            return None
        return (
            f"the pictures tell its place within {2e3 * self.place_sd:.1f} mm, its turn within"
            f" {math.degrees(2 * self.turn_sd):.2f}° and its focal length within {2 * self.focal_sd:.1%}; take them"
            " from further apart, with the hand tilted and rolled"
        )


def fit(arm: Arm, board: Board, views: Sequence[View], size: tuple[int, int]) -> CameraFit:
    """Find a camera's lens and mount.

    Args:
        arm: The arm.
        board: The board; it lies still.
        views: Pictures.
        size: Width and height of a picture [pixels].

    Raises:
        CalibrationError: If there are too few pictures, or OpenCV finds no beginning.
    """
    views = [view for view in views if len(view.which) >= FEWEST]
    if len(views) < FEWEST_PICTURES:
        raise CalibrationError(
            f"{len(views)} pictures show the board, {FEWEST_PICTURES} are needed and {PICTURES} good"
        )
    problem = _Bundle(arm, board, views)
    begin = problem.begin(size)
    found = least_squares(problem.residuals, begin, problem.slopes, x_scale=problem.scale, loss="soft_l1", f_scale=3.0)
    covariance = np.linalg.pinv(found.jac.T @ found.jac)
    corners = sum(len(view.which) for view in views)
    missed = problem.residuals(found.x)[: 2 * corners] * PIXELS
    residual = float(np.sqrt((missed**2).mean()))
    spread = np.diag(covariance)
    sd = np.sqrt(np.where(spread > 0.0, spread, np.inf)) * max(1.0, residual / PIXELS)  # 0: the pictures do not tell
    lens, turn, place, board_turn, board_place = problem.parts(found.x)
    camera = CameraCalibration(
        width=size[0],
        height=size[1],
        focal=(round(float(lens[0]), 3), round(float(lens[1]), 3)),
        centre=(round(float(lens[2]), 3), round(float(lens[3]), 3)),
        distortion=(*(round(float(value), 6) for value in lens[4:]), 0.0),
        position=tuple(round(float(value), 6) for value in place),
        rotation=frames.to_quaternion(turn),
    )
    return CameraFit(
        camera=camera,
        board=(board_turn, board_place),
        residual=residual,
        place_sd=float(np.linalg.norm(sd[11:14])),
        turn_sd=float(np.linalg.norm(sd[8:11])),
        focal_sd=float(sd[:2].max() / lens[0]),
    )


class _Bundle:
    """Residuals of all corners, and of what is known of the arm before.

    The numbers are: focal lengths, centre, k1, k2, p1, p2; the camera in the hand, as rotation vector and place; the
    board in the base, the same; angles that joints are off by; those of each picture.
    """

    LENS, MOUNT, BOARD = slice(0, 8), slice(8, 14), slice(14, 20)

    def __init__(self, arm: Arm, board: Board, views: Sequence[View]):
        self._arm, self._views, self._points = arm, views, [board.corners[view.which] for view in views]
        self._joints = len(arm.arm_joints)
        self.scale = np.array([50.0, 50.0, 10.0, 10.0, 0.1, 0.1, 0.01, 0.01, *[0.05, 0.05, 0.05, 0.01, 0.01, 0.01] * 2])
        off = [JOINT_OFF] * self._joints + [PICTURE_OFF] * self._joints * len(views)
        self.scale = np.concatenate((self.scale, off))

    def parts(self, x: np.ndarray):
        """Return lens (8,), camera in the hand and board in the base, each as rotation (3, 3) and place (3,)."""
        mount, board = x[self.MOUNT], x[self.BOARD]
        return x[self.LENS], frames.matrix(mount[:3]), mount[3:], frames.matrix(board[:3]), board[3:]

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Return all residuals over their standard deviations."""
        off = x[self.BOARD.stop :].reshape(-1, self._joints)
        missed = [self._missed(x, number) for number in range(len(self._views))]
        return np.concatenate((*missed, off[0] / JOINT_OFF, off[1:].ravel() / PICTURE_OFF))

    def _missed(self, x: np.ndarray, number: int) -> np.ndarray:
        """Return the residuals of one picture's corners over their standard deviation."""
        lens, turn, place, board_turn, board_place = self.parts(x)
        off, view = x[self.BOARD.stop :].reshape(-1, self._joints), self._views[number]
        hand_turn, hand_place = frames.hand_pose(self._arm, view.joint_pos + off[0] + off[1 + number])
        in_base = self._points[number] @ board_turn.T + board_place
        in_camera = ((in_base - hand_place) @ hand_turn - place) @ turn
        return (project(lens, in_camera) - view.places).ravel() / PIXELS

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """Return the derivatives of :meth:`residuals` by differences: a picture's own angles move its corners alone."""
        shared, here, step = self.BOARD.stop + self._joints, self.residuals(x), 1e-6 * self.scale
        found = np.zeros((here.size, x.size))
        for column in range(shared):
            moved = x.copy()
            moved[column] += step[column]
            found[:, column] = (self.residuals(moved) - here) / step[column]
        row = 0
        for number, points in enumerate(self._points):
            rows = slice(row, row + 2 * len(points))
            for column in range(shared + number * self._joints, shared + (number + 1) * self._joints):
                moved = x.copy()
                moved[column] += step[column]
                found[rows, column] = (self._missed(moved, number) - here[rows]) / step[column]
            row = rows.stop
        priors = np.arange(row + self._joints, here.size)
        found[priors, np.arange(shared, x.size)] = 1.0 / PICTURE_OFF
        return found

    def begin(self, size: tuple[int, int]) -> np.ndarray:
        """Return numbers to begin from, by OpenCV: the lens from the pictures alone, then camera and board."""
        cv2 = _opencv()
        focal = 0.5 * size[0] / math.tan(0.5 * self._arm.camera.horizontal_fov)
        guess = np.array([[focal, 0.0, size[0] / 2 - 0.5], [0.0, focal, size[1] / 2 - 0.5], [0.0, 0.0, 1.0]])
        points = [part.astype(np.float32)[:, None] for part in self._points]
        places = [view.places.astype(np.float32)[:, None] for view in self._views]
        flags = cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_K3
        try:
            _, matrix, bend, turns, shifts = cv2.calibrateCamera(points, places, size, guess, None, flags=flags)
        except cv2.error as error:
            raise CalibrationError(
                "OpenCV finds no lens for these pictures; take them from further apart, with the hand tilted"
            ) from error
        boards = [(frames.matrix(turn.ravel()), shift.ravel()) for turn, shift in zip(turns, shifts, strict=True)]
        hands = [frames.hand_pose(self._arm, view.joint_pos) for view in self._views]
        mount, place = _mount(hands, boards)
        turn, shift = boards[0]
        hand_turn, hand_place = hands[0]
        board = np.concatenate(
            (frames.vector(hand_turn @ mount @ turn), hand_turn @ (mount @ shift + place) + hand_place)
        )
        lens = [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], *np.ravel(bend)[:4]]
        rest = np.zeros(self._joints * (len(self._views) + 1))
        return np.concatenate((lens, frames.vector(mount), place, board, rest))


def _mount(hands, boards) -> tuple[np.ndarray, np.ndarray]:
    """Return the camera in the hand from poses of the hand in the base and of the board in the camera.

    From one picture to another the hand turns by as much as the camera: with the axes of these turns in both frames the
    rotation follows (Kabsch), and then the place from a linear system.
    """
    axes_hand, axes_camera, pairs = [], [], []
    for first in range(len(hands)):
        for second in range(first + 1, len(hands)):
            turn_hand = hands[second][0].T @ hands[first][0]
            turn_camera = boards[second][0] @ boards[first][0].T
            axes_hand.append(frames.vector(turn_hand))
            axes_camera.append(frames.vector(turn_camera))
            pairs.append((first, second, turn_hand))
    u, _, vt = np.linalg.svd(np.array(axes_hand).T @ np.array(axes_camera))
    turn = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    rows, values = [], []
    for first, second, turn_hand in pairs:
        shift = hands[second][0].T @ (hands[first][1] - hands[second][1])
        rows.append(turn_hand - np.eye(3))
        moved = turn @ boards[second][1] - turn_hand @ turn @ boards[first][1]
        values.append(moved - shift)
    place, *_ = np.linalg.lstsq(np.concatenate(rows), np.concatenate(values), rcond=None)
    return turn, place


def project(lens: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return where points in the camera's frame are in its picture, (N, 3) [m] to (N, 2) [pixels].

    Args:
        lens: Focal lengths, centre, and distortion as OpenCV has it: k1, k2, p1, p2 and, if given, k3.
        points: x right, y down, z forward.
    """
    k1, k2, p1, p2, k3 = (*lens[4:], 0.0)[:5]
    x, y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
    square = x * x + y * y
    radial = 1.0 + square * (k1 + square * (k2 + square * k3))
    across = x * radial + 2.0 * p1 * x * y + p2 * (square + 2.0 * x * x)
    down = y * radial + p1 * (square + 2.0 * y * y) + 2.0 * p2 * x * y
    return np.stack((lens[0] * across + lens[2], lens[1] * down + lens[3]), axis=-1)
