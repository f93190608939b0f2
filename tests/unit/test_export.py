"""The contract is read from the configuration, compared with the training, and what no robot can do is refused.

No simulator is started: configurations are resolved and released weights are exported.
"""

import copy
import functools
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("isaaclab")
onnx = pytest.importorskip("onnx")
np = pytest.importorskip("numpy")

from export_jobs import CAMERA, TASK, configurations, make_run, prepare  # noqa: E402
from made_up import contract_of, image, vector  # noqa: E402

from alice import contract as contracts  # noqa: E402
from alice.arms import XARM1S  # noqa: E402
from alice.cli.usage import UsageError  # noqa: E402
from alice.contract import VectorInput, action_of, spec_of, terms_of  # noqa: E402
from alice.export import actor, configured, onnx_file, recordings, trained  # noqa: E402
from alice.runs import training  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def resolved(*words: str, task: str = TASK, **changes: object):
    """Return the environment configuration of a task.

    Args:
        words: Overrides, resolved by Isaac Lab; slow.
        task: Task id.
        changes: Values by dotted path without ``env.``, put into the finished configuration; fast.
    """
    env_cfg = copy.deepcopy(configurations(task, words)[0])
    for path, value in changes.items():
        *parents, leaf = path.split(".")
        node = env_cfg
        for name in parents:
            node = node[name] if isinstance(node, dict) else getattr(node, name)
        node.__setitem__(leaf, value) if isinstance(node, dict) else setattr(node, leaf, value)
    return env_cfg


def job_of(checkpoint: Path, **changes: object) -> SimpleNamespace:
    """Return what :mod:`alice.export.trained` needs of a job."""
    agent_cfg = copy.deepcopy(configurations(TASK)[1])
    agent_cfg.obs_groups = changes.pop("obs_groups", agent_cfg.obs_groups)
    env_cfg = resolved(**changes)
    return SimpleNamespace(task=TASK, checkpoint=checkpoint, env_cfg=env_cfg, agent_cfg=agent_cfg)


##
# From the configuration
##


def test_what_is_overridden_is_in_the_contract():
    env_cfg = resolved(
        **{
            "actions.joints.arm_step": 0.05,
            "actions.joints.gripper_step": 0.002,
            "decimation": 5,
            "observations.policy.joint_vel.clip": (-3.0, 4.0),
            "observations.policy.joint_vel.scale": 0.25,
        }
    )
    action, arm = configured.action(env_cfg), configured.arm(env_cfg)
    assert (action.arm_scale, action.gripper_slew, arm.control_rate_hz) == (0.05, 0.002, 24)
    policy = configured.input_of(env_cfg, "policy")
    assert policy.terms[1] == replace(terms_of(XARM1S)["joint_vel"], clip=(-3.0, 4.0), scale=0.25)
    assert configured.arm(resolved(decimation=7)).control_rate_hz == pytest.approx(120 / 7)
    assert configured.arm(resolved(**{"sim.dt": 0.01})).control_rate_hz == pytest.approx(100 / 6)


def test_a_randomized_world_leaves_actions_and_arm_alone():
    plain, randomized = resolved(), resolved("presets=domain_rand")
    for side in (configured.action, configured.arm):
        assert side(plain) == side(randomized)


def test_the_defaults_are_those_of_the_arm():
    env_cfg = resolved(task=CAMERA)
    assert configured.action(env_cfg) == action_of(XARM1S) and configured.arm(env_cfg) == spec_of(XARM1S)
    assert contracts.same(vars(configured.input_of(env_cfg, "image")), vars(image()))


def test_size_lens_and_mount_come_from_the_camera_of_the_scene():
    env_cfg = resolved(
        task=CAMERA,
        **{
            "scene.wrist_camera.width": 32,
            "scene.wrist_camera.height": 24,
            "scene.wrist_camera.spawn.focal_length": 1.0,
            "scene.wrist_camera.offset.pos": (-0.06, 0.0, 0.02),
            "observations.image.wrist_image.params.frame_stack": 3,
        },
    )
    found = configured.input_of(env_cfg, "image")
    assert (found.width, found.height, found.frames) == (32, 24, 3)
    assert found.horizontal_fov == pytest.approx(np.pi / 2) and found.camera_position == (-0.06, 0.0, 0.02)
    assert found.camera_link == XARM1S.camera.link and found.distortion == (0.0,) * 5
    found = contracts.disagreements(contract_of(found))
    assert [sentence.split(":")[0] for sentence in found] == [
        "input image.horizontal_fov",
        "input image.camera_position",
    ]


HALF = np.sqrt(0.5)


@pytest.mark.parametrize(
    "turned", [(0.0, 0.0, HALF, HALF), (0.5, 0.5, -0.5, 0.5), (0.0, HALF, 0.0, HALF), (1.0, 0.0, 0.0, 0.0)]
)
def test_the_mount_of_the_camera_is_that_of_the_scene_however_it_is_turned(turned):
    """A rotation and its negative are the same one: the contract has that of the two with w >= 0."""
    for rotation in (turned, tuple(-value for value in turned)):
        env_cfg = resolved(task=CAMERA, **{"scene.wrist_camera.offset.rot": rotation})
        found = configured.input_of(env_cfg, "image")
        assert found.camera_rotation in (pytest.approx(turned), pytest.approx([-value for value in turned]))
        assert found.camera_rotation[3] >= 0
        (sentence,) = contracts.disagreements(contract_of(found))
        assert sentence.startswith("input image.camera_rotation: the policy has [")


def test_the_mount_of_the_table_fits_with_either_sign():
    for sign in (1.0, -1.0):
        rotation = tuple(sign * value for value in XARM1S.camera.rotation)
        env_cfg = resolved(task=CAMERA, **{"scene.wrist_camera.offset.rot": rotation})
        assert contracts.disagreements(contract_of(configured.input_of(env_cfg, "image"))) == []


POLICY, IMAGE, LENS = "observations.policy", "observations.image.wrist_image", "scene.wrist_camera.spawn"
REFUSED = {
    "binary gripper": ("actions.joints.binary_gripper", True, "binary_gripper=True: the robot side cannot do that"),
    "seven actions": ("actions.joints.coupled_fingers", False, "coupled_fingers=False.*one servo moves both fingers"),
    "another arm": ("actions.joints.asset_name", "ball", "asset_name='ball': the robot side"),
    "a second action": ("actions.wheels", SimpleNamespace(), r"env.actions=\['joints', 'wheels'\]"),
    "history": (f"{POLICY}.joint_pos.history_length", 3, "joint_pos.history_length=3: the robot side"),
    "history of a group": (f"{POLICY}.history_length", 2, "policy.history_length=2: the robot side"),
    "delay": (f"{POLICY}.joint_pos.delay_max_lag", 2, "joint_pos.delay_max_lag=2: the robot side"),
    "a filter": (f"{POLICY}.joint_pos.modifiers", ["filter"], r"joint_pos.modifiers=\['filter'\]"),
    "terms apart": (f"{POLICY}.concatenate_terms", False, "concatenate_terms=False: the robot side"),
    "scales": (f"{POLICY}.tool_pos.scale", (1.0, 2.0, 3.0), r"scale=\(1.0, 2.0, 3.0\).*needs one finite number"),
    "an open cut": (f"{POLICY}.joint_vel.clip", (-np.inf, 1.0), r"clip=\(-inf, 1.0\).*needs two finite numbers"),
    "another function": (
        f"{POLICY}.joint_pos.func",
        "alice.mdp.observations:joint_vel",
        r"observation policy.joint_pos cannot be exported \(alice.mdp.observations:joint_vel\)",
    ),
    "the true arm": (f"{POLICY}.joint_pos.params", {"arm": "true"}, "policy.joint_pos cannot be exported"),
    "an arm that is not known": ("arm", "third", "env.arm='third': arm 'third' is unknown, use one of .*xarm1s"),
    "another home": ("scene.robot.init_state.joint_pos", {"base_joint": 1.0}, "episodes begin there"),
    "shifted lens": (f"{LENS}.horizontal_aperture_offset", 0.1, "horizontal_aperture_offset=0.1"),
    "flat pixels": (f"{LENS}.vertical_aperture", 2.0, "vertical_aperture=2.0.*pixels are square"),
    "fisheye": (f"{LENS}.projection_type", "fisheye", "projection_type='fisheye'.*needs 'pinhole'"),
    "another convention": ("scene.wrist_camera.offset.convention", "world", "convention='world'.*needs 'ros'"),
    "depth": ("scene.wrist_camera.data_types", ["depth"], r"data_types=\['depth'\]"),
    "scaled pictures": (f"{IMAGE}.scale", 0.5, "wrist_image.scale=0.5"),
    "other pictures": (f"{IMAGE}.func", "isaaclab.envs.mdp:image", "wrist_image.func='isaaclab.envs.mdp:image'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_robot_can_do_is_refused_by_its_field(name):
    path, value, expected = REFUSED[name]
    env_cfg = resolved(task=CAMERA, **{path: value})
    with pytest.raises(UsageError, match=expected) as caught:
        configured.action(env_cfg)
        configured.arm(env_cfg)
        # The camera task's own group of the state is a teacher's, who knows the true ball.
        configured.input_of(env_cfg, "policy" if path.startswith(POLICY) else "image")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["env.actions=binary_gripper", "presets=seven_actions"])
def test_presets_that_no_robot_can_do_are_refused(word):
    with pytest.raises(UsageError, match="the robot side cannot do that"):
        configured.action(resolved(word))


def test_every_term_has_its_function():
    assert set(configured.FUNCTIONS) == set(terms_of(XARM1S))
    seen = {TASK: ("policy", "command_state", "goal_state"), CAMERA: ("proprioception", "command_state", "goal")}
    for task, groups in seen.items():
        env_cfg = resolved(task=task)
        assert all(configured.input_of(env_cfg, group).terms for group in groups)


##
# As it was trained
##


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


def test_what_changes_nothing_of_it_is_no_difference(run, capsys):
    folder = run("presets=domain_rand", "agent.algorithm.learning_rate=0.001", "env.episode_length_s=5.0")
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


##
# Recorded inputs
##

SMALL = contract_of(vector("x", "ball_pos"))
ROWS = {"x": np.ones((4, 3), np.float32), "actions": np.zeros((4, 6), np.float32)}


def test_a_recording_comes_back(tmp_path):
    recordings.save(ROWS, tmp_path / "r.npz", SMALL.inputs)
    found = recordings.load(tmp_path / "r.npz", SMALL)
    assert list(found) == ["x"] and (found["x"] == 1).all()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60:120] = bytes(60)
    path.write_bytes(data)


def _array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def _text(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", "hello")


def _objects(path: Path) -> None:
    np.savez(path, x=np.array([{}], object))


DAMAGES = {
    "cut off": (_cut, "cannot be read"),
    "damaged": (_damage, "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "missing": (Path.unlink, "cannot be read .*No such file"),
    "one array": (_array, r"cannot be read \(one array \(\.npy\)\)"),
    "a text": (lambda path: path.write_text("hello"), "cannot be read"),
    "an archive of texts": (_text, r"are .*, the policy takes"),
    "objects": (_objects, "cannot be read .*allow_pickle"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_recording_that_is_none_is_one_line(name, tmp_path):
    path = tmp_path / "r.npz"
    recordings.save(ROWS, path, SMALL.inputs)
    damage, expected = DAMAGES[name]
    damage(path)
    with pytest.raises(UsageError, match=f"recorded inputs 'r.npz' {expected}") as caught:
        recordings.load(path, SMALL)
    assert "\n" not in str(caught.value) and "--record FILE.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "contract", "expected"),
    [
        ({"x": ROWS["x"][:0]}, SMALL, "have no rows"),
        ({}, SMALL, r"are \{\}, the policy takes"),
        ({"x": np.full((4, 3), np.nan, np.float32)}, SMALL, "x holds what is no number"),
        (
            {"x": ROWS["x"]},
            replace(SMALL, inputs=(VectorInput("x", (replace(terms_of(XARM1S)["ball_pos"], scale=2.0),)),)),
            "are of a policy with other terms, cuts, scales",
        ),
        (
            {"x": ROWS["x"]},
            replace(SMALL, inputs=(vector("x", "tool_pos"),)),
            "are of a policy with other terms, cuts, scales",
        ),
    ],
)
def test_a_recording_that_proves_nothing_is_refused(rows, contract, expected, tmp_path):
    recordings.save(rows, tmp_path / "r.npz", SMALL.inputs)
    with pytest.raises(UsageError, match=expected):
        recordings.load(tmp_path / "r.npz", contract)


##
# What is no number, and what cannot be written
##


@pytest.fixture
def small():
    """Return an actor of one layer, its contract and recorded inputs."""
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 6)

        def as_onnx(self, verbose):
            return self.layer

    inputs = {"x": np.ones((4, 3), np.float32)}
    return actor.Actor(Model(), SMALL.inputs).eval(), inputs


def test_an_actor_of_no_numbers_is_not_shipped(small, tmp_path):
    network, inputs = small
    network._network.weight.data[2, 1] = float("nan")
    with pytest.raises(onnx_file.ExportError, match="gives actions that are not finite on recorded inputs"):
        onnx_file.write(network, SMALL, tmp_path / "new", inputs)
    assert not list(tmp_path.iterdir()), "not even the folder"


def test_an_activation_that_is_no_number_is_not_in_the_range_of_half_precision(small, tmp_path):
    network, inputs = small
    done = onnx_file.write(network, SMALL, tmp_path, inputs)
    assert done.figures["fp16"]["in_range"]
    model = onnx.load(done.onnx)
    sound = onnx_file._run(model, inputs)
    broken = {"x": np.ones((4, 3), np.float32)}
    broken["x"][2, 0] = np.nan  # not in the last row, whose largest number is one
    figures = onnx_file.half_precision(model, broken, sound)
    assert not figures["in_range"] and not figures["max_error"] <= 1e9


def test_a_disk_that_is_full_leaves_nothing_behind(small, tmp_path):
    import resource

    network, inputs = small
    old = onnx_file.write(network, SMALL, tmp_path, inputs).onnx.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limit[1]))
    try:
        for folder in (tmp_path, tmp_path / "new"):
            with pytest.raises(onnx_file.ExportError, match=r"T\.onnx cannot be written to .*: File too large"):
                onnx_file.write(network, SMALL, folder, inputs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["T.contract.json", "T.onnx"]
    assert (tmp_path / "T.onnx").read_bytes() == old
    assert json.loads((tmp_path / "T.contract.json").read_text())["task"] == "T"


def test_weights_that_are_no_numbers_are_refused_wherever_they_are_loaded():
    import torch

    from alice.runs import checkpoints

    layer = torch.nn.Linear(3, 2)
    state = layer.state_dict() | {"bias": torch.tensor([0.0, float("nan")])}
    with pytest.raises(UsageError, match=r"model_7\.pt holds numbers that are not finite \(bias\)"):
        checkpoints.fill(layer, state, Path("model_7.pt"), TASK)
