"""The exported policy: one file, the numbers of PyTorch, and the inputs that the simulator would have given it."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
np = pytest.importorskip("numpy")

from alice import arms  # noqa: E402
from alice import contract as contracts  # noqa: E402
from alice.assets import POLICIES_DIR  # noqa: E402
from alice.cli.usage import UsageError  # noqa: E402
from alice.deploy.observation import Controller  # noqa: E402
from alice.deploy.policy import OnnxPolicy, PolicyError  # noqa: E402
from alice.evaluation.audit import deployed  # noqa: E402
from alice.export import actor, onnx_file, operators, recordings  # noqa: E402
from alice.mdp.images import picture_age  # noqa: E402
from alice.runs import launch  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TASK = "Alice-Ball-Transfer"
RELEASED = sorted(file.stem for file in POLICIES_DIR.glob("*.pt"))
SHAPES = {TASK: [[1, 28], [1, 13], [1, 1]], f"{TASK}-SO101": [[1, 26], [1, 12], [1, 1]]}
SHAPES[f"{TASK}-Camera"] = [[1, 14], [1, 7], [1, 13], [1, 2], [1, 6, 48, 64]]
SHAPES[f"{TASK}-SO101-Camera"] = [[1, 12], [1, 6], [1, 12], [1, 2], [1, 6, 48, 64]]


def prepare(*words: str, task: str = TASK, checkpoint: str = "released") -> launch.Job:
    """Return the checked command line of an export."""
    parser = argparse.ArgumentParser()
    launch.add_flags(parser)
    flags = ["--task", task, "--checkpoint", checkpoint, "--device", "cpu"]
    return launch.prepare(parser.parse_args(flags), list(words), play_mode=True, needs_checkpoint=True)


@pytest.fixture(scope="module", params=RELEASED)
def job(request) -> launch.Job:
    return prepare(task=request.param)


@pytest.fixture(scope="module")
def recorded(job) -> dict:
    return recordings.load(recordings.of_task(job.task), actor.contract_of(job))


@pytest.fixture(scope="module")
def exported(job, recorded, tmp_path_factory) -> onnx_file.Exported:
    contract = actor.contract_of(job)
    folder = tmp_path_factory.mktemp("exported")
    return onnx_file.write(actor.build(job, contract.inputs), contract, folder, recorded)


##
# The file
##


def test_all_four_tasks_have_a_released_policy():
    assert set(SHAPES) == set(RELEASED)


def test_it_is_one_file_and_a_contract_to_read(job, exported):
    folder = exported.onnx.parent
    assert sorted(file.name for file in folder.iterdir()) == [f"{job.task}.contract.json", f"{job.task}.onnx"]
    assert contracts.from_json(exported.contract.read_text()) == OnnxPolicy(exported.onnx).contract
    model = onnx.load(exported.onnx)
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    assert [[d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input] == SHAPES[job.task]


def test_it_computes_what_pytorch_does(exported):
    figures = exported.figures
    assert figures["recorded_inputs"] == 1000 and figures["max_error"] <= 1e-5
    assert figures["fp16"]["in_range"] and figures["fp16"]["max_error"] < 0.1


def test_tensorrt_would_take_it(exported):
    assert operators.objections(exported.figures["opset"], set(exported.figures["operators"])) == []
    assert operators.objections(23, {"Elu", "Loop"}) == ["operator Loop", "opset 23 (TensorRT 10.3 takes 9 to 20)"]


def test_the_released_file_is_the_export_of_the_released_policy(job, exported, recorded):
    released, fresh = OnnxPolicy(POLICIES_DIR / f"{job.task}.onnx"), OnnxPolicy(exported.onnx)
    assert (
        released.contract.checkpoint_sha256 == fresh.contract.checkpoint_sha256
        or not np.abs(released(recorded) - fresh(recorded)).max()
    )
    with np.load(POLICIES_DIR / f"{job.task}.npz") as file:
        assert np.abs(released(recorded) - file["actions"]).max() < 1e-5


def test_any_number_of_rows_on_request(job, recorded, tmp_path):
    contract = actor.contract_of(job)
    done = onnx_file.write(actor.build(job, contract.inputs), contract, tmp_path, recorded, dynamic_batch=True)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(done.onnx))
    assert session.run(None, {name: rows[:7] for name, rows in recorded.items()})[0].shape == (7, 6)


def test_a_graph_that_differs_from_pytorch_is_not_shipped(job, recorded, tmp_path, monkeypatch):
    contract = actor.contract_of(job)
    network = actor.build(job, contract.inputs)
    monkeypatch.setattr(onnx_file, "_torch", lambda *args: np.zeros((1000, 6), np.float32))
    with pytest.raises(onnx_file.ExportError, match="differs from PyTorch"):
        onnx_file.write(network, contract, tmp_path, recorded)
    assert not list(tmp_path.iterdir())


def test_what_the_robot_cannot_know_is_not_exported():
    job = prepare("agent.obs_groups.actor=['privileged']")
    with pytest.raises(ValueError, match=r"privileged.joint_pos cannot be exported"):
        actor.contract_of(job)


##
# Damage
##


def _change(source: Path, target: Path, change) -> Path:
    """Write an export whose contract has been changed."""
    model = onnx.load(source)
    (entry,) = (item for item in model.metadata_props if item.key == contracts.METADATA_KEY)
    data = json.loads(entry.value)
    change(data)
    entry.value = json.dumps(data)
    onnx.save(model, target)
    return target


DAMAGES = {
    "joint order": (lambda data: data["arm"]["joint_names"].reverse(), "arm.joint_names: the policy has"),
    "scale": (
        lambda data: data["action"].update(arm_scale=0.2),
        r"arm_scale: the policy has 0.2, alice/arms/\w+\.py has",
    ),
    "input size": (lambda data: data["inputs"][0]["terms"].pop(), "its contract says"),
    "image size": (lambda data: data["inputs"][-1].update(width=32), "its contract says"),
}


def test_the_file_tells_nothing_of_the_machine_that_wrote_it(job, exported):
    for file in (exported.onnx, POLICIES_DIR / f"{job.task}.onnx"):
        content = file.read_bytes()
        for place in (str(ROOT), sys.prefix, "site-packages", "stack_trace", "/alice/"):
            assert place.encode() not in content, (file.name, place)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_wrong_contract_is_refused(name, job, exported, tmp_path):
    if name == "image size" and not job.task.endswith("-Camera"):
        pytest.skip("no image")
    change, expected = DAMAGES[name]
    with pytest.raises(PolicyError, match=expected) as caught:
        OnnxPolicy(_change(exported.onnx, tmp_path / "p.onnx", change))
    assert "\n" not in str(caught.value)


def test_a_truncated_file_and_one_without_contract_are_refused(exported, tmp_path):
    half = tmp_path / "half.onnx"
    half.write_bytes(exported.onnx.read_bytes()[:100_000])
    with pytest.raises(PolicyError, match=r"half\.onnx is damaged or no ONNX file"):
        OnnxPolicy(half)
    model = onnx.load(exported.onnx)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(PolicyError, match=r"bare\.onnx holds no contract"):
        OnnxPolicy(tmp_path / "bare.onnx")


MISTAKES = {
    "evaluate.py": (["--task", TASK, "--checkpoint", "half.onnx"], "half.onnx is damaged or no ONNX file"),
    "train.py": (["--task", TASK, "--checkpoint", "half.onnx"], "is an exported policy; give the model_<number>.pt"),
    "build_engine.py": (["--onnx", "half.onnx"], "half.onnx is damaged or no ONNX file"),
    "benchmark_policy.py": (["--policy", "half.onnx"], "half.onnx is damaged or no ONNX file"),
    "export_onnx.py": (
        ["--task", TASK, "--checkpoint", "released", "--inputs", "half.onnx"],
        "'half.onnx' is damaged or not a NumPy archive",
    ),
}


@pytest.mark.parametrize("door", MISTAKES)
def test_mistakes_are_one_line(door, tmp_path):
    words, expected = MISTAKES[door]
    (tmp_path / "half.onnx").write_bytes((POLICIES_DIR / f"{TASK}.onnx").read_bytes()[:100_000])
    command = [sys.executable, str(ROOT / "scripts" / door), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 2, done.stdout[-2000:] + done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("alice: error:")]
    assert len(lines) == 1 and expected in lines[0]
    assert "Traceback" not in done.stderr + done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["half.onnx"]


##
# Closed loop
##


@pytest.mark.parametrize("words", [(), ("presets=hobby_servo",)], ids=["ideal servos", "hobby servos"])
def test_the_robot_side_makes_the_observations_of_the_simulator(words, simulate):
    env = simulate(*words, num_envs=16, play=True)
    contract = actor.contract_of(prepare())
    controller = Controller(contract, 16)
    term = env.action_manager.get_term("joints")
    generator = torch.Generator().manual_seed(3)
    obs, _ = env.reset()
    for _ in range(200):  # longer than an episode
        state = transfer_state(env)
        fresh = (env.episode_length_buf == 0).numpy()
        controller.begin(fresh, term.targets.numpy()[fresh])
        inputs = controller.inputs(
            state.now.measured.joint_pos.numpy(),
            state.now.ball_pos.numpy(),
            state.dish_pos.numpy(),
            state.ball_radius.numpy(),
        )
        for item in contract.inputs:
            np.testing.assert_allclose(inputs[item.name], obs[item.name].numpy(), atol=2e-4, err_msg=item.name)
        action = 2.4 * torch.rand(16, 6, generator=generator) - 1.2
        after = controller.targets_after(action.numpy())
        obs, *_ = env.step(action)
        alive = (env.episode_length_buf > 0).numpy()
        np.testing.assert_allclose(after[alive], term.targets.numpy()[alive], atol=1e-5)


def test_only_the_simulation_of_the_contract_is_played(simulate, tmp_path):
    env = simulate(num_envs=4, play=True)
    released, spoilt = POLICIES_DIR / f"{TASK}.onnx", tmp_path / f"{TASK}.onnx"
    policy = deployed.DeployedPolicy(env, released)
    obs, _ = env.reset()
    assert torch.isfinite(policy(obs)).all()
    for change, expected in (
        (
            lambda data: data["arm"].update(control_rate_hz=16),
            "arm.control_rate_hz is 16 in the contract and 20 in the",
        ),
        (lambda data: data["action"].update(arm_scale=0.05), "action.arm_scale is 0.05 in the contract and 0.1 in the"),
    ):
        with pytest.raises(UsageError, match=expected):
            deployed.DeployedPolicy(env, _change(released, spoilt, change))
    model = onnx.load(released)
    bias = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [6])
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(6, np.nan, np.float32), bias.name))
    onnx.save(model, spoilt)
    policy = deployed.DeployedPolicy(env, spoilt)
    with pytest.raises(UsageError, match="gives actions that are not finite"):
        policy(env.reset()[0])


def test_speeds_are_those_of_the_rate_that_is_simulated(simulate):
    env = simulate("env.decimation=5", num_envs=2, play=True)
    env.reset()
    before = transfer_state(env).now.measured.joint_pos.clone()
    env.step(torch.ones(2, 6))
    now = transfer_state(env).now.measured
    torch.testing.assert_close(now.joint_vel, 24.0 * (now.joint_pos - before), rtol=1e-4, atol=1e-5)
    assert now.joint_vel.abs().max() > 0.1
    with pytest.raises(UsageError, match=r"arm\.control_rate_hz is 20 in the contract and 24 in the simulation"):
        deployed.DeployedPolicy(env, POLICIES_DIR / f"{TASK}.onnx")


@pytest.mark.parametrize("words", [(), ("presets=camera_rand",)], ids=["perfect", "late and lost"])
def test_the_robot_side_stacks_the_pictures_of_the_simulator(words, simulate):
    """And knows the joints of each picture's moment."""
    task = f"{TASK}-Camera"
    env = simulate("env.curriculum=none", *words, task=task, num_envs=4, play=True)
    contract = actor.contract_of(prepare(task=task))
    controller, term = Controller(contract, 4), env.action_manager.get_term("joints")
    generator = torch.Generator().manual_seed(3)
    obs, _ = env.reset()
    controller.begin(np.ones(4, bool), term.targets.numpy())
    env.episode_length_buf[2] = env.max_episode_length - 6  # begins anew on the way
    anew = 0
    for _ in range(12):
        fresh = (env.episode_length_buf == 0).numpy()
        anew += int(fresh[2])
        controller.begin(fresh, term.targets.numpy()[fresh])
        state = transfer_state(env)
        inputs = controller.inputs(
            state.now.measured.joint_pos.numpy(),
            dish_pos=state.dish_pos.numpy(),
            pictures=deployed.newest_pictures(env, obs, "image"),
            picture_age=picture_age(env).numpy(),
        )
        for item in contract.inputs:
            np.testing.assert_allclose(inputs[item.name], obs[item.name].numpy(), atol=2e-4, err_msg=item.name)
        assert (inputs["image"] == obs["image"].numpy()).all()
        action = 2.0 * torch.rand(4, 6, generator=generator) - 1.0
        controller.targets_after(action.numpy())
        obs, *_ = env.step(action)
    assert anew == 1


def test_the_contract_says_what_the_live_managers_do(job, simulate):
    words = ["env.curriculum=none"] if job.task != TASK else []
    env = simulate(*words, task=job.task, num_envs=4, play=True)
    contract, manager = actor.contract_of(job), env.observation_manager
    for item in contract.inputs:
        if isinstance(item, contracts.ImageInput):
            assert manager.group_obs_dim[item.name] == item.shape
            continue
        assert [term.name for term in item.terms] == manager.active_terms[item.name]
        assert [(term.size,) for term in item.terms] == manager.group_obs_term_dim[item.name]
    assert len(contract.action.names) == env.action_manager.total_action_dim
    assert contract.arm.control_rate_hz == round(1 / env.step_dt)
    assert list(contract.arm.joint_names) == list(env.scene["robot"].joint_names) == list(arms.of(env).names)


def test_the_exported_policy_transfers_balls(job, exported, tmp_path):
    flags = ["--task", job.task, "--checkpoint", str(exported.onnx), "--episodes", "48", "--seed", "99"]
    flags += ["--json", "a.json"]
    command = [sys.executable, str(ROOT / "scripts" / "evaluate.py"), *flags, "--device", "cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["headlines"]["success"]["rate"] >= 0.9
    assert report["checkpoint"] == f"{job.task}.onnx"
