"""What the physics engines make of the arm: every number of the table arrives, and gravity pulls."""

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice import robot  # noqa: E402
from alice.transfer import outcome  # noqa: E402
from alice.transfer.objects import BALL  # noqa: E402

# The same environments as in test_scripted_transfer.py, so that Newton is started once.
ENVS = {"ovphysx": 256, "newton_mjwarp": 8}


@pytest.fixture(scope="module", params=ENVS)  # the scope groups the tests: each engine is started once
def physics(request) -> str:
    """Name of the physics preset."""
    return request.param


@pytest.fixture
def env(simulate, physics):
    """The task's environment on one physics engine, just reset, whose episodes do not end."""
    return simulate(f"physics={physics}", num_envs=ENVS[physics], play=True, endless=True)


def _column(name: str) -> torch.Tensor:
    """Return one column of the joint table, (7,)."""
    return torch.tensor([getattr(joint, name) for joint in robot.JOINTS])


def test_joint_and_body_names(env):
    arm = env.scene["robot"]
    assert tuple(arm.joint_names) == robot.JOINT_NAMES
    assert set(arm.body_names) == set(robot.LINK_MASSES)
    assert arm.is_fixed_base


def test_the_numbers_of_the_table_arrive(env, physics):
    data = env.scene["robot"].data
    expected = {
        "joint_stiffness": "stiffness",
        "joint_damping": "damping",
        "joint_armature": "armature",
        "joint_effort_limits": "effort_limit",
    }
    if physics != "newton_mjwarp":  # MuJoCo has no speed limit; the action term keeps to it by itself
        expected["joint_vel_limits"] = "velocity_limit"
    for name, column in expected.items():
        found = getattr(data, name).torch
        assert found.shape == (env.num_envs, 7)
        torch.testing.assert_close(found, _column(column).expand_as(found), rtol=1e-4, atol=1e-7, msg=name)
    limits = data.joint_pos_limits.torch
    torch.testing.assert_close(limits[..., 0], _column("lower").expand(env.num_envs, 7), rtol=0, atol=1e-4)
    torch.testing.assert_close(limits[..., 1], _column("upper").expand(env.num_envs, 7), rtol=0, atol=1e-4)


@pytest.mark.parametrize("physics", ["ovphysx"], indirect=True, scope="module")  # on Newton the buffers are its own
def test_the_engine_has_the_numbers_too(env):
    """Reads past Isaac Lab's buffers, which would hold what was written even if it got lost on the way."""
    view = env.scene["robot"].root_view
    columns = {"stiffness": "stiffness", "damping": "damping", "max_force": "effort_limit"}
    columns |= {"armature": "armature", "max_velocity": "velocity_limit"}
    for name, column in columns.items():
        found = torch.from_numpy(view.get_attribute(f"articulation_dof_{name}").numpy()).reshape(env.num_envs, 7)
        torch.testing.assert_close(found, _column(column).expand_as(found), rtol=1e-4, atol=1e-7, msg=name)


def test_the_masses_arrive(env):
    arm, ball = env.scene["robot"], env.scene["ball"]
    masses = arm.data.body_mass.torch.reshape(env.num_envs, -1)
    expected = torch.tensor([robot.LINK_MASSES[name] for name in arm.body_names])
    torch.testing.assert_close(masses, expected.expand_as(masses), rtol=1e-4, atol=0)
    ball_mass = ball.data.body_mass.torch.flatten()
    torch.testing.assert_close(ball_mass, torch.full_like(ball_mass, BALL.mass), rtol=1e-4, atol=0)


def test_the_tool_is_where_the_closed_form_says(env):
    from alice.transfer import geometry
    from alice.transfer.state import transfer_state

    _move(env, steps=4)
    now = transfer_state(env).now
    point, _ = geometry.forward_kinematics(now.true.joint_pos)
    torch.testing.assert_close(now.true.tool_pos, point, rtol=0, atol=1e-4)


def _move(env, steps: int) -> None:
    """Hold still, gripper open, for some control steps."""
    action = torch.zeros(env.num_envs, 6)
    action[:, 5] = 1.0
    for _ in range(steps):
        env.step(action)


def test_the_servos_hold_the_arm_against_gravity(env):
    data = env.scene["robot"].data
    before = data.joint_pos.torch.clone()
    _move(env, steps=10)
    sag = (data.joint_pos.torch - before)[:, :5].abs()
    assert sag.max() < robot.STALL_ERROR
    assert sag.max() > 1e-4  # a little, because gravity pulls


def test_without_its_servos_the_arm_falls(env):
    """A link whose gravity is switched off, or a joint that is held by something else, would stay."""
    arm = env.scene["robot"]
    gains = [torch.as_tensor(getattr(arm.data, f"joint_{name}").torch).clone() for name in ("stiffness", "damping")]
    hand = arm.find_bodies("hand")[0][0]
    before = arm.data.joint_pos.torch.clone()
    height = arm.data.body_link_pose_w.torch[:, hand, 2].clone()
    arm.write_joint_stiffness_to_sim_index(stiffness=torch.zeros_like(gains[0]))
    arm.write_joint_damping_to_sim_index(damping=torch.zeros_like(gains[1]))
    try:
        _move(env, steps=4)
        moved = (arm.data.joint_pos.torch - before).abs()
        fallen = height - arm.data.body_link_pose_w.torch[:, hand, 2]
    finally:
        arm.write_joint_stiffness_to_sim_index(stiffness=gains[0])
        arm.write_joint_damping_to_sim_index(damping=gains[1])
    assert fallen.min() > 0.02
    assert moved[:, 1:4].max(dim=-1).values.min() > 0.1


def test_a_ball_falls_with_g(env):
    """From 10 cm, off to one side: how far and how fast it is after a tenth of a second, and where it ends."""
    ball, origins = env.scene["ball"], env.scene.env_origins
    pose = torch.zeros(env.num_envs, 7)
    pose[:, :3] = origins + torch.tensor([0.05, 0.25, 0.10 + BALL.radius])
    pose[:, 6] = 1.0
    ball.write_root_pose_to_sim_index(root_pose=pose)
    ball.write_root_velocity_to_sim_index(root_velocity=torch.zeros(env.num_envs, 6))
    _move(env, steps=2)
    fallen = pose[:, 2] - ball.data.root_link_pose_w.torch[:, 2]
    # A solver that moves by the speed at the end of each of the 12 steps is 13/12 of g t^2 / 2 down.
    assert fallen.min() > 0.04905 * 0.98
    assert fallen.max() < 0.04905 * 13 / 12 * 1.01
    speed = ball.data.root_com_vel_w.torch[:, 2]
    torch.testing.assert_close(speed, torch.full_like(speed, -0.981), rtol=0.01, atol=0)
    _move(env, steps=14)
    rest = ball.data.root_link_pose_w.torch[:, 2]
    torch.testing.assert_close(rest, torch.full_like(rest, BALL.radius), rtol=0, atol=1e-3)  # it lies on the table
    assert ball.data.root_com_vel_w.torch[:, :3].norm(dim=-1).max() < outcome.REST_SPEED
