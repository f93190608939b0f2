"""Lets an exported policy act in a simulation through the code that runs on the robot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alice import contract
from alice.cli.usage import UsageError
from alice.contract import ImageInput
from alice.deploy.observation import Controller
from alice.deploy.policy import OnnxPolicy, PolicyError
from alice.deploy.readings import ReadingError
from alice.deploy.tracking import BallTracker
from alice.export import configured
from alice.mdp.images import picture_age
from alice.runs import launch
from alice.transfer.state import TransferState, transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

AGREEMENT = 1e-5
"""Largest difference between joint targets, and told places, of the robot's code and the simulator's [rad, m]."""


class DeployedPolicy:
    """An ONNX file instead of a network: NumPy makes its inputs, onnxruntime its actions.

    The observations that the environment worked out are not looked at, but for the newest picture. What the robot would
    know is: reported joint positions, where the dish is, what was commanded before, and either a picture or where the
    ball is and how large. Where ball and dish are reported, the robot's code makes of it what the policy is told.

    Args:
        env: Environment of the policy's task.
        path: ONNX file.

    Raises:
        UsageError: If the file cannot be used, or another arm, rate, scale or camera is simulated than its contract's.
    """

    def __init__(self, env: ManagerBasedRLEnv, path: Path):
        try:
            self._policy = OnnxPolicy(path)
        except PolicyError as error:
            raise UsageError(f"--checkpoint: {error}") from error
        self._env = env
        if found := simulated_otherwise(self._policy.contract, env.cfg):
            raise UsageError(
                f"--checkpoint {path.name}: the simulation is not what its contract says: {'; '.join(found)}; give the"
                " overrides that it was exported with"
            )
        pictures = [item for item in self._policy.contract.inputs if isinstance(item, ImageInput)]
        self._item = pictures[0] if pictures else None
        self._controller = Controller(self._policy.contract, env.num_envs)
        self._tracker, self._steps = BallTracker(self._policy.contract, env.num_envs), 0

    def __call__(self, obs: Any) -> torch.Tensor:
        """Return actions, (N, 6).

        Args:
            obs: Observation groups; of these the newest picture alone is used.

        Raises:
            RuntimeError: If joint targets or frames of the robot's code are not those of the simulator.
            UsageError: If the simulated arm reports what none can, or the network gives what is no action.
        """
        state = transfer_state(self._env)
        targets = _array(self._env.action_manager.get_term("joints").targets)
        fresh = _array(self._env.episode_length_buf == 0)
        self._controller.begin(fresh, targets[fresh])
        off = np.abs(self._controller.targets - targets).max()
        if not off <= AGREEMENT:
            raise RuntimeError(f"robot code and simulator disagree about the joint targets by {off:.2g} rad or m")
        sees = self._item is not None
        ball_pos, dish_pos = self._places(state, fresh)
        try:
            inputs = self._controller.inputs(
                _array(state.now.measured.joint_pos),
                None if sees else ball_pos,
                dish_pos,
                None if sees else _array(state.ball_radius),
                newest_pictures(self._env, obs, self._item.name) if sees else None,
                _array(picture_age(self._env)) if sees else None,
            )
            actions = self._policy(inputs)
        except (ReadingError, PolicyError) as error:
            raise UsageError(f"the robot's code refused a step of the simulation: {error}") from error
        if sees:
            self._compare(inputs[self._item.name], obs[self._item.name])
        self._controller.targets_after(actions)
        if self._controller.refused.any():
            raise UsageError("the network of --checkpoint gives actions that are not finite; export a sound policy")
        return torch.from_numpy(actions).to(self._env.device)

    def _places(self, state: TransferState, fresh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where the robot's code believes ball and dish to be, (N, 3) [m] each.

        Args:
            state: What the simulator knows.
            fresh: Whether an episode begins, (N,) bool.

        Raises:
            RuntimeError: If it is told otherwise than a policy in training.
        """
        told, reports = state.now.told, self._env.command_manager.get_term("transfer").reports
        expected = _array(told.ball_pos), _array(told.dish_pos)
        if reports is None:
            return expected
        self._steps += 1
        now, taken = (
            self._steps * self._env.step_dt,
            self._steps * self._env.step_dt - _array(reports.lag).astype(float),
        )
        self._tracker.begin(fresh)
        for name, come, places in (
            ("ball_pos", reports.has_ball, reports.ball_report),
            ("dish_pos", reports.has_dish, reports.dish_report),
        ):
            rows = _array(come)
            self._tracker.report(taken[rows], **{name: _array(places)[rows]}, which=rows)
        joints, targets = _array(state.now.measured.joint_pos), self._controller.targets
        found = self._tracker.places(now, joints, targets, _array(state.ball_radius))
        off = np.max([np.abs(one - other).max(axis=-1) for one, other in zip(found, expected, strict=True)], axis=0)
        # Two sums of the same numbers may fall on either side of a threshold of the pinch flag.
        if np.count_nonzero(~(off <= AGREEMENT)) > max(1, len(off) // 1000):
            raise RuntimeError(f"robot code and simulator disagree about the told places by {off.max():.2g} m")
        return found

    def _compare(self, frames: np.ndarray, seen: torch.Tensor) -> None:
        """Raise :class:`RuntimeError` if frames are not what the environment stacked, unless an encoder took these."""
        if seen.dtype == torch.uint8 and (frames != _array(seen)).any():
            raise RuntimeError("robot code and simulator disagree about the frames of the wrist camera")

    def reset(self, dones: torch.Tensor) -> None:
        """Nothing to do: an environment that has begun anew is known by the length of its episode."""


def newest_pictures(env: ManagerBasedRLEnv, obs: Any, group: str) -> np.ndarray:
    """Return what the cameras deliver in this control step, (N, H, W, 3) uint8.

    Args:
        env: Environment.
        obs: Its observation groups.
        group: The one with pictures, or with what an encoder made of them.

    Raises:
        UsageError: If the pictures have errors that only an encoder in the environment has seen.
    """
    seen = obs[group]
    if seen.dtype == torch.uint8:
        return _array(seen[:, -3:].permute(0, 2, 3, 1))
    if any(params["errors"] for name, _, params in launch.encoders(env.cfg) if name == group):
        raise UsageError("an exported encoder cannot be audited with camera errors; leave out --domain_rand")
    return _array(env.scene["wrist_camera"].data.output["rgb"].torch[..., :3])


def simulated_otherwise(theirs: contract.Contract, env_cfg: Any) -> list[str]:
    """Return one sentence for everything in which a simulation is not what a contract says.

    Cut and scale of the terms are the contract's alone: the robot's code makes them.

    Args:
        theirs: The policy's contract.
        env_cfg: Resolved environment configuration.

    Raises:
        UsageError: If the simulated arm cannot be a robot's.
    """
    pairs = [("action", theirs.action, configured.action(env_cfg)), ("arm", theirs.arm, configured.arm(env_cfg))]
    for item in theirs.inputs:
        if isinstance(item, ImageInput):
            pairs.append((f"input {item.name}", item, configured.input_of(env_cfg, item.name)))
    found = []
    if not theirs.reads_back and configured.reads_back(env_cfg):
        found.append(
            "reads_back is false in the contract and true in the simulation (presets=hobby_servo"
            " env.actions.joints.servo.reads_back=false)"
        )
    return found + [
        f"{what}.{name} is {getattr(one, name)!r} in the contract and {getattr(other, name, None)!r} in the simulation"
        for what, one, other in pairs
        for name in vars(one)
        if not contract.same(getattr(one, name), getattr(other, name, None))
    ]


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.cpu().numpy()
