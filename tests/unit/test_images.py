"""Errors of a camera: none where none are drawn, one direction each, and every environment its own."""

import math

import pytest

torch = pytest.importorskip("torch")

from alice.mdp.image_errors import ImageErrorRanges, ImageErrors, image_flow, image_points  # noqa: E402

NONE = {
    "zoom": (1.0, 1.0),
    "exposure": (1.0, 1.0),
    "white_balance": (1.0, 1.0),
    "gamma": (1.0, 1.0),
    "blur": (0.0, 0.0),
    "noise": (0.0, 0.0),
    "distortion": (0.0, 0.0),
    "side_light": (1.0, 1.0),
    "occluder": (0.0, 0.0),
    "shutter": (0.0, 0.0),
    "latency": (0, 0),
    "drop": (0.0, 0.0),
    "stamp": (0.0, 0.0),
}
FOCAL = 0.55
"""Focal length over the width: a view of 85 degrees."""


def _errors(count: int = 4, **spans) -> ImageErrors:
    torch.manual_seed(3)
    return ImageErrors(count, ImageErrorRanges(**{**NONE, **spans}), FOCAL)


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


##
# Lens
##


def _dots(places) -> torch.Tensor:
    """Return a large black picture with a white dot of 3x3 pixels about each place (right, down) [pixels]."""
    picture = torch.zeros(1, 480, 640, 3, dtype=torch.uint8)
    for right, down in places:
        picture[:, down - 1 : down + 2, right - 1 : right + 2] = 255
    return picture


def _middle(picture: torch.Tensor) -> tuple[float, float]:
    """Return the middle of what is bright in one picture, right and down [pixels]."""
    bright = picture[0, ..., 0].float()
    rows, columns = (torch.arange(size) + 0.5 for size in bright.shape)
    return float((bright * columns).sum() / bright.sum()), float((bright.T * rows).sum() / bright.sum())


@pytest.mark.parametrize("k1", [-0.1, 0.1])
@pytest.mark.parametrize("place", [(90, 80), (500, 120), (320, 60), (40, 240)])
def test_a_lens_moves_a_dot_where_opencv_says(k1, place):
    """Its x becomes x (1 + k1 r^2) on the plane one focal length before the eye."""
    focal = FOCAL * 640
    x, y = (place[0] + 0.5 - 320) / focal, (place[1] + 0.5 - 240) / focal
    stretch = 1.0 + k1 * (x**2 + y**2)
    expected = 320 + focal * x * stretch, 240 + focal * y * stretch
    assert abs(expected[0] - place[0]) + abs(expected[1] - place[1]) > 4
    found = _middle(_errors(1, distortion=(k1, k1)).apply(_dots([place])))
    assert found == pytest.approx(expected, abs=0.4)


def test_a_barrel_beyond_what_a_lens_can_draw_stays_finite():
    errors = _errors(4, distortion=(-0.2, -0.2))
    assert errors.apply(_pictures()).float().std() > 10
    assert torch.isfinite(errors._grid).all()


##
# Motion
##


def test_a_moving_hand_smears_along_its_way_and_by_its_length():
    pictures = _grey(0)
    pictures[:, 20, 30] = 250
    flow = torch.tensor([[0.0, 0.0], [150.0, 0.0], [0.0, 150.0], [-150.0, 0.0]])
    made = _errors(shutter=(0.02, 0.02)).apply(pictures, flow)[..., 0].float()
    assert torch.equal(made[0], pictures[0, ..., 0].float())
    assert (made[1] > 0).nonzero()[:, 0].unique().tolist() == [20]
    columns = (made[1] > 0).nonzero()[:, 1]
    assert columns.max() - columns.min() in (2, 3, 4), "3 pixels, spread over neighbours"
    torch.testing.assert_close(made[1], made[3], rtol=0, atol=1)
    torch.testing.assert_close(made[2][18:23, 30], made[1][20, 28:33], rtol=0, atol=1)
    assert made.flatten(1).sum(dim=1) == pytest.approx(250, abs=4)


def test_the_way_of_the_picture_follows_from_the_camera_and_the_table():
    """A camera 10 cm over the table that looks straight down, its picture's right along x of the world."""
    down = torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]]).repeat(4, 1, 1)
    eye = torch.tensor([0.2, 0.0, 0.1]).repeat(4, 1)
    before, turned = eye.clone(), down.clone()
    before[0, 0] -= 0.01  # it has moved along x: the table has run to the left
    before[1, 1] -= 0.01  # along y, which is up in the picture: the table has run down
    before[3, 2] -= 0.01  # up
    # Turning about the world's y moves the view from straight down towards -x: the table has run to the right.
    c, s = math.cos(0.02), math.sin(0.02)
    turned[2] = torch.tensor([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]]) @ down[2]
    way = image_flow(eye, down, before, turned, torch.full((4,), 0.1), 35.0)
    expected = torch.tensor([[-3.5, 0.0], [0.0, 3.5], [0.7, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(way, expected, rtol=1e-3, atol=1e-5)


##
# Light and what is in the way
##


def test_light_comes_from_a_side_and_its_mean_stays():
    errors = _errors(32, side_light=(1.4, 1.4))
    made = errors.apply(_grey(100, 32)).float()[..., 0]
    assert made.mean(dim=(1, 2)) == pytest.approx(100, abs=1)
    assert made.amax(dim=(1, 2)).min() > 135 and made.amin(dim=(1, 2)).max() < 65
    brightest = made.flatten(1).argmax(dim=1)
    assert len({(int(at) // 64 > 23, int(at) % 64 > 31) for at in brightest}) == 4, "from every side"
    # Even across the picture: no step.
    assert made.diff(dim=1).abs().max() < 4 and made.diff(dim=2).abs().max() < 4


def test_an_occluder_is_at_an_edge_and_has_its_area():
    errors = _errors(400, occluder=(0.0, 0.10))
    made = errors.apply(_grey(128, 400)).float()
    painted = ((made - 128).abs().amax(dim=-1) > 2).float()
    area = painted.mean(dim=(1, 2))
    covered = errors._hidden_part(torch.arange(400), 48, 64)
    torch.testing.assert_close(covered.mean(dim=(1, 2)), errors.occluder, rtol=1e-4, atol=1e-5)
    assert covered.mean(dim=(1, 2)).max() <= 0.10 + 1e-6 and area.max() > 0.08
    large = errors.occluder > 0.01
    edges = torch.stack((covered[:, :, 0], covered[:, :, -1]), dim=1).amax(dim=(1, 2)) > 0
    edges |= torch.stack((covered[:, 0], covered[:, -1]), dim=1).amax(dim=(1, 2)) > 0
    assert edges[large].all(), "nothing hovers in the middle"
    assert (covered[large][:, 18:30, 26:38].amax(dim=(1, 2)) == 0).float().mean() > 0.9
    assert len((made[large][:, ::47].flatten(1).max(dim=1).values).unique()) > 20, "of any colour"


##
# Cable
##


def _film(errors: ImageErrors, count: int, steps: int) -> torch.Tensor:
    """Return the brightness of what arrives while step k shows the grey k, (steps, N)."""
    return torch.stack([errors.apply(_grey(step, count))[:, 0, 0, 0] for step in range(1, steps + 1)])


def test_pictures_are_late_by_whole_steps_and_the_first_stands_until_then():
    errors = _errors(300, latency=(0, 2))
    film = _film(errors, 300, 6)
    assert errors.latency.bincount().tolist() == pytest.approx([100, 100, 100], abs=40)
    for late in range(3):
        expected = torch.tensor([max(1, step - late) for step in range(1, 7)])
        assert (film[:, errors.latency == late].long() == expected.unsqueeze(-1)).all(), late


def test_a_picture_that_is_lost_leaves_the_one_before_and_the_first_is_never_lost():
    errors = _errors(500, drop=(0.05, 0.05), noise=(0.05, 0.05))
    before = errors.apply(_grey(100, 500))
    repeated = []
    for _ in range(20):
        after = errors.apply(_grey(100, 500))
        repeated.append((after == before).flatten(1).all(dim=1).float().mean())
        before = after
    assert torch.stack(repeated).mean() == pytest.approx(0.05, abs=0.01)
    film = _film(_errors(200, drop=(0.5, 0.5), latency=(1, 1)), 200, 2)
    assert (film[0] == 1).all()


def test_an_episode_that_begins_sees_nothing_of_the_one_before():
    errors = _errors(3, latency=(2, 2), drop=(0.9, 0.9))
    _film(errors, 3, 3)
    errors.reset(torch.tensor([1]))
    made = errors.apply(_grey(200, 3))[:, 0, 0, 0].tolist()
    assert made[1] == 200 and made[0] < 4 and made[2] < 4


def test_a_picture_cannot_come_before_it_is_taken():
    with pytest.raises(ValueError, match="cannot be below 0"):
        _errors(latency=(-1, 2))


##
# What goes along with a picture
##


def test_age_and_notes_are_those_of_the_picture_that_has_arrived():
    """Each picture is all of one brightness, its number, which is noted beside it as well."""
    errors = _errors(64, latency=(0, 2), drop=(0.3, 0.3))
    ages = set()
    for number in range(40):
        if number == 20:
            errors.reset(torch.arange(32))
        taken = torch.full((64, 4, 6, 3), 5 * number, dtype=torch.uint8)
        shown = errors.apply(taken, notes=torch.full((64, 2), float(number)))
        told = shown[:, 0, 0, 0].float() / 5.0
        torch.testing.assert_close(errors.notes, told[:, None].expand(64, 2))
        torch.testing.assert_close(errors.age, number - told)
        ages |= set(errors.age.tolist())
        if number == 20:
            assert not errors.age[:32].any() and errors.age[32:].any(), "an episode begins with a new picture"
    assert ages >= {0.0, 1.0, 2.0, 3.0, 4.0}


@pytest.mark.parametrize("k1", [-0.1, 0.0, 0.1])
def test_points_are_where_the_lens_draws_them(k1):
    """A white dot is put into the nominal picture, and looked for in what the lens makes of it."""
    height, width = 60, 80
    errors = _errors(1, zoom=(1.1, 1.1), distortion=(k1, k1))
    for right, down in ((10, 12), (40, 30), (66, 45)):
        picture = torch.zeros(1, height, width, 3, dtype=torch.uint8)
        picture[0, down - 1 : down + 2, right - 1 : right + 2] = 255
        shown = errors.apply(picture)[0, ..., 0].float()
        rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        seen = torch.stack(((shown * columns).sum() / width, (shown * rows).sum() / height)) / shown.sum() * 2.0 - 1.0
        ray = torch.tensor([(right + 0.5) / width - 0.5, ((down + 0.5) / height - 0.5) * height / width, FOCAL])
        found = image_points(
            ray.view(1, 1, 3),
            torch.zeros(1, 3),
            torch.eye(3)[None],
            FOCAL * errors.zoom,
            errors.distortion,
            width / height,
        )
        torch.testing.assert_close(found[0, 0, :2], seen, atol=0.01, rtol=0)
        assert found[0, 0, 2] == 1.0


def test_points_behind_the_camera_and_beyond_its_lens_are_not_seen():
    places = torch.tensor([[[0.0, 0.0, -0.2], [0.9, 0.0, 0.3], [0.1, 0.0, 0.2]]])
    found = image_points(
        places, torch.zeros(1, 3), torch.eye(3)[None], torch.tensor([FOCAL]), torch.tensor([-0.1]), 4 / 3
    )
    assert found[0, :, 2].tolist() == [0.0, 0.0, 1.0], "by its formula the lens has the second one in the picture"
    assert (found[..., :2].abs() <= 1.0).all()
