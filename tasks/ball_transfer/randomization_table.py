"""What is uncertain about the real arm and its job: one table of ranges for all arms, and one for each.

Names that say something about a servo or a camera are those of :mod:`alice.arms.quantities`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from alice.arms import SO101, SO101_12V, XARM1S, Arm, spreads
from alice.arms.quantities import QUANTITIES
from alice.assets.bodies import body_of
from alice.transfer.objects import BALL, DISH, TABLE

BACKENDS = ("ovphysx", "newton_mjwarp", "isaacsim_physx")
NOT_RUN = BACKENDS[2:]
"""Those on which nothing of this table has ever run: their rows are declared, not measured."""
KITLESS = BACKENDS[:2]
"""Those that render with Newton Warp; what the camera rows do under Isaac Sim's renderer is not measured."""


@dataclass(frozen=True)
class Row:
    """One uncertain quantity."""

    low: float
    high: float
    nominal: float
    """Its value without randomization; a relative quantity is 1."""
    unit: str
    source: str
    """``measured``, ``data sheet``, where it was published, or ``guess``."""
    when: str = "episode"
    """When it is drawn: ``start`` of the program, ``episode``, control ``step`` or ``interval``."""
    distribution: str = "uniform"
    backends: tuple[str, ...] = BACKENDS
    """Physics presets that it is meant to act on; it was seen to on all but :data:`NOT_RUN`."""

    @property
    def acts_on(self) -> str:
        """What the documentation says of :attr:`backends`."""
        seen = ", ".join(name for name in self.backends if name not in NOT_RUN)
        declared = ", ".join(name for name in self.backends if name in NOT_RUN)
        return f"{seen}; {declared}: declared, not run" if declared else seen

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return self.low, self.high


COMMON_ROWS: dict[str, Row] = {
    # Physics
    "ball_radius": Row(0.008, 0.020, BALL.radius, "m", "what the gripper can hold (CAD)", when="start"),
    "ball_mass": Row(0.003, 0.030, BALL.mass, "kg", "table-tennis ball to glass marble", distribution="log_uniform"),
    "ball_friction": Row(0.6, 1.2, BALL.friction, "", "guess: plastic to rubber on a rubber pad", when="start"),
    "ball_rolling": Row(
        0.3, 3.0, 1.0, "of nominal", "guess: glass plate to table cloth", when="start", distribution="log_uniform"
    ),
    "dish_friction": Row(0.3, 0.8, DISH.friction, "", "guess: glazed to unglazed", when="start"),
    "table_friction": Row(0.3, 0.9, TABLE.friction, "", "guess: lacquer to cork", when="start"),
    "table_height": Row(-0.003, 0.003, 0.0, "m", "guess: after measuring the base; sources differ by 30 mm"),
    "ball_push": Row(-0.05, 0.05, 0.0, "m/s", "guess: a nudged table", when="interval"),
    # Ball and dish as the policy is told them
    "report_bias": Row(
        -0.004, 0.004, 0.0, "m", "guess: a camera over the table, calibrated by hand; each axis, ball and dish apart"
    ),
    "report_noise": Row(0.002, 0.002, 0.0, "m", "guess: a pixel or two of it; a standard deviation", when="step"),
    "report_interval": Row(1 / 30, 0.1, 0.0, "s", "30 pictures a second of a webcam to every third of them"),
    "report_age": Row(0.020, 0.150, 0.0, "s", "guess: shutter, USB, detection; published up to 0.2 s over a network"),
    "report_gap": Row(0.0, 0.3, 0.0, "s", "guess: detections lost in a row", when="step"),
    "report_gap_rate": Row(0.0, 1.0, 0.0, "1/s", "guess"),
    "report_hidden": Row(0.025, 0.040, 0.0, "m", "half a hand's width, 31 mm of the xArm's palm, seen a little aslant"),
    # Camera
    "camera_position": Row(-0.004, 0.004, 0.0, "m", "guess: a bracket mounted by hand; each axis", backends=KITLESS),
    "camera_rotation": Row(
        -math.radians(3), math.radians(3), 0.0, "rad", "guess: the same; about each axis", backends=KITLESS
    ),
    "camera_focal_length": Row(
        0.96, 1.04, 1.0, "of nominal", "guess: spread of small lenses and their focus", backends=KITLESS
    ),
    "camera_distortion": Row(-0.1, 0.1, 0.0, "", "guess: k1 of small lenses after none was fitted", backends=KITLESS),
    "image_exposure": Row(
        0.6, 1.6, 1.0, "of nominal", "guess: stands for the light too", distribution="log_uniform", backends=KITLESS
    ),
    "image_white_balance": Row(
        0.85, 1.15, 1.0, "of nominal", "guess: lamp to daylight; each channel", backends=KITLESS
    ),
    "image_gamma": Row(
        0.8, 1.25, 1.0, "", "guess: spread of camera pipelines", distribution="log_uniform", backends=KITLESS
    ),
    "image_blur": Row(0.0, 0.8, 0.0, "pixels", "guess: focus and motion; a standard deviation", backends=KITLESS),
    "image_noise": Row(
        0.0, 0.04, 0.0, "of full scale", "guess: small sensor, indoors; a standard deviation", backends=KITLESS
    ),
    "image_side_light": Row(1.0, 1.4, 1.0, "of nominal", "guess: a lamp or a window on one side", backends=KITLESS),
    "image_occluder": Row(0.0, 0.10, 0.0, "of the picture", "guess: a cable, the bracket, tape", backends=KITLESS),
    "image_shutter": Row(0.0, 0.020, 0.0, "s", "guess: 1/50 s indoors; the hand's own speed", backends=KITLESS),
    "image_latency": Row(0, 2, 0, "control steps", "guess: shutter, USB and decoding", backends=KITLESS),
    "image_drop": Row(0.05, 0.05, 0.0, "of pictures", "guess: a busy USB bus", when="step", backends=KITLESS),
    "image_stamp": Row(
        -0.020,
        0.020,
        0.0,
        "s",
        "guess: shutter and driver; a webcam tells when its picture came, and the rest is a constant to be measured",
        backends=KITLESS,
    ),
    "colour_ball": Row(-0.15, 0.15, 0.0, "linear RGB", "guess; each channel", backends=KITLESS),
    "colour_dish": Row(-0.10, 0.10, 0.0, "linear RGB", "guess; each channel", backends=KITLESS),
    "colour_table": Row(-0.35, 0.30, 0.0, "linear RGB", "guess: dark wood to white; each channel", backends=KITLESS),
    "colour_arm": Row(
        -0.10, 0.10, 0.0, "linear RGB", "guess; each channel of fingers, plates and servos", backends=KITLESS
    ),
    "clutter_place": Row(
        0.06, 0.20, 0.0, "m", "guess: three things on the table; distance from the workspace", backends=KITLESS
    ),
}
"""What is uncertain whatever the arm. Start and place of ball and dish and the home pose are drawn always, not only
with randomization."""


def _of_arm(arm: Arm) -> dict[str, Row]:
    """Return the rows of an arm's servos, drives and links, which are those of an emulated arm too."""
    rows = {}
    for name, spread in spreads.of(arm).items():
        nominal = 1.0 if spread.unit == "of nominal" else QUANTITIES[name].nominal
        rows[name] = Row(spread.low, spread.high, nominal, spread.unit, spread.source, spread.when, spread.distribution)
    return rows


ARM_ROWS: dict[str, dict[str, Row]] = {
    XARM1S.name: {
        "finger_friction": Row(
            0.7, 1.2, body_of(XARM1S).pad_friction, "", "guess: worn to new rubber pads", when="start"
        ),
        **_of_arm(XARM1S),
    },
    SO101.name: {
        "finger_friction": Row(
            0.45,
            0.8,
            body_of(SO101).pad_friction,
            "",
            "guess: bare PLA to pads of TPU; published 0.5 to 1",
            when="start",
        ),
        **_of_arm(SO101),
    },
}
"""What is uncertain about each arm, by its name. Every arm has the same rows."""
ARM_ROWS[SO101_12V.name] = ARM_ROWS[SO101.name]


def rows_of(arm: Arm) -> dict[str, Row]:
    """Return the whole table for an arm."""
    return {**COMMON_ROWS, **ARM_ROWS[arm.name]}
