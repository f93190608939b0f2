"""The scene: arm, table, nest, ball, dish and a light. Nothing is fetched from a network."""

from __future__ import annotations

import isaaclab.sim as sim_utils
from isaaclab.assets import ArticulationCfg, AssetBaseCfg, RigidObjectCfg
from isaaclab.scene import InteractiveSceneCfg
from isaaclab.utils import configclass
from isaaclab_tasks.utils import PresetCfg

from alice.arms import XARM1S
from alice.assets.arms import articulation
from alice.assets.objects import BALL_CFG, DISH_CFG, MOVABLE_TABLE_CFG, NEST_CFG, TABLE_CFG

from .randomization_cfg import BALLS_CFG


@configclass
class BallPresetsCfg(PresetCfg):
    """``presets=domain_rand`` selects balls of several sizes."""

    default: RigidObjectCfg = BALL_CFG
    domain_rand: RigidObjectCfg = BALLS_CFG


@configclass
class TablePresetsCfg(PresetCfg):
    """``presets=domain_rand`` selects a table of uncertain height and friction."""

    default: AssetBaseCfg = TABLE_CFG
    domain_rand: RigidObjectCfg = MOVABLE_TABLE_CFG


@configclass
class BallTransferSceneCfg(InteractiveSceneCfg):
    """One arm on a table. The robot's base frame is the environment's frame."""

    robot: ArticulationCfg = articulation(XARM1S)
    ball: BallPresetsCfg = BallPresetsCfg()
    dish: RigidObjectCfg = DISH_CFG
    nest: RigidObjectCfg = NEST_CFG
    table: TablePresetsCfg = TablePresetsCfg()
    light: AssetBaseCfg = AssetBaseCfg(
        prim_path="/World/light", spawn=sim_utils.DomeLightCfg(color=(0.95, 0.95, 0.95), intensity=2000.0)
    )
