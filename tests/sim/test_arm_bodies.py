"""What the physics engines make of each arm: every number of its table arrives, and gravity pulls."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from alice.arms import ARMS, kinematics  # noqa: E402
from alice.assets.bodies import BODIES  # noqa: E402
from alice.transfer import outcome  # noqa: E402
from alice.transfer.objects import BALL  # noqa: E402

ENGINES = ("ovphysx", "newton_mjwarp")
NAMES = tuple({body.arm.name: body for body in BODIES.values()})
"""An arm for each body."""
ENVS = 4
DT = 1 / 120
"""Length of a physics step [s]."""


class Stand:
    """Arms on tables, each with a ball, without a task."""

    def __init__(self, arm, engine: str):
        import isaaclab.sim as sim_utils
        from isaaclab.scene import InteractiveScene, InteractiveSceneCfg

        import alice.tasks  # noqa: F401 - the work-arounds
        from alice.assets.arms import articulation
        from alice.assets.objects import BALL_CFG, TABLE_CFG
        from alice.tasks.ball_transfer.physics_cfg import PhysicsCfg

        sim_utils.create_new_stage()
        self.table, self.engine = arm, engine
        self.sim = sim_utils.SimulationContext(
            sim_utils.SimulationCfg(dt=DT, device="cpu", physics=getattr(PhysicsCfg(), engine))
        )
        cfg = InteractiveSceneCfg(num_envs=ENVS, env_spacing=1.5)
        cfg.robot, cfg.ball, cfg.table = articulation(arm), BALL_CFG, TABLE_CFG
        self.scene = InteractiveScene(cfg)
        self.sim.reset()
        self.arm, self.ball = self.scene["robot"], self.scene["ball"]

    def place(self, pose=None) -> None:
        """Put the arm somewhere at rest, at home unless told, and the ball out of its way."""
        self.scene.reset()
        self.targets = self.rows(self.table.home if pose is None else pose)
        self.arm.write_joint_position_to_sim_index(position=self.targets)
        self.arm.write_joint_velocity_to_sim_index(velocity=torch.zeros_like(self.targets))
        self.put_ball((0.05, 0.25, BALL.radius))
        self.step(1)

    def put_ball(self, place) -> torch.Tensor:
        """Put the ball somewhere at rest; return its pose, (N, 7)."""
        pose = torch.zeros(ENVS, 7)
        pose[:, :3] = self.scene.env_origins + torch.tensor(place)
        pose[:, 6] = 1.0
        self.ball.write_root_pose_to_sim_index(root_pose=pose)
        self.ball.write_root_velocity_to_sim_index(root_velocity=torch.zeros(ENVS, 6))
        return pose

    def step(self, count: int, effort=None) -> None:
        """Go on by physics steps, targets and efforts held."""
        for _ in range(count):
            self.arm.actuators.target_command.set_position_index(value=self.targets)
            if effort is not None:
                self.arm.actuators.target_command.set_effort_index(value=effort)
            self.scene.write_data_to_sim()
            self.sim.step(render=False)
            self.scene.update(dt=DT)

    def rows(self, values) -> torch.Tensor:
        """Return values for every environment, (N, J)."""
        return torch.tensor(values, dtype=torch.float32).repeat(ENVS, 1)

    def column(self, name: str) -> torch.Tensor:
        """Return one column of the joint table, (N, J)."""
        return self.rows([getattr(joint, name) for joint in self.table.joints])

    def set_drives(self, share: float, friction: float) -> None:
        """Set the drives and the friction of all joints to a share of those of the table."""
        for name in ("stiffness", "damping"):
            getattr(self.arm, f"write_joint_{name}_to_sim_index")(**{name: share * self.column(name)})
        rub, thick = friction * self.column("friction"), friction * self.column("viscous_friction")
        extra = {"joint_dynamic_friction_coeff": rub} if self.engine == "ovphysx" else {}
        self.arm.write_joint_friction_coefficient_to_sim_index(
            joint_friction_coeff=rub, joint_viscous_friction_coeff=thick, **extra
        )

    def close(self) -> None:
        """End the simulation."""
        self.sim.stop()
        self.sim.clear_instance()


@pytest.fixture(scope="module", params=[(name, engine) for engine in ENGINES for name in NAMES], ids="-".join)
def opened(request):
    """The stand of one arm on one engine, as it was opened first."""
    name, engine = request.param
    stand = Stand(ARMS[name], engine)
    yield stand
    stand.close()


@pytest.fixture
def stand(opened) -> Stand:
    """It, with the arm at home."""
    opened.place()
    return opened


def _close(found: torch.Tensor, expected: torch.Tensor, name: str = "", atol: float = 1e-7) -> None:
    torch.testing.assert_close(
        found, expected.expand_as(found), rtol=1e-4, atol=atol, msg=lambda text: f"{name}: {text}"
    )


def test_joint_and_body_names(stand):
    assert tuple(stand.arm.joint_names) == stand.table.names
    assert set(stand.arm.body_names) == set(stand.table.link_masses)
    assert stand.arm.is_fixed_base


def test_the_numbers_of_the_table_arrive(stand):
    data = stand.arm.data
    expected = {
        "joint_stiffness": "stiffness",
        "joint_damping": "damping",
        "joint_armature": "armature",
        "joint_effort_limits": "effort_limit",
        "joint_friction_coeff": "friction",
        "joint_viscous_friction_coeff": "viscous_friction",
    }
    if stand.engine == "ovphysx":  # MuJoCo has no speed limit, and one friction
        expected["joint_vel_limits"] = "velocity_limit"
        expected["joint_dynamic_friction_coeff"] = "friction"
    for name, column in expected.items():
        _close(getattr(data, name).torch, stand.column(column), name)
    limits = data.joint_pos_limits.torch
    _close(limits[..., 0], stand.column("lower"), "lower", atol=1e-4)
    _close(limits[..., 1], stand.column("upper"), "upper", atol=1e-4)


def test_the_engine_has_the_numbers_too(stand):
    """Reads past Isaac Lab's buffers, which would hold what was written even if it got lost on the way."""
    if stand.engine != "ovphysx":
        pytest.skip("on Newton the buffers are its own")
    view, count = stand.arm.root_view, len(stand.table.joints)
    columns = {"stiffness": "stiffness", "damping": "damping", "max_force": "effort_limit"}
    columns |= {"armature": "armature", "max_velocity": "velocity_limit"}
    for name, column in columns.items():
        found = torch.from_numpy(view.get_attribute(f"articulation_dof_{name}").numpy()).reshape(ENVS, count)
        _close(found, stand.column(column), name)
    rubs = torch.from_numpy(view.get_attribute("articulation_dof_friction_properties").numpy()).reshape(ENVS, count, 3)
    for index, column in enumerate(("friction", "friction", "viscous_friction")):
        _close(rubs[..., index], stand.column(column), column)


def test_the_masses_arrive(stand):
    masses = stand.arm.data.body_mass.torch.reshape(ENVS, -1)
    _close(masses, torch.tensor([stand.table.link_masses[name] for name in stand.arm.body_names]))
    _close(stand.ball.data.body_mass.torch.flatten(), torch.tensor(BALL.mass))


def test_the_inertias_arrive(stand):
    """Moments about the axes of the link, products of inertia included: PhysX turns them out of the principal axes."""
    found = stand.arm.data.body_inertia.torch.reshape(ENVS, -1, 3, 3)[0].numpy()
    for index, link in enumerate(stand.arm.body_names):
        inertia = BODIES[stand.table.name].inertias[link]
        (xx, yy, zz), (xy, xz, yz) = inertia.moments, inertia.products
        expected = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        np.testing.assert_allclose(
            np.linalg.eigvalsh(found[index]), np.linalg.eigvalsh(expected), rtol=1e-3, err_msg=link
        )


def test_the_tool_is_where_the_closed_form_says(stand):
    gripper = stand.table.gripper
    others = ((0.3, -0.4, 0.5, 0.6, 0.7), (-0.5, 0.2, 0.9, 0.4, -0.9))
    for pose in (stand.table.home, *((*arm, *gripper.opened) for arm in others)):
        stand.place(pose)
        data = stand.arm.data
        hand = stand.arm.find_bodies(stand.table.hand_link)[0][0]
        here = data.body_link_pose_w.torch[:, hand]
        turned = _rotate(here[:, 3:], torch.tensor(stand.table.tool_in_hand))
        point, direction = kinematics.forward(stand.table, data.joint_pos.torch)
        torch.testing.assert_close(here[:, :3] + turned - stand.scene.env_origins, point, rtol=0, atol=1e-4)
        along = torch.tensor(stand.table.tool_in_hand) / math.hypot(*stand.table.tool_in_hand)
        torch.testing.assert_close(_rotate(here[:, 3:], along), direction, rtol=0, atol=1e-3)
        opening = kinematics.opening_direction(stand.table, data.joint_pos.torch)
        fingers = [stand.arm.find_bodies(link)[0][0] for link in stand.table.finger_links]
        apart = data.body_com_pos_w.torch[:, fingers[-1]] - data.body_com_pos_w.torch[:, fingers[0]]
        side = -1.0 if gripper.kind == "coupled fingers" else 1.0  # the left finger comes first there
        assert (side * (apart * opening).sum(dim=-1)).min() > 0.01


def _rotate(quat: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Turn a vector by quaternions (x, y, z, w), (N, 4) to (N, 3)."""
    vector = vector.expand(len(quat), 3)
    twice = 2.0 * torch.linalg.cross(quat[:, :3], vector)
    return vector + quat[:, 3:] * twice + torch.linalg.cross(quat[:, :3], twice)


def test_the_servos_hold_the_arm_against_gravity(stand):
    stand.step(60)
    sag = (stand.arm.data.joint_pos.torch - stand.targets)[:, stand.table.arm_columns].abs()
    assert sag.max() < math.radians(4)
    assert sag.max() > 1e-4  # a little, because gravity pulls


def test_without_its_servos_the_arm_falls(stand):
    """A link whose gravity is switched off, or a joint that is held by something else, would stay."""
    hand = stand.arm.find_bodies(stand.table.hand_link)[0][0]
    before = stand.arm.data.joint_pos.torch.clone()
    height = stand.arm.data.body_link_pose_w.torch[:, hand, 2].clone()
    stand.set_drives(0.0, friction=0.0)
    try:
        stand.step(24 if stand.table.joints[1].armature < 0.01 else 48)
        moved = (stand.arm.data.joint_pos.torch - before).abs()
        fallen = height - stand.arm.data.body_link_pose_w.torch[:, hand, 2]
    finally:
        stand.set_drives(1.0, friction=1.0)
    assert fallen.min() > 0.02
    assert moved[:, 1:4].max(dim=-1).values.min() > 0.1


def test_friction_stops_what_is_too_weak_and_brakes_the_rest(stand):
    """The yaw joint without its drive, under a torque of its own: it stays, or ends at what friction leaves of it."""
    yaw = stand.table.joints[0]
    if not yaw.friction:
        pytest.skip("no joint friction in the table of this arm")
    torque = torch.tensor([0.8 * yaw.friction, yaw.friction + 0.05, yaw.friction + 0.2, yaw.friction + 0.4])
    for name in ("stiffness", "damping"):
        without = stand.column(name)
        without[:, 0] = 0.0
        getattr(stand.arm, f"write_joint_{name}_to_sim_index")(**{name: without})
    effort = torch.zeros(ENVS, len(stand.table.joints))
    effort[:, 0] = torque
    try:
        stand.step(180, effort)
        speed = stand.arm.data.joint_vel.torch[:, 0].clone()
    finally:
        stand.step(1, torch.zeros_like(effort))
        stand.set_drives(1.0, friction=1.0)
    expected = (torque - yaw.friction).clamp(min=0.0) / yaw.viscous_friction
    torch.testing.assert_close(speed, expected, rtol=0.02, atol=0.005)


def test_a_ball_falls_with_g(stand):
    """From 10 cm, off to one side: how far and how fast it is after a tenth of a second, and where it ends."""
    pose = stand.put_ball((0.05, 0.25, 0.10 + BALL.radius))
    stand.step(12)
    fallen = pose[:, 2] - stand.ball.data.root_link_pose_w.torch[:, 2]
    # A solver that moves by the speed at the end of each of the 12 steps is 13/12 of g t^2 / 2 down.
    assert fallen.min() > 0.04905 * 0.98
    assert fallen.max() < 0.04905 * 13 / 12 * 1.01
    speed = stand.ball.data.root_com_vel_w.torch[:, 2]
    torch.testing.assert_close(speed, torch.full_like(speed, -0.981), rtol=0.01, atol=0)
    stand.step(84)
    rest = stand.ball.data.root_link_pose_w.torch[:, 2]
    torch.testing.assert_close(rest, torch.full_like(rest, BALL.radius), rtol=0, atol=1e-3)  # it lies on the table
    assert stand.ball.data.root_com_vel_w.torch[:, :3].norm(dim=-1).max() < outcome.REST_SPEED
