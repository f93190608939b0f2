"""What stands for the joints' readings on a bus that gives none: where commands of a moment ago have brought them.

A servo is late, and so is the drive behind it; the newest command is where the arm will be. And a gripper that is told
to close on a ball stands at the ball's diameter, wherever it was told to go; that is known only if it is known that a
ball is there. Of NumPy and PyTorch alike, since training and the robot go by the same rule (:mod:`alice.mdp.actions`,
:mod:`alice.transfer.reading`; :mod:`alice.deploy.pilot`, :mod:`alice.deploy.observation`,
:mod:`alice.deploy.tracking`).
"""

from __future__ import annotations

from typing import Any

from alice.arms import Arm
from alice.arms.namespace import namespace
from alice.transfer import outcome

LAG = 0.075
"""How long ago a command was given that the joints have reached [s]: least error of both arms' tool points with the
servos of the randomization's table, whose delay is 0.04 s of it in the mean."""


def stand_in(arm: Arm, command: Any, grip_distance: Any, radius: Any) -> Any:
    """Return commanded joint positions with the gripper where a ball holds it open, (..., J) [rad, m].

    Args:
        arm: The arm.
        command: Commanded joint positions, (..., J) [rad, m].
        grip_distance: From where the ball is told to be to where it is while it is held, (...) [m].
        radius: Ball radius, (...) [m].
    """
    xp, columns = namespace(command), arm.gripper_columns
    fingers = command[..., columns]
    is_blocked = (grip_distance < outcome.PINCH_DISTANCE) & (arm.gripper.gap(fingers) < 2.0 * radius)
    blocked = xp.where(is_blocked[..., None], arm.gripper.at_gap(2.0 * radius), fingers)
    return xp.concatenate((command[..., : columns.start], blocked, command[..., columns.stop :]), -1)
