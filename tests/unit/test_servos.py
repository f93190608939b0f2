"""The servo model: late, coarse, loose and badly zeroed, each by the number that was drawn. No simulator."""

import math
from dataclasses import fields

import pytest

torch = pytest.importorskip("torch")

from alice.arms import ARMS  # noqa: E402
from alice.mdp.servos import ServoModel, ServoRanges, play  # noqa: E402

STEP = 0.05
IDEAL = {
    "delay": (0.0, 0.0),
    "jitter": (0.0, 0.0),
    "dead_band": (0.0, 0.0),
    "backlash": (0.0, 0.0),
    "offset": (0.0, 0.0),
    "gain": (1.0, 1.0),
    "read_noise": (0.0, 0.0),
}
COUNT = math.radians(240) / 1000
"""Of an LX servo [rad]."""


def servos(count: int = 4, share: float = 1.0, **ranges) -> ServoModel:
    model = ServoModel(count, 5, ServoRanges(**{**IDEAL, **ranges}), STEP, 1 / COUNT)
    model.reset(torch.arange(count), torch.zeros(count, 5), share)
    return model


def ramp(model: ServoModel, rate: float, steps: int) -> torch.Tensor:
    """Command a steady motion and return the drive targets, (steps, N, 5) [rad]."""
    count = model.delay.shape[0]
    return torch.stack([model.follow(torch.full((count, 5), rate * (k + 1))) for k in range(steps)])


def test_an_ideal_servo_follows_within_half_a_count():
    targets = torch.linspace(-2, 2, 20).reshape(4, 5)
    found = servos().follow(targets)
    assert (found - targets).abs().max() <= COUNT / 2 + 1e-6
    assert (servos().read(targets) - targets).abs().max() <= COUNT / 2 + 1e-6


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.06, 0.1, 0.13])
def test_a_steady_motion_lags_by_the_delay(delay):
    rate = 0.05  # rad per control step, 1 rad/s
    last = ramp(servos(delay=(delay, delay)), rate, 10)[-1]
    assert last == pytest.approx(10 * rate - delay * 1.0, abs=COUNT)


@pytest.mark.parametrize("delay", [(0.02, 0.01), (-0.01, 0.02)])
def test_a_delay_that_cannot_be_is_refused(delay):
    with pytest.raises(ValueError, match="0 <= low <= high"):
        servos(delay=delay)


@pytest.mark.parametrize(
    "per_radian", sorted({joint.servo.counts_per_radian for arm in ARMS.values() for joint in arm.joints} | {50.0})
)
def test_everything_sent_and_read_is_a_whole_count(per_radian):
    angles = torch.linspace(-1.9, 1.9, 333).unsqueeze(-1)
    model = ServoModel(333, 1, ServoRanges(**IDEAL), STEP, per_radian)
    model.reset(torch.arange(333), torch.zeros(333, 1))
    for found in (model.follow(angles), model.read(angles)):
        counts = found * per_radian
        assert torch.allclose(counts, counts.round(), atol=1e-3)
        assert len(counts.round().unique()) > min(300, 3.8 * per_radian - 1)
        assert (found - angles).abs().max() <= 0.5 / per_radian + 1e-6


def test_dead_band_swallows_small_moves_and_lets_their_sum_through():
    model = servos(dead_band=(0.01, 0.01))
    assert model.follow(torch.full((4, 5), 0.009)).abs().max() == 0
    assert model.follow(torch.full((4, 5), 0.02)).min() == pytest.approx(0.02, abs=COUNT)


@pytest.mark.parametrize("counts", [1, 2, 7])
def test_a_dead_band_of_whole_counts_swallows_just_as_many(counts):
    """All 1,000 positions of a servo: on numbers of radians the last bit decides which of them move."""
    start = torch.arange(-500.0, 500.0).reshape(-1, 1) * COUNT
    ranges = {**IDEAL, "dead_band": (counts * math.radians(0.24),) * 2}
    for change, moves in ((counts, False), (counts + 1, True)):
        for sign in (-1, 1):
            model = ServoModel(1000, 1, ServoRanges(**ranges), STEP, 1 / COUNT)
            model.reset(torch.arange(1000), start)
            moved = (model.follow(start + sign * change * COUNT) - start).abs() > COUNT / 2
            assert moved.all() if moves else not moved.any(), (change, sign, int(moved.sum()))


@pytest.mark.parametrize("name", [field.name for field in fields(ServoRanges) if field.name != "reads_back"])
def test_both_bounds_of_a_range_are_drawn_from(name):
    """A narrow range at either end pins the draw there: no bound is left unread."""
    low, high = (0.97, 0.98) if name == "gain" else (0.01, 0.02)
    for bounds in ((low, low), (high, high)):
        found = getattr(servos(50, **{name: bounds}), name)
        assert found.min() == pytest.approx(bounds[0]) and found.max() == pytest.approx(bounds[0])
    found = getattr(servos(500, **{name: (low, high)}), name)
    assert low <= found.min() < low + 0.001 and high - 0.001 < found.max() <= high


def test_play_moves_only_when_it_is_crossed():
    link, width = torch.zeros(1), torch.tensor([0.02])
    assert play(link, torch.tensor([0.009]), width) == 0
    link = play(link, torch.tensor([0.05]), width)
    assert link == pytest.approx(0.04)
    assert play(link, torch.tensor([0.035]), width) == pytest.approx(0.04), "turning back crosses the play first"
    assert play(link, torch.tensor([0.01]), width) == pytest.approx(0.02)


def test_backlash_loses_the_play_at_a_reversal():
    model = servos(backlash=(0.03, 0.03))
    up = ramp(model, 0.1, 5)[-1]
    assert up == pytest.approx(0.5 - 0.015, abs=2 * COUNT)
    down = model.follow(torch.full((4, 5), 0.48))
    assert torch.equal(down, up)


def test_zero_and_gain_errors_move_the_link_but_not_what_is_read():
    model = servos(offset=(-0.02, 0.02), gain=(0.985, 1.015))
    targets = torch.full((4, 5), 1.0)
    link = model.follow(targets)
    assert (link - 1.0).abs().max() > 0.003
    assert (link - 1.0).abs().max() <= 0.02 + 0.015 + COUNT
    assert (model.read(link) - 1.0).abs().max() <= COUNT + 1e-5


def test_draws_stay_in_their_ranges_and_differ():
    model = servos(500, delay=(0.02, 0.06), offset=(-0.02, 0.02), gain=(0.985, 1.015), backlash=(0.0, 0.035))
    assert 0.02 <= model.delay.min() < 0.025 and 0.055 < model.delay.max() <= 0.06
    assert -0.02 <= model.offset.min() < -0.018 and 0.018 < model.offset.max() <= 0.02
    assert 0.985 <= model.gain.min() < 0.987 and 1.013 < model.gain.max() <= 1.015
    assert 0.0 <= model.backlash.min() and model.backlash.max() <= 0.035


def test_a_share_of_zero_is_an_ideal_servo():
    bad = {"offset": (-0.02, 0.02), "gain": (0.985, 1.015), "backlash": (0.0, 0.035), "read_noise": (0.005, 0.005)}
    model = servos(share=0.0, delay=(0.02, 0.06), jitter=(0.005, 0.005), dead_band=(0.01, 0.01), **bad)
    targets = torch.full((4, 5), 0.7)
    assert (model.follow(targets) - 0.7).abs().max() <= COUNT / 2 + 1e-6
    assert (model.read(targets) - 0.7).abs().max() <= COUNT / 2 + 1e-6


def test_reset_touches_the_chosen_arms_only():
    model = servos(offset=(-0.02, 0.02), delay=(0.02, 0.06))
    ramp(model, 0.1, 3)
    before = model.offset.clone(), model.delay.clone(), model._link.clone()
    model.reset(torch.tensor([1, 3]), torch.full((2, 5), -0.5))
    for found, old in zip((model.offset, model.delay, model._link), before, strict=True):
        assert torch.equal(found[[0, 2]], old[[0, 2]])
        assert not torch.equal(found[[1, 3]], old[[1, 3]])
    link = model.follow(torch.full((4, 5), -0.5))
    assert (link[[1, 3]] + 0.5).abs().max() <= 0.02 + 2 * COUNT, "nothing is left of the motion before"


def test_read_noise_has_the_given_size():
    model = servos(2000, read_noise=(0.005, 0.005))
    error = model.read(torch.zeros(2000, 5))
    assert error.std() == pytest.approx(0.005, rel=0.05)
    assert error.mean().abs() < 0.0003
