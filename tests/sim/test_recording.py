"""Recorded episodes of the released policy: by LeRobot's own writer where it is installed, else by a stand-in."""

import importlib.util
import json
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("isaaclab")

from alice.arms import XARM1S, lerobot
from alice.transfer.objects import BALL

HAS_LEROBOT = importlib.util.find_spec("lerobot") is not None
WORDS = ("--task", "Alice-Ball-Transfer", "--device", "cpu", "--checkpoint", "released", "--num_envs", "1")


class Set:
    """Keeps what LeRobot's data set is given."""

    kept: list["Set"] = []

    def __init__(self, root, frames):
        self.root, self.frames, self.lengths = root, frames, []
        self.kept.append(self)

    @classmethod
    def create(cls, name, fps, features, *, root, robot_type):
        assert fps == 20 and robot_type == "xarm1s"
        (root / "meta").mkdir(parents=True)
        return cls(root, [])

    @classmethod
    def resume(cls, name, *, root):
        return cls(root, list(cls.kept[-1].frames))

    def add_frame(self, frame):
        self.frames.append(frame)

    def save_episode(self, *, parallel_encoding):
        self.lengths.append(len(self.frames) - sum(self.lengths))

    def finalize(self):
        pass


@pytest.fixture
def frames(monkeypatch):
    """Return a function from the folder of a data set to its frames."""
    if HAS_LEROBOT:

        def load(folder):
            from lerobot.datasets.lerobot_dataset import LeRobotDataset

            found = LeRobotDataset(f"alice/{folder.name}", root=folder, return_uint8=True, video_backend="pyav")
            return [
                {name: value.numpy() if hasattr(value, "numpy") else value for name, value in found[row].items()}
                for row in range(len(found))
            ]

        return load
    for name in ("lerobot", "lerobot.datasets", "lerobot.datasets.lerobot_dataset"):
        module = ModuleType(name)
        module.__spec__, module.LeRobotDataset = ModuleSpec(name, None), Set
        monkeypatch.setitem(sys.modules, name, module)

    def kept(folder):
        images = ("observation.images.wrist", "observation.images.overview")
        return [
            {**frame, **{image: frame[image].transpose(2, 0, 1) for image in images}} for frame in Set.kept[-1].frames
        ]

    return kept


@pytest.mark.slow
def test_recorded_episodes_are_what_a_robot_would_have_seen_and_been_told(door, frames, tmp_path):
    folder = tmp_path / "set"
    for episodes in (1, 3):  # in two pieces, the second of which is two rounds of the one environment
        code, out, err = door("record", *WORDS, "--episodes", episodes, "--only_success", "--output", folder)
        assert code == 0, err
        assert f"{episodes} episodes of {episodes} tries (success {episodes})" in out
    record = json.loads((folder / "meta" / "alice.json").read_text())
    assert [row["number"] for row in record["tries"]] == [0, 1, 2] and record["by"] == "policy"
    found = frames(folder)
    states, actions = (np.stack([frame[name] for frame in found]) for name in ("observation.state", "action"))
    home = lerobot.values_of(XARM1S, np.array(XARM1S.home))
    assert states.shape == actions.shape and 60 < len(states) < 480
    assert np.abs(states[0] - home).max() < 10.0, "the first frame is the start, before any command"
    # A target moves by at most the cap of a control step, and the joints are on their way to it.
    assert np.abs(actions[0] - home)[:5].max() < 10.0 + np.degrees(XARM1S.speed_cap / 20)
    assert np.abs(actions - states)[:, :5].max() < 30.0
    ball = lerobot.values_of(XARM1S, np.array([*XARM1S.home[:5], *XARM1S.gripper.at_gap(np.array(2 * BALL.radius))]))[5]
    assert actions[:, 5].min() < ball - 10.0 and states[:, 5].max() > ball + 15.0, "it was told to close, and opened"
    assert states[:, 5].min() == pytest.approx(ball, abs=3.0), "the ball kept it from closing"
    for camera in ("wrist", "overview"):
        pictures = np.stack([frame[f"observation.images.{camera}"] for frame in found])
        assert pictures.shape[1:] == (3, 96, 128) and pictures.dtype == np.uint8
        assert pictures[0].std() > 10 and np.abs(pictures[0].astype(int) - pictures[15]).mean() > 0.5
    code, _, err = door("record", *WORDS, "--episodes", 4, "--seed", 1, "--output", folder, "--only_success")
    assert code == 2 and "episodes with seed 50260, this command says 1" in err
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(HAS_LEROBOT, reason="LeRobot is installed")
def test_without_lerobot_it_is_told_in_one_line(door, tmp_path):
    code, out, err = door("record", *WORDS, "--output", tmp_path / "set")
    assert code == 2 and out == "" and "LeRobot is not installed" in err and len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
