"""The reward audit: does a reward pay a trick better than the honest next step?

Scripts play honest beginnings of the job (the ladder) and known tricks from the same starts. Every reward term is
recorded once, with weight 1; any table of weights is then judged on paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from alice.evaluation.physics.scripted import APPROACH, CARRY, CLOSE, DESCEND, LIFT, PUT_DOWN, Script, Waypoint
from alice.mdp.events import place_transfer
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab.envs import ManagerBasedRLEnv

    from alice.transfer.curriculum import Stage

GAMMA = 0.99
"""Discount per control step, as in training."""
MARGIN = 0.01
"""By how much of the whole job's return the next step must be better than a trick."""


@dataclass(frozen=True)
class Behaviour:
    """Something an arm could do for a whole episode."""

    name: str
    legs: tuple[Waypoint, ...]
    beaten_by: str | None
    """The honest behaviour that must earn more; None for the whole job."""


_GRIP = (APPROACH, DESCEND, CLOSE)
_CYCLE = (Waypoint("let go", "ball", 0.0, False, 8), Waypoint("grip again", "ball", 0.0, True, 8))

LADDER: tuple[Behaviour, ...] = (
    Behaviour("hover_above", (APPROACH,), "surround"),
    Behaviour("surround", (APPROACH, DESCEND), "pinch_and_hold"),
    Behaviour("pinch_and_hold", _GRIP, "lift_a_little"),
    Behaviour("lift_a_little", (*_GRIP, Waypoint("lift a little", "ball", 0.012, True, 10)), "lift_and_freeze"),
    Behaviour("lift_and_freeze", (*_GRIP, LIFT), "carry_and_freeze"),
    Behaviour("carry_and_freeze", (*_GRIP, LIFT, CARRY), "transfer"),
    Behaviour("transfer", (*_GRIP, LIFT, CARRY, *PUT_DOWN), None),
)
"""Honest beginnings, each better than the one before."""

TRICKS: tuple[Behaviour, ...] = (
    Behaviour("hover_closed", (Waypoint("hover", "ball", 0.035, True, 24),), "pinch_and_hold"),
    Behaviour(
        "press_down",
        (Waypoint("close above", "ball", 0.05, True, 24), Waypoint("press", "ball", 0.008, True, 24)),
        "pinch_and_hold",
    ),
    Behaviour(
        "push_to_dish",
        (
            Waypoint("behind", "behind", 0.05, True, 24),
            Waypoint("down", "behind", 0.0, True, 16),
            Waypoint("push", "dish", 0.0, True, 40),
        ),
        "lift_and_freeze",
    ),
    Behaviour("throw", (*_GRIP, LIFT, Waypoint("throw", "dish", 0.09, False, 30)), "lift_and_freeze"),
    Behaviour("grip_again_and_again", (*_GRIP, *(_CYCLE * 6)), "lift_a_little"),
)
"""Tricks, and what must earn more."""

BEHAVIOURS = (*LADDER, *TRICKS)


def record(env: ManagerBasedRLEnv) -> dict[str, dict[str, torch.Tensor]]:
    """Play all behaviours from the same starts.

    Args:
        env: Environment whose reward terms all have weight 1.

    Returns:
        For each behaviour and reward term the discounted sum of the term's values times the step length, (N,).
    """
    env.reset()
    starts = _starts(env)
    return {behaviour.name: _play(env, behaviour, starts) for behaviour in BEHAVIOURS}


def _starts(env: ManagerBasedRLEnv) -> tuple[torch.Tensor, ...]:
    """Return joints, targets, ball, nest and dish of the episodes that have just begun."""
    state = transfer_state(env)
    nest = env.scene["nest"].data.root_link_pose_w.torch[:, :3] - env.scene.env_origins
    targets = env.action_manager.get_term("joints").targets
    tensors = (state.now.true.joint_pos, targets, state.now.ball_pos, nest, state.dish_pos)
    return tuple(tensor.clone() for tensor in tensors)


def _play(env: ManagerBasedRLEnv, behaviour: Behaviour, starts: tuple[torch.Tensor, ...]) -> dict[str, torch.Tensor]:
    env.reset()
    everyone = torch.arange(env.num_envs, device=env.device)
    place_transfer(env, everyone, *starts, is_home_start=torch.ones_like(everyone, dtype=torch.bool))
    transfer_state(env).read_start(everyone)
    script = Script(env, behaviour.legs)
    alive = torch.ones(env.num_envs, device=env.device)
    manager = env.reward_manager
    sums = torch.zeros(env.num_envs, len(manager.active_terms), device=env.device)
    discount = env.step_dt
    for _ in range(int(env.max_episode_length)):
        _, _, terminated, truncated, _ = env.step(script.act())
        sums += discount * alive.unsqueeze(-1) * manager._step_reward
        alive *= (~(terminated | truncated)).float()
        discount *= GAMMA
    return dict(zip(manager.active_terms, sums.unbind(dim=-1), strict=True))


@dataclass(frozen=True)
class Verdict:
    """What a reward pays one behaviour."""

    behaviour: str
    value: float
    """Mean discounted return."""
    beaten_by: str | None
    passed: bool
    """Whether the honest next step pays more."""


def parts_of(stage: Stage, costs: Mapping[str, float]) -> dict[str, float]:
    """Return the weights that a stage of the curriculum is judged by: what is done, not how.

    A script moves as roughly as it was written, a policy learns to be gentle: what jerk and work cost says nothing
    about which job pays.

    Args:
        stage: The stage.
        costs: Weights of the terms that no stage sets.
    """
    return {name: weight for name, weight in stage.terms.items() if name not in ("jerk", "work")} | dict(costs)


def judge(recorded: Mapping[str, Mapping[str, torch.Tensor]], weights: Mapping[str, float]) -> list[Verdict]:
    """Return what a table of weights pays every behaviour.

    Args:
        recorded: What :func:`record` returned.
        weights: Weight of each reward term, as in a reward configuration.
    """
    values = {
        name: float(sum(weight * terms[term] for term, weight in weights.items()).mean())
        for name, terms in recorded.items()
    }
    margin = MARGIN * abs(values["transfer"])
    found = []
    for behaviour in BEHAVIOURS:
        value, better = values[behaviour.name], values.get(behaviour.beaten_by, float("inf"))
        found.append(Verdict(behaviour.name, value, behaviour.beaten_by, better > value + margin))
    return found


def table(verdicts: list[Verdict]) -> str:
    """Return the verdicts as aligned lines."""
    lines = []
    for verdict in verdicts:
        mark = "" if verdict.beaten_by is None else f"{'ok  ' if verdict.passed else 'FAIL'} < {verdict.beaten_by}"
        lines.append(f"  {verdict.behaviour:<22s} {verdict.value:9.3f}   {mark}".rstrip())
    return "\n".join(lines)
