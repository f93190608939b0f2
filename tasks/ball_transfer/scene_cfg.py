"""The scene: arm, table, nest, ball, dish and a light. Nothing is fetched from a network."""

from __future__ import annotations

import isaaclab.sim as sim_utils
from isaaclab.assets import ArticulationCfg, AssetBaseCfg, RigidObjectCfg
from isaaclab.scene import InteractiveSceneCfg
from isaaclab.utils import configclass, replace

from alice.assets.objects import BALL_CFG, DISH_CFG, NEST_CFG, TABLE_CFG
from alice.assets.xarm1s import XARM1S_CFG


@configclass
class BallTransferSceneCfg(InteractiveSceneCfg):
    """One arm on a table. The robot's base frame is the environment's frame."""

    robot: ArticulationCfg = replace(XARM1S_CFG, prim_path="{ENV_REGEX_NS}/Robot")
    ball: RigidObjectCfg = BALL_CFG
    dish: RigidObjectCfg = DISH_CFG
    nest: RigidObjectCfg = NEST_CFG
    table: AssetBaseCfg = TABLE_CFG
    light: AssetBaseCfg = AssetBaseCfg(
        prim_path="/World/light", spawn=sim_utils.DomeLightCfg(color=(0.95, 0.95, 0.95), intensity=2000.0)
    )
