"""The arm: LeRobot's names and units in front, alice's bus, calibration and limits behind."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.cameras import make_cameras_from_configs
from lerobot.robots import Robot
from lerobot.utils.decorators import check_if_already_connected, check_if_not_connected

from alice.arms import XARM1S, lerobot
from alice.contract import Contract, action_of, spec_of
from alice.deploy import calibration as calibrations
from alice.deploy.bus.opening import open_bus
from alice.deploy.clock import MachineClock
from alice.deploy.guard import Guard

from .config_xarm1s import XArm1SConfig

BUDGET = 0.06
"""Time for the positions of all servos [s]; three times what an LX bus needs."""
STALE = 0.5
"""Age from which on a position is not taken for the arm's any more [s]."""
LONGEST_STEP = 0.1
"""Longest time that a command may make use of [s], however long nothing was sent."""


class XArm1S(Robot):
    """The xArm 1S. V values: five joints in degrees, the gripper from 0, closed, to 100, open."""

    config_class = XArm1SConfig
    name = "xarm1s"

    def __init__(self, config: XArm1SConfig):
        super().__init__(config)
        self.config = config
        self.cameras = make_cameras_from_configs(config.cameras)
        self._bus: Any = None
        self._clock = MachineClock()
        self._seen: dict[int, Any] = {}
        self._last = np.empty(0)
        self._told_at = -np.inf

    @cached_property
    def observation_features(self) -> dict[str, type | tuple]:
        """Joint values, and pictures (H, W, 3)."""
        pictures = {name: (camera.height, camera.width, 3) for name, camera in self.cameras.items()}
        return {**self.action_features, **pictures}

    @cached_property
    def action_features(self) -> dict[str, type]:
        """Joint values."""
        return dict.fromkeys(lerobot.FEATURES, float)

    @property
    def is_connected(self) -> bool:
        """Whether bus and cameras are open."""
        return self._bus is not None and all(camera.is_connected for camera in self.cameras.values())

    @property
    def is_calibrated(self) -> bool:
        """Whether it is known what the servos' counts mean."""
        return bool(self.calibration)

    def _load_calibration(self, fpath: Path | None = None) -> None:
        self.calibration = calibrations.read(fpath or self.calibration_fpath, XARM1S, must_be_verified=False)

    def _save_calibration(self, fpath: Path | None = None) -> None:
        self.calibration.write(fpath or self.calibration_fpath)

    @check_if_already_connected
    def connect(self, calibrate: bool = True) -> None:
        """Open bus and cameras; the arm does not move.

        Args:
            calibrate: Whether an arm without a calibration gets one first, and one without a check is refused.
        """
        self._bus = open_bus(XARM1S, self.config.port, self._clock, self.config.protocol)
        try:
            if calibrate:
                if not self.is_calibrated:
                    self.calibrate()
                self._require_verified()
            for camera in self.cameras.values():
                camera.connect()
            self.configure()
        except BaseException:
            self._close()
            raise

    def _require_verified(self) -> None:
        if not (self.calibration.verified or self.config.allow_unverified):
            raise RuntimeError(
                f"{self.calibration_fpath} is not verified: command against read-back hides a wrong zero. Check the arm"
                " against marks, or say --robot.allow_unverified=true"
            )

    def calibrate(self) -> None:
        """Ask for two poses, led by hand, and write what the servos count there; a check must verify it."""
        self._bus.torque(XARM1S.servo_ids, False, BUDGET)
        input("Lead all links straight up, pads together, and press ENTER … ")
        closed = self._counts()
        input("Open the gripper by hand to 50 mm between the pads and press ENTER … ")
        self.calibration = calibrations.from_json(_two_poses(closed, self._counts(), self.id).to_json(), XARM1S)
        self._save_calibration()
        print(f"Calibration saved to {self.calibration_fpath}; it is not verified")

    def configure(self) -> None:
        """Make the limits of this arm; nothing is written to the servos."""
        if self.is_calibrated:
            contract = Contract("lerobot", "", None, "", (), action=action_of(XARM1S), arm=spec_of(XARM1S))
            self._guard = Guard(self.calibration, contract)
        self._told_at = -np.inf

    @check_if_not_connected
    def get_observation(self) -> dict[str, Any]:
        """Return joint values as the servos report them, and the newest pictures."""
        values = lerobot.values_of(XARM1S, self.calibration.joints(self._counts()))
        pictures = {name: camera.read_latest() for name, camera in self.cameras.items()}
        return {**_named(values), **pictures}

    @check_if_not_connected
    def send_action(self, action: dict[str, Any]) -> dict[str, float]:
        """Send the arm towards joint values, no further than its speed, its limits and the table allow.

        Args:
            action: Joint values by name; those that are missing stay.

        Returns:
            What was really sent.
        """
        now = self._clock.now()
        if now - self._told_at > STALE:  # it may have been moved by hand
            self._last = self.calibration.joints(self._counts())
        wanted = lerobot.values_of(XARM1S, self._last)
        for column, feature in enumerate(lerobot.FEATURES):
            value = float(action.get(feature, wanted[column]))
            wanted[column] = value if np.isfinite(value) else wanted[column]
        span = min(max(now - self._told_at, 0.0), LONGEST_STEP)
        speeds = np.full(len(XARM1S.joints), XARM1S.speed_cap)
        speeds[XARM1S.gripper_columns] = XARM1S.gripper.speed_cap
        goal, _ = self._guard.allowed(self._last, lerobot.joints_of(XARM1S, wanted), span * speeds)
        counts = self.calibration.counts(goal)
        self._bus.move(dict(zip(XARM1S.servo_ids, counts.tolist(), strict=True)), max(span, 0.02), BUDGET)
        self._last, self._told_at = goal, now
        return _named(lerobot.values_of(XARM1S, self.calibration.joints(counts)))

    @check_if_not_connected
    def disconnect(self) -> None:
        """Let go, or hold, and close bus and cameras."""
        if self.config.disable_torque_on_disconnect:
            self._bus.torque(XARM1S.servo_ids, False, BUDGET)
        self._close()

    def _close(self) -> None:
        for camera in self.cameras.values():
            if camera.is_connected:
                camera.disconnect()
        if self._bus is not None:
            self._bus.close()
        self._bus = None

    def _counts(self) -> np.ndarray:
        """Return the newest counts of all servos, (V,).

        Raises:
            ConnectionError: If one has not answered for a while.
        """
        ids, until = XARM1S.servo_ids, time.monotonic() + STALE
        while True:
            # The longest unheard first: a budget that runs out must not always hit the same servo.
            heard = {servo: self._seen[servo].at if servo in self._seen else -np.inf for servo in ids}
            self._seen.update(self._bus.positions(sorted(ids, key=heard.get), BUDGET))
            now = self._clock.now()
            silent = [servo for servo in ids if servo not in self._seen or now - self._seen[servo].at > STALE]
            if not silent:
                return np.array([self._seen[servo].counts for servo in ids])
            if time.monotonic() > until:
                raise ConnectionError(f"servos {silent} do not answer: look at the power switch and the cable")


def _named(values: np.ndarray) -> dict[str, float]:
    return dict(zip(lerobot.FEATURES, map(float, values), strict=True))


def _two_poses(closed: np.ndarray, opened: np.ndarray, name: str | None) -> calibrations.Calibration:
    """Return the calibration of an arm that was upright with its pads together, then had its gripper open."""
    servos = [
        calibrations.ServoCalibration(joint.servo_id, joint.name, joint.counts_sign, _zero(joint, counts, angle))
        for joint, counts, angle in zip(XARM1S.arm_joints, closed, XARM1S.upright, strict=False)
    ]
    gripper = {"closed_counts": float(closed[-1]), "open_counts": float(opened[-1])}
    servos.append(calibrations.ServoCalibration(XARM1S.servo_ids[-1], calibrations.GRIPPER, **gripper))
    made_at = time.strftime("%Y-%m-%d %H:%M")
    return calibrations.Calibration(XARM1S.name, tuple(servos), name or "", made_at)


def _zero(joint: Any, counts: float, angle: float) -> float:
    """Return a servo's count at joint angle zero."""
    return float(counts - joint.counts_sign * joint.servo.counts_per_radian * angle)
