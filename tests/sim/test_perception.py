"""Ball and dish as they are told, and pictures as a real camera gives them, in a running simulation."""

import copy
import json

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from isaaclab.utils.math import matrix_from_quat  # noqa: E402

from alice.agents.ball_transfer.rsl_rl_distillation_cfg import CameraDistillationRunnerCfg  # noqa: E402
from alice.agents.ball_transfer.rsl_rl_ppo_cfg import BallTransferPPORunnerCfg  # noqa: E402
from alice.arms import XARM1S  # noqa: E402
from alice.evaluation.audit import draws, rows  # noqa: E402
from alice.learning import env_state  # noqa: E402
from alice.tasks.ball_transfer.randomization_table import COMMON_ROWS as ROWS  # noqa: E402
from alice.tasks.ball_transfer.randomization_table import rows_of  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

CAMERA = "Alice-Ball-Transfer-Camera"
COUNT = 21
"""One environment of each kind of ball."""


def _idle(env) -> torch.Tensor:
    """Return the action that holds the arm still with the gripper open."""
    action = torch.zeros(env.num_envs, 6)
    action[:, 5] = 1.0
    return action


def _rows(env, group: str) -> dict[str, torch.Tensor]:
    """Return the terms of a group by name, (N, …) each."""
    manager = env.observation_manager
    values, found = env.obs_buf[group], {}
    for name, shape in zip(manager.active_terms[group], manager.group_obs_term_dim[group], strict=True):
        found[name], values = values[:, : shape[0]], values[:, shape[0] :]
    return found


@pytest.mark.parametrize("words", [("presets=domain_rand",), ("presets=reports",)], ids=["domain_rand", "reports"])
def test_the_actor_is_told_and_the_critic_knows(words, simulate):
    env = simulate(*words, num_envs=COUNT, play=True, endless=True)
    reports, state = env.command_manager.get_term("transfer").reports, transfer_state(env)
    told = []
    for _ in range(20):
        env.step(_idle(env))
        told.append(_rows(env, "policy"))
    true, seen = state.now.ball_pos, _rows(env, "privileged")
    torch.testing.assert_close(seen["ball_pos"], true)
    torch.testing.assert_close(seen["ball_to_dish"], state.dish_pos - true)
    # What is told settles on the place and its bias. A ball under the hand at home has one report alone.
    story = torch.stack([row["ball_pos"] for row in told[4:]])
    off, is_seen = story.mean(dim=0) - true, (story.std(dim=0) > 0.0001).all(dim=-1)
    assert is_seen.float().mean() > 0.6 and (off - reports.ball_bias)[is_seen].abs().max() < 0.003
    assert (off - reports.ball_bias).abs().mean() < 0.001
    assert off.abs().mean() > 0.001 and reports.ball_bias.abs().max() <= ROWS["report_bias"].high
    goal = told[-1]["ball_to_dish"] + told[-1]["ball_pos"]
    assert (goal - state.dish_pos - reports.dish_bias).abs().mean() < 0.003
    for name in ("age", "interval", "hidden", "gap_rate"):
        found, row = getattr(reports, name), ROWS[f"report_{name}"]
        assert found.min() >= row.low - 1e-6 and found.max() <= row.high + 1e-6 and len(found.unique()) > 15, name


def test_without_asking_the_truth_is_told(simulate):
    env = simulate(num_envs=8, play=True)
    assert env.command_manager.get_term("transfer").reports is None
    env.step(_idle(env))
    torch.testing.assert_close(_rows(env, "policy")["ball_pos"], transfer_state(env).now.ball_pos)


def test_the_curriculum_opens_the_reports_step_by_step(simulate):
    words = ("presets=domain_rand", "env.commands.transfer.ideal_report_share=0.0")
    closed = simulate(*words, "env.curriculum.stage.params.phase=reach", num_envs=COUNT)
    assert closed.command_manager.get_term("transfer").report_share == 0.0
    torch.testing.assert_close(_rows(closed, "policy")["ball_pos"], transfer_state(closed).now.ball_pos)
    half = simulate(*words, "env.curriculum.stage.params.phase=transport", num_envs=COUNT)
    bias = half.command_manager.get_term("transfer").reports.ball_bias.abs()
    assert 0.8 * 0.002 < bias.max() <= 0.002


def _drawn(env) -> dict[str, torch.Tensor]:
    reports = env.command_manager.get_term("transfer").reports
    names = ("ball_bias", "dish_bias", "noise", "age", "interval", "hidden", "gap_rate", "_phase", "_first_noise")
    return {name: getattr(reports, name).clone() for name in names}


def test_what_is_told_of_episode_k_follows_from_seed_and_k(simulate):
    env = simulate("presets=domain_rand", num_envs=2 * COUNT, play=True)
    order = draws.seats(draws.kinds_of(env))
    with torch.inference_mode():
        draws.deal(env, 11, 0, order)
        first, told = _drawn(env), transfer_state(env).now.told.ball_pos.clone()
        for _ in range(5):
            env.step(_idle(env))
        draws.deal(env, 11, 2 * COUNT, order)
        other = _drawn(env)
        draws.deal(env, 11, 0, order)
    for name, value in first.items():
        assert torch.equal(_drawn(env)[name], value), name
        assert name == "noise" or not torch.equal(other[name], value), name
    torch.testing.assert_close(transfer_state(env).now.told.ball_pos, told, rtol=0, atol=2e-6)


def test_a_resumed_training_goes_on_as_if_it_had_not_stopped(simulate):
    """All that outlives a control step is drawn anew at the reset of a resume."""
    env = simulate("presets=domain_rand", "env.curriculum=none", num_envs=COUNT)
    runs, state = [], None
    for steps in (3, 17):
        for _ in range(steps):
            env.step(_idle(env))
        state = state or env_state.collect(env)
        env_state.restore(env, state)
        env.reset()
        seen = []
        for _ in range(4):
            env.step(_idle(env))
            seen.append(_rows(env, "policy")["ball_pos"] - transfer_state(env).now.ball_pos)
        runs.append(torch.stack(seen))
    torch.testing.assert_close(*runs, rtol=0, atol=1e-4)


##
# The camera task
##


def test_a_camera_policy_is_told_of_the_dish_and_its_teacher_knows(simulate):
    env = simulate("presets=domain_rand", task=CAMERA, num_envs=COUNT, play=True, endless=True)
    for _ in range(4):
        env.step(_idle(env))
    state, reports = transfer_state(env), env.command_manager.get_term("transfer").reports
    groups = CameraDistillationRunnerCfg().obs_groups.default["teacher"]
    teacher = _rows(env, groups[0])
    torch.testing.assert_close(teacher["ball_pos"], state.now.ball_pos)
    torch.testing.assert_close(teacher["ball_to_dish"], state.dish_pos - state.now.ball_pos)
    # A picture shows how far the ball is from the hand: a teacher that goes by wrong zeros teaches to look past it.
    torch.testing.assert_close(teacher["tool_to_ball"], state.now.ball_pos - state.now.true.tool_pos)
    torch.testing.assert_close(teacher["joint_pos"], state.now.true.joint_pos)
    assert (teacher["joint_pos"] - state.now.measured.joint_pos).abs().max() > 0.01
    off = (_rows(env, "goal")["dish_place"] - state.dish_pos[:, :2] - reports.dish_bias[:, :2]).abs()
    assert off.max() < 0.012 and 0.0003 < off.mean() < 0.004
    assert (state.now.told.dish_pos - state.dish_pos).abs().max() > 0.002
    known = env.observation_manager.active_terms
    learned = simulate(num_envs=COUNT, play=True).observation_manager.active_terms
    for its, theirs in zip(groups, BallTransferPPORunnerCfg().obs_groups["actor"], strict=True):
        assert known[its] == learned[theirs], "one for one, or a policy of the state task cannot teach"


PICTURE_ROWS = {
    "distortion": "camera_distortion",
    "side_light": "image_side_light",
    "occluder": "image_occluder",
    "shutter": "image_shutter",
    "latency": "image_latency",
    "drop": "image_drop",
    "stamp": "image_stamp",
}


@pytest.mark.parametrize("physics", ["ovphysx", "newton_mjwarp"])
def test_picture_rows_differ_between_environments_and_stay_in_their_ranges(physics, simulate):
    env = simulate(f"physics={physics}", "presets=camera_rand", task=CAMERA, num_envs=12, play=True, endless=True)
    errors = env.observation_manager._group_obs_term_cfgs["image"][0].func.errors
    for field, row in PICTURE_ROWS.items():
        found = getattr(errors, field).float()
        assert found.min() >= ROWS[row].low - 1e-6 and found.max() <= ROWS[row].high + 1e-6, field
        assert row == "image_drop" or len(found.unique()) > (2 if row == "image_latency" else 10), field


def _still(field: str, span: str) -> tuple[str, ...]:
    """Return overrides that leave one error of the picture alone."""
    where = "env.observations.image.wrist_image.params.errors"
    off = {
        **dict.fromkeys(("zoom", "exposure", "white_balance", "gamma", "side_light"), "[1.0,1.0]"),
        **dict.fromkeys(("distortion", "blur", "noise", "occluder", "shutter", "drop", "stamp"), "[0.0,0.0]"),
        "latency": "[0,0]",
    }
    return ("presets=camera_rand", *(f"{where}.{name}={value}" for name, value in {**off, field: span}.items()))


def _looked_at(camera) -> torch.Tensor:
    """Return where the middle of the picture meets the table, in the world, (N, 3) [m]."""
    eye, forward = camera.data.pos_w.torch, matrix_from_quat(camera.data.quat_w_ros.torch)[:, :, 2]
    return eye - forward * (eye[:, 2:] / forward[:, 2:])


def _seen_at(camera, points: torch.Tensor) -> torch.Tensor:
    """Return where points of the world, (N, 3) [m], are seen, right and down of the middle, (N, 2) [pixels]."""
    offset = points - camera.data.pos_w.torch
    x, y, z = torch.einsum("nij,ni->nj", matrix_from_quat(camera.data.quat_w_ros.torch), offset).unbind(-1)
    return camera.data.intrinsic_matrices.torch[:, 0, :1] * torch.stack((x / z, y / z), dim=-1)


def test_the_flow_is_that_of_the_hand_and_smears_what_moves(simulate):
    """Arm and wrist turn at random; a point of the table in the middle of the picture goes where the flow says."""
    env = simulate(*_still("shutter", "[0.1,0.1]"), task=CAMERA, num_envs=6, play=True, endless=True)
    term = env.observation_manager._group_obs_term_cfgs["image"][0].func
    camera = env.scene.sensors["wrist_camera"]
    torch.manual_seed(2)
    action = _idle(env)
    action[:, :5] = 2.0 * torch.rand(6, 5) - 1.0
    for _ in range(4):
        env.step(action)
    point = _looked_at(camera)
    env.step(action)
    flow, way = term.flow, _seen_at(camera, point)
    assert (way.norm(dim=-1) > 1.0).sum() >= 4, way
    assert (way - flow * env.step_dt).norm(dim=-1).max() < 0.5 + 0.2 * way.norm(dim=-1).max(), (way, flow * env.step_dt)
    assert torch.nn.functional.cosine_similarity(way.flatten(), flow.flatten(), dim=0) > 0.95
    pictures = {"seen": env.obs_buf["image"][:, -3:].permute(0, 2, 3, 1).float()}
    pictures["sharp"] = camera.data.output["rgb"].torch[..., :3].float()
    edges = {
        name: picture.diff(dim=2).abs().mean() + picture.diff(dim=1).abs().mean() for name, picture in pictures.items()
    }
    assert edges["seen"] < 0.85 * edges["sharp"]
    for _ in range(12):
        env.step(_idle(env))
    still = env.obs_buf["image"][:, -3:].permute(0, 2, 3, 1).float()
    assert (still - camera.data.output["rgb"].torch[..., :3].float()).abs().mean() < 1.0


def test_late_pictures_are_those_of_earlier_steps(simulate):
    env = simulate(*_still("latency", "[2,2]"), task=CAMERA, num_envs=3, play=True, endless=True)
    camera, action, taken = env.scene.sensors["wrist_camera"], _idle(env), []
    action[:, 0] = 0.7
    for _ in range(5):
        taken.append(camera.data.output["rgb"].torch[..., :3].clone())
        env.step(action)
    seen = env.obs_buf["image"][:, -3:].permute(0, 2, 3, 1)
    # Lens and noise are perfect here, but for the resampling's rounding.
    assert (seen.float() - taken[3].float()).abs().max() <= 1.0
    assert (seen.float() - taken[4].float()).abs().mean() > 1.0


def _ball_centres(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where the orange ball is in pictures (N, H, W, 3), from -1 to 1 right and down, (N, 2), and its pixels."""
    red, green, blue = picture.float().unbind(-1)
    is_ball = ((red > 1.6 * green) & (red > 2.5 * blue) & (red > 60)).float()
    height, width = is_ball.shape[1:]
    across = (torch.arange(width) + 0.5) * (2.0 / width) - 1.0
    down = (torch.arange(height) + 0.5) * (2.0 / height) - 1.0
    amount = is_ball.sum(dim=(1, 2))
    centre = torch.stack(((is_ball * across).sum((1, 2)), (is_ball * down[:, None]).sum((1, 2))), dim=-1)
    return centre / amount.clamp(min=1.0).unsqueeze(-1), amount


@pytest.mark.parametrize(
    ("field", "span"),
    [("zoom", "[0.8,1.25]"), ("distortion", "[-0.1,0.1]"), ("latency", "[2,2]"), ("drop", "[0.4,0.4]")],
    ids=lambda value: value if value.isalpha() else "",
)
def test_the_lesson_in_seeing_says_where_the_ball_is_in_the_picture(field, span, simulate):
    """Through a mount that is off and one error of the camera, while the hand moves."""
    env = simulate(*_still(field, span), task=CAMERA, num_envs=12, play=True, endless=True)
    torch.manual_seed(3)
    action, off = _idle(env), []
    action[:, :5] = 0.6 * torch.rand(12, 5) - 0.3
    for _ in range(8):
        env.step(action)
        found, amount = _ball_centres(env.obs_buf["image"][:, -3:].permute(0, 2, 3, 1))
        told = env.obs_buf["sight"][:, :3]
        # All of the ball, nothing of it beyond an edge: it has some 20 pixels then.
        is_whole = (amount > 12) & (told[:, 2] > 0) & (told[:, :2].abs() < 0.8).all(dim=-1)
        off.append((found - told[:, :2])[is_whole])
    off = torch.cat(off)
    assert len(off) > 15
    # Half a pixel is 0.016 across and 0.021 down.
    assert off.abs().median() < 0.03 and off.norm(dim=-1).quantile(0.9) < 0.12, off.norm(dim=-1).sort().values


def test_joints_of_the_picture_are_those_of_its_moment(simulate):
    env = simulate(*_still("latency", "[2,2]"), task=CAMERA, num_envs=3, play=True, endless=True)
    action, past = _idle(env), []
    action[:, 0] = 0.7
    for _ in range(6):
        past.append(env.obs_buf["proprioception"][:, :7].clone())
        torch.testing.assert_close(env.obs_buf["picture_joints"], past[max(0, len(past) - 3)])
        env.step(action)
    moved = env.obs_buf["picture_joints"] - env.obs_buf["proprioception"][:, :7]
    assert moved[:, 0].abs().min() > 0.02


@pytest.mark.parametrize("stamp", [-0.025, 0.025])
def test_a_wrong_time_stamp_tells_the_joints_of_another_moment(stamp, simulate):
    env = simulate(*_still("stamp", f"[{stamp},{stamp}]"), task=CAMERA, num_envs=3, play=True, endless=True)
    action = _idle(env)
    action[:, 0] = 0.7
    for _ in range(6):
        before = env.obs_buf["proprioception"][:, :7].clone()
        env.step(action)
    now = env.obs_buf["proprioception"][:, :7]
    expected = now if stamp < 0 else (now + before) / 2  # nothing is known of what is still to come
    torch.testing.assert_close(env.obs_buf["picture_joints"], expected, atol=1e-5, rtol=0)


##
# One row at a time
##


def _attached(env) -> rows.Rows:
    """Return the rows of an environment."""
    table = {name: row.span for name, row in rows_of(XARM1S).items()}
    made = rows.Rows(copy.deepcopy(env.cfg), table, 1.0)
    made.attach(env)
    return made


def test_a_row_of_the_reports_acts_as_far_as_it_is_opened(simulate):
    """Isaac Lab's managers copy their configuration: what counts is what arrives, not what was written somewhere."""
    env = simulate("presets=reports", num_envs=COUNT, play=True, endless=True)
    opened, state = _attached(env), transfer_state(env)
    for row, factor, least, most in (
        ("report_bias", 2.0, 0.004, 0.0081),
        (None, 0.0, 0.0, 1e-6),
        ("report_bias", 1.0, 0.002, 0.0041),
    ):
        opened.open(row, factor)
        env.reset()
        goal = _rows(env, "policy")["ball_to_dish"] + _rows(env, "policy")["ball_pos"]
        assert least <= (goal - state.dish_pos).abs().max() <= most, (row, factor)


def test_a_row_of_the_pictures_acts_as_far_as_it_is_opened(simulate):
    env = simulate("presets=domain_rand", task=CAMERA, num_envs=COUNT, play=True, endless=True)
    opened, camera = _attached(env), env.scene.sensors["wrist_camera"]
    for row, factor in (("image_exposure", 2.0), (None, 0.0), ("image_noise", 2.0)):
        opened.open(row, factor)
        env.reset()
        seen = env.obs_buf["image"][:, -3:].permute(0, 2, 3, 1).float()
        off = (seen - camera.data.output["rgb"].torch[..., :3].float()).abs().mean()
        assert (off > 2.0) == (row is not None), (row, off)


def test_a_policy_is_swept_over_a_row(door, tmp_path):
    words = ("--task", "Alice-Ball-Transfer", "--device", "cpu", "--checkpoint", "released", "--episodes", "16")
    words = (*words, "--rows", "report_age", "--factors", "0", "2", "--report", tmp_path / "rows")
    code, out, err = door("sweep_rows", *words, "env.episode_length_s=1.0")
    assert code == 0, err
    assert "| `report_age` | - |" in out
    assert {path.name for path in (tmp_path / "rows").iterdir()} == {"rows.json", "rows.csv", "rows.md", "rows.png"}


def test_the_robots_code_makes_the_same_of_the_reports(door, tmp_path):
    """The audit of an exported policy runs the robot's tracker and stops where the two differ."""
    task = ("--task", "Alice-Ball-Transfer", "--checkpoint")
    inputs, short = tmp_path / "inputs.npz", ("--device", "cpu", "--episodes", "42")
    code, _, err = door("evaluate", *task, "released", *short, "--record", inputs, "env.episode_length_s=1.5")
    assert code == 0, err
    code, _, err = door("export_onnx", *task, "released", "--inputs", inputs, "--output", tmp_path)
    assert code == 0, err
    exported, audit = tmp_path / "Alice-Ball-Transfer.onnx", tmp_path / "audit.json"
    words = ("presets=domain_rand", "env.episode_length_s=4.0")
    code, _, err = door("evaluate", *task, exported, *short, "--json", audit, *words)
    assert code == 0, err
    stages = json.loads(audit.read_text())["stages"]
    assert stages["pinched"] > 0.3, "balls are held, so that the rule of a held ball is met"
