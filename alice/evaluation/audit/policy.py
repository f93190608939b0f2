"""Opens an environment and puts a trained policy into it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alice.cli import terminal
from alice.cli.usage import OUTSIDE, UsageError, outside
from alice.deploy.observation import FrameStack
from alice.evaluation.audit import imitated
from alice.evaluation.audit.deployed import DeployedPolicy
from alice.evaluation.audit.imitated import ImitatedPolicy
from alice.export import configured
from alice.runs import checkpoints, launch
from alice.runs.launch import Job
from alice.system import kit

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper
    from rsl_rl.models import MLPModel


@contextlib.contextmanager
def open_environment(job: Job, visualizer: str | None = None) -> Iterator[RslRlVecEnvWrapper]:
    """Start the simulator, make the environment of a job and close it afterwards; Kit alone stays open.

    What the simulator's libraries write goes to a file, see :func:`alice.cli.terminal.quiet`.

    Args:
        job: Checked command line.
        visualizer: Name of an Isaac Lab visualizer, None for no window.

    Yields:
        The environment as RSL-RL sees it.
    """
    import gymnasium
    from isaaclab.app import launch_simulation
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper

    flags = {"device": job.device, "visualizer": visualizer}
    if job.checkpoint and job.checkpoint.suffix == ".safetensors":
        imitated.prepare(job.env_cfg, job.checkpoint.parent)
    with terminal.quiet() as log:
        count = job.env_cfg.scene.num_envs
        start = f"starting {count} environment{'s' * (count > 1)} on {launch.physics_name(job.env_cfg)}"
        terminal.note(f"{start}; what it writes goes to {log}" if log else start)
        mistake = None
        kit.start(job.env_cfg, flags)
        with launch_simulation(job.env_cfg, flags):
            _announce_compiler(job.env_cfg.scene)
            with terminal.doing("building the simulation"):
                env = gymnasium.make(job.task, cfg=job.env_cfg)
            try:
                yield RslRlVecEnvWrapper(env, clip_actions=job.agent_cfg.clip_actions)
            except UsageError as error:  # launch_simulation prints a traceback of whatever passes through it
                mistake = error
            except OSError as error:
                if error.errno not in OUTSIDE:
                    raise
                mistake = UsageError(outside(error))
            finally:
                env.close()
        if mistake:
            raise mistake


def _announce_compiler(scene: Any) -> None:
    """Tell why the first picture on a machine takes long: Warp compiles the renderer and keeps it in its cache."""
    import warp
    from isaaclab.sensors import CameraCfg

    warp.init()  # chooses the folder of its cache
    renderers = Path(warp.config.kernel_cache_dir).glob("*render_megakernel*")
    if any(isinstance(item, CameraCfg) for item in vars(scene).values()) and not any(renderers):
        terminal.note("the first picture takes a minute or two: the renderer is compiled once on a machine")


def load_policy(env: RslRlVecEnvWrapper, job: Job) -> MLPModel | DeployedPolicy | ImitatedPolicy:
    """Build the policy of a job's agent configuration and give it the weights of its checkpoint.

    An exported policy (``.onnx``) is run as on the robot: :class:`alice.evaluation.audit.deployed.DeployedPolicy`; one
    of LeRobot (``.safetensors``) by :class:`alice.evaluation.audit.imitated.ImitatedPolicy`.

    Only the weights are taken. What else a checkpoint holds, such as a curriculum's state, must not reach an
    evaluation.

    Args:
        env: Environment.
        job: Checked command line with a checkpoint.

    Returns:
        A network from observation groups to actions, (N, A); the mean of its distribution.

    Raises:
        UsageError: If the weights do not fit the environment.
    """
    if job.checkpoint.suffix == ".onnx":
        return DeployedPolicy(env.unwrapped, job.checkpoint)
    if job.checkpoint.suffix == ".safetensors":
        return ImitatedPolicy(env.unwrapped, job.checkpoint.parent)
    from importlib.metadata import version

    from isaaclab_rl.rsl_rl import create_rsl_rl_runner, handle_deprecated_rsl_rl_cfg

    agent_cfg = handle_deprecated_rsl_rl_cfg(job.agent_cfg, version("rsl-rl-lib"))
    agent_cfg.num_steps_per_env = 1  # nothing is learned, so no rollout of pictures need be kept
    runner = create_rsl_rl_runner(env, agent_cfg, log_dir=None)
    policy = runner.get_inference_policy(device=job.device)
    checkpoints.fill(policy, checkpoints.policy_weights(job.weights), job.checkpoint, job.task)
    return policy


class Recorder:
    """Passes observations through and keeps some inputs of a policy, as the robot's side makes them, and its actions.

    These are the observation groups, but the pictures themselves where an encoder in the environment takes them.

    Args:
        policy: From observation groups to actions.
        job: Checked command line.
        env: Its environment.

    Raises:
        UsageError: If an encoder sees pictures with errors, which cannot be told from outside, or the robot's side
            could not make the inputs.
    """

    ENVS, ENVS_OF_ENCODER = 64, 2
    """Number of environments whose observations are kept; four frames of 224x224 need 0.6 MB."""

    def __init__(self, policy: Any, job: Job, env: ManagerBasedRLEnv):
        self._policy, self._env = policy, env
        self.inputs = [configured.input_of(job.env_cfg, group) for group in job.actor_groups]
        """What the inputs mean, as in the policy's contract."""
        encoders = {group: params for group, _, params in launch.encoders(job.env_cfg) if group in job.actor_groups}
        if any(params["errors"] for params in encoders.values()):
            raise UsageError("--record: pictures before an encoder are kept without errors; leave out --domain_rand")
        self._envs = min(env.num_envs, self.ENVS_OF_ENCODER if encoders else self.ENVS)
        self._stacks = {item.name: FrameStack(item, self._envs) for item in self.inputs if item.name in encoders}
        self._kept: dict[str, list[torch.Tensor]] = {group: [] for group in (*job.actor_groups, "actions")}

    def __call__(self, obs: Any) -> torch.Tensor:
        """Return the policy's actions."""
        actions = self._policy(obs)
        for name, kept in self._kept.items():
            if name in self._stacks:
                kept.append(self._stacked(name))
            else:
                values = actions.clamp(-1, 1) if name == "actions" else obs[name]
                kept.append(values[: self._envs].cpu().clone())
        return actions

    def _stacked(self, group: str) -> torch.Tensor:
        """Return the frames of this control step, (E, 3 K, H, W) uint8."""
        pictures = self._env.scene["wrist_camera"].data.output["rgb"].torch[: self._envs, ..., :3]
        is_fresh = self._env.episode_length_buf[: self._envs] == 0
        return torch.from_numpy(self._stacks[group].push(pictures.cpu().numpy(), is_fresh.cpu().numpy()))

    def reset(self, dones: torch.Tensor) -> None:
        """Tell the policy which environments have begun anew."""
        self._policy.reset(dones)

    def rows(self, count: int) -> dict[str, np.ndarray]:
        """Return ``count`` rows of inputs by group and of ``actions``, drawn evenly from all that were kept."""
        whole = {group: torch.cat(rows) for group, rows in self._kept.items()}
        total = len(next(iter(whole.values())))
        places = torch.linspace(0, total - 1, min(count, total)).long()
        return {group: rows[places].numpy() for group, rows in whole.items()}
