"""The form of a contract, into JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from alice.arms import Arm, Camera, Chain
from alice.transfer.timing import CONTROL_RATE_HZ

from .terms import Term

SCHEMA = 3
"""Version of the contract's form; raised when a field changes its name or meaning."""
METADATA_KEY = "alice_contract"
"""Key of the contract in the metadata of an ONNX file."""


class ContractError(ValueError):
    """A contract that cannot be read, or that does not fit. The message is one line."""


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
    horizontal_fov: float
    """Opening angle across the width [rad]; pixels are square and the optical axis is in the middle."""
    distortion: tuple[float, ...]
    """Lens distortion as OpenCV has it: k1, k2, p1, p2, k3."""
    camera_link: str
    camera_position: tuple[float, ...]
    """In the link's frame [m]."""
    camera_rotation: tuple[float, ...]
    """Orientation in the link's frame, picture right, down and forward to x, y and z, (x, y, z, w)."""
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


def camera_of(camera: Camera, name: str, width: int, height: int, frames: int) -> ImageInput:
    """Return the input that an arm's camera serves, with pictures of some size."""
    return ImageInput(
        name=name,
        width=width,
        height=height,
        frames=frames,
        horizontal_fov=camera.horizontal_fov,
        distortion=camera.distortion,
        camera_link=camera.link,
        camera_position=camera.position,
        camera_rotation=camera.rotation,
    )


@dataclass(frozen=True)
class Action:
    """What the numbers of the output do, after a cut to [-1, 1]: one for each arm joint, and one for the gripper."""

    names: tuple[str, ...]
    arm_scale: float
    """Increment of a joint target at 1 [rad]."""
    gripper_closed: tuple[float, ...]
    """Target of each gripper joint at -1 [rad or m]."""
    gripper_open: tuple[float, ...]
    """Target of each gripper joint at 1 [rad or m]; in between it is even."""
    gripper_slew: float
    """Largest change of a gripper joint's target in a control step [rad or m]."""
    arm: str = "increment of the joint target"
    gripper: str = "opening: -1 closed, 1 open, reached no faster than the slew"


def action_of(arm: Arm, rate: float = CONTROL_RATE_HZ) -> Action:
    """Return the actions of an arm at its speed caps, at a control rate [Hz]."""
    return Action(
        names=arm.action_names,
        arm_scale=arm.speed_cap / rate,
        gripper_closed=arm.gripper.closed,
        gripper_open=arm.gripper.opened,
        gripper_slew=arm.gripper.speed_cap / rate,
    )


@dataclass(frozen=True)
class ArmSpec:
    """The arm that the policy was trained for."""

    name: str
    """Its name in :data:`alice.arms.ARMS`."""
    joint_names: tuple[str, ...]
    joint_lower: tuple[float, ...]
    """Limits of the joint targets [rad, m]."""
    joint_upper: tuple[float, ...]
    home: tuple[float, ...]
    """Pose that an episode begins in [rad, m]."""
    chain: Chain
    """Its kinematics."""
    gripper: str
    """Kind of its gripper."""
    gripper_numbers: dict[str, float | tuple[float, ...]]
    """Numbers of its gripper, those of the kind's class in :mod:`alice.arms.gripper`."""
    control_rate_hz: float
    """Control steps per second; a whole number stays one."""


def spec_of(arm: Arm, rate: float = CONTROL_RATE_HZ) -> ArmSpec:
    """Return what a contract says of an arm that is controlled at a rate [Hz]."""
    return ArmSpec(
        name=arm.name,
        joint_names=arm.names,
        joint_lower=arm.lower,
        joint_upper=arm.upper,
        home=arm.home,
        chain=arm.chain,
        gripper=arm.gripper.kind,
        gripper_numbers=asdict(arm.gripper),
        control_rate_hz=rate,
    )


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
    action: Action
    arm: ArmSpec
    goal: str = "the dish's centre on the table, base frame [m]: in the term ball_to_dish"
    """How the policy is told where the dish is."""
    told: str = (
        "ball and dish: the mean of up to eight time-stamped reports of a driver since one was 8 mm off it; while the"
        " pinch flag by the reported joints is on, the ball is at the grip point by the reported joints, and afterwards"
        " there until the next report"
    )
    """How the places of ball and dish come about that the policy is told (:mod:`alice.deploy.tracking`). How late,
    seldom and far off they may be: ``report_...`` in :attr:`trained_for`."""
    output: str = "actions"
    """Name of the network's output, float32, shape (1, number of actions)."""
    reads_back: bool = True
    """Whether the servos' positions are read; if not, the commands of 75 ms ago stand for them, and the ball's diameter
    for a gripper that closes on it."""
    trained_for: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest value of what the policy has met in training, by the names of
    :data:`alice.arms.quantities.QUANTITIES`; what is not named was as its table has it. The runtime must deliver what
    lies within: reports as often and as fresh, pictures no later and no fewer."""
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
        data["inputs"] = tuple(_build_input(item) for item in data["inputs"])
        arm = {**data["arm"], "chain": _build(Chain, data["arm"]["chain"])}
        data["action"], data["arm"] = _build(Action, data["action"]), _build(ArmSpec, arm)
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
            raise TypeError(f"{kind.__name__}.{name} is {short(data[name])}")
    return kind(**values)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
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
    if get_origin(hint) is dict:
        return isinstance(value, dict) and all(_matches(item, get_args(hint)[1]) for item in value.values())
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return is_dataclass(value) if is_dataclass(hint) else isinstance(value, hint)


def short(value: Any) -> str:
    """Return a value as a sentence shows it."""
    return json.dumps(value)
