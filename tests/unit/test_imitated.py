"""A policy of LeRobot in an audit: what it may want to see, and targets that become the task's actions."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from alice.arms import SO101, XARM1S  # noqa: E402
from alice.cli.usage import UsageError  # noqa: E402
from alice.evaluation.audit import imitated  # noqa: E402
from alice.runs import checkpoints  # noqa: E402

CONFIG = {
    "type": "act",
    "input_features": {
        "observation.state": {"type": "STATE", "shape": [6]},
        "observation.images.wrist": {"type": "VISUAL", "shape": [3, 96, 128]},
        "observation.images.overview": {"type": "VISUAL", "shape": [3, 96, 128]},
    },
    "output_features": {"action": {"type": "ACTION", "shape": [6]}},
}


def _with(**inputs) -> dict:
    return {**CONFIG, "input_features": {**CONFIG["input_features"], **inputs}}


def test_the_cameras_are_those_that_the_policy_was_trained_with():
    assert imitated.pictures_of(CONFIG) == {"wrist": (128, 96), "overview": (128, 96)}


@pytest.mark.parametrize(
    "config",
    [
        _with(**{"observation.images.front": {"shape": [3, 96, 128]}}),
        _with(**{"observation.state": {"shape": [14]}}),
        _with(**{"observation.images.wrist": {"shape": [3, 48, 64]}}),
        _with(**{"observation.environment_state": {"shape": [3]}}),
        {**CONFIG, "output_features": {"action": {"shape": [7]}}},
        {},
    ],
    ids=["camera", "state", "two sizes", "more", "action", "nothing"],
)
def test_a_policy_that_wants_something_else_is_refused_in_one_line(config):
    with pytest.raises(UsageError, match="its policy"):
        imitated.pictures_of(config)


class Targets:
    """The action term as far as it is asked."""

    arm_step = 0.1

    def __init__(self, targets):
        self.targets = targets


class Env:
    """An environment with the joint targets of an arm."""

    def __init__(self, arm, targets):
        class Cfg:
            pass

        self.cfg, self.action_manager = Cfg(), self
        self.cfg.arm = arm.name
        self._term = Targets(targets)

    def get_term(self, name):
        assert name == "joints"
        return self._term


@pytest.mark.parametrize("arm", [XARM1S, SO101], ids=lambda arm: arm.name)
def test_targets_are_moved_to_as_fast_as_the_task_allows(arm):
    home = torch.tensor([arm.home])
    wanted = home.clone()
    wanted[0, 1] += 0.05
    wanted[0, 2] += 9.0
    wanted[0, 3] = torch.nan
    wanted[0, arm.gripper_columns] = torch.tensor(arm.gripper.opened)
    actions = imitated.actions_towards(Env(arm, home), wanted)
    assert torch.allclose(actions, torch.tensor([[0.0, 0.5, 1.0, 0.0, 0.0, 1.0]]), atol=1e-5)
    wanted[0, arm.gripper_columns] = torch.tensor(arm.gripper.closed)
    assert imitated.actions_towards(Env(arm, home), wanted)[0, -1] == -1.0


def test_a_folder_of_lerobot_is_found_by_its_files(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no model_"):
        checkpoints.resolve(str(tmp_path), "")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(np.zeros(4).tobytes())
    assert checkpoints.resolve(str(tmp_path), "") == tmp_path / "model.safetensors"
    assert checkpoints.lerobot_config(tmp_path)["type"] == "act"
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UsageError, match="is empty"):
        checkpoints.resolve(str(tmp_path), "")
