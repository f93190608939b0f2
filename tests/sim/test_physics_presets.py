"""The presets of the physics engines, compared field by field; nothing is simulated."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")
pytest.importorskip("ovphysx")

from isaaclab.utils.string import to_camel_case
from pxr import Sdf

from alice.tasks.ball_transfer.env_cfg import BallTransferEnvCfg
from alice.tasks.ball_transfer.physics_cfg import PhysicsCfg

SCHEMA = Path("schemas", "physx", "PhysxSchema", "resources", "generatedSchema.usda")
ATTRIBUTES = {"bounce_threshold_velocity": "bounceThreshold", "enable_ccd": "enableCCD"}
"""Names of PhysX's schema where Isaac Lab does not make them from the field's name."""
OTHERWISE = {
    "class_type": "the backend itself",
    "launcher_type": "the process that it runs in",
    "enable_scene_query_support": "both backends take it from SimulationCfg",
    "gpu_max_soft_body_contacts": "PhysX has no such attribute any more, and the task no soft body",
}
"""Fields of ``PhysxCfg`` that decide nothing or must differ."""


@pytest.fixture(scope="module")
def defaults() -> dict:
    """Return what PhysX takes for the attributes of a scene that nobody wrote, by name."""
    package = Path(importlib.util.find_spec("ovphysx").origin).parent
    layer = Sdf.Layer.FindOrOpen(str(package / SCHEMA))
    attributes = layer.GetPrimAtPath("/PhysxSceneAPI").attributes
    return {attribute.name.removeprefix("physxScene:"): attribute.default for attribute in attributes}


def test_isaac_sim_runs_the_physics_that_ovphysx_runs(defaults):
    ours, theirs = PhysicsCfg().ovphysx, PhysicsCfg().isaacsim_physx
    compared = set()
    for name, value in vars(theirs).items():
        if name in OTHERWISE:
            continue
        value = {0: "PGS", 1: "TGS"}[value] if name == "solver_type" else value
        if hasattr(ours, name):  # ovphysx writes it into the scene too
            assert value == getattr(ours, name), name
        else:
            attribute = ATTRIBUTES.get(name, to_camel_case(name, "cC"))
            assert value == pytest.approx(defaults[attribute]), name
        compared.add(name)
    assert {"enable_external_forces_every_iteration", "bounce_threshold_velocity"} <= compared
    assert {"friction_offset_threshold", "friction_correlation_distance", "solver_type", "enable_ccd"} <= compared
    assert OTHERWISE.keys() <= vars(theirs).keys()


def test_what_ovphysx_alone_has_is_no_physics():
    alone = vars(PhysicsCfg().ovphysx).keys() - vars(PhysicsCfg().isaacsim_physx).keys()
    assert alone == {"cooked_collider_cache_dir", "runs_whole_control_steps"}


def test_the_choice_that_is_left_open_is_between_these_two():
    presets = BallTransferEnvCfg().sim.physics
    assert vars(presets.physx.isaacsim_physx) == vars(presets.isaacsim_physx)
    assert vars(presets.physx.ovphysx) == vars(presets.ovphysx)
