"""The contract of an export is compared with what the policy was trained with. No simulator is started."""

import copy
import functools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("isaaclab")
pytest.importorskip("onnx")

from export_jobs import CAMERA, TASK, configurations, make_run, prepare, resolved

from alice.cli.usage import UsageError
from alice.export import actor, trained
from alice.runs import training

ROOT = Path(__file__).resolve().parents[2]


def job_of(checkpoint: Path, **changes: object) -> SimpleNamespace:
    """Return what :mod:`alice.export.trained` needs of a job."""
    agent_cfg = copy.deepcopy(configurations(TASK)[1])
    agent_cfg.obs_groups = changes.pop("obs_groups", agent_cfg.obs_groups)
    env_cfg = resolved(**changes)
    return SimpleNamespace(task=TASK, checkpoint=checkpoint, env_cfg=env_cfg, agent_cfg=agent_cfg)


@pytest.fixture
def run(tmp_path):
    """Return a maker of run folders: the released weights, trained with some overrides."""
    return functools.partial(make_run, tmp_path)


def test_an_export_with_other_numbers_than_the_training_is_refused():
    words = ("env.actions.joints.arm_step=0.05", "env.decimation=3")
    with pytest.raises(
        UsageError,
        match=r"trained otherwise: action.arm_scale was 0.1 and is now 0.05; arm.control_rate_hz was 20 and is now 40",
    ):
        actor.contract_of(prepare(*words))


def test_an_export_as_trained_has_the_numbers_of_the_training(run):
    import torch

    words = ("env.actions.joints.arm_step=0.05", "env.actions.joints.gripper_step=0.002", "env.decimation=5")
    words += ("agent.clip_actions=0.5",)
    job = prepare(*words, checkpoint=run(*words))
    made = actor.contract_of(job)
    assert (made.action.arm_scale, made.arm.control_rate_hz) == (0.05, 24)
    with torch.inference_mode():  # actions are cut where the training cut them
        actions = actor.build(job, made.inputs)(10.0 * torch.ones(1, 28), torch.zeros(1, 13), torch.zeros(1, 1))
    assert float(actions.abs().max()) == 0.5
    with pytest.raises(
        UsageError,
        match=r"arm_scale was 0.05 and is now 0.1.*agent.clip_actions was 0.5 and is now missing.*it had env.a",
    ):
        trained.compare(job_of(job.checkpoint))


SWAPPED = {"actor": ["command_state", "policy", "goal_state"]}


@pytest.mark.parametrize(
    ("words", "now", "expected"),
    [
        (("env.observations.policy.joint_vel.scale=0.5",), {}, "joint_vel.scale was 0.5 and is now 1.0"),
        (("env.actions=binary_gripper",), {}, "trained with what cannot be exported: .*binary_gripper=True"),
        (("env.no_such_field=1",), {}, "trained with what cannot be exported: .*no field 'no_such_field'"),
        ((), {"observations.policy.joint_vel.clip": (-1.0, 1.0)}, r"joint_vel.clip.0 was -10.0 and is now -1.0"),
        ((), {"obs_groups": SWAPPED}, "order of inputs.0 was 'policy' and is now 'command_state'"),
    ],
)
def test_every_difference_to_the_training_is_named(words, now, expected, run):
    with pytest.raises(UsageError, match=expected):
        trained.compare(job_of(run(*words) / "model_1.pt", **now))


@pytest.mark.parametrize("curriculum", ["env.curriculum.stage.params.phase=rest", "env.curriculum=none"])
def test_what_changes_nothing_of_it_is_no_difference(curriculum, run, capsys):
    words = ("presets=domain_rand", "agent.algorithm.learning_rate=0.001", "env.episode_length_s=5.0", curriculum)
    folder = run(*words)
    trained.compare(job_of(folder / "model_1.pt"))
    assert capsys.readouterr().err == ""


def test_a_policy_of_another_task_is_refused(run):
    with pytest.raises(UsageError, match=f"was trained for {CAMERA}, not for {TASK}"):
        trained.compare(job_of(run(task=CAMERA) / "model_1.pt"))


def test_a_run_without_a_record_is_told_and_a_damaged_one_refused(run, capsys):
    folder = run()
    job = job_of(folder / "model_1.pt")
    (folder / training.RECORD).write_text("{")
    with pytest.raises(UsageError, match=r"record of its run, alice.json, cannot be read"):
        trained.compare(job)
    (folder / training.RECORD).write_text("{}")
    with pytest.raises(UsageError, match="the record of its run lacks 'task'"):
        trained.compare(job)
    (folder / training.RECORD).unlink()
    trained.compare(job)
    assert "nobody can say whether it was trained with these overrides" in capsys.readouterr().err


def test_the_door_refuses_in_one_line_and_writes_nothing(tmp_path):
    words = ["--task", TASK, "--checkpoint", "released", "env.actions.joints.arm_step=0.05", "env.decimation=3"]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "export_onnx.py", *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and not done.stdout, done.stdout + done.stderr
    assert done.stderr.startswith("alice: error: ") and done.stderr.count("\n") == 1
    assert "action.arm_scale was 0.1 and is now 0.05; arm.control_rate_hz was 20 and is now 40" in done.stderr
    assert not list(tmp_path.iterdir())
