"""The camera task: what the picture shows, that nothing else tells of the ball, and how it is trained."""

import json
import math

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

import gymnasium  # noqa: E402
import imageio.v3 as iio  # noqa: E402
from isaaclab.utils.math import quat_apply, quat_apply_inverse, quat_mul  # noqa: E402

import alice.tasks  # noqa: E402, F401
from alice.arms import XARM1S  # noqa: E402
from alice.assets import POLICIES_DIR  # noqa: E402
from alice.deploy.policy import OnnxPolicy  # noqa: E402
from alice.runs import chain as teaching  # noqa: E402
from alice.runs import overrides  # noqa: E402
from alice.tasks.ball_transfer.camera_env_cfg import CLUTTER, RESNET_FRAMES  # noqa: E402
from alice.tasks.ball_transfer.randomization_table import COMMON_ROWS as ROWS  # noqa: E402
from alice.tasks.ball_transfer.worlds import WORLDS  # noqa: E402
from alice.transfer.objects import BALL  # noqa: E402
from alice.transfer.outcome import SELECTION_SEED  # noqa: E402

TASK = "Alice-Ball-Transfer-Camera"
CAMERA = XARM1S.camera
PLAIN = ("env.curriculum=none",)
NEWTON = ("physics=newton_mjwarp",)


def _home(env) -> torch.Tensor:
    """Return the action that holds the arm still with the gripper open."""
    action = torch.zeros(env.num_envs, 6)
    action[:, 5] = 1.0
    return action


def _newest(obs) -> torch.Tensor:
    """Return the newest frame, (N, 3, H, W) float."""
    return obs["image"][:, -3:].float()


##
# Nothing but the picture tells of the ball
##

BLIND_TERMS = {"joint_pos", "picture_joint_pos", "joint_vel", "joint_targets", "last_action", "dish_place_b"}
"""Observation functions of an actor with a camera that cannot tell where the ball is."""


@pytest.mark.parametrize("words", [(), ("presets=resnet18",), ("presets=domain_rand",)], ids=str)
def test_no_actor_group_holds_a_ball_term(words):
    looked_at = 0
    for task in filter(lambda name: name.startswith("Alice-"), gymnasium.registry):
        keys = [key for key in gymnasium.spec(task).kwargs if key.startswith("rsl_rl")]
        for key in keys if task == TASK or not words else ():
            env_cfg, agent_cfg = overrides.resolve_config(task, key, list(words))
            groups = agent_cfg.obs_groups.get("actor") or agent_cfg.obs_groups["student"]
            if "image" not in groups:
                continue
            looked_at += 1
            found = {}
            for group in groups:
                terms = vars(getattr(env_cfg.observations, group)).values()
                found |= {term.func.__name__: term.params for term in terms if hasattr(term, "func")}
            pictures = found.keys() & {"wrist_image", "resnet18_features"}
            assert len(pictures) == 1, f"{task} {key}"
            assert found.keys() - pictures <= BLIND_TERMS, f"{task} {key}"
            assert all(params.get("arm", "measured") == "measured" for params in found.values())
    assert looked_at == (3 if words else 6), "three agents of either arm"


def test_equal_arms_feel_the_same_wherever_the_ball_is(simulate):
    env = simulate(*PLAIN, "env.events.reset_transfer.params.home_noise=0.0", task=TASK, play=True)
    obs, _ = env.reset()
    for _ in range(4):
        balls = obs["privileged"][:, 17:20]
        assert (balls[1:] - balls[0]).norm(dim=-1).min() > 0.005
        for group in ("proprioception", "picture_joints", "command_state"):
            torch.testing.assert_close(obs[group], obs[group][:1].expand_as(obs[group]), rtol=0, atol=1e-4)
        obs, *_ = env.step(_home(env))
    dish = env.scene["dish"].data.root_link_pose_w.torch[:, :2] - env.scene.env_origins[:, :2]
    torch.testing.assert_close(obs["goal"], dish, rtol=0, atol=1e-5)


##
# What the picture shows
##


def _project(env, points: torch.Tensor) -> torch.Tensor:
    """Return where points of the world, (N, 3) [m], are in the picture, (N, 2) [pixels], from the table of the arm."""
    arm = env.scene["robot"]
    hand = arm.data.body_link_pose_w.torch[:, arm.body_names.index(CAMERA.link)]
    eye = hand[:, :3] + quat_apply(hand[:, 3:], torch.tensor([CAMERA.position]).expand(len(hand), 3))
    turn = quat_mul(hand[:, 3:], torch.tensor([CAMERA.rotation]).expand(len(hand), 4))
    x, y, z = quat_apply_inverse(turn, points - eye).unbind(-1)
    focal = CAMERA.width / (2.0 * math.tan(CAMERA.horizontal_fov / 2.0))
    return torch.stack((CAMERA.width / 2 + focal * x / z, CAMERA.height / 2 + focal * y / z), dim=-1)


def _seen_ball(frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the middle of the red pixels, (N, 2) [pixels], and how many there are, (N,)."""
    red = (frames[:, 0] > 120) & (frames[:, 1] < 110) & (frames[:, 2] < 110)
    count = red.sum(dim=(1, 2))
    rows, columns = torch.meshgrid(torch.arange(48) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    middle = torch.stack(((red * columns).sum((1, 2)), (red * rows).sum((1, 2))), dim=-1) / count.unsqueeze(-1)
    return middle, count


def test_the_ball_is_where_the_table_of_the_arm_puts_it_before_and_after_the_hand_moves(simulate):
    env = simulate(*PLAIN, task=TASK, num_envs=24, play=True)
    obs, _ = env.reset()
    assert obs["image"].shape == (24, 6, 48, 64) and obs["image"].dtype == torch.uint8
    before = _newest(obs)
    action = _home(env)
    action[:, 0], action[:, 3] = 0.7, -0.3
    for moment in range(2):
        middle, count = _seen_ball(_newest(obs))
        expected = _project(env, env.scene["ball"].data.root_link_pose_w.torch[:, :3])
        # A ball that the picture's edge or a finger cuts is seen off its centre.
        inside = ((expected > 4) & (expected < torch.tensor([60.0, 44.0]))).all(dim=-1) & (count > 5)
        assert inside.sum() >= 8, moment
        assert (middle - expected)[inside].norm(dim=-1).median() < 1.0, moment
        for _ in range(4 if moment == 0 else 0):
            obs, *_ = env.step(action)
    # The dish is the greatest thing that moves; the hand stays where it is in the picture.
    changed = ((_newest(obs) - before).abs().amax(dim=1) > 20).float().mean(dim=(1, 2))
    assert changed.min() > 0.01
    hand = (_newest(obs) - before)[:, :, 40:, 24:40].abs()
    assert hand.median() < 20


def test_frames_come_oldest_first_and_a_reset_clears_those_of_its_environment(simulate):
    env = simulate(*PLAIN, task=TASK, num_envs=4, play=True)
    obs, _ = env.reset()
    old, new = obs["image"].split(3, dim=1)
    assert torch.equal(old, new), "the first picture of an episode stands for all"
    action = _home(env)
    action[:, 0] = 1.0
    for _ in range(2):
        last = new.clone()
        obs, *_ = env.step(action)
        old, new = obs["image"].split(3, dim=1)
        assert torch.equal(old, last)
        assert not torch.equal(old, new)
    env._reset_idx(torch.tensor([1]))
    env.scene.write_data_to_sim()
    env.sim.forward()
    obs = env.observation_manager.compute(update_history=True)
    after_old, after_new = obs["image"].split(3, dim=1)
    assert torch.equal(after_old[1], after_new[1]), "environment 1 begins anew"
    assert (after_new[1].float() - new[1].float()).abs().mean() > 1.0, "with a fresh picture"
    for other in (0, 2, 3):
        assert torch.equal(after_old[other], new[other]), "the others keep theirs"


def test_pictures_rendered_on_all_cores_are_those_of_one(simulate):
    env = simulate(*PLAIN, task=TASK, num_envs=5, play=True)
    from newton._src.sensors.warp_raytrace import render_context

    if not hasattr(render_context.wp, "_parts"):
        pytest.skip("needs two cores and no CUDA")
    obs, *_ = env.step(_home(env))
    camera, split = env.scene["wrist_camera"], render_context.wp
    pictures = {}
    for parts in (1, 2, 3, 7):
        split._parts = parts
        camera.reset()
        pictures[parts] = camera.data.output["rgb"].torch[..., :3].clone()
    assert torch.equal(pictures[1].permute(0, 3, 1, 2), obs["image"][:, -3:])
    assert all(torch.equal(pictures[1], other) for other in pictures.values())


##
# Randomization
##


def _mounts(env) -> tuple[torch.Tensor, torch.Tensor]:
    """Return place and angle of the cameras relative to their nominal mounts, (N, 3) [m] and (N,) [rad]."""
    place, turn = (pose.torch.clone() for pose in env.scene["wrist_camera"]._view.get_local_poses())
    nominal = env.event_manager.get_term_cfg("camera_mount").func
    angle = 2.0 * (turn * nominal._rotation).sum(dim=-1).abs().clamp(max=1.0).acos()
    return place - nominal._position, angle


@pytest.mark.parametrize("words", [(), NEWTON], ids=["ovphysx", "newton"])
def test_camera_rows_differ_between_environments_and_stay_in_their_ranges(words, simulate):
    env = simulate(*words, *PLAIN, "presets=camera_rand", task=TASK, num_envs=12, play=True)
    obs, _ = env.reset()
    place, angle = _mounts(env)
    limit = ROWS["camera_position"].high
    assert place.abs().max() <= limit + 1e-5 and (place.amax(dim=0) - place.amin(dim=0)).min() > 0.5 * limit
    assert angle.max() <= math.sqrt(3) * ROWS["camera_rotation"].high + 1e-3 and angle.max() > 0.01
    (x_min, x_max), (y_min, y_max) = WORLDS[XARM1S.name].workspace
    near, far = ROWS["clutter_place"].span
    for name in CLUTTER:
        things = env.scene[name].data.root_link_pose_w.torch[:, :3] - env.scene.env_origins
        assert things[:, :2].std(dim=0).min() > 0.02, name
        apart = torch.maximum(
            torch.maximum(x_min - things[:, 0], things[:, 0] - x_max),
            torch.maximum(y_min - things[:, 1], things[:, 1] - y_max),
        )
        assert apart.min() >= near - 1e-4 and apart.max() <= far + 1e-4, name
    # The table fills most of every picture: its colour tells exposure, white balance, gamma and paint apart.
    colours = _newest(obs).flatten(2).median(dim=-1).values
    assert colours.std(dim=0).min() > 10.0
    # Two frames of a standing hand differ by the noise alone, which every camera has its own amount of.
    still, *_ = env.step(_home(env))
    noise = (still["image"][:, :3].float() - still["image"][:, 3:].float()).flatten(1).abs().median(dim=1).values
    assert noise.max() > noise.min()


def test_without_asking_every_camera_is_the_same(simulate):
    env = simulate(*PLAIN, task=TASK, num_envs=4, play=True)
    place, turn = (pose.torch for pose in env.scene["wrist_camera"]._view.get_local_poses())
    torch.testing.assert_close(place, place[:1].expand_as(place), rtol=0, atol=1e-6)
    torch.testing.assert_close(turn, turn[:1].expand_as(turn), rtol=0, atol=1e-6)
    assert not any(name in env.scene.keys() for name in (*CLUTTER, "ball_look"))  # noqa: SIM118
    colours = _newest(env.reset()[0]).flatten(2).median(dim=-1).values
    assert colours.std(dim=0).max() < 2.0
    assert BALL.colour[0] > 4 * max(BALL.colour[1:]), "_seen_ball looks for red"


##
# Training
##


COMMON = ("--task", TASK, "--device", "cpu", "--seed", "3")


def test_a_teacher_makes_a_student_that_goes_on_with_ppo_and_is_probed(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(teaching, "SELECTION_EPISODES", 4)
    words = ("--num_envs", "4", "--max_iterations", "2")
    code, out, err = door("train", *COMMON, "--teacher", "released", *words)
    assert code == 0, err
    runs = {path.name.partition("_finetune")[2] or path.name: path for path in (tmp_path / "logs").glob("*/*/*")}
    student, tuned = (next(path for path in runs.values() if path.name.endswith(end)) for end in ("lation", "tune"))
    assert out.splitlines()[-1].endswith(f"of 4 starts; the better one: {tuned.relative_to(tmp_path)}/model_1.pt")
    for run in (student, tuned):
        audit = json.loads((run / "selection.json").read_text())
        assert (audit["episodes"], audit["seed"]) == (4, SELECTION_SEED)
    first = torch.load(student / "model_1.pt", weights_only=True)
    second = torch.load(tuned / "model_1.pt", weights_only=True)
    assert "student_state_dict" in first and second["critic_state_dict"]["mlp.0.weight"].shape[1] == 28 + 13
    # Two updates with the actor at rest: what PPO went on with is the student.
    for key, value in second["actor_state_dict"].items():
        if "normalizer" not in key:
            torch.testing.assert_close(value, first["student_state_dict"][key], msg=key)
    code, out, err = door("evaluate", *COMMON, "--checkpoint", tuned, "--episodes", "4", "--probe", "shuffled")
    assert code == 0 and "probe shuffled: 0.0% success, at most 5%: passed" in out
    sight = tmp_path / "sight.png"
    code, out, err = door("play", *COMMON, "--checkpoint", tuned, "--num_envs", "4", "--sight", sight)
    assert code == 0, err
    picture = torch.from_numpy(iio.imread(sight)).float()
    assert picture.shape == (2 * 144, 2 * 2 * 192 + 12, 3)
    start, later = picture[:, :384], picture[:, -384:]
    assert start.std() > 20 and later.std() > 20 and (start - later).abs().mean() > 2


@pytest.fixture
def encoder(tmp_path):
    """Return a file with weights of a ResNet-18 that nobody trained."""
    from torchvision.models import resnet18

    torch.manual_seed(1)
    torch.save(resnet18(weights=None).state_dict(), tmp_path / "resnet18.pt")
    return tmp_path / "resnet18.pt"


def test_the_documented_variant_trains_with_its_documented_sizes(door, encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--num_envs", "2", "--max_iterations", "2", "agent.num_steps_per_env=4", "presets=resnet18")
    code, _out, err = door("train", *COMMON, *words, "--encoder_weights", encoder)
    assert code == 0, err
    saved = torch.load(next(tmp_path.glob("logs/*/*/*/model_1.pt")), weights_only=True)
    assert saved["actor_state_dict"]["mlp.0.weight"].shape[1] == 512 + 14 == 526
    assert saved["critic_state_dict"]["mlp.0.weight"].shape[1] == 28
    assert RESNET_FRAMES == 4

    run = next(tmp_path.glob("logs/*/*/*"))
    words = (*COMMON, "presets=resnet18", "--encoder_weights", encoder, "--checkpoint")
    short = ("--num_envs", "2", "--episodes", "2", "env.episode_length_s=0.5")
    code, _out, err = door("evaluate", *words, run, *short, "--record", tmp_path / "inputs.npz")
    assert code == 0, err
    # A ResNet-18 is summed up in another order by onnxruntime: more than a small network's last digit.
    exporting = ("--task", TASK, *words[len(COMMON) :])  # it knows no other device than the CPU
    code, out, err = door("export_onnx", *exporting, run, "--inputs", tmp_path / "inputs.npz", "--output", tmp_path)
    assert code == 0, err
    assert "largest error" in out
    exported = tmp_path / f"{TASK}.onnx"
    contract = OnnxPolicy(exported).contract
    assert [item.shape for item in contract.inputs] == [(12, 224, 224), (14,)]
    assert "looks for the dish in the picture" in contract.goal
    code, out, err = door("evaluate", *words, exported, *short)
    assert code == 0, err


STATE_POLICY = POLICIES_DIR / "Alice-Ball-Transfer.pt"
MISTAKES = {
    "no encoder": (
        ("--encoder_weights", POLICIES_DIR / "Alice-Ball-Transfer.pt"),
        ["has no frozen encoder", "presets=resnet18"],
    ),
    "no weights": (("presets=resnet18", "--encoder_weights", "nowhere.pt"), ["nowhere.pt' does not exist"]),
    "two starts": (("--teacher", "released", "--checkpoint", "released"), ["--teacher", "--checkpoint"]),
    "no teacher": (("--agent", "rsl_rl_distillation_cfg_entry_point"), ["needs a teacher", "--teacher released"]),
    "memory": (("--num_envs", "100000000"), ["GB are free", "at most --num_envs"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_one_line(name, door, tmp_path, monkeypatch):
    words, expected = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    code, _out, err = door("train", *COMMON, *words)
    assert code == 2
    told = [line for line in err.splitlines() if line.startswith("alice: error")]
    assert len(told) == 1 and all(part in told[0] for part in expected), err
    assert not list(tmp_path.iterdir())


def test_the_state_task_has_no_teacher_and_no_pictures_to_probe(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = ("--task", "Alice-Ball-Transfer", "--device", "cpu")
    code, _out, err = door("train", *state, "--teacher", "released")
    assert code == 2 and "learns without one" in err
    code, _out, err = door("evaluate", *state, "--checkpoint", "released", "--probe", "blank")
    assert code == 2 and "sees no pictures" in err
