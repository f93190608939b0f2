"""What is recorded of an episode, by a writer that stands in for LeRobot's and refuses what that one does not know."""

import json
import os
import signal
import struct
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from alice.arms import SO101, XARM1S, lerobot
from alice.cli.usage import UsageError
from alice.recording import dataset, hands
from alice.recording.episodes import Episode

KNOWN = {
    "task": "T",
    "by": "script",
    "checkpoint_sha256": None,
    "overrides": [],
    "seed": 1,
    "num_envs": 16,
    "size": [128, 96],
    "cameras": ["wrist", "overview"],
    "only_success": False,
}


class FakeSet:
    """LeRobot's data set as far as a recorder may use it, with its rules for frames and the order of calls."""

    def __init__(self, folder, features, before: int = 0):
        self.folder, self.features, self.before = folder, features, before
        self.frames, self.episodes, self.is_final = [], [], False

    @classmethod
    def create(cls, name, fps, features, *, root, robot_type):
        assert not root.exists(), "LeRobot refuses a folder that exists"
        (root / "meta").mkdir(parents=True)
        made = cls(root, features)
        made.name, made.fps, made.robot_type = name, fps, robot_type
        return made

    @classmethod
    def resume(cls, name, *, root):
        return cls(root, dataset.features(("wrist", "overview"), (128, 96)), before=1)

    def add_frame(self, frame):
        assert not self.is_final and set(frame) == {*self.features, "task"}
        for key, feature in self.features.items():
            assert frame[key].shape == feature["shape"]
            assert frame[key].dtype == ("uint8" if feature["dtype"] == "video" else feature["dtype"])
        self.frames.append(frame)

    def save_episode(self, *, parallel_encoding):
        assert self.frames and not parallel_encoding, "a fork with a simulator in it may hang"
        self.episodes.append(self.frames)
        self.frames = []

    def finalize(self):
        assert not self.frames
        self.is_final = True


def _episode(number: int = 0, outcome: str = "success", steps: int = 3) -> Episode:
    values = np.arange(steps * 6, dtype=np.float32).reshape(steps, 6)
    pictures = {name: np.full((steps, 96, 128, 3), number, np.uint8) for name in ("wrist", "overview")}
    return Episode(number, outcome, values, values + 100, pictures)


def _writer(folder, before=None) -> dataset.Writer:
    return dataset.Writer(folder, XARM1S, 20, "a job", KNOWN, before, FakeSet)


def test_an_episode_goes_through_lerobots_writer_frame_by_frame(tmp_path):
    writer = _writer(tmp_path / "set")
    writer.take(_episode(), is_kept=True)
    writer.close()
    made = writer._set
    assert (made.fps, made.robot_type, made.name) == (20, "xarm1s", "alice/set") and made.is_final
    ((first, *_, last),) = made.episodes
    assert first["task"] == "a job" and first["action"][0] == 100 and last["observation.state"][5] == 17
    assert made.features["action"]["names"] == list(lerobot.FEATURES)


def test_what_is_not_kept_is_counted_and_not_written(tmp_path):
    writer = _writer(tmp_path / "set")
    writer.take(_episode(0, "missed_dish"), is_kept=False)
    writer.take(_episode(1), is_kept=True)
    writer.close()
    assert len(writer._set.episodes) == writer.count == 1 and writer.next == 2
    assert writer.outcomes == {"missed_dish": 1, "success": 1}
    record = json.loads((tmp_path / "set" / dataset.RECORD).read_text())
    assert [row["kept"] for row in record["tries"]] == [False, True] and record["by"] == "script"


def test_a_stop_waits_for_the_end_of_an_episode(tmp_path, monkeypatch):
    writer = _writer(tmp_path / "set")
    monkeypatch.setattr(FakeSet, "add_frame", lambda self, frame: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(FakeSet, "save_episode", lambda self, *, parallel_encoding: self.episodes.append([]))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process of pytest-xdist ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            writer.take(_episode(), is_kept=True)
        assert writer.count == len(writer._set.episodes) == 1
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)  # as before
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_piece_goes_on_where_the_first_one_ended(tmp_path):
    first = _writer(tmp_path / "set")
    first.take(_episode(4), is_kept=True)
    first.close()
    second = _writer(tmp_path / "set", dataset.begun(tmp_path / "set", KNOWN))
    assert second.next == 5 and second.count == 1 and second._set.before == 1


def test_nothing_has_begun_in_a_folder_that_is_missing_or_empty(tmp_path):
    assert dataset.begun(tmp_path / "none", KNOWN) is None and dataset.begun(tmp_path, KNOWN) is None
    _writer(tmp_path)  # an empty folder is taken


@pytest.mark.parametrize(
    ("content", "expected"),
    [({}, "that was killed"), ({**KNOWN, "tries": [], "seed": 2}, "episodes with seed 2, this command says 1")],
)
def test_a_folder_of_something_else_is_refused_in_one_line(content, expected, tmp_path):
    (tmp_path / "meta").mkdir()
    if content:
        (tmp_path / dataset.RECORD).write_text(json.dumps(content))
    with pytest.raises(UsageError, match=expected):
        dataset.begun(tmp_path, KNOWN)


def test_the_set_of_an_so101_is_of_lerobots_follower(tmp_path):
    writer = dataset.Writer(tmp_path / "set", SO101, 20, "a job", KNOWN, None, FakeSet)
    assert writer._set.robot_type == "so_follower"


##
# Hands
##


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, lambda data: os.write(writing, data)
    os.close(reading), os.close(writing)


def test_keys_move_for_some_steps_and_space_holds(pipe):
    source, press = pipe
    keys = hands.Keyboard(source)
    press(b"wa ")
    wishes = [keys.read() for _ in range(hands.LINGER + 1)]
    assert wishes[0] == hands.Wish((1, 1, 0), True) and wishes[-2].move == (1, 1, 0)
    assert wishes[-1] == hands.Wish((0, 0, 0), True)
    press(b"ws x")
    assert keys.read() == hands.Wish((0, 0, 0), False, discard=True)
    press(b"w ")
    keys.begin()
    assert keys.read() == hands.Wish((0, 0, 0), False)


def test_sticks_move_while_they_are_held_and_buttons_once(pipe):
    source, press = pipe
    pad = hands.Gamepad(source)
    event = struct.Struct("IhBB").pack
    press(
        event(1, 0, hands.AXIS | hands.AT_OPENING, 0) + event(2, -32767, hands.AXIS, 1) + event(3, 3000, hands.AXIS, 4)
    )
    assert pad.read() == pad.read() == hands.Wish((1, 0, 0), False)
    press(event(4, 1, hands.BUTTON, 0) + event(5, 0, hands.BUTTON, 0) + event(6, 1, hands.BUTTON, 1))
    assert pad.read() == hands.Wish((1, 0, 0), True, discard=True)
    assert pad.read() == hands.Wish((1, 0, 0), True)


def test_without_a_gamepad_or_a_terminal_it_is_told_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="there is no"):
        hands._joystick(str(tmp_path))
    (tmp_path / "js1").touch(), (tmp_path / "js0").touch()
    assert hands._joystick(str(tmp_path)) == tmp_path / "js0"
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(UsageError, match="no terminal"), hands.opened("keyboard"):
            pass
