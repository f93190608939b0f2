"""The action term through a fake asset: clamped, no faster than the servos, never beyond the limits."""

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("isaaclab")

from alice.arms import XARM1S, Arm, xarm1s  # noqa: E402
from alice.mdp.actions import JointTargetAction, JointTargetActionCfg  # noqa: E402
from alice.transfer import timing  # noqa: E402

HOME = torch.tensor(list(XARM1S.home))


class FakeCommand:
    """Keeps what was sent to the drives."""

    __slots__ = ("sent",)

    def set_position_index(self, *, value):
        self.sent = value.clone()


class FakeActuators:
    """Drives of the fake arm."""

    __slots__ = ("target_command",)

    def __init__(self):
        self.target_command = FakeCommand()


class FakeArm:
    """An articulation with joint names and drives, and nothing else."""

    __slots__ = ("actuators", "joint_names")

    def __init__(self, joint_names):
        self.joint_names = list(joint_names)
        self.actuators = FakeActuators()


class FakeEnv:
    """What an action term needs of an environment."""

    __slots__ = ("cfg", "device", "num_envs", "scene")
    step_dt = 1.0 / timing.CONTROL_RATE_HZ

    def __init__(self, count: int, joint_names=None, arm: Arm = XARM1S):
        self.num_envs, self.device = count, "cpu"
        self.cfg = SimpleNamespace(arm=arm.name)
        self.scene = {"robot": FakeArm(arm.names if joint_names is None else joint_names)}


@pytest.fixture
def term():
    """The six-action term of two environments."""
    return JointTargetAction(JointTargetActionCfg(), FakeEnv(2))


@pytest.fixture
def seven():
    """The seven-action term of two environments."""
    return JointTargetAction(JointTargetActionCfg(coupled_fingers=False), FakeEnv(2))


def _act(term, *numbers) -> torch.Tensor:
    """Process one action in all environments and return the change of the targets."""
    before = term.targets.clone()
    term.process_actions(torch.tensor([numbers], dtype=torch.float).repeat(2, 1))
    return term.targets - before


def test_dimensions(term, seven):
    assert term.action_dim == 6 and seven.action_dim == 7
    assert term.raw_actions.shape == (2, 6) and seven.raw_actions.shape == (2, 7)
    assert term.processed_actions.shape == seven.processed_actions.shape == (2, 7)


def test_targets_begin_at_home(term):
    assert torch.equal(term.processed_actions, HOME.repeat(2, 1))


def test_arm_actions_are_increments_of_a_tenth_of_a_radian(term):
    change = _act(term, 1.0, -1.0, 0.5, 0.0, -0.25, 0.6)
    torch.testing.assert_close(change[0, :5], torch.tensor([0.1, -0.1, 0.05, 0.0, -0.025]))


def test_arm_targets_do_not_depend_on_earlier_actions(term):
    _act(term, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert _act(term, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)[:, :5].abs().max() == 0.0


def test_actions_beyond_one_are_clamped_but_remembered(term):
    change = _act(term, 50.0, -50.0, 1.5, 0.0, 0.0, 50.0)
    torch.testing.assert_close(change[0, :3], torch.tensor([0.1, -0.1, 0.1]))
    assert term.raw_actions[0].tolist() == [50.0, -50.0, 1.5, 0.0, 0.0, 50.0]


def test_no_target_moves_faster_than_the_caps(term):
    torch.manual_seed(0)
    for _ in range(200):
        change = _act(term, *(4.0 * torch.randn(6)).tolist())
        assert (20 * change[:, :5]).abs().max() <= 2.0 + 1e-5  # rad/s at 20 Hz
        assert (20 * change[:, 5:]).abs().max() <= 0.06 + 1e-6  # m/s


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_targets_stop_at_the_joint_limits(term, direction):
    for _ in range(60):
        _act(term, *[direction] * 6)
    end = "upper" if direction > 0 else "lower"
    expected = torch.tensor([getattr(joint, end) for joint in XARM1S.joints])
    torch.testing.assert_close(term.targets[0], expected)
    # They come back at once: nothing is wound up beyond the limit.
    assert (_act(term, *[-direction] * 6)[:, :5] * -direction > 0.09).all()


@pytest.mark.parametrize(("action", "opening"), [(-1.0, 0.0), (0.0, 0.0125), (1.0, 0.025), (-9.0, 0.0), (0.6, 0.020)])
def test_the_gripper_goes_to_an_opening_that_both_fingers_share(term, action, opening):
    for _ in range(10):
        _act(term, 0, 0, 0, 0, 0, action)
    torch.testing.assert_close(term.targets[:, 5:], torch.full((2, 2), opening))


def test_the_gripper_takes_a_third_of_a_second_to_shut(term):
    term.set_targets(torch.arange(2), torch.cat((HOME[:5], torch.tensor([0.02, 0.02]))).repeat(2, 1))
    for _ in range(6):
        _act(term, 0, 0, 0, 0, 0, -1)
    assert term.targets[0, 5] > 0.001  # 18 mm of 20 after 0.3 s
    _act(term, 0, 0, 0, 0, 0, -1)
    assert term.targets[0, 5:].tolist() == [0.0, 0.0]


def test_the_documented_form_moves_each_finger_by_itself(seven):
    for _ in range(10):
        change = _act(seven, 0.1, 0, 0, 0, 0, 1.0, -1.0)
    torch.testing.assert_close(seven.targets[:, 5:], torch.tensor([[0.025, 0.0]] * 2))
    torch.testing.assert_close(change[0, 0], torch.tensor(0.01))


def test_environments_are_independent(term):
    term.process_actions(torch.tensor([[1.0] * 6, [0.0] * 6]))
    assert term.targets[0, 0] == pytest.approx(0.1) and term.targets[1, 0] == 0.0


def test_the_drives_get_the_targets(term):
    _act(term, 1, 1, 1, 1, 1, 1)
    term.apply_actions()
    assert torch.equal(term._asset.actuators.target_command.sent, term.targets)


def test_a_reset_forgets_the_action_of_the_chosen_and_no_target(term):
    _act(term, 1, 1, 1, 1, 1, 1)
    targets = term.targets.clone()
    term.reset(torch.tensor([1], dtype=torch.int32))
    assert term.raw_actions.abs().sum(dim=-1).tolist() == [6.0, 0.0]
    term.reset()
    assert term.raw_actions.abs().max() == 0.0
    assert torch.equal(term.targets, targets)


def test_set_targets_places_the_chosen_only(term):
    term.set_targets(torch.tensor([1]), torch.zeros(1, 7))
    assert term.targets[1].abs().max() == 0.0 and torch.equal(term.targets[0], HOME)


def test_another_joint_order_is_refused_with_the_remedy():
    swapped = [*XARM1S.names[:5], *reversed(XARM1S.names[5:])]
    with pytest.raises(ValueError, match=r"right_finger_joint.*env\.arm=xarm1s.*scripts/build_assets.py"):
        JointTargetAction(JointTargetActionCfg(), FakeEnv(2, swapped))


def test_steps_are_those_of_the_arm_unless_the_configuration_has_its_own(crane):
    own = JointTargetAction(JointTargetActionCfg(arm_step=0.05, gripper_step=0.001), FakeEnv(2))
    assert (own.arm_step, own.gripper_step) == (0.05, 0.001)
    torch.testing.assert_close(_act(own, 1, 0, 0, 0, 0, -1)[0], torch.tensor([0.05, 0, 0, 0, 0, -0.001, -0.001]))
    theirs = JointTargetAction(JointTargetActionCfg(), FakeEnv(2, arm=crane))
    assert (theirs.arm_step, theirs.gripper_step) == pytest.approx((1.5 / 20, 3.0 / 20))


def test_an_arm_with_a_single_jaw(crane):
    """Six joints and six actions: the last one goes from -0.197 to 0.7 rad, by 0.15 rad a step."""
    term = JointTargetAction(JointTargetActionCfg(), FakeEnv(2, arm=crane))
    assert term.action_dim == 6 and term.targets.shape == (2, 6)
    torch.testing.assert_close(term.targets[0], torch.tensor([0.0, -0.6, 0.8, 1.0, 0.0, 0.5]))
    change = _act(term, 1, -1, 0, 0.5, 0, -1)
    torch.testing.assert_close(change[0], torch.tensor([0.075, -0.075, 0.0, 0.0375, 0.0, -0.15]))
    for action, angle in ((-1, -0.197), (1, 0.7), (0, 0.2515)):
        for _ in range(7):
            _act(term, 0, 0, 0, 0, 0, action)
        assert term.targets[:, 5].tolist() == pytest.approx([angle, angle])


def test_an_arm_with_a_single_jaw_through_servos(crane):
    """Its servo counts 4,096 a turn, and the jaw is a servo like the others."""
    term = servo_term(2, arm=crane)
    action = torch.linspace(-1, 1, 12).reshape(2, 6)
    for _ in range(4):
        term.process_actions(action)
    count = 2 * math.pi / 4096
    assert (sent(term) - term.targets).abs().max() <= count / 2 + 1e-6
    assert (sent(term) - term.targets).abs().max() > count / 20
    assert (term.read_back(term.targets.clone()) - term.targets).abs().max() <= count / 2 + 1e-6


##
# Through servos
##

NO = (0.0, 0.0)
SERVO = {"jitter": NO, "dead_band": NO, "backlash": NO, "offset": NO, "gain": (1.0, 1.0), "read_noise": NO}


def servo_term(count: int = 2, coupled: bool = True, arm: Arm = XARM1S, **ranges) -> JointTargetAction:
    """Return a term whose drives follow through servos, at home."""
    from alice.mdp.servos import ServoRanges

    cfg = JointTargetActionCfg(coupled_fingers=coupled, servo=ServoRanges(**{"delay": (0.0, 0.0), **SERVO, **ranges}))
    term = JointTargetAction(cfg, FakeEnv(count, arm=arm))
    term.set_targets(torch.arange(count), torch.tensor(arm.home).repeat(count, 1))
    return term


def sent(term: JointTargetAction) -> torch.Tensor:
    term.apply_actions()
    return term._asset.actuators.target_command.sent


def test_servos_that_are_late_are_sent_the_command_before():
    term = servo_term(delay=(0.05, 0.05))
    action = torch.zeros(2, 6)
    action[:, 0] = 1.0
    term.process_actions(action)
    assert term.targets[:, 0] == pytest.approx(0.1), "the target is the policy's, not the servo's"
    assert sent(term)[:, 0].abs().max() < 0.003
    term.process_actions(torch.zeros(2, 6))
    assert sent(term)[:, 0] == pytest.approx(0.1, abs=0.003)


@pytest.mark.parametrize("coupled", [True, False])
def test_ideal_servos_change_nothing_but_the_last_count(coupled):
    term = servo_term(coupled=coupled)
    action = torch.linspace(-1, 1, 2 * term.action_dim).reshape(2, -1)
    for _ in range(4):
        term.process_actions(action)
    difference = (sent(term) - term.targets).abs()
    assert difference[:, :5].max() <= 0.0021 + 1e-6, "half a count of 0.24 degrees"
    assert difference[:, 5:].max() <= 0.0021 * xarm1s.FINGER_PER_RADIAN + 1e-6
    read = term.read_back(term.targets.clone())
    assert (read - term.targets).abs().max() <= 0.0021 + 1e-6


def test_one_servo_moves_both_fingers_and_reports_their_mean():
    term = servo_term(offset=(-0.02, 0.02))
    assert torch.equal(sent(term)[:, 5], sent(term)[:, 6])
    pushed = term.targets.clone()
    pushed[:, 5] += 0.004
    pushed[:, 6] -= 0.004
    read = term.read_back(pushed)
    assert torch.equal(read[:, 5], read[:, 6])
    assert read[:, 5] == pytest.approx(term.targets[:, 5].tolist(), abs=0.001)


def test_without_servos_the_truth_is_read(term):
    joints = torch.randn(2, 7)
    assert term.read_back(joints) is joints


def test_without_read_back_the_commands_of_75_ms_ago_are_all_that_is_known():
    term = servo_term(reads_back=False, delay=(0.05, 0.05), offset=(-0.02, 0.02), read_noise=(0.005, 0.005))
    assert not term.reads_back and servo_term().reads_back
    nonsense, targets = torch.full((2, 7), 9.0), [term.targets.clone()]
    for _ in range(3):
        term.process_actions(torch.full((2, 6), 0.5))
        targets.append(term.targets.clone())
    torch.testing.assert_close(term.read_back(nonsense), (targets[1] + targets[2]) / 2)
    driven = term.targets + 0.1
    for _ in range(3):
        term.take_over(driven, driven)
        term.process_actions(torch.zeros(2, 6))
    torch.testing.assert_close(term.read_back(nonsense), driven)  # an arm that is driven over its bus
    term.set_targets(torch.tensor([1]), HOME[None])
    torch.testing.assert_close(term.read_back(nonsense), torch.stack((driven[0], HOME)))


def test_a_binary_gripper_opens_or_closes_and_never_faster_than_its_servo():
    term = JointTargetAction(JointTargetActionCfg(binary_gripper=True), FakeEnv(2))
    before = term.targets.clone()
    action = torch.zeros(2, 6)
    action[0, 5], action[1, 5] = 0.01, -0.01
    term.process_actions(action)
    assert (term.targets - before)[:, 5].tolist() == pytest.approx([0.003, -0.003])
    for _ in range(20):
        term.process_actions(action)
    assert term.targets[:, 5].tolist() == pytest.approx([xarm1s.FINGER_TRAVEL, 0.0])
    assert torch.equal(term.raw_actions, action)
