"""The contract of a policy: nothing is lost on the way, and every difference to this arm is told."""

import json
from dataclasses import replace

import pytest

from alice import contract as contracts
from alice.arms import XARM1S
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
    assert data["arm"]["joint_names"] == list(XARM1S.names) and data["arm"]["control_rate_hz"] == 20
    assert data["action"]["names"] == [*XARM1S.names[:5], "gripper"]
    assert data["inputs"][0]["terms"][1]["clip"] == [-10.0, 10.0]
    assert [item.shape for item in contract.inputs] == [(14,), (3,), (6, 48, 64)]
    assert [item.dtype for item in contract.inputs] == ["float32", "float32", "uint8"]
    image = data["inputs"][2]
    assert (image["width"], image["height"], image["frames"], image["layout"]) == (64, 48, 2, "NCHW")
    assert image["camera_link"] == XARM1S.camera.link
    assert data["schema"] == contracts.SCHEMA


def test_a_policy_of_this_version_fits(contract):
    assert contracts.disagreements(contract) == []
    contracts.check(contract)


SMELL = VectorInput("p", (Term("smell", 2, "", ""),))
FLAT = VectorInput("p", (replace(TERMS["ball_pos"], size=2),))
SWAPPED = (XARM1S.names[1], XARM1S.names[0], *XARM1S.names[2:])
CHANGES = {
    "joint order": ({"arm": Arm(joint_names=SWAPPED)}, r"arm.joint_names: the policy has \[\"shoulder_joint\""),
    "scale": (
        {"action": Action(arm_scale=0.2)},
        r"action.arm_scale: the policy has 0.2, alice/robot.py has at most 0.1 rad a step at 20 Hz",
    ),
    "no scale": ({"action": Action(arm_scale=-0.1)}, r"action.arm_scale: the policy has -0.1, "),
    "scale that is too fast at its rate": (
        {"arm": Arm(control_rate_hz=25)},
        r"arm_scale: the policy has 0.1, alice/robot.py has at most 0.08 rad a step at 25 Hz; action.finger_slew: the",
    ),
    "rate": ({"arm": Arm(control_rate_hz=40)}, r"control_rate_hz: the policy has 40, alice/robot.py has at most 25"),
    "gripper": ({"action": Action(gripper="a sign")}, r'action.gripper: the policy has "a sign"'),
    "travel": ({"action": Action(finger_travel=0.03)}, r"finger_travel: the policy has 0.03, alice/robot.py has at"),
    "limits": (
        {"arm": Arm(joint_upper=(3.0, *Arm().joint_upper[1:]))},
        r"arm limits of base_joint: the policy has -2.09\d+ to 3.0, alice/robot.py has -2.09\d+ to 2.09",
    ),
    "home": ({"arm": Arm(home=(9.0, *Arm().home[1:]))}, r"arm.home of base_joint: the policy has 9.0, which is not"),
    "joints": ({"arm": Arm(home=(0.0,))}, r"limits and home have \[1, 7\] numbers, need 7"),
    "history": (
        {"inputs": (VectorInput("p", (replace(TERMS["ball_pos"], history=3),)),)},
        r"p.ball_pos: the policy sees 3 control steps of it, this version gives 1",
    ),
    "cut": (
        {"inputs": (VectorInput("p", (replace(TERMS["ball_pos"], clip=(1.0, 1.0)),)),)},
        r"p.ball_pos: cut to \(1.0, 1.0\) and times 1.0, nothing is left of it",
    ),
    "frames": ({"inputs": (ImageInput("image", 64, 48, 0),)}, r"input image.frames is 0"),
    "base frame": ({"base_frame": "in the elbow"}, r'contract.base_frame: the policy has "in the elbow"'),
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


def test_numbers_that_the_arm_can_serve_fit(contract):
    slower = replace(
        contract,
        action=Action(arm_scale=0.05, finger_slew=0.001),
        arm=Arm(control_rate_hz=17.5, joint_lower=(-1.0, *Arm().joint_lower[1:]), home=(0.3, *Arm().home[1:])),
    )
    contracts.check(slower)
    assert contracts.from_json(slower.to_json()) == slower


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.1", True, None, [0.1]])
def test_a_number_that_is_none_is_refused(contract, value):
    data = json.loads(contract.to_json())
    data["action"]["arm_scale"] = value
    with pytest.raises(ContractError, match=r"another form \(.*Action.arm_scale is"):
        contracts.from_json(json.dumps(data))


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
