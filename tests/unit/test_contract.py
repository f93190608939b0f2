"""The contract of a policy: nothing is lost on the way, and every difference to this arm is told."""

import json
import math
from dataclasses import fields, replace

import pytest
from made_up import CRANE, contract_of, image, vector

from alice import contract as contracts
from alice.arms import ARMS, XARM1S
from alice.contract import ArmSpec, Contract, ContractError, Term, VectorInput, action_of, spec_of, terms_of

TERMS, ACTION, SPEC = terms_of(XARM1S), action_of(XARM1S), spec_of(XARM1S)
SOURCE = "alice/arms/xarm1s.py"


@pytest.fixture
def contract() -> Contract:
    terms = (TERMS["joint_pos"], replace(TERMS["joint_vel"], clip=(-10.0, 10.0)))
    return contract_of(VectorInput("policy", terms), vector("b", "ball_pos"), image())


def test_it_survives_json_to_the_last_digit(contract):
    odd = replace(
        contract,
        action=replace(ACTION, arm_scale=0.1 + 2e-17, gripper_slew=1.0 / 3.0),
        arm=replace(SPEC, home=(1.0 / 3.0, *SPEC.home[1:])),
        reads_back=False,
        trained_for={"servo_delay": (0.1 + 2e-17, 1.0 / 3.0), "servo_gain": (1, 1.5)},
    )
    assert contracts.from_json(odd.to_json()) == odd
    assert contracts.from_json(contract.to_json()) == contract


@pytest.mark.parametrize("arm", [*ARMS.values(), CRANE], ids=lambda arm: arm.name)
def test_the_contract_of_every_arm_survives_json_and_fits(arm, monkeypatch):
    monkeypatch.setitem(ARMS, arm.name, arm)
    made = contract_of(vector("x", *terms_of(arm), arm=arm), image(arm=arm), arm=arm)
    assert contracts.from_json(made.to_json()) == made
    contracts.check(made)
    contracts.check(made, arm)
    joints = dict.fromkeys(("joint_pos", "picture_joint_pos", "joint_vel", "joint_targets"), len(arm.joints))
    points = dict.fromkeys(("tool_pos", "ball_pos", "tool_to_ball", "ball_to_dish"), 3)
    sizes = {**joints, **points, "dish_place": 2, "last_action": 6}
    assert {term.name: term.size for term in made.inputs[0].terms} == {**dict.fromkeys(terms_of(arm), 1), **sizes}


def test_it_says_what_a_driver_needs(contract):
    data = json.loads(contract.to_json())
    arm_joints = ["base_joint", "shoulder_joint", "elbow_joint", "wrist_pitch_joint", "wrist_roll_joint"]
    assert data["arm"]["name"] == "xarm1s" and data["arm"]["control_rate_hz"] == 20
    assert data["arm"]["joint_names"] == [*arm_joints, "left_finger_joint", "right_finger_joint"]
    assert data["arm"]["chain"]["lengths"] == pytest.approx([0.0964, 0.0957, 0.1627])
    assert data["arm"]["chain"]["shoulder"] == pytest.approx([-0.01135, 0.065])
    assert data["arm"]["gripper"] == "coupled fingers" and data["arm"]["gripper_numbers"]["travel"] == 0.025
    assert data["action"]["names"] == [*arm_joints, "gripper"]
    assert (data["action"]["arm_scale"], data["action"]["gripper_slew"]) == pytest.approx((0.1, 0.003))
    assert (data["action"]["gripper_closed"], data["action"]["gripper_open"]) == ([0.0, 0.0], [0.025, 0.025])
    assert data["inputs"][0]["terms"][1]["clip"] == [-10.0, 10.0]
    assert [item.shape for item in contract.inputs] == [(14,), (3,), (6, 48, 64)]
    assert [item.dtype for item in contract.inputs] == ["float32", "float32", "uint8"]
    image = data["inputs"][2]
    assert (image["width"], image["height"], image["frames"], image["layout"]) == (64, 48, 2, "NCHW")
    assert image["camera_link"] == "hand" and image["distortion"] == [0.0] * 5
    # Looking along the hand, tilted by 50 degrees towards x: half of it about y, after a quarter turn about z.
    half, quarter = math.radians(25), math.sqrt(0.5)
    turned = [quarter * math.sin(half), quarter * math.sin(half), -quarter * math.cos(half), quarter * math.cos(half)]
    assert [abs(value) for value in image["camera_rotation"]] == pytest.approx([abs(value) for value in turned])
    assert (data["reads_back"], data["trained_for"]) == (True, {})
    assert data["schema"] == contracts.SCHEMA == 3


def test_it_says_what_a_single_jaw_needs():
    data = json.loads(contract_of(vector("x", "joint_pos", arm=CRANE), arm=CRANE).to_json())
    assert data["arm"]["gripper"] == "single jaw" and data["arm"]["gripper_numbers"]["pivot"] == [-0.0746, 0.0202]
    assert data["arm"]["joint_names"] == ["pan", "lift", "elbow", "flex", "roll", "jaw"]
    assert data["arm"]["chain"]["yaw_sign"] == data["arm"]["chain"]["roll_sign"] == -1.0
    assert data["action"]["names"] == ["pan", "lift", "elbow", "flex", "roll", "gripper"]
    assert (data["action"]["gripper_closed"], data["action"]["gripper_open"]) == ([-0.197], [0.7])
    assert (data["action"]["arm_scale"], data["action"]["gripper_slew"]) == pytest.approx((1.5 / 20, 3.0 / 20))
    assert data["inputs"][0]["terms"][0]["size"] == 6 and data["inputs"][0]["terms"][0]["unit"] == "rad"


def test_terms_say_units_and_joints_of_the_arm():
    assert TERMS["joint_pos"].size == TERMS["joint_targets"].size == 7 and TERMS["last_action"].size == 6
    assert TERMS["joint_pos"].unit == "rad, m" and TERMS["joint_vel"].unit == "rad/s, m/s"
    assert TERMS["joint_pos"].meaning.endswith("wrist roll [rad], left finger [m], right finger [m]")
    other = terms_of(CRANE)
    assert (other["joint_vel"].size, other["joint_vel"].unit) == (6, "rad/s")
    assert other["joint_pos"].meaning.endswith("roll [rad], jaw [rad]")
    assert list(TERMS) == list(other) == list(contracts.TERM_NAMES)


def test_a_policy_of_this_version_fits(contract):
    assert contracts.disagreements(contract) == []
    contracts.check(contract)
    contracts.check(contract, XARM1S)


SMELL = VectorInput("p", (Term("smell", 2, "", ""),))
BALL = TERMS["ball_pos"]
SWAPPED = (XARM1S.names[1], XARM1S.names[0], *XARM1S.names[2:])
NARROW = dict(SPEC.gripper_numbers, travel=0.02)


def _spec(**numbers) -> dict[str, ArmSpec]:
    return {"arm": replace(SPEC, **numbers)}


def _action(**numbers) -> dict[str, contracts.Action]:
    return {"action": replace(ACTION, **numbers)}


def _picture(**numbers) -> dict[str, tuple]:
    return {"inputs": (replace(image(), **numbers),)}


CHANGES = {
    "joint order": (_spec(joint_names=SWAPPED), r"arm.joint_names: the policy has \[\"shoulder_joint\""),
    "scale": (
        _action(arm_scale=0.2),
        rf"action.arm_scale: the policy has 0.2, {SOURCE} has at most 0.1 rad a step at 20 Hz",
    ),
    "no scale": (_action(arm_scale=-0.1), r"action.arm_scale: the policy has -0.1, "),
    "slew": (
        _action(gripper_slew=0.004),
        rf"action.gripper_slew: the policy has 0.004, {SOURCE} has at most 0.003 m a step at 20 Hz",
    ),
    "scale that is too fast at its rate": (
        _spec(control_rate_hz=25),
        rf"arm_scale: the policy has 0.1, {SOURCE} has at most 0.08 rad a step at 25 Hz; action.gripper_slew: the",
    ),
    "rate": (_spec(control_rate_hz=40), rf"control_rate_hz: the policy has 40, {SOURCE} has at most 25"),
    "no rate": (_spec(control_rate_hz=0), rf"control_rate_hz: the policy has 0, {SOURCE} has at most 25"),
    "action names": (_action(names=(*SWAPPED[:5], "gripper")), r"action.names: the policy has \[\"shoulder_joint"),
    "action meaning": (_action(arm="a torque"), r'action.arm: the policy has "a torque"'),
    "gripper action": (_action(gripper="a sign"), r'action.gripper: the policy has "a sign"'),
    "travel": (
        _action(gripper_open=(0.025, 0.03)),
        rf"gripper_open of right_finger_joint: the policy goes from 0.0 to 0.03, {SOURCE} has 0.0 to 0.025 m",
    ),
    "reversed travel": (
        _action(gripper_closed=(0.02, 0.0), gripper_open=(0.01, 0.025)),
        "gripper_open of left_finger_joint: the policy goes from 0.02 to 0.01",
    ),
    "one finger": (
        _action(gripper_closed=(0.0,), gripper_open=(0.025,)),
        rf"action.gripper_open: the policy moves 1 gripper joints, {SOURCE} has 2",
    ),
    "fingers that do not match": (
        _action(gripper_closed=(0.0,)),
        rf"action.gripper_closed: the policy moves 1 gripper joints, {SOURCE} has 2",
    ),
    "limits": (
        _spec(joint_upper=(3.0, *SPEC.joint_upper[1:])),
        rf"arm limits of base_joint: the policy has -2.09\d+ to 3.0, {SOURCE} has -2.09\d+ to 2.09",
    ),
    "home": (_spec(home=(9.0, *SPEC.home[1:])), r"arm.home of base_joint: the policy has 9.0, which is not"),
    "joints": (_spec(home=(0.0,)), r"limits and home have \[1, 7\] numbers, need 7"),
    "kinematics": (
        _spec(chain=replace(SPEC.chain, lengths=(0.0964, 0.0957, 0.18))),
        rf"arm.chain.lengths: the policy has \[0.0964, 0.0957, 0.18\], {SOURCE} has \[0.0964, 0.0957, 0.162",
    ),
    "shoulder": (
        _spec(chain=replace(SPEC.chain, shoulder=(0.0, 0.065))),
        rf"arm.chain.shoulder: the policy has \[0.0, 0.065\], {SOURCE} has \[-0.01135, 0.065\]",
    ),
    "sign": (_spec(chain=replace(SPEC.chain, yaw_sign=-1.0)), "arm.chain.yaw_sign: the policy has -1.0"),
    "gripper": (_spec(gripper="single jaw"), rf'arm.gripper: the policy has "single jaw", {SOURCE} has "coupled fing'),
    "gripper numbers": (
        _spec(gripper_numbers=NARROW),
        rf'arm.gripper_numbers: the policy has {{"travel": 0.02, .*}}, {SOURCE} has {{"travel": 0.025',
    ),
    "history": (
        {"inputs": (VectorInput("p", (replace(BALL, history=3),)),)},
        r"p.ball_pos: the policy sees 3 control steps of it, this version gives 1",
    ),
    "cut": (
        {"inputs": (VectorInput("p", (replace(BALL, clip=(1.0, 1.0)),)),)},
        r"p.ball_pos: cut to \(1.0, 1.0\) and times 1.0, nothing is left of it",
    ),
    "frames": (_picture(frames=0), r"input image.frames is 0"),
    "base frame": ({"base_frame": "in the elbow"}, r'contract.base_frame: the policy has "in the elbow"'),
    "output": ({"output": "torques"}, r'contract.output: the policy has "torques", this version has "actions"'),
    "quaternions": ({"quaternions": "(w, x, y, z)"}, r'contract.quaternions: the policy has "\(w, x, y, z\)"'),
    "a world of its own": (
        {"trained_for": {"servo_delay": (0.0, 0.1), "wind": (0.0, 1.0)}},
        "contract.trained_for: wind are no quantities that this version knows",
    ),
    "a range the wrong way round": (
        {"trained_for": {"servo_delay": (0.1, 0.0)}},
        "contract.trained_for.servo_delay: the policy has met 0.1 to 0.0, which is no range",
    ),
    "term": ({"inputs": (SMELL,)}, r"'smell', which this version does not know"),
    "lens": (_picture(horizontal_fov=1.0), rf"input image.horizontal_fov: the policy has 1.0, {SOURCE} has 1.48"),
    "distortion": (
        _picture(distortion=(0.1, 0.0, 0.0, 0.0, 0.0)),
        rf"input image.distortion: the policy has \[0.1, 0.0, .*\], {SOURCE} has \[0.0, 0.0",
    ),
    "mount": (_picture(camera_link="wrist"), rf'input image.camera_link: the policy has "wrist", {SOURCE} has "hand"'),
    "place": (_picture(camera_position=(0.0, 0.0, 0.01)), r"input image.camera_position: the policy has \[0.0, 0.0"),
    "turn": (_picture(camera_rotation=(0.0, 0.0, 0.0, 1.0)), r"input image.camera_rotation: the policy has \[0.0, 0"),
    "frame order": (
        _picture(order="newest first"),
        rf"input image.order: the policy has \"newest first\", {SOURCE} has \"oldest first\"",
    ),
    "size": ({"inputs": (VectorInput("p", (replace(BALL, size=2),)),)}, r"2 numbers \[m\], this version 3"),
    "unit": ({"inputs": (VectorInput("p", (replace(BALL, unit="mm"),)),)}, r"3 numbers \[mm\], this version 3 \[m\]"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_difference_is_told_with_both_sides(name, contract):
    change, expected = CHANGES[name]
    with pytest.raises(ContractError, match=expected) as caught:
        contracts.check(replace(contract, **change))
    assert "\n" not in str(caught.value)


def test_every_number_of_the_chain_counts(contract):
    for field in fields(SPEC.chain):
        value = getattr(SPEC.chain, field.name)
        other = value + 0.01 if isinstance(value, float) else (value[0] + 0.01, *value[1:])
        changed = replace(contract, **_spec(chain=replace(SPEC.chain, **{field.name: other})))
        assert [found.split(":")[0] for found in contracts.disagreements(changed)] == [f"arm.chain.{field.name}"]


def test_a_policy_for_another_arm_is_refused_in_one_line(contract, crane):
    theirs = contract_of(vector("x", "joint_pos", arm=crane), arm=crane)
    contracts.check(theirs)
    expected = "^the policy does not fit this arm: arm.name: the policy was trained for the arm 'crane', this is the"
    with pytest.raises(ContractError, match=rf"{expected} arm 'xarm1s'\. Export a policy of this version$"):
        contracts.check(theirs, XARM1S)
    with pytest.raises(ContractError, match="trained for the arm 'xarm1s', this is the arm 'crane'"):
        contracts.check(contract, crane)


def test_a_policy_for_an_arm_that_is_not_known_is_refused_in_one_line():
    theirs = contract_of(vector("x", "joint_pos", arm=CRANE), arm=CRANE)
    with pytest.raises(ContractError, match=r"for the arm 'crane', this version knows .*xarm1s") as caught:
        contracts.check(theirs)
    assert "\n" not in str(caught.value)


def test_a_policy_that_only_says_it_is_for_this_arm_is_refused(crane):
    theirs = contract_of(vector("x", "joint_pos", arm=crane), arm=crane)
    with pytest.raises(ContractError, match=r"arm.joint_names: the policy has \[\"pan\"") as caught:
        contracts.check(replace(theirs, arm=replace(theirs.arm, name="xarm1s")))
    assert "input x.joint_pos: the policy has 6 numbers [rad], this version 7 [rad, m]" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_that_the_arm_can_serve_fit(contract):
    slower = replace(
        contract,
        action=replace(ACTION, arm_scale=0.05, gripper_slew=0.001, gripper_open=(0.02, 0.02)),
        arm=replace(SPEC, control_rate_hz=17.5, joint_lower=(-1.0, *SPEC.joint_lower[1:]), home=(0.3, *SPEC.home[1:])),
        reads_back=False,
        trained_for={"servo_delay": (0.0, 0.06), "link_mass": (1.0, 1.0)},
    )
    contracts.check(slower)
    assert contracts.from_json(slower.to_json()) == slower


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.1", True, None, [0.1]])
@pytest.mark.parametrize(
    ("part", "field", "whole"),
    [
        ("action", "arm_scale", "Action.arm_scale"),
        ("arm.chain", "yaw_sign", "Chain.yaw_sign"),
        ("arm", "control_rate_hz", "ArmSpec.control_rate_hz"),
        ("inputs.2", "horizontal_fov", "ImageInput.horizontal_fov"),
        ("trained_for", "servo_delay", "Contract.trained_for"),
    ],
)
def test_a_number_that_is_none_is_refused(contract, value, part, field, whole):
    data = json.loads(replace(contract, trained_for={"servo_delay": (0.0, 1.0)}).to_json())
    node = data
    for name in part.split("."):
        node = node[int(name) if name.isdigit() else name]
    node[field] = value
    with pytest.raises(ContractError, match=rf"another form \(.*{whole} is") as caught:
        contracts.from_json(json.dumps(data))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [1, "true", None])
def test_an_answer_that_is_neither_yes_nor_no_is_refused(contract, value):
    data = json.loads(contract.to_json())
    data["reads_back"] = value
    with pytest.raises(ContractError, match=r"Contract\.reads_back is"):
        contracts.from_json(json.dumps(data))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not a policy contract"),
        ("[]", "not a policy contract"),
        ('{"schema": 99}', "schema 99, this version reads 3"),
        ('{"schema": 2}', "schema 2, this version reads 3; export the policy again"),
        ('{"schema": 3}', "another form"),
        ('{"schema": 3, "inputs": [], "action": {}, "arm": {}}', "another form"),
        ('{"schema": 3, "inputs": [], "action": {}, "arm": {"chain": 3}}', "another form"),
        ('{"schema": 3, "inputs": [], "action": {}, "arm": 3}', "another form"),
    ],
)
def test_what_is_no_contract_is_refused(text, expected):
    with pytest.raises(ContractError, match=expected):
        contracts.from_json(text)


@pytest.mark.parametrize("part", ["arm", "action", "inputs.0", "inputs.2", "arm.chain", ""])
def test_a_field_that_is_not_known_or_missing_is_refused(contract, part):
    for change in (lambda node: node.update(wheels=4), lambda node: node.pop(next(iter(node)))):
        data = json.loads(contract.to_json())
        node = data
        for name in part.split(".") if part else ():
            node = node[int(name) if name.isdigit() else name]
        change(node)
        with pytest.raises(ContractError, match=r"another form|not a policy contract"):
            contracts.from_json(json.dumps(data))


def test_joints_of_a_picture_without_a_picture_are_told():
    found = contracts.disagreements(contract_of(vector("x", "joint_pos", "picture_joint_pos")))
    assert found == ["input x.picture_joint_pos: the policy sees no picture that it could be of"]
    assert contracts.disagreements(contract_of(vector("x", "picture_joint_pos"), image())) == []
