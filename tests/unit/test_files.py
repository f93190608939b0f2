"""What doors write is written whole or not at all, and what they read is looked at first."""

import contextlib
import json
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from alice.cli import files
from alice.cli.usage import UsageError

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def small_disk(size: int):
    """Let no file of this process grow beyond a size [bytes], as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


##
# Writers
##


def _write_csv(path):
    from alice.studies import ablation

    ablation.write_csv([{"variant": "baseline", "seed": seed} for seed in range(2000)], path)


def _write_json(path):
    from alice.runs import provenance

    provenance.write_json(path, {"rows": list(range(5000))})


def _write_recording(path):
    from alice.export import recordings

    recordings.save({"policy": np.random.default_rng(0).normal(size=(500, 41))}, path, ())


def _write_bank(path):
    torch = pytest.importorskip("torch")
    from alice.transfer.start_bank import StartBank

    columns = [torch.zeros(300, width) for width in (7, 7, 3, 2, 2)]
    StartBank(torch.zeros(300, dtype=torch.long), torch.zeros(300), *columns).save(path)


def _write_asset(path):
    pytest.importorskip("pxr")
    from alice.assets import arm_builder
    from alice.assets.bodies import BODIES

    arm_builder.build(BODIES["xarm1s"], path)


def _write_picture(path):
    pytest.importorskip("isaaclab")
    from alice.evaluation.pictures import video

    video._write_picture(path, np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8))


def _write_film(path):
    pytest.importorskip("imageio_ffmpeg")
    from alice.evaluation.pictures import encoder

    generator = np.random.default_rng(0)
    with encoder.opened(path, 20) as write:
        for _ in range(30):
            write(generator.integers(0, 256, (64, 64, 3), np.uint8))


def _write_steps(path):
    pytest.importorskip("isaaclab")
    torch = pytest.importorskip("torch")
    from alice.arms import XARM1S
    from alice.evaluation.audit import tracks

    kept = tracks.Tracks()
    values = torch.zeros(300, sum(tracks.widths(XARM1S).values()))
    kept._finished = [tracks.Track(XARM1S, values, torch.zeros(3), torch.zeros(3), 0.015)]
    tracks.write_steps(kept, [0], 0.05, path)


def test_a_long_film_needs_no_more_memory_than_a_short_one():
    pytest.importorskip("imageio_ffmpeg")
    code = """
import resource, sys
from pathlib import Path
import numpy as np
from alice.evaluation.pictures import encoder

picture = np.zeros((480, 640, 3), np.uint8)
with encoder.opened(Path(sys.argv[1]), 20) as write:
    for step in range(600):
        picture[step % 480] = step % 256
        write(picture)
        if step == 50:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    for suffix in (".mp4", ".gif"):
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-c", code, f"{folder}/film{suffix}"]
            grown = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        assert grown < 50_000, f"{grown} kB for pictures of 900 kB"


WRITERS = {
    "table.csv": _write_csv,
    "figures.json": _write_json,
    "inputs.npz": _write_recording,
    "starts.pt": _write_bank,
    "arm.usda": _write_asset,
    "picture.png": _write_picture,
    "film.mp4": _write_film,
    "film.gif": _write_film,
    "steps.csv": _write_steps,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_fills_up_leaves_what_was_there(name, tmp_path):
    target = tmp_path / name
    WRITERS[name](target)
    whole = target.read_bytes()
    assert len(whole) > 3000 and list(tmp_path.iterdir()) == [target]
    target.write_bytes(b"what was there before")
    with small_disk(2000), pytest.raises(UsageError, match=r"cannot (be written|write)"):
        WRITERS[name](target)
    assert target.read_bytes() == b"what was there before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", WRITERS)
def test_folders_that_are_missing_are_made(name, tmp_path):
    WRITERS[name](tmp_path / "new" / "newer" / name)
    assert (tmp_path / "new" / "newer" / name).stat().st_size > 0


def test_a_writer_that_is_interrupted_leaves_what_was_there(tmp_path):
    target = tmp_path / "figures.json"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), files.writing(target) as fresh:
        fresh.write_text("half of i")
        raise KeyboardInterrupt
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    files.write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "real.txt").read_text() == "new"


def test_the_longest_name_can_be_written(tmp_path):
    files.write_text(tmp_path / ("n" * 251 + ".txt"), "new")
    assert len(list(tmp_path.iterdir())) == 1


##
# Readers
##


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("{", "cannot be read as JSON"),
        ("[1]", "holds a JSON list"),
        ("\x00", "cannot be read as JSON"),
    ],
)
def test_a_json_file_that_is_none_is_refused(text, reason, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"the audit '.*a\.json' {reason}.*; make it anew"):
        files.read_json(path, "the audit", "make it anew")
    path.write_text(json.dumps({"a": 1}))
    assert files.read_json(path, "the audit", "make it anew") == {"a": 1}


def test_a_json_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "a.json").write_bytes('{"a": "ä"}'.encode("latin-1"))
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        files.read_json(tmp_path / "a.json", "the audit", "make it anew")


RECORDINGS = {
    "pickled objects": lambda path: np.savez(path, proprioception=np.array([{}], dtype=object)),
    "no rows": lambda path: np.savez(path, policy=np.zeros((0, 41), np.float32)),
    "nothing": lambda path: np.savez(path),
    "a number": lambda path: np.savez(path, policy=np.float32(1.0)),
    "other inputs": lambda path: np.savez(path, camera=np.zeros((3, 5), np.float32)),
    "a damaged middle": lambda path: _damage(path),
}


def _damage(path: Path) -> None:
    np.savez_compressed(path, policy=np.random.default_rng(0).normal(size=(500, 41)).astype(np.float32))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100] = bytes(100)
    path.write_bytes(data)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_that_is_none_is_refused(name, tmp_path):
    from made_up import contract_of, vector

    from alice.export import recordings

    contract = contract_of(vector("policy"))
    RECORDINGS[name](tmp_path / "inputs.npz")
    with pytest.raises(UsageError, match=r"^recorded inputs 'inputs.npz'") as told:
        recordings.load(tmp_path / "inputs.npz", contract)
    assert "\n" not in str(told.value)
