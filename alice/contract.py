"""What a policy sees and commands: the contract that travels inside its ONNX file. Standard library only.

A policy is worth nothing on an arm whose joints come in another order or whose actions are scaled otherwise. The
contract says all of that in numbers, taken from the configuration that the policy was trained in; the robot side
compares it with :mod:`alice.robot` before it moves anything. Scale, slew, rate, limits and home are served as the
contract has them, within what the arm can do; names, order, meanings and the camera's place must agree.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from alice import robot

SCHEMA = 2
"""Version of the contract's form; raised when a field changes its name or meaning."""
METADATA_KEY = "alice_contract"
"""Key of the contract in the metadata of an ONNX file."""


class ContractError(ValueError):
    """A contract that cannot be read, or that does not fit. The message is one line."""


@dataclass(frozen=True)
class Term:
    """One part of a vector that the policy sees."""

    name: str
    size: int
    unit: str
    """Unit of each number, or of groups of them."""
    meaning: str
    clip: tuple[float, float] | None = None
    """Range that the numbers are cut to before the network sees them."""
    scale: float = 1.0
    """Factor on the numbers after the cut."""
    history: int = 1
    """Number of control steps that the network sees of it."""


_JOINTS = "base, shoulder, elbow, wrist pitch, wrist roll [rad], left and right finger [m]"

TERMS: dict[str, Term] = {
    term.name: term
    for term in (
        Term("joint_pos", 7, "rad, m", f"joint positions as the servos report them: {_JOINTS}"),
        Term("joint_vel", 7, "rad/s, m/s", "change of the reported joint positions since the last control step"),
        Term("tool_pos", 3, "m", "point between the pads, base frame, from the reported joints"),
        Term("ball_pos", 3, "m", "centre of the ball, base frame"),
        Term("tool_to_ball", 3, "m", "ball_pos - tool_pos"),
        Term("ball_to_dish", 3, "m", "centre of the dish on the table - ball_pos"),
        Term("dish_place", 2, "m", "x and y of the dish's centre, base frame"),
        Term("gripper_gap", 1, "m", "distance between the pads, from the reported joints"),
        Term("pinch_flag", 1, "0 or 1", "whether the ball is pinched: near, fingers a diameter apart, told to close"),
        Term("dish_flag", 1, "0 or 1", "whether the ball is in the dish or over it: inside the rim, up to 8 cm high"),
        Term("joint_targets", 7, "rad, m", "joint targets that the servos are driving to"),
        Term("last_action", 6, "-1 to 1", "last action after the cut; zeros at the start of an episode"),
    )
}
"""Every observation term that an actor may use, by its name in the task's observation groups."""


@dataclass(frozen=True)
class VectorInput:
    """A vector that the network takes: its terms one after another, float32, shape (1, size)."""

    name: str
    terms: tuple[Term, ...]

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(term.size * term.history for term in self.terms)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return (self.size,)

    @property
    def dtype(self) -> str:
        """Type of the numbers, by NumPy's name."""
        return "float32"


@dataclass(frozen=True)
class ImageInput:
    """Pictures of the wrist camera that the network takes, shape (1, 3 frames, height, width).

    Scaling and encoder are in the network: it takes the numbers of the camera.
    """

    name: str
    width: int
    """[pixels]."""
    height: int
    """[pixels]."""
    frames: int
    """Number of pictures, one per control step."""
    horizontal_fov: float = robot.WRIST_CAMERA.horizontal_fov
    """Opening angle across the width [rad]."""
    camera_link: str = robot.WRIST_CAMERA.link
    camera_position: tuple[float, ...] = robot.WRIST_CAMERA.position
    """In the link's frame [m]."""
    camera_tilt: float = robot.WRIST_CAMERA.tilt
    """From along the fingers towards across them [rad]."""
    channels: str = "red, green, blue"
    layout: str = "NCHW"
    dtype: str = "uint8"
    order: str = "oldest first"
    reset: str = "all frames are the first picture of the episode"
    fit: str = "cut to the aspect ratio about the centre, then averaged over areas"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return 3 * self.frames, self.height, self.width


@dataclass(frozen=True)
class Action:
    """What the six numbers of the output do, after a cut to [-1, 1]."""

    names: tuple[str, ...] = (*robot.ARM_JOINT_NAMES, "gripper")
    arm: str = "increment of the joint target"
    arm_scale: float = robot.ARM_SPEED_CAP / robot.CONTROL_RATE_HZ
    """Increment of a joint target at 1 [rad]."""
    gripper: str = "opening: -1 closed, 1 open, reached no faster than the slew"
    finger_travel: float = robot.FINGER_TRAVEL
    """Target of each finger at 1 [m]; 0 at -1."""
    finger_slew: float = robot.FINGER_SPEED_CAP / robot.CONTROL_RATE_HZ
    """Largest change of a finger target in a control step [m]."""


@dataclass(frozen=True)
class Arm:
    """The arm that the policy was trained for."""

    joint_names: tuple[str, ...] = robot.JOINT_NAMES
    joint_lower: tuple[float, ...] = tuple(joint.lower for joint in robot.JOINTS)
    """Limits of the joint targets [rad, m]."""
    joint_upper: tuple[float, ...] = tuple(joint.upper for joint in robot.JOINTS)
    home: tuple[float, ...] = tuple(robot.HOME[name] for name in robot.JOINT_NAMES)
    """Pose that an episode begins in [rad, m]."""
    control_rate_hz: float = robot.CONTROL_RATE_HZ
    """Control steps per second; a whole number stays one."""


@dataclass(frozen=True)
class Contract:
    """All that the robot side must know of a policy."""

    task: str
    version: str
    """Version of alice that exported it."""
    commit: str | None
    checkpoint_sha256: str
    inputs: tuple[VectorInput | ImageInput, ...]
    """Inputs of the network in their order."""
    goal: str = "the dish's centre on the table, base frame [m]: in the term ball_to_dish"
    """How the policy is told where the dish is."""
    output: str = "actions"
    """Name of the network's output, float32, shape (1, 6)."""
    action: Action = Action()
    arm: Arm = Arm()
    release_seed: str | None = None
    """Seed that the policy is audited on when it is released, decimal digits (:func:`alice.runs.seeds.of_release`)."""
    base_frame: str = "on the table under the yaw axis: x forward, y left, z up"
    quaternions: str = "none; where one is needed it is (x, y, z, w)"
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Return the contract as JSON; numbers keep their full precision."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)


def from_json(text: str) -> Contract:
    """Read a contract.

    Args:
        text: What :meth:`Contract.to_json` wrote.

    Raises:
        ContractError: If it is no contract of this schema.
    """
    try:
        data = json.loads(text)
        schema = data["schema"]
    except (ValueError, TypeError, KeyError) as error:
        raise ContractError(f"not a policy contract ({error}); export the policy again") from error
    if schema != SCHEMA:
        raise ContractError(f"contract of schema {schema!r}, this version reads {SCHEMA}; export the policy again")
    try:
        data.setdefault("release_seed", None)  # files exported before there was one
        data["inputs"] = tuple(_build_input(item) for item in data["inputs"])
        data["action"], data["arm"] = _build(Action, data["action"]), _build(Arm, data["arm"])
        return _build(Contract, data)
    except (TypeError, KeyError, AttributeError) as error:
        raise ContractError(f"a policy contract of another form ({error}); export the policy again") from error


def _build_input(data: dict[str, Any]) -> VectorInput | ImageInput:
    """Return an input from its fields as JSON knows them."""
    if "terms" not in data:
        return _build(ImageInput, data)
    return _build(VectorInput, {**data, "terms": tuple(_build(Term, term) for term in data["terms"])})


def _build(kind: type, data: dict[str, Any]) -> Any:
    """Return a dataclass from its fields as JSON knows them; every field must be there, of its type, and no other."""
    expected = {item.name for item in fields(kind)}
    if set(data) != expected:
        raise KeyError(f"{kind.__name__} has {sorted(data)} instead of {sorted(expected)}")
    values = {name: _frozen(value) for name, value in data.items()}
    hints = get_type_hints(kind)
    for name, value in values.items():
        if not _matches(value, hints[name]):
            raise TypeError(f"{kind.__name__}.{name} is {_short(data[name])}")
    return kind(**values)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _matches(value: Any, hint: Any) -> bool:
    """Whether a value is of a type; numbers must be finite."""
    if get_origin(hint) in (Union, UnionType):
        return any(_matches(value, option) for option in get_args(hint))
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if not isinstance(value, tuple):
            return False
        if kinds[-1] is Ellipsis:
            return all(_matches(item, kinds[0]) for item in value)
        return len(value) == len(kinds) and all(map(_matches, value, kinds))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return is_dataclass(value) if is_dataclass(hint) else isinstance(value, hint)


##
# Fit
##

_SLACK = 1e-6
"""Share by which numbers may differ that went through single precision or an arc tangent."""


def disagreements(contract: Contract) -> list[str]:
    """Return one sentence for everything in which a contract asks for what this version's robot and terms are not."""
    found = [*_about_arm(contract.arm), *_about_action(contract.action, contract.arm.control_rate_hz)]
    for name in ("output", "base_frame", "quaternions"):
        ours = Contract.__dataclass_fields__[name].default
        found += _differences("contract", contract, {name: ours})
    for item in contract.inputs:
        if isinstance(item, ImageInput):
            found += _about_image(item)
        else:
            found += [sentence for term in item.terms for sentence in _about_term(item.name, term)]
    return found


def _about_arm(arm: Arm) -> Iterator[str]:
    """Yield what the arm of a policy has that this one has not."""
    ours = Arm()
    order = _differences("arm", arm, {"joint_names": ours.joint_names})
    lengths = {len(values) for values in (arm.joint_lower, arm.joint_upper, arm.home)}
    if order or lengths != {len(ours.joint_names)}:
        yield from order or [f"arm: limits and home have {sorted(lengths)} numbers, need {len(ours.joint_names)}"]
        return
    columns = (arm.joint_lower, arm.joint_upper, arm.home, ours.joint_lower, ours.joint_upper)
    for name, lower, upper, home, low, high in zip(ours.joint_names, *columns, strict=True):
        slack = _SLACK * (high - low)
        if not low - slack <= lower < upper <= high + slack:
            yield f"arm limits of {name}: the policy has {lower} to {upper}, alice/robot.py has {low} to {high}"
        elif not lower - slack <= home <= upper + slack:
            yield f"arm.home of {name}: the policy has {home}, which is not within its limits {lower} to {upper}"
    if not 0 < arm.control_rate_hz <= robot.FASTEST_CONTROL_RATE_HZ:
        fastest = robot.FASTEST_CONTROL_RATE_HZ
        yield f"arm.control_rate_hz: the policy has {arm.control_rate_hz}, alice/robot.py has at most {fastest}"


def _about_action(action: Action, rate: float) -> Iterator[str]:
    """Yield what the actions of a policy do that this arm cannot."""
    ours = Action()
    yield from _differences("action", action, {name: getattr(ours, name) for name in ("names", "arm", "gripper")})
    speeds = {
        "arm_scale": (action.arm_scale, robot.ARM_SPEED_CAP, "rad"),
        "finger_slew": (action.finger_slew, robot.FINGER_SPEED_CAP, "m"),
    }
    for name, (step, cap, unit) in speeds.items():
        if not 0 < step * rate <= cap * (1 + _SLACK):
            most = f"{cap / rate:.4g} {unit} a step at {rate} Hz" if rate > 0 else f"{cap} {unit}/s"
            yield f"action.{name}: the policy has {step}, alice/robot.py has at most {most}"
    if not 0 < action.finger_travel <= ours.finger_travel * (1 + _SLACK):
        yield (
            f"action.finger_travel: the policy has {action.finger_travel}, alice/robot.py has at most"
            f" {ours.finger_travel} m"
        )


def _about_image(item: ImageInput) -> list[str]:
    """Return what the camera of a policy is that this arm's is not; size and number of frames are served."""
    free = ("name", "width", "height", "frames")
    found = [f"input {item.name}.{name} is {getattr(item, name)}" for name in free[1:] if getattr(item, name) < 1]
    ours = ImageInput(*(getattr(item, name) for name in free))
    names = [entry.name for entry in fields(ours) if entry.name not in free]
    return found + _differences(f"input {item.name}", item, {name: getattr(ours, name) for name in names})


def _about_term(group: str, term: Term) -> Iterator[str]:
    """Yield what a term of a policy is that this version's is not."""
    ours = TERMS.get(term.name)
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


def _differences(what: str, theirs: Any, ours: dict[str, Any]) -> list[str]:
    """Return one sentence for every field of a dataclass that differs from ours."""
    return [
        f"{what}.{name}: the policy has {_short(getattr(theirs, name))}, alice/robot.py has {_short(value)}"
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


def check(contract: Contract) -> None:
    """Raise :class:`ContractError` with all disagreements in one line, if there are any."""
    found = disagreements(contract)
    if found:
        raise ContractError(f"the policy does not fit this arm: {'; '.join(found)}. Export a policy of this version")


def _short(value: Any) -> str:
    return json.dumps(value)
