"""Domain randomization: off unless asked for, every row acts on each backend it names, and stays in its range."""

from pathlib import Path

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice import robot  # noqa: E402
from alice.mdp.transfer import transfer_state  # noqa: E402
from alice.tasks.ball_transfer.randomization_cfg import BACKENDS, NOT_AVAILABLE, RAMPED, ROWS, ball_radii  # noqa: E402

COUNT = 14
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
    }


NOMINAL = {
    "ball_mass": torch.tensor([[ROWS["ball_mass"].nominal]]),
    "ball_radius": torch.tensor([[ROWS["ball_radius"].nominal]]),
    "link_mass": torch.tensor([list(robot.LINK_MASSES.values())]),
    "joint_armature": torch.tensor([[joint.armature for joint in robot.JOINTS]]),
    "drive_stiffness": torch.tensor([[joint.stiffness for joint in robot.JOINTS]]),
    "drive_damping": torch.tensor([[joint.damping for joint in robot.JOINTS]]),
    "torque_cap": torch.tensor([[joint.effort_limit for joint in robot.JOINTS]]),
    "joint_friction": torch.zeros(1, 7),
}


@pytest.mark.parametrize("words", [(), NEWTON], ids=["ovphysx", "newton"])
def test_without_asking_every_environment_is_the_same(words, simulate):
    env = simulate(*words, num_envs=COUNT)
    for name, found in read(env).items():
        torch.testing.assert_close(found, NOMINAL[name].expand_as(found), rtol=1e-4, atol=1e-6, msg=name)
    assert env.action_manager.get_term("joints").cfg.servo is None


@pytest.mark.parametrize("words", [(), NEWTON], ids=["ovphysx", "newton"])
def test_every_row_differs_between_environments_and_stays_in_its_range(words, simulate):
    env = simulate(*words, "presets=domain_rand", num_envs=COUNT)
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
    assert sorted({round(float(radius), 4) for radius in state.ball_radius}) == pytest.approx(ball_radii(), abs=1e-4)
    assert state.now.height.abs().max() < 0.0012


def test_friction_rows_differ(simulate):
    env = simulate("presets=domain_rand", num_envs=COUNT)
    import warp as wp
    from isaaclab_ov import tensor_types

    for asset, kind, row in (
        ("ball", tensor_types.RIGID_BODY_SHAPE_FRICTION_AND_RESTITUTION, "ball_friction"),
        ("dish", tensor_types.RIGID_BODY_SHAPE_FRICTION_AND_RESTITUTION, "dish_friction"),
        ("robot", tensor_types.SHAPE_FRICTION_AND_RESTITUTION, "finger_friction"),
    ):
        friction = wp.to_torch(env.scene[asset].root_view.get_attribute(kind))[..., 0]
        shapes = friction[:, -1]
        assert ROWS[row].low - 1e-4 <= shapes.min() and shapes.max() <= ROWS[row].high + 1e-4, row
        assert shapes.max() - shapes.min() > 0.3 * (ROWS[row].high - ROWS[row].low), row


def test_a_redraw_touches_the_chosen_environments_only(simulate):
    env = simulate("presets=domain_rand", num_envs=COUNT)
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
    words = ("presets=domain_rand", "env.curriculum=staged")
    closed = simulate(*words, "env.curriculum.stage.params.phase=reach", num_envs=COUNT)
    for name in ("ball_mass", "link_mass", "torque_cap", "drive_stiffness", "joint_armature"):
        found = read(closed)[name]
        torch.testing.assert_close(found, NOMINAL[name].expand_as(found), rtol=1e-4, atol=1e-6, msg=name)
    assert closed.action_manager.get_term("joints").servo_share == 0.0
    half = simulate(*words, "env.curriculum.stage.params.phase=transport", num_envs=COUNT)
    mass = read(half)["ball_mass"]
    row = ROWS["ball_mass"]
    assert mass.min() >= (row.nominal + row.low) / 2 - 1e-6 and mass.max() <= (row.nominal + row.high) / 2 + 1e-6
    assert half.action_manager.get_term("joints").servo_share == 0.5


def test_the_table_is_the_one_in_the_docs():
    text = (Path(__file__).resolve().parents[2] / "docs" / "randomization.md").read_text(encoding="utf-8")
    for name, row in ROWS.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` ")]
        assert f"{row.low:.4g} to {row.high:.4g}" in line and (row.unit or "-") in line and row.source in line, name
        for backend in BACKENDS:
            assert (backend in line) == (backend in row.backends), (name, backend)
    for name, reason in NOT_AVAILABLE.items():
        assert f"| `{name}` " in text and reason in text, name
    ramped = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `") and "ramped" in line}
    assert set(RAMPED) - {"drive_gains"} <= ramped
