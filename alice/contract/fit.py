"""Whether a policy fits the arm that it shall move: every difference in one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from alice.arms import ARMS, Arm
from alice.arms.quantities import QUANTITIES

from .form import Action, ArmSpec, Contract, ContractError, ImageInput, action_of, camera_of, short, spec_of
from .terms import Term, terms_of

_SLACK = 1e-6
"""Share by which numbers may differ that went through single precision or an arc tangent."""


def disagreements(contract: Contract, arm: Arm | None = None) -> list[str]:
    """Return one sentence for everything in which a contract asks for what this version's arm and terms are not.

    Args:
        contract: The contract.
        arm: The arm that the policy shall move; None for the one that it names.
    """
    named = ARMS.get(contract.arm.name)
    if named is None or (arm is not None and arm.name != contract.arm.name):
        here = f"this is the arm {arm.name!r}" if arm is not None else f"this version knows {', '.join(ARMS)}"
        return [f"arm.name: the policy was trained for the arm {contract.arm.name!r}, {here}"]
    arm = arm or named
    found = [*_about_arm(contract.arm, arm), *_about_action(contract.action, contract.arm.control_rate_hz, arm)]
    for name in ("told", "output", "base_frame", "quaternions"):
        ours = Contract.__dataclass_fields__[name].default
        found += _differences("contract", contract, {name: ours}, "this version")
    if unknown := sorted(contract.trained_for.keys() - QUANTITIES.keys()):
        found.append(f"contract.trained_for: {', '.join(unknown)} are no quantities that this version knows")
    for name, (low, high) in contract.trained_for.items():
        if low > high:
            found.append(f"contract.trained_for.{name}: the policy has met {low} to {high}, which is no range")
    sees = any(isinstance(item, ImageInput) for item in contract.inputs)
    for item in contract.inputs:
        if isinstance(item, ImageInput):
            found += _about_image(item, arm)
        else:
            known = terms_of(arm)
            found += [sentence for term in item.terms for sentence in _about_term(item.name, term, known)]
            if not sees and any(term.name == "picture_joint_pos" for term in item.terms):
                found.append(f"input {item.name}.picture_joint_pos: the policy sees no picture that it could be of")
    return found


def _about_arm(theirs: ArmSpec, arm: Arm) -> Iterator[str]:
    """Yield what the arm of a policy has that this one has not."""
    ours = spec_of(arm)
    order = _differences("arm", theirs, {"joint_names": ours.joint_names}, arm.source)
    lengths = {len(values) for values in (theirs.joint_lower, theirs.joint_upper, theirs.home)}
    if order or lengths != {len(ours.joint_names)}:
        yield from order or [f"arm: limits and home have {sorted(lengths)} numbers, need {len(ours.joint_names)}"]
        return
    columns = (theirs.joint_lower, theirs.joint_upper, theirs.home, ours.joint_lower, ours.joint_upper)
    for name, lower, upper, home, low, high in zip(ours.joint_names, *columns, strict=True):
        slack = _SLACK * (high - low)
        if not low - slack <= lower < upper <= high + slack:
            yield f"arm limits of {name}: the policy has {lower} to {upper}, {arm.source} has {low} to {high}"
        elif not lower - slack <= home <= upper + slack:
            yield f"arm.home of {name}: the policy has {home}, which is not within its limits {lower} to {upper}"
    yield from _differences("arm.chain", theirs.chain, asdict(ours.chain), arm.source)
    yield from _differences("arm", theirs, {"gripper": ours.gripper}, arm.source)
    if theirs.gripper == ours.gripper and not same(theirs.gripper_numbers, ours.gripper_numbers):
        yield (
            f"arm.gripper_numbers: the policy has {short(theirs.gripper_numbers)}, {arm.source} has"
            f" {short(ours.gripper_numbers)}"
        )
    if not 0 < theirs.control_rate_hz <= arm.fastest_control_rate_hz:
        fastest = arm.fastest_control_rate_hz
        yield f"arm.control_rate_hz: the policy has {theirs.control_rate_hz}, {arm.source} has at most {fastest}"


def _about_action(action: Action, rate: float, arm: Arm) -> Iterator[str]:
    """Yield what the actions of a policy do that this arm cannot."""
    ours = action_of(arm)
    meanings = {name: getattr(ours, name) for name in ("names", "arm", "gripper")}
    yield from _differences("action", action, meanings, arm.source)
    speeds = {
        "arm_scale": (action.arm_scale, arm.speed_cap, "rad"),
        "gripper_slew": (action.gripper_slew, arm.gripper.speed_cap, arm.gripper_joints[0].unit),
    }
    for name, (step, cap, unit) in speeds.items():
        if not 0 < step * rate <= cap * (1 + _SLACK):
            most = f"{cap / rate:.4g} {unit} a step at {rate} Hz" if rate > 0 else f"{cap} {unit}/s"
            yield f"action.{name}: the policy has {step}, {arm.source} has at most {most}"
    joints = arm.gripper_joints
    odd = [name for name in ("gripper_closed", "gripper_open") if len(getattr(action, name)) != len(joints)]
    for name in odd:
        moved = len(getattr(action, name))
        yield f"action.{name}: the policy moves {moved} gripper joints, {arm.source} has {len(joints)}"
    if odd:
        return
    for joint, closed, opened in zip(joints, action.gripper_closed, action.gripper_open, strict=True):
        slack = _SLACK * (joint.upper - joint.lower)
        if not joint.lower - slack <= closed < opened <= joint.upper + slack:
            yield (
                f"action.gripper_open of {joint.name}: the policy goes from {closed} to {opened}, {arm.source} has"
                f" {joint.lower} to {joint.upper} {joint.unit}"
            )


def _about_image(item: ImageInput, arm: Arm) -> list[str]:
    """Return what the camera of a policy is that this arm's is not; size and number of frames are served."""
    free = ("name", "width", "height", "frames")
    found = [f"input {item.name}.{name} is {getattr(item, name)}" for name in free[1:] if getattr(item, name) < 1]
    ours = camera_of(arm.camera, *(getattr(item, name) for name in free))
    names = [entry.name for entry in fields(ours) if entry.name not in free]
    return found + _differences(f"input {item.name}", item, {name: getattr(ours, name) for name in names}, arm.source)


def _about_term(group: str, term: Term, known: dict[str, Term]) -> Iterator[str]:
    """Yield what a term of a policy is that this version's is not."""
    ours = known.get(term.name)
    if ours is None:
        yield f"input {group}: the policy sees {term.name!r}, which this version does not know"
        return
    if (term.size, term.unit, term.meaning) != (ours.size, ours.unit, ours.meaning):
        yield (
            f"input {group}.{term.name}: the policy has {term.size} numbers [{term.unit}], this version {ours.size}"
            f" [{ours.unit}]: {ours.meaning}"
        )
    if term.history != 1:
        yield f"input {group}.{term.name}: the policy sees {term.history} control steps of it, this version gives 1"
    if term.scale == 0 or (term.clip is not None and not term.clip[0] < term.clip[1]):
        yield f"input {group}.{term.name}: cut to {term.clip} and times {term.scale}, nothing is left of it"


def _differences(what: str, theirs: Any, ours: dict[str, Any], source: str) -> list[str]:
    """Return one sentence for every field of a dataclass that differs from ours, which ``source`` has."""
    return [
        f"{what}.{name}: the policy has {short(getattr(theirs, name))}, {source} has {short(value)}"
        for name, value in ours.items()
        if not same(getattr(theirs, name), value)
    ]


def same(one: Any, other: Any) -> bool:
    """Whether two values of a contract are equal, numbers but for rounding."""
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=_SLACK, abs_tol=1e-9)
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def check(contract: Contract, arm: Arm | None = None) -> None:
    """Raise :class:`ContractError` with all :func:`disagreements` in one line, if there are any."""
    found = disagreements(contract, arm)
    if found:
        raise ContractError(f"the policy does not fit this arm: {'; '.join(found)}. Export a policy of this version")
