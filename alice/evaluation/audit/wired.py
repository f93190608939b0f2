"""Lets an exported policy act in a simulation over the wire: each arm has a loop, a bus and servos of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alice import arms
from alice.arms import quantities
from alice.cli.usage import UsageError
from alice.contract import ImageInput
from alice.deploy.bus.interface import BusError
from alice.deploy.bus.opening import EMULATED, protocol_of
from alice.deploy.emulator import world as worlds
from alice.deploy.lockstep import Counts, Lockstep, Options, Scene
from alice.deploy.policy import OnnxPolicy, PolicyError
from alice.evaluation.audit.deployed import newest_pictures, simulated_otherwise
from alice.evaluation.wire import WiredArms
from alice.mdp.images import picture_age
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv


class WiredPolicy:
    """Loops of N arms in the place of a network (:func:`alice.evaluation.audit.audit.run_audit`).

    Servos are those that the simulation has drawn for the episode, delay by delay and zero by zero; where it has ideal
    ones the emulated ones are ideal. What the policy is told, or sees, is what it is in closed loop.

    Args:
        env: Environment of the policy's task.
        path: ONNX file.
        options: How the arms are wired.

    Raises:
        UsageError: If the file cannot be used, the simulation is not what its contract says, or the arm speaks
            otherwise.
    """

    def __init__(self, env: ManagerBasedRLEnv, path: Path, options: Options | None = None):
        self._env, self._arm, self._options = env, arms.of(env), options or Options()
        try:
            self._policy = OnnxPolicy(path)
            self.protocol = protocol_of(self._arm, EMULATED, self._options.protocol)
            """What the bus speaks."""
        except (PolicyError, BusError) as error:
            raise UsageError(str(error)) from error
        if found := simulated_otherwise(self._policy.contract, env.cfg):
            raise UsageError(f"--checkpoint {path.name}: the simulation is not what it says: {'; '.join(found)}")
        images = (item.name for item in self._policy.contract.inputs if isinstance(item, ImageInput))
        self._image = next(images, None)
        self._term = env.action_manager.get_term("joints")
        self._arms: Lockstep | None = None
        self._wired: WiredArms | None = None
        self._round = 0
        self._past = Counts()
        self._is_running = np.zeros(env.num_envs, bool)

    @property
    def counts(self) -> Counts:
        """What loops and safety did in all episodes so far."""
        total = Counts()
        total.add(self._past)
        if self._arms is not None:
            total.add(self._arms.counts)
        return total

    def reset(self, dones: torch.Tensor) -> None:
        """Let arms whose episode has ended rest; a new round begins with the next call where all of them have."""
        done = dones.bool().cpu().numpy()
        if self._arms is not None:
            self._arms.close(np.flatnonzero(done & self._is_running))
        self._is_running &= ~done
        if done.all() and self._arms is not None:
            self._past.add(self._arms.counts)
            self._arms = None

    def __call__(self, obs: Any) -> torch.Tensor:
        """Do a control step of all arms and return the actions to step with, (N, A)."""
        scene = self._scene(obs)
        if self._arms is None:
            self._begin(scene)
        else:
            self._wired.tell(np.array([], int))
        self._arms.scene = scene
        driven = self._arms.step(self._is_running)
        resting, row = self._term.targets.cpu().numpy(), self._is_running[:, None]
        return self._wired.pull(np.where(row, driven, resting), np.where(row, self._arms.commands, resting))

    def _begin(self, scene: Scene) -> None:
        """Wire arms with the servos that were drawn, and let them get ready."""
        env, homes = self._env, self._term.targets.cpu().numpy().astype(float)
        world = worlds.nominal(self._arm, env.num_envs, **_servos_of(self._term))
        state = transfer_state(env)
        joint_pos, radius = state.now.true.joint_pos.cpu().numpy(), state.ball_radius.cpu().numpy()
        ready = (self._arm, world, self._policy, joint_pos, homes, scene, radius, self._options, self._round)
        self._arms, self._round = Lockstep(*ready), self._round + 1
        self._wired = WiredArms(env, self._arms.emulated.plant, is_placed=True)
        self._is_running[:] = True

    def _scene(self, obs: Any) -> Scene:
        """Return what there is to know and to see now."""
        told = transfer_state(self._env).now.told
        pictures = newest_pictures(self._env, obs, self._image) if self._image else None
        age = picture_age(self._env).cpu().numpy() if self._image else None
        return Scene(told.ball_pos.cpu().numpy(), told.dish_pos.cpu().numpy(), pictures, age)


def _servos_of(term: Any) -> dict[str, np.ndarray]:
    """Return what an action term has drawn for its servos, (N, S) each by the names of a world; nothing if ideal."""
    servos = term.servos
    if servos is None:
        return {}
    return {f"servo_{name}": getattr(servos, name).cpu().numpy().astype(float) for name in quantities.of_servo()}
