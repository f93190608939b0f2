"""``--servo FILE``: what ``identify_arm.py`` found replaces the ranges that servos and drives are drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alice import arms
from alice.arms import Arm, fitted, quantities
from alice.cli.usage import UsageError

Ends = tuple[float, float]

SERVO = "env.actions.joints.servo"
EVENTS = {
    "drive_stiffness": ("drive_gains", "stiffness_distribution_params"),
    "drive_damping": ("drive_gains", "damping_distribution_params"),
    "torque_cap": ("torque_cap", "scale"),
    "link_mass": ("link_mass", "mass_distribution_params"),
}
"""Event term and parameter of each row that takes a range for each joint, link_mass one for all links."""
PER_ARM = ("link_mass",)


def words(path: Path, env_cfg: Any) -> list[str]:
    """Return the overrides that put fitted servos in the place of the table's ranges.

    What the file refuses keeps its range. The arm is known then: no episode has ideal servos.

    Args:
        path: The file.
        env_cfg: Resolved configuration, whose ranges are those of the table.

    Raises:
        UsageError: If the file cannot be used, or nothing here is drawn that it could replace.
    """
    arm, joints = arms.named(env_cfg.arm), env_cfg.actions.joints
    try:
        found = fitted.read(path, arm)
    except fitted.FittedError as error:
        raise UsageError(f"--servo: {error}") from error
    if joints.servo is None:
        raise UsageError(
            "--servo replaces ranges that servos are drawn from; give --domain_rand or presets=hobby_servo"
        )
    if not joints.coupled_fingers:
        raise UsageError("--servo: a servo file has one gripper servo; leave out presets=seven_actions")
    changed = []
    for name in quantities.of_servo():
        spans = _spans(found, f"servo_{name}", arm, getattr(joints.servo, name))
        if spans:
            changed.append(f"{SERVO}.{name}={_written(spans if f'servo_{name}' not in fitted.BUS_WIDE else spans[:1])}")
    for name, (term, parameter) in EVENTS.items():
        event = getattr(env_cfg.events, term, None)
        spans = _spans(found, name, arm, event.params[parameter]) if event is not None else []
        if not spans:
            continue
        if name in PER_ARM:
            spans = [(min(low for low, _ in spans), max(high for _, high in spans))]
        else:
            by_servo = dict(zip(arm.servo_ids, spans, strict=True))
            spans = [by_servo[joint.servo_id] for joint in arm.joints]
        changed.append(f"env.events.{term}.params.{parameter}={_written(spans)}")
    if not changed:
        raise UsageError(
            f"--servo: {path.name!r} refuses everything that could replace a range; identify the arm again"
        )
    return [*changed, "env.actions.joints.ideal_servo_share=0.0"]


def _spans(found: fitted.FittedServos, quantity: str, arm: Arm, table: Any) -> list[Ends]:
    """Return the range of each servo, fitted or the table's; nothing where all of them are refused."""
    fits = [found.span(quantity, key) for key in fitted.keys(arm, quantity)]
    if all(span is None for span in fits):
        return []
    return [tuple(_of(end, row, arm) for end in table) if span is None else span for row, span in enumerate(fits)]


def _of(end: Any, row: int, arm: Arm) -> float:
    """Return the end of a servo's range of a configuration: one for all, for each servo, or for each joint."""
    if isinstance(end, (int, float)):
        return float(end)
    if len(end) == len(arm.servo_ids):
        return float(end[row])
    return float(end[next(k for k, joint in enumerate(arm.joints) if joint.servo_id == arm.servo_ids[row])])


def _written(spans: list[Ends]) -> str:
    """Return ranges as an override has them: one for all, or the lower ends and the upper ends of each."""
    ends = [[float(f"{end:.6g}") for end in side] for side in zip(*spans, strict=True)]
    if len(spans) == 1:
        ends = [side[0] for side in ends]
    return str(ends).replace(" ", "")
