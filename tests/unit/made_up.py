"""What tests make up: an arm that is none of alice's, and contracts with little in them. Standard library only."""

from __future__ import annotations

import math

from alice.arms import XARM1S, Arm, Camera, Joint, Mirror, Servo, SingleJaw
from alice.contract import Contract, ImageInput, VectorInput, action_of, camera_of, spec_of, terms_of

SERVO = Servo("M-1", "sts", 2.0, 5.0, 4096 / math.tau, 2048, math.pi, (0, 4095), (6.0, 8.0), 60.0)
JAW = SingleJaw(
    closed_angle=-0.197,
    open_angle=0.7,
    pivot=(-0.0746, 0.0202),
    fixed_face=-0.0079,
    moving_face=-0.0123,
    speed_cap=3.0,
    squeeze=0.004,
    gap_error=0.0,
)


def _joint(name, parent, child, axis, offset, limit, servo_id, lower=None) -> Joint:
    return Joint(
        name=name,
        kind="revolute",
        parent=parent,
        child=child,
        axis=axis,
        offset=offset,
        lower=-limit if lower is None else lower,
        upper=limit,
        effort_limit=2.0,
        velocity_limit=5.0,
        stiffness=20.0,
        damping=0.8,
        armature=0.02,
        servo=SERVO,
        servo_id=servo_id,
        reading_margin=0.2,
    )


CRANE = Arm(
    name="crane",
    title="Crane",
    joints=(
        _joint("pan", "base", "post", "-Z", (0.0, 0.0, 0.060), 2.0, 1),
        _joint("lift", "post", "boom", "Y", (0.020, 0.0, 0.050), 1.8, 2),
        _joint("elbow", "boom", "jib", "Y", (0.020, 0.0, 0.100), 1.7, 3),
        _joint("flex", "jib", "wrist", "Y", (0.120, 0.0, 0.010), 1.7, 4),
        _joint("roll", "wrist", "hand", "-X", (0.050, 0.0, 0.0), 2.8, 5),
        _joint("jaw", "hand", "jaw", "-Y", (0.090 + JAW.pivot[0], 0.0, JAW.pivot[1]), 1.7, 6, lower=JAW.closed_angle),
    ),
    gripper=JAW,
    tool_in_hand=(0.090, 0.0, 0.0),
    tool_to_tip=0.006,
    opens_along="Z",
    home=(0.0, -0.6, 0.8, 1.0, 0.0, 0.5),
    speed_cap=1.5,
    fastest_control_rate_hz=50,
    link_masses=dict.fromkeys(("base", "post", "boom", "jib", "wrist", "hand", "jaw"), 0.1),
    camera=Camera("hand", (0.02, 0.0, 0.06), "X", "-Z", math.radians(40), math.radians(70), 64, 48),
    mirror=Mirror(order=(0, 1, 2, 3, 4, 5), signs=(-1.0, 1.0, 1.0, 1.0, -1.0, 1.0)),
    finger_links=("hand", "jaw"),
    source="tests/unit/made_up.py",
)
"""An arm with other lengths and other signs: where all joints are zero its boom is up and its jib forward, it turns to
the right, rolls the other way, and has one jaw that turns against a fixed one."""


def vector(name: str, *terms: str, arm: Arm = XARM1S) -> VectorInput:
    """Return a vector of some terms of an arm."""
    known = terms_of(arm)
    return VectorInput(name, tuple(known[term] for term in terms))


def image(width: int = 64, height: int = 48, frames: int = 2, arm: Arm = XARM1S) -> ImageInput:
    """Return pictures of an arm's camera as the input ``image``."""
    return camera_of(arm.camera, "image", width, height, frames)


def contract_of(*inputs: VectorInput | ImageInput, arm: Arm = XARM1S, **fields: object) -> Contract:
    """Return a contract for an arm as its table has it, but for some fields."""
    whole = {"action": action_of(arm), "arm": spec_of(arm), **fields}
    return Contract("T", "1", None, "ab", inputs, **whole)
