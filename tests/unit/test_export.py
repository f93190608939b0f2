"""The contract is read from the configuration, and what no robot can do is refused. No simulator is started."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("isaaclab")
pytest.importorskip("onnx")
np = pytest.importorskip("numpy")

from export_jobs import CAMERA, TASK, resolved  # noqa: E402
from made_up import contract_of, image  # noqa: E402

from alice import contract as contracts  # noqa: E402
from alice.arms import XARM1S  # noqa: E402
from alice.cli.usage import UsageError  # noqa: E402
from alice.contract import action_of, spec_of, terms_of  # noqa: E402
from alice.export import configured  # noqa: E402


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
    env_cfg = resolved(task=TASK if path.startswith(POLICY) else CAMERA, **{path: value})
    with pytest.raises(UsageError, match=expected) as caught:
        configured.action(env_cfg)
        configured.arm(env_cfg)
        configured.input_of(env_cfg, "policy" if path.startswith(POLICY) else "image")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["env.actions=binary_gripper", "presets=seven_actions"])
def test_presets_that_no_robot_can_do_are_refused(word):
    with pytest.raises(UsageError, match="the robot side cannot do that"):
        configured.action(resolved(word))


def test_every_term_has_its_function():
    assert set(configured.FUNCTIONS) == set(terms_of(XARM1S))
    seen = {
        TASK: ("policy", "command_state", "goal_state"),
        CAMERA: ("proprioception", "picture_joints", "command_state", "goal"),
    }
    for task, groups in seen.items():
        env_cfg = resolved(task=task)
        assert all(configured.input_of(env_cfg, group).terms for group in groups)
