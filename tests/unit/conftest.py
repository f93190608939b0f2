"""Fakes that several unit tests share. PyTorch is imported when one is asked for, not before."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from bootstrap_machine import PYTHON_312, UV, Machine

from alice.arms import ARMS, AXES, XARM1S, Arm
from alice.transfer import timing


@pytest.fixture(scope="session")
def hand_frame():
    """Return a function from joint angles [rad] by name to origin [m] and turn of the hand in the base frame.

    It walks the joint table link by link with 3 x 3 matrices in plain Python: slow, general, and written without a look
    at the closed form in :mod:`alice.arms.kinematics`.
    """

    def walk(angles: dict[str, float], arm: Arm = XARM1S):
        place, turn = (0.0, 0.0, 0.0), ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        for joint in arm.arm_joints:
            place = _add(place, _apply(turn, joint.offset))
            turn = _multiply(turn, _about(joint.axis, angles.get(joint.name, 0.0)))
        return place, turn

    return walk


@pytest.fixture(scope="session")
def tool_point(hand_frame):
    """Return a function from joint angles [rad] by name to the tool point in the base frame [m]."""

    def walk(angles: dict[str, float], arm: Arm = XARM1S) -> tuple[float, float, float]:
        place, turn = hand_frame(angles, arm)
        return _add(place, _apply(turn, arm.tool_in_hand))

    return walk


@pytest.fixture(scope="session")
def opening(hand_frame):
    """Return a function from joint angles [rad] by name to the opening direction in the base frame."""

    def walk(angles: dict[str, float], arm: Arm = XARM1S) -> tuple[float, float, float]:
        return _apply(hand_frame(angles, arm)[1], AXES[arm.opens_along])

    return walk


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """A machine without any Python, for ``isaaclab.sh``."""
    return Machine(tmp_path)


@pytest.fixture
def machine(bare: Machine) -> Machine:
    """A machine with uv and Python 3.12."""
    bare.stand_in("uv", UV)
    bare.stand_in("python3.12", PYTHON_312)
    return bare


@pytest.fixture
def crane(monkeypatch) -> Arm:
    """Return the made-up arm, which alice knows for the length of a test."""
    from made_up import CRANE

    monkeypatch.setitem(ARMS, CRANE.name, CRANE)
    return CRANE


def _about(axis: str, angle: float):
    """Return the rotation matrix about ``X``, ``Y`` or ``Z``, with a minus sign for the other way round."""
    c, s = math.cos(angle), math.sin(-angle if axis.startswith("-") else angle)
    return {
        "X": ((1.0, 0.0, 0.0), (0.0, c, -s), (0.0, s, c)),
        "Y": ((c, 0.0, s), (0.0, 1.0, 0.0), (-s, 0.0, c)),
        "Z": ((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)),
    }[axis[-1]]


def _apply(matrix, vector):
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)


def _multiply(first, second):
    columns = [_apply(first, column) for column in zip(*second, strict=True)]
    return tuple(zip(*columns, strict=True))


def _add(first, second):
    return tuple(a + b for a, b in zip(first, second, strict=True))


@pytest.fixture
def make_env():
    """Return a maker of :class:`FakeEnv`: ``make_env(count)``."""
    pytest.importorskip("torch")
    return FakeEnv


DRIVE = {"joint_stiffness": "stiffness", "joint_damping": "damping", "joint_effort_limits": "effort_limit"}
"""Buffers of the arm's drives, and where the joint table has them."""


class FakeData:
    """Buffers of an asset; each holds its tensor under ``torch``, as Isaac Lab's do."""

    class Buffer:
        """One buffer."""

        __slots__ = ("torch",)

        def __init__(self, tensor):
            self.torch = tensor

    def __init__(self, **tensors):
        for name, tensor in tensors.items():
            setattr(self, name, self.Buffer(tensor))


class FakeAsset:
    """Arm or object whose writers write into its own buffers."""

    __slots__ = ("cfg", "data")

    def __init__(self, data: FakeData, cfg=None):
        self.data, self.cfg = data, cfg

    def find_bodies(self, name: str):
        assert name == "hand"
        return [2], [name]

    def write_joint_position_to_sim_index(self, *, position, env_ids):
        self.data.joint_pos.torch[env_ids] = position

    def write_joint_velocity_to_sim_index(self, *, velocity, env_ids):
        self.data.joint_vel.torch[env_ids] = velocity

    def write_root_pose_to_sim_index(self, *, root_pose, env_ids):
        self.data.root_link_pose_w.torch[env_ids] = root_pose

    def write_root_velocity_to_sim_index(self, *, root_velocity, env_ids):
        self.data.root_com_vel_w.torch[env_ids] = root_velocity


class FakeScene(dict):
    """Assets by name, and the environments' origins."""

    __slots__ = ("env_origins", "rigid_objects")


class FakeTerm:
    """The action term: targets, their largest step and their setter. The drives pull to them."""

    __slots__ = ("arm_step", "targets")
    reads_back = True

    @property
    def driven(self):
        return self.targets

    def set_targets(self, env_ids, targets):
        self.targets[env_ids] = targets

    def read_back(self, joint_pos):
        return joint_pos


class FakeCommand:
    """The command term: what tells of ball and dish, None for the truth."""

    __slots__ = ("reports",)


class FakeManager:
    """Terms by name, and the last two actions."""

    __slots__ = ("action", "prev_action", "terms")

    def __init__(self, terms):
        self.terms = terms

    def get_term(self, name: str):
        return self.terms[name]


class FakeEnv:
    """An environment without physics: things are where :meth:`put` puts them. All else is refused."""

    device = "cpu"
    step_dt = 1.0 / timing.CONTROL_RATE_HZ

    def __init__(self, count: int, arm: Arm = XARM1S):
        import torch

        self.num_envs, self.arm = count, arm
        self.cfg = SimpleNamespace(arm=arm.name)
        self.common_step_counter = 0
        self.episode_length_buf = torch.zeros(count, dtype=torch.long)
        self.scene = FakeScene()
        self.scene.rigid_objects = ("ball", "dish", "nest")
        spread = (torch.arange(count) % 5).float().unsqueeze(-1)
        self.scene.env_origins = spread * torch.tensor([1.25, -0.5, 0.0])
        upright = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
        still = torch.zeros(count, len(arm.joints))
        joints = {"joint_pos": still, "joint_vel": still.clone()}
        for name, field in DRIVE.items():
            joints[name] = torch.tensor([[getattr(joint, field) for joint in arm.joints]]).repeat(count, 1)
        self.scene["robot"] = FakeAsset(FakeData(body_link_pose_w=upright.repeat(count, 3, 1), **joints))
        for name in ("ball", "dish", "nest"):
            pose, speed = upright.repeat(count, 1), torch.zeros(count, 6)
            cfg = SimpleNamespace(spawn=SimpleNamespace(radius=0.015)) if name == "ball" else None
            self.scene[name] = FakeAsset(FakeData(root_link_pose_w=pose, root_com_vel_w=speed), cfg)
        joints = FakeTerm()
        joints.targets, joints.arm_step = still.clone(), arm.speed_cap / timing.CONTROL_RATE_HZ
        self.action_manager = FakeManager({"joints": joints})
        self.action_manager.action = torch.zeros(count, len(arm.action_names))
        self.action_manager.prev_action = torch.zeros(count, len(arm.action_names))
        self.command_manager = FakeManager({"transfer": FakeCommand()})
        self.command_manager.get_term("transfer").reports = None
        never = torch.zeros(count, dtype=torch.bool)
        self.termination_manager = FakeManager({"ball_lost": never, "success": never.clone()})

    def put(self, tool=None, ball=None, speed=None, gap=None, gap_target=None) -> None:
        """Place things in all environments; what is not given stays.

        Args:
            tool: Tool point, (3,) or (N, 3), base frame [m]. The hand is upright.
            ball: Ball centre, likewise [m].
            speed: Speed of the ball, number or (N,) [m/s].
            gap: Distance between the pads, number or (N,) [m].
            gap_target: Commanded distance between the pads, likewise [m].
        """
        import torch

        origins, arm, fingers = self.scene.env_origins, self.scene["robot"].data, self.arm.gripper_columns
        if tool is not None:
            offset = torch.as_tensor(tool) - torch.tensor(self.arm.tool_in_hand)
            arm.body_link_pose_w.torch[:, 2, :3] = origins + offset
        if ball is not None:
            self.scene["ball"].data.root_link_pose_w.torch[:, :3] = origins + torch.as_tensor(ball)
        if speed is not None:
            self.scene["ball"].data.root_com_vel_w.torch[:, 1] = torch.as_tensor(speed)
        if gap is not None:
            arm.joint_pos.torch[:, fingers] = self.arm.gripper.at_gap(torch.as_tensor(gap))
        if gap_target is not None:
            told = self.arm.gripper.at_gap(torch.as_tensor(gap_target))
            self.action_manager.get_term("joints").targets[:, fingers] = told

    def advance(self) -> None:
        """Let one control step pass, as far as the terminations."""
        from alice.mdp.terminations import UpdateTransfer

        self.common_step_counter += 1
        self.episode_length_buf += 1
        UpdateTransfer(None, self)(self)

    def end_reset(self, env_ids) -> None:
        """Do what a reset of some environments does after its events."""
        from alice.mdp.terminations import UpdateTransfer

        UpdateTransfer(None, self).reset(env_ids)
        self.episode_length_buf[env_ids] = 0
