"""The bank of start states: what is drawn fits, and what is proposed to physics is what its name says."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("isaaclab")

from made_up import CRANE  # noqa: E402

from alice.arms import XARM1S, kinematics  # noqa: E402
from alice.evaluation.physics import start_states  # noqa: E402
from alice.mdp.curriculums import shrink  # noqa: E402
from alice.tasks.ball_transfer.randomization_cfg import BALL_RADII  # noqa: E402
from alice.tasks.ball_transfer.worlds import MIN_SEPARATION, WORLDS  # noqa: E402
from alice.transfer import geometry  # noqa: E402
from alice.transfer.curriculum import STAGES  # noqa: E402
from alice.transfer.objects import BALL  # noqa: E402
from alice.transfer.places import draw_pair  # noqa: E402
from alice.transfer.start_bank import START_KINDS, StartBank  # noqa: E402

WORKSPACE = WORLDS[XARM1S.name].workspace
LOWER, UPPER = (torch.tensor([getattr(joint, end) for joint in XARM1S.joints]) for end in ("lower", "upper"))
KINDS = range(1, len(START_KINDS))


@pytest.fixture(scope="module")
def bank() -> StartBank:
    """Return the bank that training uses."""
    return StartBank.load(str(WORLDS[XARM1S.name].starts), "cpu")


##
# The file
##


def test_every_kind_and_size_is_there(bank):
    assert sorted(bank.radius.unique().tolist()) == pytest.approx(BALL_RADII)
    for kind in KINDS:
        for radius in bank.radius.unique():
            assert ((bank.kind == kind) & (bank.radius == radius)).sum() >= 500


def test_the_states_are_within_limits_and_in_the_workspace(bank):
    # Gravity sags the arm and contact pushes it, so the limits hold within the slack of a stiff stop.
    assert (bank.joint_pos >= LOWER - 1e-3).all() and (bank.joint_pos <= UPPER + 1e-3).all()
    assert (bank.targets >= LOWER).all() and (bank.targets <= UPPER).all()
    for place in (bank.nest, bank.dish):
        for axis, (low, high) in enumerate(WORKSPACE):
            assert place[:, axis].min() >= low and place[:, axis].max() <= high
    assert (bank.nest - bank.dish).norm(dim=-1).min() >= MIN_SEPARATION


def test_the_kinds_are_what_their_names_say(bank):
    tool, _ = kinematics.forward(XARM1S, bank.joint_pos)
    near = (tool - bank.ball).norm(dim=-1)
    height = bank.ball[:, 2] - bank.radius
    gap = bank.joint_pos[:, 5:].sum(dim=-1)
    held = geometry.is_pinched(near, gap, bank.targets[:, 5:].sum(dim=-1), bank.radius)
    at_nest, at_dish = ((bank.ball[:, :2] - place).norm(dim=-1) for place in (bank.nest, bank.dish))
    pregrasp, in_hand, above, in_dish = (bank.kind == kind for kind in KINDS)
    assert not held[pregrasp].any() and height[pregrasp].abs().max() < 0.002 and at_nest[pregrasp].max() < 0.003
    assert near[pregrasp].max() < 0.07 and (gap - 2 * bank.radius)[pregrasp].min() > 0.005
    assert held[in_hand].all() and height[in_hand].max() > 0.08 and height[in_hand].min() < 0.01
    assert held[above].all() and at_dish[above].max() < 0.015 and height[above].max() > 0.05
    assert not held[in_dish].any() and at_dish[in_dish].max() < 0.022 and height[in_dish].max() < 0.008


def test_every_stage_of_the_curriculum_finds_starts(bank):
    radius = bank.radius.unique()
    for stage in STAGES:
        area = shrink(WORKSPACE, stage.spread)
        for name in stage.starts.keys() - {"home"}:
            found = bank.draw(torch.full_like(radius, START_KINDS.index(name), dtype=torch.long), radius, area)
            for place in (found.nest, found.dish):
                assert all(
                    low <= value <= high for row in place.tolist() for value, (low, high) in zip(row, area, strict=True)
                )


##
# Drawing
##


def test_what_is_drawn_has_the_wanted_kind_and_size(bank):
    torch.manual_seed(0)
    kind = torch.randint(1, 5, (3000,))
    radius = torch.tensor(BALL_RADII)[torch.randint(0, len(BALL_RADII), (3000,))]
    found = bank.draw(kind, radius, WORKSPACE)
    assert torch.equal(found.kind, kind) and torch.allclose(found.radius, radius)
    picked = found.joint_pos[(kind == 2) & (found.radius == found.radius.unique()[0])]
    assert len(picked.unique(dim=0)) > 0.75 * len(picked)  # of 512 states, about 107 are drawn


def test_a_ball_that_is_nearly_as_large_is_good_enough_and_others_are_refused(bank):
    kind = torch.tensor([2])
    assert bank.draw(kind, torch.tensor([0.0155]), WORKSPACE).radius == pytest.approx(BALL.radius)
    with pytest.raises(ValueError, match=r"no start state 'in_hand' is stored for a ball of 0.025 m"):
        bank.draw(kind, torch.tensor([0.025]), WORKSPACE)


def test_an_area_without_states_is_refused(bank):
    with pytest.raises(ValueError, match="no start state 'pregrasp'"):
        bank.draw(torch.tensor([1]), torch.tensor([BALL.radius]), ((0.0, 0.001), (0.0, 0.001)))


def test_save_and_load(bank, tmp_path):
    part = bank.take(torch.tensor([3, 5]))
    part.save(tmp_path / "part.pt")
    again = StartBank.load(str(tmp_path / "part.pt"), "cpu")
    assert torch.equal(again.joint_pos, part.joint_pos) and torch.equal(again.kind, part.kind)
    both = StartBank.concatenate([part, again])
    assert len(both.kind) == 4 and torch.equal(both.ball[:2], both.ball[2:])


##
# What is proposed to physics
##


def _propose(kind: str, radius: float, count: int = 300):
    """Return ball, joints, targets and the tool's distance to the ball."""
    torch.manual_seed(7)
    nest, dish = (torch.nn.functional.pad(p, (0, 1)) for p in draw_pair(count, WORKSPACE, MIN_SEPARATION, "cpu"))
    radii = torch.full((count,), radius)
    index = START_KINDS.index(kind)
    ball = start_states.propose_ball(index, nest, dish, radii)
    joints, targets = start_states.propose_arm(XARM1S, index, ball, radii)
    assert (joints >= LOWER - 1e-6).all() and (joints <= UPPER + 1e-6).all()
    assert (targets >= LOWER - 1e-6).all() and (targets <= UPPER + 1e-6).all()
    place = dish if kind in ("above_dish", "in_dish") else nest
    torch.testing.assert_close(ball[:, :2], place[:, :2])
    return ball, joints, targets, (kinematics.forward(XARM1S, joints)[0] - ball).norm(dim=-1)


@pytest.mark.parametrize("radius", [0.008, 0.015, 0.020])
def test_pregrasp_proposals(radius):
    ball, joints, targets, near = _propose("pregrasp", radius)
    assert near.max() <= 0.0605 and near.min() < 0.006
    assert (ball[:, 2] - radius).abs().max() < 1e-6
    assert (joints[:, 5:] > 0.02).all()  # open around the ball
    torch.testing.assert_close(targets, joints)


@pytest.mark.parametrize("radius", [0.008, 0.015, 0.020])
@pytest.mark.parametrize(("kind", "lowest", "highest"), [("in_hand", 0.0, 0.10), ("above_dish", 0.012, 0.062)])
def test_proposals_with_the_ball_between_the_pads(kind, lowest, highest, radius):
    ball, joints, targets, near = _propose(kind, radius)
    assert near.max() < (0.004 if radius < 0.01 else 1e-3)  # the tips stay above the table, a small ball lower
    height = ball[:, 2] - radius
    assert height.min() >= lowest - 1e-6 and height.max() <= highest + 1e-6
    assert height.max() - height.min() > 0.8 * (highest - lowest)
    torch.testing.assert_close(joints[:, 5:], torch.full((300, 2), radius))  # pads on the ball's surface
    assert targets[:, 5].max() == pytest.approx(radius - XARM1S.gripper.squeeze)


def test_in_dish_proposals():
    ball, joints, targets, near = _propose("in_dish", 0.015)
    assert (ball[:, 2] - 0.017).abs().max() < 1e-6
    assert near.min() < 0.005 and 0.06 < near.max() <= 0.0705
    assert (joints[:, 5:] >= 0.015 - 1e-6).all()
    torch.testing.assert_close(targets, joints)


def _propose_for_the_crane(kind: str, radius: float, count: int = 300):
    """Return ball, joints and targets of the made-up arm, and where its jaws hold a ball."""
    torch.manual_seed(8)
    area = ((0.15, 0.25), (-0.08, 0.08))
    nest, dish = (torch.nn.functional.pad(p, (0, 1)) for p in draw_pair(count, area, MIN_SEPARATION, "cpu"))
    radii = torch.full((count,), radius)
    ball = start_states.propose_ball(START_KINDS.index(kind), nest, dish, radii)
    joints, targets = start_states.propose_arm(CRANE, START_KINDS.index(kind), ball, radii)
    assert joints.shape == targets.shape == (count, 6)
    return ball, joints, targets, kinematics.grip_point(CRANE, joints, radii)


@pytest.mark.parametrize("radius", [0.0175, 0.020])
@pytest.mark.parametrize("kind", ["in_hand", "above_dish"])
def test_a_single_jaw_is_proposed_with_the_ball_between_its_faces(kind, radius):
    ball, joints, targets, held = _propose_for_the_crane(kind, radius)
    assert (held - ball).norm(dim=-1).max() < 5e-4
    # Worked out beside alice for these two radii; told to close by 8 mm of gap more than the ball lets it.
    angle = {0.0175: 0.265, 0.020: 0.337}[radius]
    assert joints[:, 5] == pytest.approx([angle] * 300, abs=1e-3)
    closing = (joints - targets)[:, 5]
    assert (closing > 0.08).all() and (closing < 0.13).all(), "8 mm on a lever of 75 to 80 mm"
    torch.testing.assert_close(joints[:, :5], targets[:, :5])


def test_a_single_jaw_is_proposed_around_the_ball_without_touching_it():
    ball, joints, targets, held = _propose_for_the_crane("pregrasp", 0.015)
    opens = kinematics.opening_direction(CRANE, joints)
    shifted = held + 0.004 * opens  # 4 mm further from the fixed face than a ball that leans on it
    assert (shifted - ball)[:, :2].norm(dim=-1).max() < 5e-4
    above = (shifted - ball)[:, 2]
    assert above.min() > -5e-4 and above.max() < 0.0605 and above.min() < 0.005 and above.max() > 0.05
    assert (joints[:, 5] == 0.7).all()
    torch.testing.assert_close(joints, targets)
