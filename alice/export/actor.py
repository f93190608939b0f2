"""Rebuilds the actor of a checkpoint without a simulator, and the contract that belongs to it."""

from __future__ import annotations

import copy

import torch
from tensordict import TensorDict

from alice import __version__, contract
from alice.cli.usage import UsageError
from alice.contract import Contract, ImageInput, VectorInput
from alice.export import configured, trained
from alice.runs import checkpoints, launch, provenance, seeds
from alice.runs.launch import Job


class Actor(torch.nn.Module):
    """An actor with one named input per observation group and actions cut to [-1, 1].

    Args:
        model: RSL-RL model with its weights.
        inputs: Inputs of the contract.
        encoder: What turns pictures into features where the model takes these; None where it takes pictures.
        limit: Where the training cut actions before the environment saw them; None for nowhere.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        inputs: tuple[VectorInput | ImageInput, ...],
        encoder: torch.nn.Module | None = None,
        limit: float | None = None,
    ):
        super().__init__()
        self._limit = 1.0 if limit is None else min(1.0, limit)
        self._network = model.as_onnx(verbose=False)
        self._is_picture = [isinstance(item, ImageInput) for item in inputs]
        self._encoder = encoder

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return actions.

        Args:
            inputs: Observation groups in the order of the contract's inputs, (B, size) float32 or (B, 3 K, H, W) uint8.

        Returns:
            Actions, (B, 6) in [-1, 1].
        """
        pairs = list(zip(inputs, self._is_picture, strict=True))
        if self._encoder is not None:
            pairs = [(self._encoder(values) if is_picture else values, False) for values, is_picture in pairs]
        vectors = torch.cat([values for values, is_picture in pairs if not is_picture], dim=-1)
        pictures = [values for values, is_picture in pairs if is_picture]
        return self._network(vectors, *pictures).clamp(-self._limit, self._limit)


def contract_of(job: Job) -> Contract:
    """Return the contract of a job's actor, read from the configurations.

    Args:
        job: Checked command line with a checkpoint.

    Raises:
        UsageError: If the robot side cannot serve the actor, or it was trained otherwise.
    """
    inputs = tuple(configured.input_of(job.env_cfg, group) for group in job.actor_groups)
    action, arm = configured.action(job.env_cfg), configured.arm(job.env_cfg)
    trained.compare(job)
    made = Contract(
        task=job.task,
        version=__version__,
        commit=provenance.git_state(provenance.ROOT)[0],
        checkpoint_sha256=provenance.sha256(job.checkpoint),
        release_seed=str(seeds.of_release(checkpoints.policy_weights(job.weights))),
        inputs=inputs,
        goal=_goal({term.name for item in inputs if isinstance(item, VectorInput) for term in item.terms}),
        action=action,
        arm=arm,
        reads_back=configured.reads_back(trained.environment(job)),
        trained_for=trained.met(job),
    )
    if found := contract.disagreements(made):
        raise UsageError(f"this cannot be exported, the arm could not do it: {'; '.join(found)}")
    return made


def _goal(terms: set[str]) -> str:
    """Return how a policy with these terms is told where the dish is."""
    carrier = next((name for name in ("ball_to_dish", "dish_place") if name in terms), None)
    if carrier is None:
        return "nothing: the policy looks for the dish in the picture"
    return f"the dish's centre on the table, base frame [m]: in the term {carrier}"


def build(job: Job, inputs: tuple[VectorInput | ImageInput, ...]) -> Actor:
    """Build the actor of a job's agent configuration and give it the weights of its checkpoint.

    Args:
        job: Checked command line with a checkpoint.
        inputs: Inputs of the contract.

    Raises:
        UsageError: If the weights do not fit.
    """
    from importlib.metadata import version

    from isaaclab.utils import to_dict
    from isaaclab_rl.rsl_rl import handle_deprecated_rsl_rl_cfg
    from rsl_rl.utils import resolve_class

    agent_cfg = handle_deprecated_rsl_rl_cfg(copy.deepcopy(job.agent_cfg), version("rsl-rl-lib"))
    role = job.role
    model_class, model_cfg = resolve_class(to_dict(getattr(agent_cfg, role)))
    encoder = _encoder(job)
    example = TensorDict({item.name: _zeros(item, encoder) for item in inputs}, batch_size=[1])
    groups = {role: [item.name for item in inputs]}
    model = model_class(example, groups, role, len(configured.arm_of(job.env_cfg).action_names), **model_cfg)
    checkpoints.fill(model, checkpoints.policy_weights(job.weights), job.checkpoint, job.task)
    return Actor(model.eval(), inputs, encoder, agent_cfg.clip_actions).eval()


def _encoder(job: Job) -> torch.nn.Module | None:
    """Return the frozen encoder of a job's actor with its weights, None if it has none."""
    found = [params for group, _, params in launch.encoders(job.env_cfg) if group in job.actor_groups]
    if not found:
        return None
    from alice.models import resnet

    return resnet.FrozenResNet18(found[0]["weights"])


def _zeros(item: VectorInput | ImageInput, encoder: torch.nn.Module | None) -> torch.Tensor:
    """Return what the model is shown of an input when it is built."""
    if isinstance(item, VectorInput):
        return torch.zeros(1, item.size)
    pictures = torch.zeros(1, *item.shape, dtype=torch.uint8)
    return pictures if encoder is None else encoder(pictures)
