"""Lets an exported policy act in a simulation through the code that runs on the robot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alice.deploy.observation import Controller
from alice.deploy.policy import OnnxPolicy, PolicyError
from alice.mdp.transfer import transfer_state
from alice.usage import UsageError

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

AGREEMENT = 1e-5
"""Largest difference between the joint targets of the robot's code and the simulator's [rad, m]."""


class DeployedPolicy:
    """An ONNX file instead of a network: NumPy makes its inputs, onnxruntime its actions.

    The observations that the environment worked out are not looked at. What the robot would know is: reported joint
    positions, where ball and dish are, the ball's size, and what was commanded before.

    Args:
        env: Environment of the policy's task.
        path: ONNX file.

    Raises:
        UsageError: If the file cannot be used.
    """

    def __init__(self, env: ManagerBasedRLEnv, path: Path):
        try:
            self._policy = OnnxPolicy(path)
        except PolicyError as error:
            raise UsageError(f"--checkpoint: {error}") from error
        self._env = env
        self._controller = Controller(self._policy.contract, env.num_envs)

    def __call__(self, obs: Any) -> torch.Tensor:
        """Return actions, (N, 6).

        Args:
            obs: Not used.

        Raises:
            RuntimeError: If the joint targets of the robot's code are not those of the simulator.
        """
        state = transfer_state(self._env)
        targets = _array(self._env.action_manager.get_term("joints").targets)
        fresh = _array(self._env.episode_length_buf == 0)
        self._controller.begin(fresh, targets[fresh])
        off = np.abs(self._controller.targets - targets).max()
        if off > AGREEMENT:
            raise RuntimeError(f"robot code and simulator disagree about the joint targets by {off:.2g} rad or m")
        inputs = self._controller.inputs(
            _array(state.now.measured.joint_pos),
            _array(state.now.ball_pos),
            _array(state.dish_pos),
            _array(state.ball_radius),
        )
        actions = self._policy(inputs)
        self._controller.targets_after(actions)
        return torch.from_numpy(actions).to(self._env.device)

    def reset(self, dones: torch.Tensor) -> None:
        """Nothing to do: an environment that has begun anew is known by the length of its episode."""


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.cpu().numpy()
