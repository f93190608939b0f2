"""What a policy sees and commands: the contract that travels inside its ONNX file. Standard library only.

A policy is worth nothing on an arm whose joints come in another order or whose actions are scaled otherwise. The
contract says all of that in numbers; the robot side compares it with :mod:`alice.robot` before it moves anything.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

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
    control_rate_hz: int = robot.CONTROL_RATE_HZ


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
    """Seed that the policy is audited on when it is released, decimal digits (:func:`alice.seeds.of_release`)."""
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
    except (TypeError, KeyError) as error:
        raise ContractError(f"a policy contract of another form ({error}); export the policy again") from error


def _build_input(data: dict[str, Any]) -> VectorInput | ImageInput:
    """Return an input from its fields as JSON knows them."""
    if "terms" not in data:
        return _build(ImageInput, data)
    return _build(VectorInput, {**data, "terms": tuple(_build(Term, term) for term in data["terms"])})


def _build(kind: type, data: dict[str, Any]) -> Any:
    """Return a dataclass from its fields as JSON knows them; every field must be there and no other."""
    expected = {item.name for item in fields(kind)}
    if set(data) != expected:
        raise KeyError(f"{kind.__name__} has {sorted(data)} instead of {sorted(expected)}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


def disagreements(contract: Contract) -> list[str]:
    """Return one sentence for everything in which a contract differs from this version's robot and terms."""
    found = _differences("arm", contract.arm, Arm()) + _differences("action", contract.action, Action())
    for item in contract.inputs:
        if isinstance(item, ImageInput):
            ours = ImageInput(item.name, item.width, item.height, item.frames)
            found += _differences(f"input {item.name}", item, ours)
            continue
        for term in item.terms:
            ours = TERMS.get(term.name)
            if ours is None:
                found.append(f"input {item.name}: the policy sees {term.name!r}, which this version does not know")
            elif (term.size, term.unit, term.meaning) != (ours.size, ours.unit, ours.meaning):
                found.append(
                    f"input {item.name}.{term.name}: the policy has {term.size} numbers [{term.unit}], this version"
                    f" {ours.size} [{ours.unit}]: {ours.meaning}"
                )
    return found


def _differences(what: str, theirs: Any, ours: Any) -> list[str]:
    """Return one sentence for every field in which two dataclasses of one kind differ."""
    found = []
    for item in fields(theirs):
        one, other = getattr(theirs, item.name), getattr(ours, item.name)
        if one != other:
            found.append(f"{what}.{item.name}: the policy has {_short(one)}, alice/robot.py has {_short(other)}")
    return found


def check(contract: Contract) -> None:
    """Raise :class:`ContractError` with all disagreements in one line, if there are any."""
    found = disagreements(contract)
    if found:
        raise ContractError(f"the policy does not fit this arm: {'; '.join(found)}. Export a policy of this version")


def _short(value: Any) -> str:
    return json.dumps(value)
