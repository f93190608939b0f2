"""Domain randomization: off unless asked for, every row acts on each backend it names, and stays in its range."""

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice.arms import XARM1S  # noqa: E402
from alice.tasks.ball_transfer.randomization_cfg import BALL_RADII, BALL_ROLLING  # noqa: E402
from alice.tasks.ball_transfer.randomization_table import rows_of  # noqa: E402
from alice.transfer.objects import TABLE  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

ROWS = rows_of(XARM1S)
COUNT = len(BALL_RADII) * len(BALL_ROLLING)
RANDOMIZED = ("presets=domain_rand", "env.curriculum=none")  # the first stages of the curriculum randomize nothing
NEWTON = ("physics=newton_mjwarp",)


def read(env) -> dict[str, torch.Tensor]:
    """Return what the rows act on, (N, …) each, as the simulator holds it."""
    arm, ball, _dish = env.scene["robot"], env.scene["ball"], env.scene["dish"]
    drives = arm.data
    return {
        "ball_mass": ball.data.body_mass.torch.clone(),
        "link_mass": drives.body_mass.torch.clone(),
        "joint_friction": drives.joint_friction_coeff.torch.clone(),
        "joint_armature": drives.joint_armature.torch.clone(),
        "drive_stiffness": drives.joint_stiffness.torch.clone(),
        "drive_damping": drives.joint_damping.torch.clone(),
        "torque_cap": drives.joint_effort_limits.torch.clone(),
        "ball_radius": transfer_state(env).ball_radius.unsqueeze(-1).clone(),
        "table_height": _table_height(env),
    }


def _table_height(env) -> torch.Tensor:
    """Return the height of the table's surface, (N, 1) [m]; a static table is no rigid object and stands at 0."""
    if "table" not in env.scene.rigid_objects:
        return torch.zeros(env.num_envs, 1)
    return env.scene["table"].data.root_link_pose_w.torch[:, 2:3] - TABLE.centre[2]


NOMINAL = {
    "ball_mass": torch.tensor([[ROWS["ball_mass"].nominal]]),
    "ball_radius": torch.tensor([[ROWS["ball_radius"].nominal]]),
    "table_height": torch.zeros(1, 1),
    "link_mass": torch.tensor([list(XARM1S.link_masses.values())]),
    "joint_armature": torch.tensor([[joint.armature for joint in XARM1S.joints]]),
    "drive_stiffness": torch.tensor([[joint.stiffness for joint in XARM1S.joints]]),
    "drive_damping": torch.tensor([[joint.damping for joint in XARM1S.joints]]),
    "torque_cap": torch.tensor([[joint.effort_limit for joint in XARM1S.joints]]),
    "joint_friction": torch.zeros(1, 7),
}


@pytest.mark.parametrize("words", [(), NEWTON], ids=["ovphysx", "newton"])
def test_a_range_for_each_joint_reaches_that_joint(words, simulate):
    """As ``--servo`` gives them: each joint's stiffness and torque lie in its own narrow range."""
    low = [0.70 + 0.05 * joint for joint in range(len(XARM1S.joints))]
    span = f"[{low},{[value + 0.01 for value in low]}]".replace(" ", "")
    drives = (f"env.events.drive_gains.params.stiffness_distribution_params={span}",)
    drives += (f"env.events.torque_cap.params.scale={span}",)
    env = simulate(*RANDOMIZED, *words, *drives, num_envs=COUNT)
    data, least = env.scene["robot"].data, torch.tensor(low)
    for name, found in (("stiffness", data.joint_stiffness.torch), ("effort_limit", data.joint_effort_limits.torch)):
        share = found / torch.tensor([getattr(joint, name) for joint in XARM1S.joints])
        assert (share >= least - 1e-4).all() and (share <= least + 0.01 + 1e-4).all(), name
        assert share.std(dim=0).min() > 0.001, f"{name} is drawn for each environment"


@pytest.mark.parametrize("words", [(), NEWTON], ids=["ovphysx", "newton"])
def test_without_asking_every_environment_is_the_same(words, simulate):
    env = simulate(*words, num_envs=COUNT)
    for name, found in read(env).items():
        torch.testing.assert_close(found, NOMINAL[name].expand_as(found), rtol=1e-4, atol=1e-6, msg=name)
    assert env.action_manager.get_term("joints").cfg.servo is None


@pytest.mark.parametrize("words", [(), NEWTON], ids=["ovphysx", "newton"])
def test_every_row_differs_between_environments_and_stays_in_its_range(words, simulate):
    env = simulate(*words, *RANDOMIZED, num_envs=COUNT)
    for name, found in read(env).items():
        row = ROWS[name]
        relative = found / NOMINAL[name] if row.unit == "of nominal" else found
        assert relative.min() >= row.low * (1 - 1e-4) - 1e-7, name
        assert relative.max() <= row.high * (1 + 1e-4), name
        spread = (relative.amax(dim=0) - relative.amin(dim=0)).min()
        assert spread > 0.3 * (row.high - row.low), f"{name} does not act: {relative[:, 0]}"


@pytest.mark.parametrize("words", [(), NEWTON], ids=["ovphysx", "newton"])
def test_balls_are_as_large_as_the_task_believes(words, simulate):
    """A resting ball's centre is its radius above the table; here the nest holds it, so it lies no lower."""
    env = simulate(*words, "presets=domain_rand", num_envs=COUNT, play=True, endless=True)
    idle = torch.zeros(COUNT, 6)
    idle[:, 5] = 1.0
    for _ in range(20):
        env.step(idle)
    state = transfer_state(env)
    assert sorted({round(float(radius), 4) for radius in state.ball_radius}) == pytest.approx(BALL_RADII, abs=1e-4)
    assert state.now.height.abs().max() < 0.0012


def test_friction_rows_differ(simulate):
    env = simulate(*RANDOMIZED, num_envs=COUNT)
    import warp as wp
    from isaaclab_ov import tensor_types

    for asset, kind, row in (
        ("ball", tensor_types.RIGID_BODY_SHAPE_FRICTION_AND_RESTITUTION, "ball_friction"),
        ("dish", tensor_types.RIGID_BODY_SHAPE_FRICTION_AND_RESTITUTION, "dish_friction"),
        ("table", tensor_types.RIGID_BODY_SHAPE_FRICTION_AND_RESTITUTION, "table_friction"),
        ("robot", tensor_types.SHAPE_FRICTION_AND_RESTITUTION, "finger_friction"),
    ):
        friction = wp.to_torch(env.scene[asset].root_view.get_attribute(kind))[..., 0]
        shapes = friction[:, -1]
        assert ROWS[row].low - 1e-4 <= shapes.min() and shapes.max() <= ROWS[row].high + 1e-4, row
        assert shapes.max() - shapes.min() > 0.3 * (ROWS[row].high - ROWS[row].low), row


def _push(env) -> torch.Tensor:
    """Let the pushes fall due now and return by how much the balls' speed changed, (N, 2) [m/s]."""
    before = env.scene["ball"].data.root_com_vel_w.torch[:, :2].clone()
    env.event_manager.apply(mode="interval", dt=100.0)
    return env.scene["ball"].data.root_com_vel_w.torch[:, :2] - before


@pytest.mark.parametrize("words", [(), NEWTON], ids=["ovphysx", "newton"])
def test_balls_are_pushed(words, simulate):
    env = simulate(*words, "presets=domain_rand", num_envs=COUNT, play=True, endless=True)
    push, row = _push(env), ROWS["ball_push"]
    assert push.min() >= row.low - 1e-6 and push.max() <= row.high + 1e-6
    assert (push.amax(dim=0) - push.amin(dim=0)).min() > 0.5 * (row.high - row.low)


@pytest.mark.parametrize("words", [(), NEWTON], ids=["ovphysx", "newton"])
def test_rolling_balls_lose_speed_by_their_kind(words, simulate):
    env = simulate(*words, "presets=domain_rand", num_envs=COUNT, play=True, endless=True)
    state = transfer_state(env)
    ball, radius = env.scene["ball"], state.ball_radius
    everyone = torch.arange(COUNT)
    pose = ball.data.root_link_pose_w.torch.clone()
    pose[:, :3] = env.scene.env_origins + torch.tensor([0.40, -0.15, 0.0])  # far from nest and dish
    pose[:, 2] += radius + state.table_height
    rolling = torch.zeros(COUNT, 6)
    rolling[:, 1], rolling[:, 3] = 0.15, -0.15 / radius
    ball.write_root_pose_to_sim_index(root_pose=pose, env_ids=everyone)
    ball.write_root_velocity_to_sim_index(root_velocity=rolling, env_ids=everyone)
    idle = torch.zeros(COUNT, 6)
    idle[:, 5] = 1.0
    for _ in range(3):
        env.step(idle)
    speed = ball.data.root_com_vel_w.torch[:, 1].view(len(BALL_RADII), len(BALL_ROLLING))
    assert (speed < 0.15).all() and (speed > -1e-3).all(), speed
    assert (speed[:, :-1] > speed[:, 1:] + 0.002).all(), f"more loss must be slower: {speed}"


def test_a_redraw_touches_the_chosen_environments_only(simulate):
    env = simulate(*RANDOMIZED, num_envs=COUNT)
    before = read(env)
    ids = torch.tensor([2, 5], dtype=torch.int32)
    env._sim_step_counter += 1000 * env.cfg.decimation
    env._reset_idx(ids)
    rest = [k for k in range(COUNT) if k not in (2, 5)]
    for name, found in read(env).items():
        assert torch.equal(found[rest], before[name][rest]), name
        if name != "ball_radius":
            assert not torch.equal(found[ids.long()], before[name][ids.long()]), name


def test_the_curriculum_opens_the_ranges_step_by_step(simulate):
    words = ("presets=domain_rand", "env.actions.joints.ideal_servo_share=0.0")
    closed = simulate(*words, "env.curriculum.stage.params.phase=reach", num_envs=COUNT)
    drives = ("torque_cap", "drive_stiffness", "drive_damping", "joint_armature")
    for name in ("ball_mass", "link_mass", "table_height", *drives):
        found = read(closed)[name]
        torch.testing.assert_close(found, NOMINAL[name].expand_as(found), rtol=1e-4, atol=1e-6, msg=name)
    assert closed.action_manager.get_term("joints").servo_share == 0.0
    assert _push(closed).abs().max() < 1e-6
    half = simulate(*words, "env.curriculum.stage.params.phase=transport", num_envs=COUNT)
    mass = read(half)["ball_mass"]
    row = ROWS["ball_mass"]
    assert mass.min() >= (row.nominal + row.low) / 2 - 1e-6 and mass.max() <= (row.nominal + row.high) / 2 + 1e-6
    assert half.action_manager.get_term("joints").servo_share == 0.5
    damping = read(half)["drive_damping"] / NOMINAL["drive_damping"]
    assert damping.min() >= 0.85 - 1e-4 and damping.max() <= 1.2 + 1e-4 and damping.max() > 1.1
    assert _push(half).abs().max() <= 0.025 + 1e-6
