"""Rebuilds the actor of a checkpoint without a simulator, and the contract that belongs to it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from tensordict import TensorDict

from alice import __version__, checkpoints, contract, provenance
from alice.contract import TERMS, Contract, VectorInput
from alice.launch import Job
from alice.usage import UsageError


class Actor(torch.nn.Module):
    """An actor with one named input per observation group and actions cut to [-1, 1].

    Args:
        model: RSL-RL model with its weights.
    """

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self._network = model.as_onnx(verbose=False)

    def forward(self, *vectors: torch.Tensor) -> torch.Tensor:
        """Return actions.

        Args:
            vectors: Observation groups in the order of the contract's inputs, (B, size) each.

        Returns:
            Actions, (B, 6) in [-1, 1].
        """
        return self._network(torch.cat(vectors, dim=-1)).clamp(-1.0, 1.0)


def contract_of(job: Job) -> Contract:
    """Return the contract of a job's actor, read from the configurations.

    Args:
        job: Checked command line with a checkpoint.

    Raises:
        UsageError: If the robot side cannot serve the actor.
    """
    observations = job.env_cfg.observations
    return Contract(
        task=job.task,
        version=__version__,
        commit=provenance.git_state(provenance.ROOT)[0],
        checkpoint_sha256=provenance.sha256(job.checkpoint),
        inputs=tuple(VectorInput(group, _terms(group, getattr(observations, group))) for group in job.actor_groups),
    )


def _terms(group: str, group_cfg: Any) -> tuple[contract.Term, ...]:
    """Return the terms of an observation group in their order."""
    found = []
    for name, term in vars(group_cfg).items():
        if not hasattr(term, "func"):
            continue
        arm = term.params.get("arm", "measured")
        if name not in TERMS or arm != "measured":
            raise UsageError(
                f"observation {group}.{name} cannot be exported: the robot side knows {', '.join(sorted(TERMS))}"
            )
        clip = None if term.clip is None else tuple(float(end) for end in term.clip)
        found.append(replace(TERMS[name], clip=clip, scale=1.0 if term.scale is None else float(term.scale)))
    return tuple(found)


def build(job: Job, inputs: tuple[VectorInput, ...]) -> Actor:
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
    example = TensorDict({item.name: torch.zeros(1, item.size) for item in inputs}, batch_size=[1])
    groups = {role: [item.name for item in inputs]}
    model = model_class(example, groups, role, len(contract.Action().names), **model_cfg)
    checkpoints.fill(model, checkpoints.policy_weights(job.weights), job.checkpoint, job.task)
    return Actor(model.eval()).eval()
