"""Names, units and signs of what can be said about a servo or a camera that is not as its table has it.

Whoever speaks of such a thing uses these names: the randomization table, a policy's contract, an emulated arm's world,
a calibration file, a fitted servo. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """One quantity."""

    unit: str
    nominal: float
    """Its value on an arm that is as its table has it."""
    meaning: str
    """What it is, and which way it counts."""


QUANTITIES: dict[str, Quantity] = {
    # Servos, each of its own unless it says otherwise
    "servo_delay": Quantity("s", 0.0, "time from a command to the motion it asks for; one for the whole bus"),
    "servo_jitter": Quantity("s", 0.0, "standard deviation of the delay from step to step; one for the whole bus"),
    "servo_dead_band": Quantity("rad", 0.0, "greatest change of the command that the servo does not follow"),
    "servo_backlash": Quantity("rad", 0.0, "whole play between motor and link"),
    "servo_offset": Quantity("rad", 0.0, "true angle of the link minus the angle that the servo reports there"),
    "servo_gain": Quantity("of nominal", 1.0, "true change of the link's angle for a commanded change of one"),
    "servo_read_noise": Quantity("rad", 0.0, "standard deviation of a reported angle"),
    "torque_cap": Quantity("of nominal", 1.0, "largest torque of the drive"),
    "drive_stiffness": Quantity("of nominal", 1.0, "torque per error of the drive"),
    "drive_damping": Quantity("of nominal", 1.0, "torque per speed of the drive"),
    "joint_friction": Quantity("N·m", 0.0, "Coulomb friction of the joint beside that of its table"),
    "joint_armature": Quantity("of nominal", 1.0, "inertia of rotor and gears"),
    "link_mass": Quantity("of nominal", 1.0, "mass of a link"),
    # Camera
    "camera_position": Quantity("m", 0.0, "shift of the optical centre along each axis of the hand"),
    "camera_rotation": Quantity("rad", 0.0, "turn about each axis of the camera (right, down, forward)"),
    "camera_focal_length": Quantity("of nominal", 1.0, "focal length; more is a narrower view"),
    "image_exposure": Quantity("of nominal", 1.0, "factor on the brightness"),
    "image_white_balance": Quantity("of nominal", 1.0, "factor on each channel"),
    "image_gamma": Quantity("", 1.0, "exponent on the brightness"),
    "image_blur": Quantity("pixels", 0.0, "standard deviation of a Gaussian blur"),
    "image_noise": Quantity("of full scale", 0.0, "standard deviation of the noise of a pixel"),
}
"""Every quantity by its name."""


def of_servo(prefix: str = "servo_") -> tuple[str, ...]:
    """Return the names of the servo's own quantities, without the prefix."""
    return tuple(name.removeprefix(prefix) for name in QUANTITIES if name.startswith(prefix))
