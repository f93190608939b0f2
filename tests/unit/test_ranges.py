"""A contract says what the policy has met in training, by the names of the quantities."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("isaaclab")

from export_jobs import CAMERA, TASK, configurations, make_run, prepare, resolved
from made_up import CRANE

from alice.arms import XARM1S
from alice.arms.quantities import QUANTITIES
from alice.assets import POLICIES_DIR
from alice.cli.usage import UsageError
from alice.deploy.policy import load
from alice.export import actor
from alice.runs import ranges, training

RANDOMIZED = {
    # A fifth of the episodes have ideal servos.
    "servo_delay": (0.0, 0.060),
    "servo_jitter": (0.0, 0.005),
    "servo_dead_band": (0.0, math.radians(0.48)),
    "servo_backlash": (0.0, math.radians(2.0)),
    "servo_offset": (-0.02, 0.02),
    "servo_gain": (0.985, 1.015),
    "servo_read_noise": (0.0, 0.005),
    # And in a fifth the truth is told.
    "report_bias": (-0.004, 0.004),
    "report_noise": (0.0, 0.002),
    "report_interval": (0.0, 0.1),
    "report_age": (0.0, 0.15),
    "report_gap": (0.0, 0.3),
    "report_gap_rate": (0.0, 1.0),
    "report_hidden": (0.0, 0.04),
    "torque_cap": (0.75, 1.05),
    "drive_stiffness": (0.7, 1.4),
    "drive_damping": (0.7, 1.4),
    "joint_friction": (0.0, 0.02),
    "joint_armature": (0.5, 2.0),
    "link_mass": (0.85, 1.15),
}


def test_a_policy_of_the_nominal_world_has_met_nothing_else(tmp_path):
    made = actor.contract_of(prepare(checkpoint=make_run(tmp_path)))
    assert (made.trained_for, made.reads_back) == ({}, True)


def test_what_the_training_drew_is_in_the_contract_whatever_the_export_says(tmp_path):
    """An export must have those words of the training alone that change what a policy sees and commands."""
    words = ("presets=domain_rand", "env.actions.joints.servo.reads_back=false")
    made = actor.contract_of(prepare(checkpoint=make_run(tmp_path, *words)))
    assert not made.reads_back
    assert made.trained_for == RANDOMIZED, "and nothing of a camera, of which it sees no picture"
    plain = actor.contract_of(prepare(*words, checkpoint=make_run(tmp_path / "plain")))
    assert (plain.trained_for, plain.reads_back) == ({}, True)


def test_a_policy_without_read_back_is_not_audited_with_it_but_the_other_way_round(tmp_path):
    from alice.evaluation.audit.deployed import simulated_otherwise

    words = ("presets=hobby_servo", "env.actions.joints.servo.reads_back=false")
    with_it, without = resolved(), resolved(*words)
    blind = actor.contract_of(prepare(checkpoint=make_run(tmp_path, *words)))
    found = simulated_otherwise(blind, with_it)
    assert len(found) == 1 and "presets=hobby_servo env.actions.joints.servo.reads_back=false" in found[0]
    assert simulated_otherwise(blind, without) == []
    assert simulated_otherwise(replace(blind, reads_back=True), without) == [], "what a slower bus costs it"


def test_only_a_policy_that_does_not_see_is_told_of_the_ball():
    assert resolved().commands.transfer.tells_ball
    assert not resolved(task=CAMERA).commands.transfer.tells_ball


def test_the_record_of_the_run_says_it_and_not_the_table_of_today(tmp_path):
    """A row that the table has got since then was not met."""
    met = {"servo_delay": [0.0, 0.03], "torque_cap": [0.9, 1]}
    folder = make_run(tmp_path, "presets=domain_rand", trained_for=met)
    made = actor.contract_of(prepare(checkpoint=folder))
    assert made.trained_for == {"servo_delay": (0.0, 0.03), "torque_cap": (0.9, 1.0)}


def test_the_released_camera_policy_has_met_late_pictures_and_wrong_stamps():
    met = load(POLICIES_DIR / f"{CAMERA}.onnx").contract.trained_for
    assert {"image_noise", "image_latency", "image_drop", "image_stamp", "camera_distortion"} <= met.keys()
    assert met["image_latency"] == (0.0, 2.0) and met["image_stamp"] == (-0.02, 0.02)


@pytest.mark.parametrize("met", [3, {"servo_delay": 3}, {"servo_delay": [1, 2, 3]}, {"servo_delay": [0, "much"]}])
def test_a_record_whose_ranges_are_none_is_one_line(met, tmp_path):
    with pytest.raises(UsageError, match="says of 'trained_for' what is no range") as caught:
        actor.contract_of(prepare(checkpoint=make_run(tmp_path, trained_for=met)))
    assert "\n" not in str(caught.value)


def test_a_training_keeps_what_it_meets():
    job = prepare("presets=domain_rand")
    job.env_cfg = configurations(TASK, ("presets=domain_rand",), play_mode=False)[0]
    assert training._met(job) == RANDOMIZED


def test_parts_of_a_training_are_joined_and_what_one_leaves_alone_is_nominal_there():
    one, other = {"servo_delay": [0.02, 0.03], "servo_offset": [-0.01, 0.0]}, {"servo_offset": (0.0, 0.02)}
    assert ranges.joined(one, other) == {"servo_delay": (0.0, 0.03), "servo_offset": (-0.01, 0.02)}
    assert ranges.joined({"torque_cap": [0.7, 0.9]}, {}) == {"torque_cap": (0.7, 1.0)}
    assert ranges.joined({}, {}) == {}


def test_ranges_are_those_of_the_overrides():
    env_cfg, _ = configurations(TASK, ("presets=hobby_servo", "env.actions.joints.servo.delay=[0.01,0.03]"))
    found = ranges.trained_for(env_cfg, XARM1S, ["policy"])
    assert found["servo_delay"] == (0.01, 0.03), "every episode of an audit has such servos"
    assert set(found) == {name for name in QUANTITIES if name.startswith("servo_")}


def test_a_camera_policy_has_met_other_mounts_and_pictures():
    env_cfg, _ = configurations(CAMERA, ("presets=camera_rand",))
    found = ranges.trained_for(env_cfg, XARM1S, ["image", "proprioception"])
    assert set(found) == {name for name in QUANTITIES if name.startswith(("camera", "image"))}
    assert found["camera_position"] == (-0.004, 0.004) and found["image_exposure"] == (0.6, 1.6)
    assert found["camera_focal_length"] == (0.96, 1.04) and found["image_noise"] == (0.0, 0.04)
    assert found["camera_distortion"] == (-0.1, 0.1) and found["image_latency"] == (0.0, 2.0)
    assert ranges.trained_for(env_cfg, XARM1S, ["privileged"]) == {}, "its critic sees no picture"


def test_a_camera_policy_is_told_of_the_dish_as_reports_have_it():
    env_cfg, _ = configurations(CAMERA, ("presets=reports", "env.commands.transfer.ideal_report_share=0.0"))
    found = ranges.trained_for(env_cfg, XARM1S, ["image", "proprioception", "goal"])
    assert set(found) == {name for name in QUANTITIES if name.startswith("report_")}
    assert found["report_age"] == (0.02, 0.15) and found["report_interval"][0] == pytest.approx(1 / 30)
    assert ranges.trained_for(env_cfg, XARM1S, ["image", "proprioception"]) == {}, "it is told of nothing"


@pytest.mark.parametrize(
    ("operation", "span", "expected"),
    [("scale", (0.5, 2.0), (-0.02, 0.04)), ("abs", (0.0, 0.1), (-0.04, 0.1))],
)
def test_friction_is_counted_beside_that_of_the_table(operation, span, expected):
    """Of two joints, one with a friction of 0.04 N·m in the table and one with none."""
    joints = tuple(replace(CRANE.joints[0], friction=friction) for friction in (0.04, 0.0))
    event = SimpleNamespace(params={"friction_distribution_params": span, "operation": operation})
    env_cfg = SimpleNamespace(
        actions=SimpleNamespace(joints=SimpleNamespace(servo=None)),
        events=SimpleNamespace(joint_friction=event),
        observations=SimpleNamespace(),
    )
    found = ranges.trained_for(env_cfg, replace(CRANE, joints=joints), [])
    assert found == {"joint_friction": pytest.approx(expected)}


@pytest.mark.parametrize("content", ["{", "{}", '{"task": "Alice-Ball-Transfer", "agent": "x"}'])
def test_a_record_that_cannot_be_understood_is_one_line(content, tmp_path):
    folder = make_run(tmp_path)
    (folder / training.RECORD).write_text(content)
    with pytest.raises(UsageError, match="the record of its run"):
        actor.contract_of(prepare(checkpoint=folder))
