"""Lets ovphysx do the physics below the stand-in for Isaac Sim, in every process that has this folder on its path.

``physics=isaacsim_physx`` stays what it is to the doors and to Isaac Lab's launcher: a ``PhysxCfg`` that needs Kit.
"""

import importlib.abc
import importlib.util
import sys


def _swap_physics(module):
    from isaaclab.utils import configclass

    @configclass
    class PhysxCfg(module.ControlStepOvPhysxCfg):
        """Goes by its name."""

        launcher_type = "isaaclab_physx.app:KitLauncher"

    @configclass
    class PhysicsCfg(module.PhysicsCfg):
        """The presets, one of them swapped."""

        isaacsim_physx: PhysxCfg = PhysxCfg()

    module.PhysicsCfg = PhysicsCfg


def _without_kit(module):
    module.has_kit = lambda: False  # else it would ask Kit for its stage


AFTER_IMPORT = {
    "alice.tasks.ball_transfer.physics_cfg": _swap_physics,
    "isaaclab.sim.simulation_context": _without_kit,
    "isaaclab.cloner.replicate_session": _without_kit,
}


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        change = AFTER_IMPORT.pop(name, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(name)
        stock = spec.loader.exec_module

        def execute(module):
            stock(module)
            change(module)

        spec.loader.exec_module = execute
        return spec


sys.meta_path.insert(0, _Finder())
