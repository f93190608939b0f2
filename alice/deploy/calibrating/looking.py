"""Leads a person through the pictures of a camera's calibration: the arm is led by hand, the board lies still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alice.arms import Arm
from alice.deploy.bus.interface import Bus
from alice.deploy.calibration import Calibration, CalibrationError
from alice.deploy.clock import Clock
from alice.deploy.watching import Eye

from . import plausible
from .board import FEWEST, Board
from .lens import PICTURES, CameraFit, View, fit
from .person import Person
from .recording import Left, Recorder, let_go
from .tasks import LOOK, Task

TRIES = 5
"""How often in turn a picture may not show the board."""


@dataclass(frozen=True)
class Looked:
    """What came of it."""

    fit: CameraFit
    picture: np.ndarray
    """The last one, (H, W, 3) uint8."""
    joint_pos: np.ndarray
    """Where the joints were at it, (J,) [rad, m]."""


def look(arm: Arm, made: Calibration, bus: Bus, clock: Clock, person: Person, eye: Eye, board: Board) -> Looked:
    """Take pictures of a board from many poses, and find the camera's lens and mount.

    Args:
        arm: The arm.
        made: Its calibration.
        bus: The bus.
        clock: Its clock.
        person: Who leads the arm.
        eye: The camera.
        board: The board.

    Raises:
        CalibrationError: If the board is not seen, the person stops, or the pictures do not tell enough.
    """
    let_go(bus, clock, arm, person)
    recorder, views, missed = Recorder(bus, clock, arm), [], 0
    while len(views) < PICTURES:
        task = Task(f"look {len(views) + 1}", LOOK, _words(len(views)))
        try:
            found = recorder.carry_out(person, task)
        except Left as left:
            raise CalibrationError(f"{left}: stopped before all {PICTURES} pictures were taken") from None
        finding = next(plausible.about(arm, task, found), None)
        picture, _ = eye.read()
        which, places = board.find(picture)
        if finding is not None or len(which) < FEWEST:
            missed += 1
            person.tell(str(finding or f"{len(which)} corners of the board are in sight, need {FEWEST}; another pose"))
            if missed >= TRIES:
                raise CalibrationError(str(finding or "the board is not seen: see its light, its size and the focus"))
            continue
        missed, joint_pos = 0, made.joints(found.counts)
        views.append(View(joint_pos[arm.arm_columns], which, places))
        person.tell(f"{len(which)} corners")
    result = fit(arm, board, views, (picture.shape[1], picture.shape[0]))
    if problem := result.problem():
        raise CalibrationError(problem)
    return Looked(result, picture, joint_pos)


def _words(number: int) -> str:
    ways = ("straight down", "tilted forwards", "rolled to one side", "rolled to the other", "further to one side")
    return f"picture {number + 1} of {PICTURES}: hold the hand {ways[number % len(ways)]}, the board in sight; Enter"
