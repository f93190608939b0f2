"""Encodes films as the pictures come, so that one of any length needs the memory of one picture."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from alice.cli import files
from alice.cli.usage import UsageError

GIF_WIDTH, GIF_RATE, GIF_COLOURS = 400, 10, 96
"""Small enough for a README."""


@contextlib.contextmanager
def opened(path: Path, rate: float) -> Iterator[Callable[[np.ndarray], None]]:
    """Write a film, whole or not at all, picture by picture.

    Args:
        path: ``.mp4`` or ``.gif``.
        rate: Pictures per second.

    Yields:
        A function that takes the next picture, (H, W, 3) uint8 with even sides, always of one size.

    Raises:
        UsageError: If it cannot be written.
    """
    with files.writing(path) as fresh:
        if path.suffix == ".gif":
            with tempfile.TemporaryDirectory() as folder:
                draft = Path(folder) / "draft.mkv"
                # Every picture is kept as it is, since the palette can only be chosen when all are known.
                with _ffmpeg(draft, GIF_RATE, "-c:v", "libx264rgb", "-qp", "0", "-preset", "veryfast") as write:
                    yield _thinned(write, max(1, round(rate / GIF_RATE)))
                _to_gif(draft, fresh)
        else:
            with _ffmpeg(fresh, rate, "-c:v", "libx264", "-crf", "21", "-pix_fmt", "yuv420p") as write:
                yield write


@contextlib.contextmanager
def _ffmpeg(path: Path, rate: float, *options: str) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield a function that hands pictures to ffmpeg, and see that it has taken them all."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    started: list[subprocess.Popen] = []

    def write(picture: np.ndarray) -> None:
        if not started:  # only now the size is known
            size = f"{picture.shape[1]}x{picture.shape[0]}"
            words = [*command, "-s", size, "-r", str(rate), "-i", "-", "-an", *options, str(path)]
            started.append(subprocess.Popen(words, stdin=subprocess.PIPE, stderr=said, start_new_session=True))
        started[0].stdin.write(np.ascontiguousarray(picture).tobytes())

    with tempfile.TemporaryFile() as said:
        try:
            yield write
            if not started:
                raise UsageError("a film without a picture cannot be written; let it play at least one step")
            started[0].stdin.close()
            code = started[0].wait()
        except BrokenPipeError:  # it has gone, and says why
            code = started[0].wait()
        finally:
            if started and started[0].poll() is None:
                started[0].kill()
                started[0].wait()
        if code:
            said.seek(0)
            reason = " ".join(said.read().decode(errors="replace").split())[-160:] or f"it left with {code}"
            raise UsageError(f"ffmpeg cannot write the film ({reason}); what was there before is untouched")


def _thinned(write: Callable[[np.ndarray], None], every: int) -> Callable[[np.ndarray], None]:
    """Return a function that hands on every so many pictures, small enough for a README."""
    count = itertools.count()

    def take(frame: np.ndarray) -> None:
        if next(count) % every == 0:
            size = (GIF_WIDTH, round(GIF_WIDTH * frame.shape[0] / frame.shape[1] / 2) * 2)
            write(np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)))

    return take


def _to_gif(draft: Path, path: Path) -> None:
    """Write a film as a GIF with one palette for all pictures, so that nothing flickers."""
    palette = draft.with_name("palette.png")
    colours = f"palettegen=max_colors={GIF_COLOURS}:reserve_transparent=0"
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(draft)]
    for words in (
        ["-vf", colours, str(palette)],
        ["-i", str(palette), "-lavfi", "paletteuse=dither=none:diff_mode=rectangle", "-loop", "0", str(path)],
    ):
        done = subprocess.run([*ffmpeg, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise UsageError(f"ffmpeg cannot write the GIF: {' '.join(done.stderr.split())[-160:]}")
