"""A third arm needs its table, its body and its world, and not a line elsewhere.

The made-up arm is added where an arm is added: to :data:`alice.arms.ARMS`, to :data:`alice.assets.bodies.BODIES`, and
to the worlds and rows of the task. All that runs here is the same code that runs the others.
"""

import math
from dataclasses import replace

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

import gymnasium  # noqa: E402
import numpy as np  # noqa: E402
from isaaclab.utils import configclass  # noqa: E402
from made_up import CRANE, JAW  # noqa: E402

from alice import arms, contract  # noqa: E402
from alice.assets import arm_builder, bodies  # noqa: E402
from alice.assets.body import Body, Inertia, Part  # noqa: E402
from alice.cli import catalogue  # noqa: E402
from alice.deploy.observation import Controller  # noqa: E402
from alice.evaluation.physics.scripted import SCRIPT, Script  # noqa: E402
from alice.export import configured  # noqa: E402
from alice.tasks.ball_transfer import randomization_table, worlds  # noqa: E402
from alice.tasks.ball_transfer.env_cfg import BallTransferEnvCfg  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

TASK = "Alice-Ball-Transfer-Crane"
COUNT = 24
GROUPS = ("policy", "command_state", "goal_state")
"""What the actor of the state task sees."""

# What the unit tests leave open: a home over the middle of its workspace, and masses and a jaw that physics can move.
ARM = replace(
    CRANE,
    home=(0.0, 0.03, -0.39, 1.50, -math.pi / 2, 0.5),
    joints=(*CRANE.arm_joints, replace(CRANE.gripper_joints[0], stiffness=0.5, damping=0.035, armature=4e-4)),
    link_masses={**CRANE.link_masses, "hand": 0.06, "jaw": 0.015},
)
GREY = (0.2, 0.2, 0.2)


def _step(link: str, name: str, start: float, end: float, face: float, outer: float) -> Part:
    """Return a piece of a jaw between two distances from its root, and between its face and its back [m]."""
    size = (end - start, 0.012, abs(face - outer))
    return Part(link, name, size, ((start + end) / 2, 0.0, (face + outer) / 2), GREY, "", True, 0.6)


def _beam(link: str, size, centre) -> Part:
    return Part(link, "beam", size, centre, GREY)


BODY = Body(
    arm=ARM,
    parts=(
        _beam("base", (0.06, 0.06, 0.06), (0.0, 0.0, 0.03)),
        _beam("post", (0.03, 0.03, 0.05), (0.01, 0.0, 0.025)),
        _beam("boom", (0.02, 0.03, 0.10), (0.01, 0.0, 0.05)),
        _beam("jib", (0.12, 0.03, 0.02), (0.06, 0.0, 0.005)),
        _beam("wrist", (0.05, 0.03, 0.03), (0.025, 0.0, 0.0)),
        _beam("hand", (0.03, 0.03, 0.03), (0.015, 0.0, 0.0)),
        _step("hand", "jaw_root", 0.030, 0.086, -0.0108, -0.0250),
        _step("hand", "jaw_tip", 0.086, 0.096, JAW.fixed_face, -0.0150),
        _step("jaw", "root", 0.020, 0.068, -0.0093, 0.0040),
        _step("jaw", "tip", 0.068, 0.0806, JAW.moving_face, -0.0050),
    ),
    inertias={
        link: Inertia.of_box(mass, (0.05, 0.04, 0.04), (0.03, 0.0, 0.0)) for link, mass in ARM.link_masses.items()
    },
    looks={"all": GREY},
    pad_friction=0.6,
    position_iterations=10,
)


@configclass
class CraneEnvCfg(BallTransferEnvCfg):
    """The task on the made-up arm."""

    arm: str = ARM.name


@pytest.fixture
def added(monkeypatch, tmp_path, simulate):
    """Add the arm, its body, its world and its task for the length of a test."""
    monkeypatch.setitem(arms.ARMS, ARM.name, ARM)
    monkeypatch.setattr("alice.assets.body.DATA_DIR", tmp_path)
    monkeypatch.setitem(bodies.BODIES, ARM.name, BODY)
    arm_builder.build(BODY, BODY.file)
    area, starts = ((0.14, 0.26), (-0.09, 0.09)), tmp_path / "none.pt"
    world = worlds.World(area, nearest=0.06, furthest=0.35, transfer_work=1.0, starts=starts)
    monkeypatch.setitem(worlds.WORLDS, ARM.name, world)
    monkeypatch.setitem(randomization_table.ARM_ROWS, ARM.name, randomization_table.ARM_ROWS["so101"])
    monkeypatch.setitem(catalogue.tasks(), TASK, ("rsl_rl_cfg_entry_point",))
    gymnasium.register(
        id=TASK,
        entry_point="alice.tasks.ball_transfer.environment:TransferEnv",
        disable_env_checker=True,
        kwargs={
            "env_cfg_entry_point": CraneEnvCfg,
            "default_agent": "rsl_rl",
            "rsl_rl_cfg_entry_point": "alice.agents.ball_transfer.rsl_rl_so101_cfg:SO101PPORunnerCfg",
        },
    )
    yield ARM
    simulate.close()  # nobody else knows the arm
    gymnasium.registry.pop(TASK)


def _contract(env) -> contract.Contract:
    """Return the contract of a policy that would be trained in an environment."""
    inputs = tuple(configured.input_of(env.cfg, group) for group in GROUPS)
    whole = {"action": configured.action(env.cfg), "arm": configured.arm(env.cfg)}
    return contract.Contract(TASK, "1", None, "ab", inputs, **whole)


def _agree(inputs: dict[str, np.ndarray], obs) -> None:
    for group in GROUPS:
        np.testing.assert_allclose(inputs[group], obs[group].numpy(), rtol=0, atol=2e-5, err_msg=group)


@pytest.mark.slow
def test_a_third_arm_transfers_balls_and_the_robots_code_serves_it(added, simulate):
    env = simulate("physics=ovphysx", task=TASK, num_envs=COUNT, play=True, endless=True)
    made = contract.from_json(_contract(env).to_json())
    assert made.arm.name == ARM.name and contract.disagreements(made) == []
    term, state, controller = env.action_manager.get_term("joints"), transfer_state(env), Controller(made, COUNT)
    controller.begin(np.ones(COUNT, bool), term.targets.numpy())
    script, obs = Script(env, tuple(leg for leg in SCRIPT if leg.name != "hold")), env.obs_buf
    while script.leg is not None:
        told, reported = state.now.told, state.now.measured.joint_pos
        known = (reported, told.ball_pos, told.dish_pos, state.ball_radius)
        _agree(controller.inputs(*(part.numpy() for part in known)), obs)
        action = script.act()
        obs, *_ = env.step(action)
        np.testing.assert_allclose(controller.targets_after(action.numpy()), term.targets.numpy(), rtol=0, atol=1e-5)
    success = state.books.stages[:, -1]
    failed = [state.now.ball_pos[~success][:4].tolist(), state.dish_pos[~success][:4].tolist()]
    assert success.float().mean() >= 0.95, f"{int(success.sum())} of {COUNT}; balls and dishes of others: {failed}"
