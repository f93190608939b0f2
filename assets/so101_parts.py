"""Shapes of the SO-101 links: a table of boxes and cylinders, sized after the envelopes of its printed parts.

Sizes were measured on the parts of TheRobotStudio/SO-ARM100, of which nothing else is here. Every part is drawn; only
the parts marked ``collides`` touch the world. Base, shoulder and upper arm cannot reach anything that moves.
"""

from __future__ import annotations

from alice.arms.so101 import FIXED_FACE, MOVING_FACE, PIVOT, SO101

from .body import Body, Inertia, Part, Vector

# Linear RGB.
ORANGE = (0.80, 0.22, 0.02)
WHITE = (0.72, 0.72, 0.70)
SERVO_BLACK = (0.012, 0.012, 0.014)
BOARD = (0.02, 0.10, 0.05)

PAD_FRICTION = 0.6
"""Bare printed PLA with ridges on a ball (guess: PLA on plastics 0.3 to 0.5 without ridges; NVIDIA's tutorial 0.7,
Menagerie 1)."""

_SERVO = (0.0454, 0.0248, 0.0396)
"""Case of an STS3215: along, across, and along its shaft [m]."""


def _servo(link: str, centre: Vector, along: str, shaft: str, collides: bool = False) -> Part:
    """Return a servo whose case is longest along one axis of the link and turns about another."""
    edges = {along: _SERVO[0], shaft: _SERVO[2]}
    return Part(link, "servo", tuple(edges.get(axis, _SERVO[1]) for axis in "XYZ"), centre, SERVO_BLACK, "", collides)


def _plates(link: str, size: Vector, centre: Vector, beside: float, colour: Vector) -> tuple[Part, ...]:
    """Return a plate on either side of a centre."""
    x, y, z = centre
    return (
        Part(link, "plate_left", size, (x, y + beside, z), colour),
        Part(link, "plate_right", size, (x, y - beside, z), colour),
    )


def _fixed_jaw(name: str, start: float, end: float, face: float, outer: float, width: float) -> Part:
    """Return a step of the fixed jaw, start and end from the roll joint, faces in the opening direction."""
    size, centre = (end - start, width, face - outer), ((start + end) / 2, 0.0, (face + outer) / 2)
    return Part("hand", name, size, centre, WHITE, "", True, PAD_FRICTION)


def _jaw(name: str, start: float, end: float, face: float, outer: float, width: float) -> Part:
    """Return a step of the moving jaw, start and end from its axis, faces from the line through the axis."""
    size, centre = (end - start, width, outer - face), ((start + end) / 2, -PIVOT[1], (face + outer) / 2)
    return Part("jaw", name, size, centre, WHITE, "", True, PAD_FRICTION)


PARTS: tuple[Part, ...] = (
    # Base: foot, two walls with the pan servo between them, the board behind.
    Part("base", "foot", (0.087, 0.111, 0.008), (-0.0177, 0.0, 0.004), ORANGE),
    *_plates("base", (0.060, 0.010, 0.050), (-0.0155, 0.0, 0.033), 0.0185, ORANGE),
    _servo("base", (-0.0125, 0.0, 0.0405), "X", "Z"),
    Part("base", "board", (0.0076, 0.051, 0.042), (-0.0660, 0.0, 0.050), BOARD),
    Part("base", "board_holder", (0.020, 0.040, 0.006), (-0.0545, 0.0, 0.030), ORANGE),
    # Shoulder: a bracket over the pan servo's horn, the lift servo standing in its front.
    Part("shoulder", "horn", (0.025, 0.025, 0.004), (0.0, 0.0, -0.002), SERVO_BLACK, "Z"),
    Part("shoulder", "bracket", (0.058, 0.044, 0.006), (0.017, 0.0, 0.003), ORANGE),
    Part("shoulder", "front", (0.006, 0.044, 0.040), (0.0455, 0.0, 0.020), ORANGE),
    Part("shoulder", "back", (0.006, 0.044, 0.026), (0.015, 0.0, 0.018), ORANGE),
    _servo("shoulder", (0.0304, 0.0, 0.0417), "Z", "Y"),
    # Upper arm: a fork on the lift axis, a beam, the elbow servo lying on its end.
    *_plates("upper_arm", (0.0245, 0.004, 0.055), (0.0, 0.0, 0.0155), 0.0225, ORANGE),
    Part("upper_arm", "beam", (0.0245, 0.049, 0.052), (0.0, 0.0, 0.067), ORANGE),
    Part("upper_arm", "holder", (0.0245, 0.049, 0.037), (0.0, 0.0, 0.1115), ORANGE),
    _servo("upper_arm", (0.0155, 0.0, 0.11257), "X", "Y"),
    # Lower arm, likewise.
    *_plates("lower_arm", (0.055, 0.004, 0.024), (0.0155, 0.0, 0.0), 0.0225, ORANGE),
    Part("lower_arm", "beam", (0.052, 0.049, 0.024), (0.067, 0.0, 0.0), ORANGE),
    Part("lower_arm", "holder", (0.028, 0.056, 0.037), (0.105, 0.0, 0.0035), ORANGE, collides=True),
    _servo("lower_arm", (0.1224, 0.0, 0.0052), "X", "Y"),
    # Wrist: a fork on the pitch axis, the roll servo lying across.
    *_plates("wrist", (0.038, 0.004, 0.024), (0.007, 0.0, 0.0), 0.0225, WHITE),
    Part("wrist", "holder", (0.012, 0.049, 0.034), (0.024, 0.004, 0.0), WHITE),
    _servo("wrist", (0.0415, 0.0123, 0.0), "Y", "X", collides=True),
    # Hand: palm on the roll servo's horn, the jaw's servo, the fixed jaw in steps.
    Part("hand", "palm", (0.008, 0.046, 0.052), (0.004, 0.0, -0.003), WHITE),
    _servo("hand", (0.0234, 0.0, 0.0077), "Z", "Y", collides=True),
    Part("hand", "holder", (0.040, 0.046, 0.018), (0.020, 0.0, -0.024), WHITE),
    _fixed_jaw("jaw_root", 0.036, 0.068, -0.0142, -0.0300, 0.020),
    _fixed_jaw("jaw_middle", 0.068, 0.094, -0.0108, -0.0210, 0.015),
    _fixed_jaw("jaw_tip", 0.094, 0.1044, FIXED_FACE, -0.0147, 0.0095),
    # Moving jaw: a fork about its servo, then steps.
    *_plates("jaw", (0.034, 0.004, 0.020), (0.007, -PIVOT[1], -0.001), 0.0225, WHITE),
    Part("jaw", "bridge", (0.012, 0.049, 0.018), (0.026, -PIVOT[1], -0.001), WHITE),
    _jaw("middle", 0.027, 0.068, -0.0093, 0.0040, 0.017),
    _jaw("tip", 0.068, 0.0825, MOVING_FACE, -0.0050, 0.0095),
)

_TENSORS: dict[str, tuple[Vector, Vector, Vector]] = {
    "base": ((-25.1, -0.1, 35.9), (114.7, 136.1, 130.4), (-0.5, 5.0, 0.1)),
    "shoulder": ((30.8, 0.0, 25.3), (83.8, 81.0, 24.0), (-0.1, -1.2, -0.2)),
    "upper_arm": ((8.4, 0.1, 89.8), (147.3, 142.5, 40.8), (0.0, -19.8, 0.0)),
    "lower_arm": ((98.1, 0.0, 3.2), (28.7, 145.3, 159.8), (-1.3, -7.4, 0.0)),
    "wrist": ((38.6, 9.8, 0.1), (25.4, 21.0, 36.8), (-3.6, 0.0, 0.1)),
    "hand": ((25.2, 0.1, 0.2), (34.5, 43.4, 27.5), (-0.2, 5.7, 0.4)),
    "jaw": ((30.0, -19.2, -2.5), (1.9, 5.3, 6.6), (-0.1, 0.3, -0.1)),
}
"""Centre of mass [mm], moments of inertia about it xx, yy, zz and products xy, xz, yz [1e-6 kg·m²] (TRS, from the
CAD)."""


def _scaled(values: Vector, factor: float) -> Vector:
    return tuple(factor * value for value in values)


SO101_BODY = Body(
    arm=SO101,
    parts=PARTS,
    inertias={
        link: Inertia(_scaled(centre, 1e-3), _scaled(moments, 1e-6), _scaled(products, 1e-6))
        for link, (centre, moments, products) in _TENSORS.items()
    },
    looks={"print": ORANGE, "jaw": WHITE, "servo": SERVO_BLACK},
    pad_friction=PAD_FRICTION,
    # With 8 the jaw sinks 1 mm into a ball of 20 mm radius, with 6 it loses one of 30 g: docs/so101.md.
    position_iterations=10,
)
"""The arm's body."""
