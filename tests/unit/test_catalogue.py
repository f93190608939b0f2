"""What is read from the text of our declarations is what importing them registers."""

import pytest

pytest.importorskip("isaaclab")
import gymnasium

import alice.tasks  # noqa: F401
from alice.cli import catalogue


def test_tasks_and_agents_are_those_that_are_registered():
    registered = {
        name: tuple(key for key in spec.kwargs if key.startswith("rsl_rl") and key.endswith("entry_point"))
        for name, spec in gymnasium.registry.items()
        if spec.kwargs.get("env_cfg_entry_point", "").startswith("alice.")
    }
    assert catalogue.tasks() == registered and len(registered) >= 2


def test_presets_are_the_fields_of_our_choices():
    from isaaclab_tasks.utils.presets import MultiBackendRendererCfg

    from alice.tasks.ball_transfer import camera_env_cfg, env_cfg, physics_cfg

    choices = [env_cfg.ActionPresetsCfg, env_cfg.RewardPresetsCfg, env_cfg.CurriculumPresetsCfg, physics_cfg.PhysicsCfg]
    choices += [camera_env_cfg.CameraEventPresetsCfg, camera_env_cfg.ImagePresetsCfg, MultiBackendRendererCfg]
    names = {name for choice in choices for name in choice.__dataclass_fields__} - {"default"}
    assert names <= catalogue.presets()
    assert "default" not in catalogue.presets()
