"""How an episode begins: where ball and dish are drawn, and that each start kind is what its name says."""

import copy
import traceback

import pytest

torch = pytest.importorskip("torch")

from made_up import CRANE  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from alice.arms import XARM1S, kinematics  # noqa: E402
from alice.mdp import events  # noqa: E402
from alice.transfer import places  # noqa: E402
from alice.transfer.start_bank import START_KINDS, StartBank  # noqa: E402
from alice.transfer.state import transfer_state  # noqa: E402

AREA = ((0.09, 0.29), (-0.12, 0.12))
HOME = torch.tensor(list(XARM1S.home))
LOWER, UPPER = (torch.tensor([getattr(joint, end) for joint in XARM1S.joints]) for end in ("lower", "upper"))


class Waits(TorchDispatchMode):
    """Writes down what would make the processor wait for a GPU: a number that it looks at, a list as a tensor."""

    NAMES = ("_local_scalar_dense", "nonzero", "is_nonzero", "_unique2", "unique_dim")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        is_mask = name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])
        is_list = name == "lift_fresh" and args[0].dim() > 0  # a single number is filled in on the GPU
        if name in self.NAMES or is_mask or is_list:
            frames = [frame for frame in traceback.extract_stack() if "torch" not in frame.filename][:-1]
            if "/alice/" in frames[-1].filename:  # what the fakes of these tests do is their own affair
                self.seen.append(f"{frames[-1].filename}:{frames[-1].lineno} {name}")
        return function(*args, **(kwargs or {}))


##
# Where ball and dish are drawn
##


def test_pairs_lie_in_the_area_and_apart():
    torch.manual_seed(0)
    ball, dish = places.draw_pair(5000, AREA, 0.08, "cpu")
    assert ball.shape == dish.shape == (5000, 2)
    for place in (ball, dish):
        assert (place[:, 0] >= 0.09).all() and (place[:, 0] <= 0.29).all()
        assert (place[:, 1].abs() <= 0.12).all()
    apart = (ball - dish).norm(dim=-1)
    assert apart.min() >= 0.08
    assert apart.min() < 0.085 and apart.max() > 0.25  # near and far pairs are both drawn


def test_pairs_without_a_separation_are_uniform():
    torch.manual_seed(1)
    ball, dish = places.draw_pair(20000, AREA, 0.0, "cpu")
    for place in (ball, dish):
        cells = ((place - torch.tensor([0.09, -0.12])) / torch.tensor([0.05, 0.06])).long()
        counts = torch.bincount(cells[:, 0] * 4 + cells[:, 1], minlength=16)
        # 1250 are expected in each of the 16 cells, with a standard deviation of 34.
        assert counts.min() > 1100 and counts.max() < 1400


def test_pairs_cover_both_sides_and_all_directions():
    torch.manual_seed(2)
    ball, dish = places.draw_pair(20000, AREA, 0.08, "cpu")
    for place in (ball, dish):
        cells = ((place - torch.tensor([0.09, -0.12])) / torch.tensor([0.05, 0.06])).long()
        counts = torch.bincount(cells[:, 0] * 4 + cells[:, 1], minlength=16)
        assert counts.min() > 800 and counts.max() < 1900  # the middle has less room for a partner
    way = dish - ball
    assert ((way > 0).float().mean(dim=0) - 0.5).abs().max() < 0.02
    assert abs((ball[:, 0] * way[:, 1]).mean()) < 1e-3


LOW_SPAN = torch.tensor([0.09, -0.12]), torch.tensor([0.2, 0.24])
WIDEST = 0.5 * (0.2**2 + 0.24**2) ** 0.5


@pytest.mark.parametrize("separation", [0.0, 0.08, 0.999 * WIDEST])
def test_a_gpu_draws_the_same_pairs_without_being_waited_for(separation):
    """On it the processor would wait for each number that it looks at; here only the draws are looked at."""
    torch.manual_seed(3)
    expected = places.draw_pair(20000, AREA, separation, "cpu")
    with Waits() as waits:
        found = places._draw_pair_at_once(20000, *LOW_SPAN, separation)
    assert waits.seen == []
    assert (found[0] - found[1]).norm(dim=-1).min() >= separation
    for one, other in zip(found, expected, strict=True):
        assert one.shape == (20000, 2)
        quantiles = torch.linspace(0.0, 1.0, 21)
        assert (one.quantile(quantiles, dim=0) - other.quantile(quantiles, dim=0)).abs().max() < 0.006
    apart = [(ball - dish).norm(dim=-1).mean() for ball, dish in (found, expected)]
    assert abs(apart[0] - apart[1]) < 0.002


@pytest.mark.parametrize("separation", [0.16, 0.5, 10.0])
def test_a_separation_without_room_is_refused(separation):
    with pytest.raises(ValueError, match=f"min_separation={separation}.*smaller"):
        places.draw_pair(4, AREA, separation, "cpu")


##
# How an episode begins
##

RADIUS = 0.015
GRASP = torch.tensor([0.3, 0.4, 1.2, 1.3, 0.1, RADIUS, RADIUS])


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> str:
    """Return the file of a bank with two states of each kind, which differ in the base joint."""
    kind = torch.arange(1, 5).repeat_interleave(2)
    joint_pos = GRASP.repeat(8, 1)
    joint_pos[1::2, 0] = -0.3
    targets = joint_pos.clone()
    targets[:, 5:] = RADIUS - XARM1S.gripper.squeeze
    tool, _ = kinematics.forward(XARM1S, joint_pos)
    beside = torch.tensor([0.26, 0.10]).repeat(8, 1)
    on_dish = (kind >= 3).unsqueeze(-1)
    nest, dish = torch.where(on_dish, beside, tool[:, :2]), torch.where(on_dish, tool[:, :2], beside)
    path = tmp_path_factory.mktemp("bank") / "starts.pt"
    StartBank(kind, torch.full((8,), RADIUS), joint_pos, targets, tool, nest, dish).save(path)
    return str(path)


def _reset(env, bank: str, kind: str, env_ids=None, noise: float = 0.05, table_height=(0.0, 0.0)):
    """Reset and return joint positions, joint targets, ball and dish in the base frame."""
    torch.manual_seed(7)
    events.reset_transfer(env, env_ids, {kind: 2.0}, bank, AREA, 0.08, noise, table_height)
    origins = env.scene.env_origins
    ball = env.scene["ball"].data.root_link_pose_w.torch[:, :3] - origins
    dish = env.scene["dish"].data.root_link_pose_w.torch[:, :3] - origins
    return env.scene["robot"].data.joint_pos.torch, env.action_manager.get_term("joints").targets, ball, dish


def test_the_documented_kinds():
    assert START_KINDS == ("home", "pregrasp", "in_hand", "above_dish", "in_dish")


def test_an_unknown_kind_is_refused(make_env, bank):
    with pytest.raises(ValueError, match=r"\['in_hnd'\] are unknown.*'in_hand'"):
        events.reset_transfer(make_env(2), None, {"home": 1.0, "in_hnd": 1.0}, bank, AREA, 0.08, 0.0, (0.0, 0.0))


@pytest.mark.parametrize("kind", ["home", "in_hand"])
def test_a_reset_makes_the_processor_wait_for_a_gpu_three_times_at_most(kind, make_env, bank, monkeypatch):
    """Which do not begin at home, whether the bank has a state for each of them, and whose episode has ended."""
    monkeypatch.setattr(places, "draw_pair", lambda count, *area: places._draw_pair_at_once(count, *LOW_SPAN, 0.08))
    monkeypatch.setattr(events, "draw_pair", places.draw_pair)
    env = make_env(20)
    _reset(env, bank, kind)
    with Waits() as waits:
        _reset(env, bank, kind)
    assert 2 <= len(waits.seen) <= 3, "\n".join(waits.seen)


@pytest.mark.parametrize("kind", START_KINDS)
def test_what_every_start_has_in_common(kind, make_env, bank):
    env = make_env(200)
    env.scene["ball"].data.root_com_vel_w.torch[:] = 3.0
    env.scene["robot"].data.joint_vel.torch[:] = 3.0
    joints, targets, _, dish = _reset(env, bank, kind)
    state = transfer_state(env)
    assert torch.isfinite(joints).all() and torch.isfinite(targets).all()
    assert (joints >= LOWER - 1e-6).all() and (joints <= UPPER + 1e-6).all()
    assert env.scene["ball"].data.root_com_vel_w.torch.abs().max() == 0.0
    assert env.scene["robot"].data.joint_vel.torch.abs().max() == 0.0
    torch.testing.assert_close(state.dish_pos, dish, atol=1e-6, rtol=0)
    assert dish[:, 2].abs().max() < 1e-6
    nest = env.scene["nest"].data.root_link_pose_w.torch[:, :2] - env.scene.env_origins[:, :2]
    assert (nest - dish[:, :2]).norm(dim=-1).min() > 0.0799
    for name in ("ball", "dish", "nest"):
        assert (env.scene[name].data.root_link_pose_w.torch[:, 3:] == torch.tensor([0.0, 0.0, 0.0, 1.0])).all()
    assert state.books.is_home_start.all() if kind == "home" else not state.books.is_home_start.any()
    assert not state.books.stages.any()


def test_home_starts(make_env, bank):
    env = make_env(200)
    joints, targets, ball, _ = _reset(env, bank, "home")
    nest = env.scene["nest"].data.root_link_pose_w.torch[:, :3] - env.scene.env_origins
    torch.testing.assert_close(ball[:, :2], nest[:, :2])
    assert (ball[:, 2] - 0.015).abs().max() < 1e-6
    assert (joints - HOME)[:, :5].abs().max() <= 0.05 and (joints - HOME)[:, :5].std(dim=0).min() > 0.02
    torch.testing.assert_close(joints[:, 5:], HOME[5:].repeat(200, 1))
    torch.testing.assert_close(targets, joints)
    exact, *_ = _reset(env, bank, "home", noise=0.0)
    torch.testing.assert_close(exact, HOME.repeat(200, 1))


@pytest.mark.parametrize("kind", START_KINDS[1:])
def test_other_starts_are_states_of_the_bank(kind, make_env, bank):
    joints, targets, ball, _ = _reset(make_env(200), bank, kind)
    assert sorted(joints[:, 0].unique().tolist()) == pytest.approx([-0.3, 0.3])  # both states are drawn
    torch.testing.assert_close(joints[:, 1:], GRASP[1:].repeat(200, 1))
    torch.testing.assert_close(ball, kinematics.forward(XARM1S, joints)[0])
    torch.testing.assert_close(targets[:, :5], joints[:, :5])
    squeezed = targets[:, 5] < RADIUS - 0.001
    if kind == "above_dish":
        assert 0.2 < squeezed.float().mean() < 0.8  # the others are already told to open
        assert targets[:, 5].max() > RADIUS + 0.005
    else:
        torch.testing.assert_close(targets[:, 5:], torch.full((200, 2), RADIUS - XARM1S.gripper.squeeze))


def test_shares_are_kept(make_env, bank):
    env = make_env(4000)
    torch.manual_seed(8)
    events.reset_transfer(env, None, {"home": 3.0, "in_dish": 1.0}, bank, AREA, 0.08, 0.0, (0.0, 0.0))
    assert transfer_state(env).books.is_home_start.float().mean() == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("kind", ["home", "in_hand"])
def test_a_partial_reset_leaves_the_others_alone(kind, make_env, bank):
    env = make_env(6)
    _reset(env, bank, "home")
    buffers = [env.scene["robot"].data.joint_pos.torch, env.action_manager.get_term("joints").targets]
    buffers += [env.scene[name].data.root_link_pose_w.torch for name in ("ball", "dish", "nest")]
    buffers.append(transfer_state(env).dish_pos)
    before = [buffer.clone() for buffer in buffers]
    torch.manual_seed(9)
    chosen = torch.tensor([1, 4], dtype=torch.int32)  # int32 is what Isaac Lab hands over
    events.reset_transfer(env, chosen, {kind: 1.0}, bank, AREA, 0.08, 0.05, (0.0, 0.0))
    for buffer, old in zip(buffers, before, strict=True):
        changed = (buffer != old).any(dim=-1)
        assert changed.nonzero().flatten().tolist() == [1, 4]


def test_a_slice_means_all(make_env, bank):
    env = make_env(6)
    _reset(env, bank, "home", slice(None))
    assert (env.scene["ball"].data.root_link_pose_w.torch[:, 2] > 0.01).all()


##
# A table of uncertain height
##


@pytest.fixture
def movable(make_env):
    """Return a maker of environments whose table can be moved."""

    def make(count: int):
        env = make_env(count)
        env.scene["table"] = copy.deepcopy(env.scene["dish"])
        env.scene.rigid_objects = (*env.scene.rigid_objects, "table")
        return env

    return make


@pytest.mark.parametrize("kind", ["home", "in_hand"])
def test_everything_stands_on_the_table(kind, movable, bank):
    env = movable(300)
    joints, targets, ball, dish = _reset(env, bank, kind, table_height=(-0.003, 0.003))
    height = transfer_state(env).table_height
    assert height.min() < -0.0027 and height.max() > 0.0027 and height.abs().max() <= 0.003
    top = env.scene["table"].data.root_link_pose_w.torch[:, 2] + 0.02
    for place in (dish[:, 2], env.scene["nest"].data.root_link_pose_w.torch[:, 2], top):
        torch.testing.assert_close(place, height, atol=1e-6, rtol=0)
    ball_over_table = ball[:, 2] - height
    assert ball_over_table.max() - ball_over_table.min() < 1e-6
    if kind == "in_hand":  # the hand goes along
        torch.testing.assert_close(kinematics.forward(XARM1S, joints)[0], ball, atol=1e-4, rtol=0)
        torch.testing.assert_close((targets - joints)[:, :5], torch.zeros(300, 5), atol=1e-6, rtol=0)
        pitch = joints[:, 1:4].sum(dim=-1)
        torch.testing.assert_close(pitch, torch.full((300,), 2.9), atol=1e-5, rtol=0)
    else:
        torch.testing.assert_close(joints[:, 5:], HOME[5:].repeat(300, 1))
    assert transfer_state(env).now.height.max() - transfer_state(env).now.height.min() < 1e-6


def test_a_table_comes_back_to_its_place(movable, bank):
    env = movable(4)
    _reset(env, bank, "home", table_height=(0.003, 0.003))
    _reset(env, bank, "home")
    assert (env.scene["table"].data.root_link_pose_w.torch[:, 2] + 0.02).abs().max() < 1e-6


def test_a_table_that_cannot_move_is_refused(make_env, bank):
    with pytest.raises(ValueError, match="table_height needs a table that can be moved"):
        _reset(make_env(4), bank, "home", table_height=(-0.003, 0.003))


##
# Another arm
##


def test_hands_of_another_arm_move_up_with_the_table():
    joints = torch.tensor(CRANE.home).repeat(4, 1)
    joints[:, 0], joints[:, 4] = 0.3, torch.tensor([-0.5, 0.0, 0.4, 1.0])
    targets = joints - 0.01
    height = torch.tensor([-0.003, 0.0, 0.002, 0.003])
    before, pitch = kinematics.forward(CRANE, joints)[0], kinematics.hand_pitch(CRANE, joints)
    moved, moved_targets = joints.clone(), targets.clone()
    events._raise_arm(CRANE, moved, moved_targets, height)
    after = kinematics.forward(CRANE, moved)[0]
    torch.testing.assert_close(after - before, torch.nn.functional.pad(height.unsqueeze(-1), (2, 0)), atol=1e-5, rtol=0)
    torch.testing.assert_close(kinematics.hand_pitch(CRANE, moved), pitch, atol=1e-5, rtol=0)
    torch.testing.assert_close(moved - joints, moved_targets - targets, atol=1e-6, rtol=0)
    assert torch.equal(moved[:, 4:], joints[:, 4:]), "roll and jaw stay"


def test_a_single_jaw_above_the_dish_is_told_to_open_by_up_to_six_times_its_squeeze():
    torch.manual_seed(0)
    kind = torch.arange(5).repeat(400)
    told = CRANE.gripper.at_gap(torch.full((2000,), 0.022))
    targets = torch.cat((torch.zeros(2000, 5), told), dim=-1)
    before = targets.clone()
    events._open_some_grippers(CRANE, targets, kind)
    above = kind == START_KINDS.index("above_dish")
    assert torch.equal(targets[~above], before[~above]) and torch.equal(targets[:, :5], before[:, :5])
    wider = CRANE.gripper.gap(targets[above][:, 5:]) - 0.022
    assert 0.0 <= wider.min() < 0.001 and 0.023 < wider.max() <= 0.024 + 1e-6
