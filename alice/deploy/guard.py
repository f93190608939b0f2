"""Where an arm may be sent: position, speed and step limits, and room above the table and beside itself. NumPy only.

A command is at most one step from the one before it, whatever is asked for. Geometry is that of the arm's skeleton
(:func:`alice.arms.kinematics.skeleton`), and of the wrist camera where there is one: a command that leaves it less room
than there must be is taken only if it leaves more than the one before did; else the pitch joints give way as little as
it takes, so that a tip that presses on the table slides along it. Where that finds no room they move as far as there is
room; yaw, roll and gripper move.
"""

from __future__ import annotations

import numpy as np

from alice.arms import kinematics
from alice.contract import Contract, ImageInput
from alice.deploy.calibration import Calibration

SLOW_SPEED = 0.3
"""Speed of an arm joint on the way home and on the way down [rad/s]."""
TABLE_DEPTH = 0.005
"""How far below the table's surface the tip may be sent [m]: a servo that gives way stands above its command. Of the
commands of the released policies on their recorded inputs one in a hundred is deeper and is cut."""
TABLE_ROOM = 0.03
"""Least height of elbow and wrist axis [m]: half of a link and some."""
SELF_ROOM = 0.04
"""Least distance of tool point and tip from the line of the upper arm, and of these and the wrist from the line of the
base [m]."""
CAMERA_ROOM = 0.04
"""Least distance of the wrist camera's optical centre from the lines of upper arm and forearm [m]: half of a link, and
half of the camera. Asked for where the policy sees: a hand that is folded back puts the bracket into the forearm."""
RESTING_HEIGHT = 0.005
"""Height of the tip over the table at which torque is taken away [m]."""
RAISED_HEIGHT = 0.05
"""Height of the tip from which an arm that lies low is first raised before it goes home [m]."""


ATTEMPTS = 4
"""How often a command without enough room is moved before it is given up."""
TURN, MARGIN = 1e-4, 1e-5
"""By how much a joint is turned to see what that does to the room [rad], and how much more room is sought [m]."""


class Guard:
    """Limits of one arm that runs one policy. J is the number of its joints.

    Args:
        calibration: The arm.
        contract: The policy's contract; its limits, steps and rate are served.
        table_depth: How far below the table's surface the tip may be sent [m].
    """

    def __init__(self, calibration: Calibration, contract: Contract, table_depth: float = TABLE_DEPTH):
        self.arm, self._lift, self._table_depth = calibration.kind, calibration.lift, table_depth
        lower, upper = calibration.limits
        self.lower = np.maximum(lower, contract.arm.joint_lower)
        """Lower limit of commands, (J,) [rad, m]."""
        self.upper = np.minimum(upper, contract.arm.joint_upper)
        """Upper limit of commands, (J,) [rad, m]."""
        rate, action = contract.arm.control_rate_hz, contract.action
        self.step = np.full(len(self.arm.joints), float(action.arm_scale))
        """Largest change of a command in a control step, (J,) [rad, m]."""
        self.step[self.arm.gripper_columns] = action.gripper_slew
        self.slow = self.step * min(1.0, SLOW_SPEED / (action.arm_scale * rate))
        """The same on the way home and down, (J,) [rad, m]."""
        self._has_camera = any(isinstance(item, ImageInput) for item in contract.inputs)
        self._is_pitch = np.array([joint in self.arm.pitch_joints for joint in self.arm.joints])

    def towards(self, last: np.ndarray, goal: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Return where a straight line to a goal leads in one step, all joints arriving together, (J,)."""
        change = goal - last
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.nanmin(np.where(change == 0.0, np.inf, step / np.abs(change)))
        return last + min(1.0, share) * change

    def allowed(self, last: np.ndarray, wanted: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, str]:
        """Return the command nearest to what is wanted that may follow the last one.

        Args:
            last: Last command, (J,) [rad, m].
            wanted: (J,) [rad, m].
            step: Largest change, (J,) [rad, m].

        Returns:
            The command, (J,), and what kept it back: ``table``, ``self`` or nothing.
        """
        # An arm may stand outside of its limits; it is led back one step at a time.
        full = last + np.clip(np.clip(wanted, self.lower, self.upper) - last, -step, step)
        before, (room, what) = self.room(last)[0], self.room(full)
        least = min(0.0, before)
        if room >= least:
            return full, ""
        parts = [self._aside(full, last, step, least)]
        parts += [np.where(self._is_pitch, last + share * (full - last), full) for share in (0.5, 0.25, 0.0)]
        for part in parts:
            if self.room(part)[0] >= least - 1e-12:
                return part, what
        return last.copy(), what

    def _aside(self, full: np.ndarray, last: np.ndarray, step: np.ndarray, least: float) -> np.ndarray:
        """Return a command without enough room, moved to where there is some, by as little as the pitch joints can.

        So a tip that is sent along under the table goes along on top of it. There may be too little room there, too.
        """
        low, high = np.maximum(last - step, self.lower), np.minimum(last + step, self.upper)
        low, high = np.minimum(low, last), np.maximum(high, last)  # an arm may stand outside of its limits
        pose, pitches = full.copy(), np.flatnonzero(self._is_pitch)
        for _ in range(ATTEMPTS):
            room, _ = self.room(pose)
            if room >= least:
                break
            slope = np.zeros(len(pose))
            for column in pitches:
                turned = pose.copy()
                turned[column] += TURN
                slope[column] = (self.room(turned)[0] - room) / TURN
            pose = np.clip(pose + (least + MARGIN - room) * slope / max(slope @ slope, 1e-9), low, high)
        return pose

    def room(self, pose: np.ndarray) -> tuple[float, str]:
        """Return by how much a pose is further from table and itself than it must be [m], and from which least."""
        pose = np.asarray(pose, float)
        shoulder, elbow, wrist, tool, tip = kinematics.skeleton(self.arm, pose)
        to_table = min(tip[2] + self._table_depth, min(elbow[2], wrist[2]) - TABLE_ROOM) + self._lift
        hand = _distances(np.array((tool, tip)), shoulder, elbow)
        base = _distances(np.array((wrist, tool, tip)), np.zeros(3), shoulder)
        to_self = min(hand.min(), base.min()) - SELF_ROOM
        if self._has_camera:
            eye = kinematics.in_hand(self.arm, pose, self.arm.camera.position)[None]
            to_arm = min(_distances(eye, shoulder, elbow)[0], _distances(eye, elbow, wrist)[0])
            to_self = min(to_self, to_arm - CAMERA_ROOM)
        return (float(to_table), "table") if to_table < to_self else (float(to_self), "self")

    def tip_height(self, pose: np.ndarray) -> float:
        """Return how high the tip of the gripper is over the table [m]."""
        return float(kinematics.skeleton(self.arm, np.asarray(pose, float))[-1][2] + self._lift)

    def with_tip_at(self, pose: np.ndarray, height: float) -> np.ndarray:
        """Return the pose nearest to another one that has the tip at a height over the table [m], yaw and roll as are.

        Args:
            pose: (J,) [rad, m].
            height: [m].

        Returns:
            (J,) [rad, m]; the pose itself where none is found.
        """
        arm, chain = self.arm, self.arm.chain
        tool, _ = kinematics.forward(arm, pose)
        azimuth, pitch = chain.yaw_sign * pose[0], float(kinematics.hand_pitch(arm, pose))
        reach = tool[0] * np.cos(azimuth) + tool[1] * np.sin(azimuth)
        reaches = np.concatenate(([reach], np.linspace(0.08, sum(chain.lengths), 40)))
        pitches = np.concatenate(([pitch], np.radians(np.linspace(80.0, 180.0, 26))))
        reaches, pitches = (grid.ravel() for grid in np.meshgrid(reaches, pitches))
        heights = height - self._lift - arm.tool_to_tip * np.cos(pitches)
        points = np.stack((reaches * np.cos(azimuth), reaches * np.sin(azimuth), heights), axis=-1)
        found, is_reached = kinematics.inverse(arm, points, pitches, pose[arm.roll_column])
        poses = np.tile(pose, (len(found), 1))
        poses[:, arm.arm_columns] = found
        order = np.argsort(np.where(is_reached, np.abs(poses - pose).max(axis=-1), np.inf))
        for row in order[: int(is_reached.sum())]:
            inside = (poses[row] >= self.lower - 1e-9) & (poses[row] <= self.upper + 1e-9)
            if inside[arm.arm_columns].all() and self.room(poses[row])[0] >= 0.0:
                return poses[row]
        return pose.copy()


def _distances(points: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the distances of points (K, 3) from a line between two, (K,) [m]."""
    along = end - begin
    away = points - begin
    shares = np.minimum(np.maximum(away @ along / (along @ along), 0.0), 1.0)
    away = away - shares[:, None] * along
    return np.sqrt((away * away).sum(axis=-1))
