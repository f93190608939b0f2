"""The contract of a policy: nothing is lost on the way, and every difference to this arm is told."""

import json
from dataclasses import replace

import pytest

from alice import contract as contracts
from alice import robot
from alice.contract import TERMS, Action, Arm, Contract, ContractError, ImageInput, Term, VectorInput


@pytest.fixture
def contract() -> Contract:
    terms = (TERMS["joint_pos"], replace(TERMS["joint_vel"], clip=(-10.0, 10.0)))
    inputs = (VectorInput("policy", terms), VectorInput("b", (TERMS["ball_pos"],)), ImageInput("image", 64, 48, 2))
    return Contract("T", "1.2.3", None, "ab" * 32, inputs)


def test_it_survives_json_to_the_last_digit(contract):
    odd = replace(contract, action=Action(arm_scale=0.1 + 2e-17, finger_slew=1.0 / 3.0))
    assert contracts.from_json(odd.to_json()) == odd
    assert contracts.from_json(contract.to_json()) == contract


def test_it_says_what_a_driver_needs(contract):
    data = json.loads(contract.to_json())
    assert data["arm"]["joint_names"] == list(robot.JOINT_NAMES) and data["arm"]["control_rate_hz"] == 20
    assert data["action"]["names"] == [*robot.ARM_JOINT_NAMES, "gripper"]
    assert data["inputs"][0]["terms"][1]["clip"] == [-10.0, 10.0]
    assert [item.shape for item in contract.inputs] == [(14,), (3,), (6, 48, 64)]
    assert [item.dtype for item in contract.inputs] == ["float32", "float32", "uint8"]
    image = data["inputs"][2]
    assert (image["width"], image["height"], image["frames"], image["layout"]) == (64, 48, 2, "NCHW")
    assert image["camera_link"] == robot.WRIST_CAMERA.link
    assert data["schema"] == contracts.SCHEMA


def test_a_policy_of_this_version_fits(contract):
    assert contracts.disagreements(contract) == []
    contracts.check(contract)


SMELL = VectorInput("p", (Term("smell", 2, "", ""),))
FLAT = VectorInput("p", (replace(TERMS["ball_pos"], size=2),))
SWAPPED = (robot.JOINT_NAMES[1], robot.JOINT_NAMES[0], *robot.JOINT_NAMES[2:])
CHANGES = {
    "joint order": ({"arm": Arm(joint_names=SWAPPED)}, r"arm.joint_names: the policy has \[\"shoulder_joint\""),
    "scale": ({"action": Action(arm_scale=0.05)}, r"action.arm_scale: the policy has 0.05, alice/robot.py has 0.1"),
    "rate": ({"arm": Arm(control_rate_hz=25)}, r"control_rate_hz: the policy has 25, alice/robot.py has 20"),
    "term": ({"inputs": (SMELL,)}, r"'smell', which this version does not know"),
    "lens": (
        {"inputs": (ImageInput("image", 64, 48, 2, horizontal_fov=1.0),)},
        r"input image.horizontal_fov: the policy has 1.0, alice/robot.py has 1.48",
    ),
    "frame order": (
        {"inputs": (ImageInput("image", 64, 48, 2, order="newest first"),)},
        r"input image.order: the policy has \"newest first\", alice/robot.py has \"oldest first\"",
    ),
    "size": ({"inputs": (FLAT,)}, r"2 numbers \[m\], this version 3"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_difference_is_told_with_both_sides(name, contract):
    change, expected = CHANGES[name]
    with pytest.raises(ContractError, match=expected) as caught:
        contracts.check(replace(contract, **change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not a policy contract"),
        ("[]", "not a policy contract"),
        ('{"schema": 99}', "schema 99, this version reads 2"),
        ('{"schema": 2}', "another form"),
        ('{"schema": 2, "inputs": [], "action": {}, "arm": {}}', "another form"),
    ],
)
def test_what_is_no_contract_is_refused(text, expected):
    with pytest.raises(ContractError, match=expected):
        contracts.from_json(text)


def test_a_field_that_is_not_known_is_refused(contract):
    data = json.loads(contract.to_json())
    data["arm"]["wheels"] = 4
    with pytest.raises(ContractError, match="wheels"):
        contracts.from_json(json.dumps(data))
