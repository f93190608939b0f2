"""Shapes of the xArm 1S links: a table of boxes and cylinders, sized after the CAD numbers in :mod:`alice.arms.xarm1s`.

Every part is drawn; only the parts marked ``collides`` touch the world, which keeps the contact search cheap. The
base and the turret cannot reach anything that moves and the upper arm cannot reach the table (its axis stays 65 mm
above it), so none of these collides.
"""

from __future__ import annotations

from alice.arms.xarm1s import (
    FINGER_LENGTH,
    FINGER_THICKNESS,
    FINGER_WIDTH,
    FOREARM,
    SHOULDER_OFFSET,
    UPPER_ARM,
    WRIST,
    XARM1S,
)

from .body import Body, Inertia, Part, Vector

# Linear RGB.
GRAPHITE = (0.045, 0.05, 0.06)
SERVO_BLACK = (0.012, 0.012, 0.014)
ALUMINIUM = (0.42, 0.45, 0.48)
ORANGE = (0.75, 0.19, 0.02)
BRASS = (0.50, 0.33, 0.10)
RUBBER = (0.10, 0.10, 0.11)

PAD_FRICTION = 1.0
"""Rubber pad on a ball (guess, the value of the feasibility spike)."""

_FINGER_ROOT = 0.004
"""The finger plate starts this far above the finger root, clear of the palm [m]."""
_FINGER_BODY = FINGER_LENGTH - _FINGER_ROOT


def _arm_segment(link: str, length: float) -> tuple[Part, ...]:
    """Return two side plates and a cross brace between two parallel axes ``length`` metres apart."""
    return (
        Part(link, "plate_left", (0.026, 0.003, length + 0.02), (0.0, 0.0255, length / 2), ALUMINIUM),
        Part(link, "plate_right", (0.026, 0.003, length + 0.02), (0.0, -0.0255, length / 2), ALUMINIUM),
        Part(link, "brace", (0.018, 0.048, 0.004), (0.0, 0.0, length / 2), GRAPHITE),
        Part(link, "hub_left", (0.020, 0.020, 0.006), (0.0, 0.029, 0.0), ORANGE, "Y"),
        Part(link, "hub_right", (0.020, 0.020, 0.006), (0.0, -0.029, 0.0), ORANGE, "Y"),
        Part(link, "servo", (0.024, 0.045, 0.040), (0.0, 0.0, length - 0.008), SERVO_BLACK),
    )


def _finger(side: str, sign: int) -> tuple[Part, ...]:
    """Return the plate that collides and the crank and pad that only show. ``sign`` is +1 on the left."""
    link = f"{side}_finger"
    plate = (FINGER_WIDTH, FINGER_THICKNESS, _FINGER_BODY)
    return (
        Part(link, "plate", plate, (0.0, 0.0, _FINGER_ROOT + _FINGER_BODY / 2), BRASS, "", True, PAD_FRICTION),
        Part(
            link,
            "pad",
            (FINGER_WIDTH, 0.0008, 0.030),
            (0.0, -sign * FINGER_THICKNESS / 2, FINGER_LENGTH - 0.016),
            RUBBER,
        ),
        Part(link, "crank", (0.010, 0.004, 0.040), (0.0, sign * 0.004, -0.006), ALUMINIUM),
    )


PARTS: tuple[Part, ...] = (
    # Base plate, standing servo and the bearing under the turret.
    Part("base", "plate", (0.110, 0.090, 0.006), (-0.012, 0.0, 0.003), GRAPHITE),
    Part("base", "servo", (0.046, 0.030, 0.034), (-0.006, 0.0, 0.023), SERVO_BLACK),
    Part("base", "board", (0.030, 0.070, 0.012), (-0.050, 0.0, 0.012), (0.02, 0.10, 0.05)),
    Part("base", "bearing", (0.060, 0.060, 0.005), (0.0, 0.0, 0.0425), ORANGE, "Z"),
    # Turret: a fork that holds the shoulder servo.
    Part("turret", "disc", (0.056, 0.056, 0.004), (0.0, 0.0, 0.002), ALUMINIUM, "Z"),
    Part("turret", "servo", (0.036, 0.046, 0.026), (SHOULDER_OFFSET, 0.0, 0.017), SERVO_BLACK),
    *_arm_segment("upper_arm", UPPER_ARM),
    *_arm_segment("forearm", FOREARM),
    Part("forearm", "cover", (0.024, 0.050, 0.070), (0.0, 0.0, FOREARM / 2), GRAPHITE, collides=True),
    # Wrist: fork on the pitch axis, roll servo inside.
    Part("wrist", "plate_left", (0.024, 0.003, 0.042), (0.0, 0.0255, 0.012), ALUMINIUM),
    Part("wrist", "plate_right", (0.024, 0.003, 0.042), (0.0, -0.0255, 0.012), ALUMINIUM),
    Part("wrist", "servo", (0.026, 0.044, 0.038), (0.0, 0.0, 0.032), SERVO_BLACK, collides=True),
    Part("wrist", "hub", (0.020, 0.020, 0.006), (0.0, 0.0, WRIST - 0.003), ORANGE, "Z"),
    # Hand: gripper servo between two palm plates.
    Part("hand", "palm", (0.034, 0.062, 0.004), (0.0, 0.0, 0.004), ALUMINIUM),
    Part("hand", "servo", (0.030, 0.046, 0.028), (0.0, 0.0, 0.020), SERVO_BLACK, collides=True),
    Part("hand", "gear_left", (0.018, 0.018, 0.004), (0.0185, 0.0135, 0.027), BRASS, "X"),
    Part("hand", "gear_right", (0.018, 0.018, 0.004), (0.0185, -0.0135, 0.027), BRASS, "X"),
    *_finger("left", 1),
    *_finger("right", -1),
)

MASS_BOXES: dict[str, tuple[Vector, Vector]] = {
    "base": ((0.110, 0.090, 0.040), (-0.012, 0.0, 0.020)),
    "turret": ((0.046, 0.050, 0.030), (SHOULDER_OFFSET, 0.0, 0.015)),
    "upper_arm": ((0.030, 0.050, 0.090), (0.0, 0.0, 0.065)),
    "forearm": ((0.030, 0.050, 0.090), (0.0, 0.0, 0.065)),
    "wrist": ((0.028, 0.050, 0.055), (0.0, 0.0, 0.028)),
    "hand": ((0.034, 0.060, 0.034), (0.0, 0.0, 0.019)),
    "left_finger": ((0.014, 0.008, 0.079), (0.0, 0.0, 0.039)),
    "right_finger": ((0.014, 0.008, 0.079), (0.0, 0.0, 0.039)),
}
"""Solid box that stands for each link's mass: size and centre in the link frame [m] (guess, from the servo places)."""

XARM1S_BODY = Body(
    arm=XARM1S,
    parts=PARTS,
    inertias={link: Inertia.of_box(XARM1S.link_masses[link], *box) for link, box in MASS_BOXES.items()},
    looks={"finger": BRASS, "plate": ALUMINIUM, "bracket": GRAPHITE, "hub": ORANGE, "servo": SERVO_BLACK},
    pad_friction=PAD_FRICTION,
    # PhysX would take 32; with 4 the pads begin to sink into the ball.
    position_iterations=6,
)
"""The arm's body."""
