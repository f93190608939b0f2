"""What the arm's table and its calibration say that a camera sees, drawn on what it sees: a person looks if it fits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from alice.arms import AXES, Arm
from alice.deploy.calibration import CameraCalibration
from alice.deploy.camera import _opencv

from . import frames, tasks
from .board import Board
from .lens import project

FINGER, HAND, MARK, SQUARES = (40, 220, 40), (240, 60, 220), (255, 150, 0), (0, 170, 255)
"""Colours (red, green, blue) of pads, hand axis, marks of the sheet, and the board."""
PAD = 0.03
"""How far back from the tips the faces of the pads are drawn [m]."""
CROSS = 0.006
"""Half of the width of a mark [m]."""
PIECES = 12
"""Pieces of a line: the lens bends it."""
NEAREST = 0.005
"""Depth from which on something is drawn [m]."""

Line = tuple[np.ndarray, np.ndarray, tuple[int, int, int]]
"""Ends (3,) and colour."""


def draw(
    picture: np.ndarray,
    arm: Arm,
    camera: CameraCalibration,
    joint_pos: np.ndarray,
    board: tuple[Board, tuple[np.ndarray, np.ndarray]] | None = None,
    lift: float = 0.0,
) -> np.ndarray:
    """Return a picture with the model's edges on it.

    Args:
        picture: (H, W, 3) uint8.
        arm: The arm.
        camera: The camera as measured.
        joint_pos: Joint positions at the picture, (J,) [rad, m].
        board: A board, and its rotation and origin in the base frame; None draws none.
        lift: How much higher over the table the arm stands than its table has it [m].
    """
    cv2, drawn = _opencv(), np.ascontiguousarray(picture).copy()
    for one, other, colour in edges(arm, camera, joint_pos, board, lift):
        spots = seen(camera, np.linspace(one, other, PIECES), picture.shape)
        for first, second in itertools.pairwise(spots):
            if np.isfinite([first, second]).all():
                ends = [tuple(round(float(value)) for value in spot) for spot in (first, second)]
                cv2.line(drawn, *ends, colour, 1, cv2.LINE_AA)
    return drawn


def seen(camera: CameraCalibration, points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return where points in the camera's frame are in a picture, (N, 2) [pixels]; NaN where they cannot be seen."""
    lens = np.array([*camera.focal, *camera.centre, *camera.distortion])
    safe = np.where(points[:, 2:] > NEAREST, points, [0.0, 0.0, 1.0])
    spots = project(lens, safe)
    spots = (spots + 0.5) * [shape[1] / camera.width, shape[0] / camera.height] - 0.5
    size = np.array([shape[1], shape[0]])
    is_near = ((spots > -size) & (spots < 2 * size)).all(axis=1) & (points[:, 2] > NEAREST)
    return np.where(is_near[:, None], spots, np.nan)


def edges(arm: Arm, camera: CameraCalibration, joint_pos: np.ndarray, board, lift: float) -> Iterator[Line]:
    """Yield all edges in the camera's frame: pads and hand axis, marks of the sheet, squares of the board."""
    turn, place = frames.of_quaternion(camera.rotation), np.array(camera.position)
    hand_turn, hand_place = frames.hand_pose(arm, np.asarray(joint_pos, float))
    for one, other, colour in _of_hand(arm, np.asarray(joint_pos, float)):
        yield (one - place) @ turn, (other - place) @ turn, colour
    for one, other, colour in (*_of_sheet(arm, lift), *(_of_board(*board) if board is not None else ())):
        ends = [((end - hand_place) @ hand_turn - place) @ turn for end in (one, other)]
        yield ends[0], ends[1], colour


def _of_hand(arm: Arm, joint_pos: np.ndarray) -> Iterator[Line]:
    """Yield the faces of the pads where they are by the gripper's joints, and the axis of the hand, in its frame."""
    tool, opens = np.array(arm.tool_in_hand), np.array(AXES[arm.opens_along])
    along = tool / np.linalg.norm(tool)
    gap = float(arm.gripper.gap(joint_pos[arm.gripper_columns]))
    middle = float(arm.gripper.held_at(np.float64(gap / 2)))
    tip = tool + arm.tool_to_tip * along
    for side in (middle - gap / 2, middle + gap / 2):
        yield tip + side * opens, tip + side * opens - PAD * along, FINGER
    yield tip + (middle - gap / 2) * opens, tip + (middle + gap / 2) * opens, FINGER
    yield tip - PAD * along, tip, HAND


def _of_sheet(arm: Arm, lift: float) -> Iterator[Line]:
    """Yield crosses at the marks, as far below the arm's own frame as it stands higher."""
    for table in (tasks.MARKS, tasks.CHECKS):
        for point in tasks.marks(arm, table).values():
            for way in ((CROSS, 0.0, 0.0), (0.0, CROSS, 0.0)):
                middle = np.array(point) - np.array([0.0, 0.0, lift])
                yield middle - way, middle + way, MARK


def _of_board(board: Board, pose: tuple[np.ndarray, np.ndarray]) -> Iterator[Line]:
    """Yield the sides of all squares."""
    turn, origin = pose
    width, height = board.size
    for column in range(board.columns + 1):
        ends = np.array([[column * board.square, 0.0, 0.0], [column * board.square, height, 0.0]])
        yield *(ends @ turn.T + origin), SQUARES
    for row in range(board.rows + 1):
        ends = np.array([[0.0, row * board.square, 0.0], [width, row * board.square, 0.0]])
        yield *(ends @ turn.T + origin), SQUARES
