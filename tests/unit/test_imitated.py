"""A policy of LeRobot in an audit: what it may want to see, and targets that become the task's actions."""

import json
import sys
from pathlib import Path
from types import ModuleType

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


##
# Acting
##


class Net:
    """A policy with chunks of four, of which two are played: every joint a degree further in each."""

    looks = 0

    def __init__(self, config):
        self.config = config

    @classmethod
    def from_pretrained(cls, folder, *, config, local_files_only, strict):
        assert local_files_only and strict and config.pretrained_backbone_weights is None, "nothing is fetched"
        return cls(config)

    def to(self, device):
        return self

    def eval(self):
        return self

    def reset(self):
        pass

    def predict_action_chunk(self, batch):
        assert batch["observation.images.wrist"].shape == (2, 3, 96, 128)
        assert batch["observation.images.wrist"].max() <= 1.0 and batch["observation.state"].dtype == torch.float32
        Net.looks += 1
        return torch.stack([batch["observation.state"] + step for step in (1.0, 2.0, 3.0, 4.0)], dim=1)


class Config:
    """The configuration of such a policy."""

    type, n_obs_steps, n_action_steps, temporal_ensemble_coeff = "act", 1, 2, None
    pretrained_backbone_weights = "to be fetched"

    @classmethod
    def from_pretrained(cls, folder, *, local_files_only):
        return cls()


def _same(content):
    return content


@pytest.fixture
def env(monkeypatch):
    """Return two arms at home before grey cameras."""
    home = torch.tensor([XARM1S.home] * 2)
    made = Env(XARM1S, home)
    made.device = "cpu"
    reading = type("Reading", (), {"joint_pos": home})
    state = type("State", (), {"now": type("Now", (), {"measured": reading})})
    monkeypatch.setattr(imitated, "transfer_state", lambda env: state)
    monkeypatch.setattr(imitated.lerobot_cameras, "Cameras", Seen)
    return made


class Seen:
    """Cameras that see grey."""

    def __init__(self, env, names):
        self.names = names

    def pictures(self):
        return {name: np.full((2, 96, 128, 3), 100, np.uint8) for name in self.names}


def test_it_looks_once_for_the_actions_that_it_plays(env, monkeypatch, tmp_path):
    names = ("lerobot", "lerobot.configs", "lerobot.policies")
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["lerobot.configs"].PreTrainedConfig = Config
    sys.modules["lerobot.policies"].get_policy_class = lambda kind: Net
    sys.modules["lerobot.policies"].make_pre_post_processors = lambda *_, **__: (_same, _same)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    policy = imitated.ImitatedPolicy(env, tmp_path)
    policy.reset(torch.tensor([True, True]))
    one_degree = np.radians(1.0) / Targets.arm_step
    told = [policy(None) for _ in range(3)]
    assert [float(action[1, 0]) for action in told] == pytest.approx([one_degree, 2 * one_degree, one_degree], rel=1e-3)
    assert Net.looks == 2
    policy.reset(torch.tensor([True, False]))
    assert float(policy(None)[0, 0]) == pytest.approx(2 * one_degree, rel=1e-3), "one that begins anew cuts no chunk"
    policy(None)
    policy.reset(torch.tensor([True, True]))
    assert float(policy(None)[0, 0]) == pytest.approx(one_degree, rel=1e-3)


##
# With LeRobot
##


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a small ACT that nobody has trained, as LeRobot writes it."""
    pytest.importorskip("lerobot", reason="docs/lerobot.md has the command that installs it")
    from lerobot.configs import FeatureType, PolicyFeature
    from lerobot.policies import make_pre_post_processors
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy

    inputs = {
        name: PolicyFeature(type=FeatureType[feature["type"]], shape=tuple(feature["shape"]))
        for name, feature in CONFIG["input_features"].items()
    }
    small = {"dim_model": 32, "n_heads": 2, "dim_feedforward": 32, "n_encoder_layers": 1, "n_vae_encoder_layers": 1}
    config = ACTConfig(
        input_features=inputs,
        output_features={"action": PolicyFeature(type=FeatureType.ACTION, shape=(6,))},
        pretrained_backbone_weights=None,
        chunk_size=4,
        n_action_steps=2,
        device="cpu",
        **small,
    )
    home = torch.tensor([0.0, -11.0, 54.0, 83.0, 0.0, 80.0])
    stats = {name: {"mean": home, "std": torch.ones(6)} for name in ("observation.state", "action")}
    stats |= {name: {"mean": torch.zeros(3, 1, 1), "std": torch.ones(3, 1, 1)} for name in inputs if "images" in name}
    ACTPolicy(config).save_pretrained(tmp_path)
    for pipeline in make_pre_post_processors(config, dataset_stats=stats):
        pipeline.save_pretrained(tmp_path)
    return tmp_path


def test_a_policy_as_lerobot_writes_it_acts_for_all_environments(folder, env):
    policy = imitated.ImitatedPolicy(env, folder)
    actions = [policy(None) for _ in range(3)]
    assert all(action.shape == (2, 6) and action.abs().max() <= 1.0 and action.isfinite().all() for action in actions)
    assert torch.allclose(actions[0][0], actions[0][1]), "equal sights, equal actions"
    # Targets of an untrained policy lie about the mean of its data, which is home: no joint runs away.
    assert actions[0][:, :5].abs().max() < 1.0
    assert len(policy._chunk) == 1


def test_a_folder_that_lerobot_cannot_load_is_told_in_one_line(folder, env):
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UsageError, match="LeRobot cannot load it"):
        imitated.ImitatedPolicy(env, folder)
