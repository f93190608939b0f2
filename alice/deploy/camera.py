"""Cameras: a V4L2 device, a film, a folder of pictures; and pictures made straight for what a policy was trained with.

A device is read by a thread of its own, so that whoever asks gets the newest picture at once and never one that has
waited in a queue. A picture is stamped with the moment that it came out of the driver, less the time that exposure and
transport are said to take: OpenCV does not hand on when it was exposed. OpenCV is loaded when a camera or a film is
opened, not before.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from alice.contract import Contract, ImageInput
from alice.deploy.calibration import CameraCalibration
from alice.deploy.clock import Clock
from alice.deploy.watching import Eye

EMULATED = "emulated"
INSTALL = "pip install '.[deploy]'"
PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
SIZE = (640, 480)
"""What a device is asked for [pixels]; it may give another."""
RATE = 30.0
"""Pictures of a folder, or of a film that does not say, in a second [Hz]."""
DELAY = 0.033
"""Time from the middle of an exposure to the picture in the program [s]: a frame of a camera of 30 Hz (guess)."""
FIRST = 5.0
"""How long a device may take for its first picture [s]."""


class CameraError(ValueError):
    """A camera that cannot be used. The message is one line."""


def open_camera(word: str, clock: Clock, contract: Contract, faults: Any = None, delay: float = DELAY) -> Eye:
    """Open a camera.

    Args:
        word: Number of a V4L2 device, ``emulated``, a film, a folder of pictures, or the file in which
            ``emulate_arm.py --picture`` keeps what a simulated camera sees.
        clock: Clock that pictures are stamped by.
        contract: Of the policy that sees them.
        faults: Of the emulated arm that an emulated camera hangs on.
        delay: How long a device's pictures are on their way [s]; of others it is known when they were taken.

    Raises:
        CameraError: If it cannot be opened, or gives pictures that are smaller than the policy's.
    """
    item = next((item for item in contract.inputs if isinstance(item, ImageInput)), None)
    if word == EMULATED:
        from alice.deploy.emulator import EmulatedCamera  # whoever has a camera needs no other

        sizes = {} if item is None else {"width": item.width, "height": item.height}
        return EmulatedCamera(clock, faults=faults, **sizes)
    if word.isdecimal():
        found: Eye = DeviceCamera(int(word), clock, delay)
    elif Path(word).is_dir():
        found = FilmCamera(_pictures_of(Path(word)), RATE, clock)
    elif Path(word).is_file():
        found = _shared(Path(word)) or FilmCamera(*_film_of(Path(word)), clock)
    else:
        raise CameraError(
            f"camera {word!r} is no number, film, folder of pictures or --picture of emulate_arm.py; {seen_devices()}"
        )
    picture, _ = found.read()
    if item is not None and (picture.shape[0] < item.height or picture.shape[1] < item.width):
        found.close()
        raise CameraError(
            f"camera {word!r} gives {picture.shape[1]}x{picture.shape[0]} pixels, the policy sees"
            f" {item.width}x{item.height}; use a larger mode"
        )
    return found


def _shared(path: Path) -> Eye | None:
    """Return the camera of a simulated arm whose newest picture a file holds; None if the file is another."""
    from alice.deploy.emulator.camera import SharedPicture  # whoever has a camera needs no other

    with path.open("rb") as file:
        is_shared = file.read(len(SharedPicture.MAGIC)) == SharedPicture.MAGIC
    return SharedPicture(path) if is_shared else None


def seen_devices() -> str:
    """Return which cameras there are, for a message."""
    found = sorted(int(path.name[5:]) for path in Path("/dev").glob("video[0-9]*") if path.name[5:].isdecimal())
    return f"cameras here: {', '.join(map(str, found)) or 'none'}"


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:  # a shared library that it needs may be missing, too
        raise CameraError(f"OpenCV cannot be loaded ({' '.join(str(error).split())[:80]}); {INSTALL}") from error
    return cv2


class DeviceCamera:
    """A V4L2 device, its newest picture alone.

    Args:
        number: Of the device, ``/dev/video<number>``.
        clock: The machine's.
        delay: How long its pictures are on their way [s].

    Raises:
        CameraError: If it is not there, may not be opened, or gives no picture.
    """

    def __init__(self, number: int, clock: Clock, delay: float = DELAY):
        self._delay = delay
        path = f"/dev/video{number}"
        if not os.path.exists(path):
            raise CameraError(f"camera {number} does not exist; {seen_devices()}")
        if not os.access(path, os.R_OK | os.W_OK):
            raise CameraError(
                f"camera {number} may not be opened by you; sudo usermod -aG video $USER, and log in again"
            )
        cv2 = _opencv()
        self._device, self._convert = cv2.VideoCapture(number, cv2.CAP_V4L2), cv2.cvtColor
        self._code = cv2.COLOR_BGR2RGB
        if not self._device.isOpened():
            raise CameraError(f"camera {number} cannot be opened: another process may hold it, or it takes no pictures")
        self._device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._device.set(cv2.CAP_PROP_FRAME_WIDTH, SIZE[0])
        self._device.set(cv2.CAP_PROP_FRAME_HEIGHT, SIZE[1])
        self._clock, self._newest, self._lost = clock, None, ""
        self._is_there, self._is_closing = threading.Event(), False
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        if not self._is_there.wait(FIRST) or self._newest is None:
            self.close()
            raise CameraError(f"camera {number} gives no picture; see its cable, and which number takes pictures")

    def _watch(self) -> None:
        while not self._is_closing:
            is_good, picture = self._device.read()
            if not is_good:
                self._lost = "the camera gives no more pictures"
                break
            self._newest = picture, self._clock.now() - self._delay
            self._is_there.set()
        self._is_there.set()
        self._device.release()

    def read(self) -> tuple[np.ndarray, float]:
        """Return the newest picture and when it was taken [s]; raise :class:`OSError` if the camera is gone."""
        if self._lost:
            raise OSError(self._lost)
        picture, at = self._newest
        return self._convert(picture, self._code), at

    def close(self) -> None:
        """Give the device back."""
        self._is_closing = True
        self._thread.join(1.0)


class FilmCamera:
    """Pictures that were taken before, shown at their rate; after the last it is gone.

    Args:
        pictures: (H, W, 3) uint8 each.
        rate: [Hz].
        clock: By which they are shown.
    """

    def __init__(self, pictures: list[np.ndarray], rate: float, clock: Clock):
        self._pictures, self._rate, self._clock = pictures, rate, clock
        self._began: float | None = None

    def read(self) -> tuple[np.ndarray, float]:
        """Return the picture that is due and when it was [s]; raise :class:`OSError` after the last."""
        now = self._clock.now()
        self._began = now if self._began is None else self._began
        number = int((now - self._began) * self._rate + 1e-9)
        if number >= len(self._pictures):
            raise OSError("the film is over")
        return self._pictures[number], self._began + number / self._rate

    def close(self) -> None:
        """Do nothing."""


def _pictures_of(folder: Path) -> list[np.ndarray]:
    """Return all pictures of a folder in the order of their names."""
    from PIL import Image

    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not paths:
        raise CameraError(f"camera {str(folder)!r} is a folder without pictures ({', '.join(PICTURES)})")
    try:
        return [np.array(Image.open(path).convert("RGB")) for path in paths]
    except (OSError, ValueError) as error:
        raise CameraError(
            f"camera {str(folder)!r}: a picture cannot be read ({' '.join(str(error).split())[:80]})"
        ) from error


def _film_of(path: Path) -> tuple[list[np.ndarray], float]:
    """Return all pictures of a film and its rate."""
    cv2 = _opencv()
    film = cv2.VideoCapture(str(path))
    pictures = []
    while True:
        is_good, picture = film.read()
        if not is_good:
            break
        pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    rate = film.get(cv2.CAP_PROP_FPS)
    film.release()
    if not pictures:
        raise CameraError(
            f"camera {str(path)!r} holds no film that OpenCV can read; give a film or a folder of pictures"
        )
    return pictures, rate if 1.0 <= rate <= 240.0 else RATE


##
# Straight pictures
##


def straightener(measured: CameraCalibration | None, contract: Contract) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes of a measured camera's picture one that the camera of a contract would take.

    Lens distortion, focal length and centre are undone, and where the mount was measured its turn against the
    contract's. A shift of the camera cannot be undone without knowing what it looks at.

    Args:
        measured: The camera; None leaves pictures as they are.
        contract: Of the policy.

    Raises:
        CameraError: If OpenCV is missing.
    """
    item = next((item for item in contract.inputs if isinstance(item, ImageInput)), None)
    if measured is None or item is None:
        return lambda picture: picture
    cv2 = _opencv()
    maps: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def straight(picture: np.ndarray) -> np.ndarray:
        size = picture.shape[:2]
        if size not in maps:
            maps[size] = _where_to_look(measured, item, *size)
        return cv2.remap(picture, *maps[size], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    return straight


def _where_to_look(
    measured: CameraCalibration, item: ImageInput, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the place in the measured picture of every pixel of the straight one, column and row, (H, W) each."""
    wide = min(width, height * item.width / item.height)  # what is left when it is cut to the policy's aspect ratio
    focal = 0.5 * wide / np.tan(0.5 * item.horizontal_fov)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack(
        ((columns + 0.5 - width / 2) / focal, (rows + 0.5 - height / 2) / focal, np.ones((height, width))), -1
    )
    if measured.rotation is not None:
        rays = rays @ _matrix(item.camera_rotation).T @ _matrix(measured.rotation)
    x, y = rays[..., 0] / rays[..., 2], rays[..., 1] / rays[..., 2]
    k1, k2, p1, p2, k3 = measured.distortion
    square = x * x + y * y
    radial = 1.0 + square * (k1 + square * (k2 + square * k3))
    bent = x * radial + 2.0 * p1 * x * y + p2 * (square + 2.0 * x * x)
    down = y * radial + p1 * (square + 2.0 * y * y) + 2.0 * p2 * x * y
    share = width / measured.width
    place = share * (measured.focal[0] * bent + measured.centre[0] + 0.5) - 0.5
    line = share * (measured.focal[1] * down + measured.centre[1] + 0.5) - 0.5
    return place.astype(np.float32), line.astype(np.float32)


def _matrix(quaternion: tuple[float, ...]) -> np.ndarray:
    """Return the rotation matrix of a quaternion (x, y, z, w)."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
