"""What a policy sees and commands: the contract that travels inside its ONNX file. Standard library only.

A policy is worth nothing on an arm whose joints come in another order or whose actions are scaled otherwise. The
contract says all of that in numbers, taken from the configuration that the policy was trained in; the robot side
compares it with its own table of the arm (:mod:`alice.arms`) before it moves anything. Scale, slew, rate, limits and
home are served as the contract has them, within what the arm can do; names, order, meanings, kinematics and the
camera's place must agree.
"""

from __future__ import annotations

from .fit import check, disagreements, same
from .form import (
    METADATA_KEY,
    SCHEMA,
    Action,
    ArmSpec,
    Contract,
    ContractError,
    ImageInput,
    VectorInput,
    action_of,
    camera_of,
    from_json,
    spec_of,
)
from .terms import TERM_NAMES, Term, terms_of
