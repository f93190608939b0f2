"""Cameras that are there and cameras that are not, and pictures made straight."""

import numpy as np
import pytest
from made_up import contract_of, image, vector
from PIL import Image

from alice.contract import ImageInput
from alice.deploy import camera
from alice.deploy.calibration import CameraCalibration
from alice.deploy.camera import CameraError
from alice.deploy.clock import SteppedClock
from alice.deploy.emulator.camera import SharedPicture, grained
from alice.deploy.watching import Watch

cv2 = pytest.importorskip("cv2")

CONTRACT = contract_of(vector("policy", "joint_pos"), image())
ITEM = next(item for item in CONTRACT.inputs if isinstance(item, ImageInput))


def _board(height=240, width=320):
    """Return a picture with straight lines in it."""
    rows, columns = np.mgrid[:height, :width]
    return np.repeat(((rows // 20 + columns // 20) % 2 * 200 + 20)[..., None], 3, axis=-1).astype(np.uint8)


def test_a_folder_of_pictures_is_shown_at_its_rate(tmp_path):
    for number in range(4):
        Image.fromarray(np.full((48, 64, 3), 40 * number, np.uint8)).save(tmp_path / f"{number}.png")
    clock = SteppedClock(5.0)
    film = camera.open_camera(str(tmp_path), clock, CONTRACT)
    seen = []
    with pytest.raises(OSError, match="over"):
        while True:
            picture, at = film.read()
            seen.append((int(picture[0, 0, 0]), round(at - 5.0, 3)))
            clock.advance(1 / 60)
    assert seen == [(0, 0.0), (0, 0.0), (40, 0.033), (40, 0.033), (80, 0.067), (80, 0.067), (120, 0.1), (120, 0.1)]


def test_a_film_is_shown_with_red_as_red(tmp_path):
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (128, 96))
    for _ in range(3):
        writer.write(np.full((96, 128, 3), (0, 0, 250), np.uint8))
    writer.release()
    picture, _ = camera.open_camera(str(path), SteppedClock(), CONTRACT).read()
    assert picture.shape == (96, 128, 3) and picture[..., 0].mean() > 200 > 60 > picture[..., 2].mean()


def test_the_emulated_camera_gives_pictures_of_the_size_that_the_policy_sees():
    picture, _ = camera.open_camera("emulated", SteppedClock(), CONTRACT).read()
    assert picture.shape == (ITEM.height, ITEM.width, 3)


def test_the_picture_that_a_simulated_arm_shares_is_a_camera(tmp_path):
    shared, clock = SharedPicture(tmp_path / "picture", is_writer=True), SteppedClock()
    pictures = np.random.default_rng(0).integers(0, 256, (2, ITEM.height, ITEM.width, 3), np.uint8)
    shared.write(pictures[0], 1.0)
    watch = Watch(camera.open_camera(str(tmp_path / "picture"), clock, CONTRACT), CONTRACT)
    assert (watch.look(None, 1.02).picture == pictures[0]).all() and watch.age(1.02) == pytest.approx(0.02)
    shared.write(pictures[1], 1.05)
    assert (watch.look(None, 1.07).picture == pictures[1]).all()
    shared.close()
    assert not watch.look(None, 1.3).is_news and watch.age(1.3) == pytest.approx(0.25)


def test_an_arm_that_moves_before_what_does_not_change_has_no_frozen_camera():
    """Rendered pictures are the same to the bit where nothing changes; a camera's never are."""
    plain = np.random.default_rng(0).integers(0, 256, (ITEM.height, ITEM.width, 3), np.uint8)
    for grain, ages in ((grained, [0.0] * 4), (lambda picture, number: picture, [0.0, 0.05, 0.10, 0.15])):
        shown = iter(range(4))
        watch = Watch(Shown(lambda grain=grain, shown=shown: (grain(plain, k := next(shown)), 0.05 * k)), CONTRACT)
        for step, age in enumerate(ages):
            watch.look(np.full(7, 0.02 * step), 0.05 * step)
            assert watch.age(0.05 * step) == pytest.approx(age)


class Shown:
    """A camera of somebody's making."""

    def __init__(self, read):
        self.read = read

    def close(self):
        pass


WRONG = {
    "99": "camera 99 does not exist; cameras here:",
    "nowhere": "no number, film, folder of pictures or --picture of emulate_arm.py; cameras here:",
    "letter.txt": "no film that OpenCV can read",
    "empty": "a folder without pictures",
    "small": "gives 16x12 pixels, the policy sees 64x48",
    "broken": "a picture cannot be read",
}


@pytest.mark.parametrize("word", WRONG)
def test_a_wrong_camera_is_told_in_one_line(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letter.txt").write_text("Dear camera,\n")
    for name in ("empty", "small", "broken"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(tmp_path / "small" / "a.png")
    (tmp_path / "broken" / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(CameraError, match=WRONG[word]) as told:
        camera.open_camera(word, SteppedClock(), CONTRACT)
    assert "\n" not in str(told.value)


def _measured(**changes):
    """Return a camera of 320 x 240 pixels with the lens of the contract."""
    focal = 160.0 / np.tan(ITEM.horizontal_fov / 2)
    return CameraCalibration(
        **{"width": 320, "height": 240, "focal": (focal,) * 2, "centre": (159.5, 119.5), **changes}
    )


def test_a_camera_that_is_as_the_contract_has_it_is_left_as_it_is():
    board = _board()
    for measured in (None, _measured(), _measured(rotation=ITEM.camera_rotation)):
        straight = camera.straightener(measured, CONTRACT)(board)
        assert np.abs(straight.astype(int) - board).max() <= 1


def test_a_bent_picture_is_made_straight():
    measured = _measured(distortion=(-0.25, 0.05, 0.001, -0.001, 0.0), focal=(180.0, 182.0), centre=(150.0, 125.0))
    matrix = np.array([[180.0, 0, 150.0], [0, 182.0, 125.0], [0, 0, 1]])
    ideal = np.array([[_measured().focal[0], 0, 159.5], [0, _measured().focal[0], 119.5], [0, 0, 1]])
    bent = _bend(_board(), ideal, matrix, np.array(measured.distortion))
    straight = camera.straightener(measured, CONTRACT)(bent)
    inside = (slice(40, 200), slice(60, 260))
    error = np.abs(straight.astype(int) - _board())[inside].mean()
    assert error < 0.3 * np.abs(bent.astype(int) - _board())[inside].mean()


def _bend(picture, ideal, matrix, distortion):
    """Return what a bent camera sees where an ideal one sees a picture, by OpenCV's own functions."""
    height, width = picture.shape[:2]
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 1, 2).astype(np.float64)
    where = cv2.undistortPoints(pixels, matrix, distortion, P=ideal).reshape(height, width, 2).astype(np.float32)
    return cv2.remap(picture, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def test_a_turned_camera_is_turned_back():
    turn = np.radians(5.0)
    x, y, z, w = ITEM.camera_rotation
    a, d = np.sin(turn / 2), np.cos(turn / 2)  # about its own right: it looks further down in the picture
    measured = _measured(rotation=(w * a + x * d, y * d + z * a, z * d - y * a, w * d - x * a))
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[118:122, 158:162] = 255
    rows, _ = np.nonzero(camera.straightener(measured, CONTRACT)(picture)[..., 0] > 100)
    moved = abs(rows.mean() - 119.5)
    assert moved == pytest.approx(_measured().focal[0] * np.tan(turn), abs=1.5)
