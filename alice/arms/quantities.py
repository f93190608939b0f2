"""Names, units and signs of what can be said about a servo, a camera or a report that is not as its table has it.

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
    "camera_distortion": Quantity("", 0.0, "radial distortion of the lens beside its table's, k1 as OpenCV has it"),
    "image_exposure": Quantity("of nominal", 1.0, "factor on the brightness"),
    "image_white_balance": Quantity("of nominal", 1.0, "factor on each channel"),
    "image_gamma": Quantity("", 1.0, "exponent on the brightness"),
    "image_blur": Quantity("pixels", 0.0, "standard deviation of a Gaussian blur"),
    "image_noise": Quantity("of full scale", 0.0, "standard deviation of the noise of a pixel"),
    "image_side_light": Quantity("of nominal", 1.0, "brightness at the side that the light comes from"),
    "image_occluder": Quantity("of the picture", 0.0, "area of something at an edge that hides what is behind it"),
    "image_shutter": Quantity("s", 0.0, "time that a picture is exposed for, in which the hand moves on"),
    "image_latency": Quantity("control steps", 0.0, "age of the newest picture, whole steps"),
    "image_drop": Quantity("of pictures", 0.0, "pictures that do not arrive; the one before stands"),
    "image_stamp": Quantity("s", 0.0, "age of a picture by its time stamp minus its true age"),
    # Ball and dish as the policy is told them
    "report_bias": Quantity("m", 0.0, "told place minus true place along each axis; one of the ball, one of the dish"),
    "report_noise": Quantity("m", 0.0, "standard deviation of a coordinate from report to report"),
    "report_interval": Quantity("s", 0.0, "time from one report to the next; 0 is one in every control step"),
    "report_age": Quantity("s", 0.0, "time from the moment that a report describes to its arrival"),
    "report_gap": Quantity("s", 0.0, "length of a drop-out, in which no report arrives"),
    "report_gap_rate": Quantity("1/s", 0.0, "drop-outs that begin in a second"),
    "report_hidden": Quantity(
        "m", 0.0, "horizontal distance from the grip point within which the hand hides a ball below it; 0 hides nothing"
    ),
}
"""Every quantity by its name."""


def of_servo() -> tuple[str, ...]:
    """Return the names of the servo's own quantities, without the prefix ``servo_``."""
    return _without("servo_")


def of_reports() -> tuple[str, ...]:
    """Return the names of what is said about reports of ball and dish, without the prefix ``report_``."""
    return _without("report_")


def _without(prefix: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(prefix) for name in QUANTITIES if name.startswith(prefix))
