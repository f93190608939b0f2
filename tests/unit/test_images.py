"""Errors of a camera: none where none are drawn, one direction each, and every environment its own."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("isaaclab")

from alice.mdp.images import ImageErrorRanges, ImageErrors  # noqa: E402

NONE = {
    "zoom": (1.0, 1.0),
    "exposure": (1.0, 1.0),
    "white_balance": (1.0, 1.0),
    "gamma": (1.0, 1.0),
    "blur": (0.0, 0.0),
    "noise": (0.0, 0.0),
}


def _errors(count: int = 4, **spans) -> ImageErrors:
    torch.manual_seed(3)
    return ImageErrors(count, ImageErrorRanges(**{**NONE, **spans}))


def _pictures(count: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 48, 64, 3), generator=generator, dtype=torch.uint8)


def _grey(value: int, count: int = 4) -> torch.Tensor:
    return torch.full((count, 48, 64, 3), value, dtype=torch.uint8)


def test_a_perfect_camera_changes_nothing():
    assert torch.equal(_errors().apply(_pictures()), _pictures())


def test_shape_and_type_stay_and_the_input_is_left_alone():
    pictures = _pictures()
    made = _errors(exposure=(0.5, 2.0), blur=(0.2, 0.8), noise=(0.01, 0.05), zoom=(0.9, 1.1)).apply(pictures)
    assert made.shape == pictures.shape and made.dtype == torch.uint8
    assert torch.equal(pictures, _pictures())


@pytest.mark.parametrize(("factor", "expected"), [(0.5, 50), (2.0, 200), (4.0, 255)])
def test_exposure_is_a_factor_and_white_is_the_end(factor, expected):
    made = _errors(exposure=(factor, factor)).apply(_grey(100))
    assert (made == expected).all()


def test_white_balance_takes_each_channel_apart():
    made = _errors(white_balance=(0.8, 1.2)).apply(_grey(100))
    assert (made.float().flatten(1, 2).std(dim=1) == 0).all()
    channels = made[:, 0, 0].float()
    assert channels.std(dim=1).min() > 1.0 and channels.min() >= 80 and channels.max() <= 120


def test_a_greater_gamma_darkens_what_is_between_black_and_white():
    made = _errors(gamma=(2.0, 2.0)).apply(torch.cat((_grey(0, 1), _grey(128, 1), _grey(255, 2))))
    assert made[:, 0, 0, 0].tolist() == [0, 64, 255, 255]


def test_blur_spreads_a_point_over_its_neighbours_and_keeps_the_sum():
    pictures = _grey(0)
    pictures[:, 20, 30] = 250
    made = _errors(blur=(0.8, 0.8)).apply(pictures)[0, :, :, 0].float()
    lit = (made > 0).nonzero()
    assert lit.min(dim=0).values.tolist() == [19, 29] and lit.max(dim=0).values.tolist() == [21, 31]
    assert made.sum() == pytest.approx(250, abs=6)
    assert made[20, 30] > made[20, 31] == made[21, 30] > made[21, 31]


def test_noise_has_its_standard_deviation_and_is_new_in_every_frame():
    errors = _errors(noise=(0.04, 0.04))
    first, second = errors.apply(_grey(128)).float(), errors.apply(_grey(128)).float()
    assert first.std() == pytest.approx(0.04 * 255, rel=0.05)
    assert first.mean() == pytest.approx(128, abs=0.5)
    assert not torch.equal(first, second)


def test_a_longer_lens_makes_things_larger_about_the_centre():
    pictures = _grey(0)
    pictures[:, 20:28, 26:38] = 255
    wide, long = (_errors(zoom=(factor,) * 2).apply(pictures) for factor in (0.8, 1.25))
    assert wide.float().mean() < pictures.float().mean() < long.float().mean()
    assert (long[:, 23:25, 31:33] == 255).all()


def test_every_environment_has_its_own_camera_and_only_those_that_begin_anew_get_another():
    errors = _errors(exposure=(0.6, 1.6), gamma=(0.8, 1.25), zoom=(0.9, 1.1))
    assert len(errors.exposure.unique()) == 4
    before = {name: getattr(errors, name).clone() for name in ("exposure", "gamma", "zoom", "white_balance")}
    errors.reset(torch.tensor([1, 3]))
    for name in ("exposure", "gamma", "zoom"):
        same = getattr(errors, name) == before[name]
        assert same.tolist() == [True, False, True, False], name
    assert torch.equal(errors.white_balance, before["white_balance"])


def test_what_is_drawn_stays_in_its_range():
    errors = _errors(2000, exposure=(0.6, 1.6), blur=(0.1, 0.7), white_balance=(0.85, 1.15))
    for name, (low, high) in {"exposure": (0.6, 1.6), "blur": (0.1, 0.7), "white_balance": (0.85, 1.15)}.items():
        found = getattr(errors, name)
        assert low <= found.min() < low + 0.1 * (high - low) and high - 0.1 * (high - low) < found.max() <= high, name
    # Evenly in the logarithm: as often darker than nominal by a factor as brighter by it.
    assert errors.exposure.log().mean() == pytest.approx(0.5 * torch.tensor(0.6 * 1.6).log().item(), abs=0.02)
