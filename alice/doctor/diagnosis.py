"""Reads the logs of a training and says which stage is stuck, why that is likely, and what speaks for it.

The causes are those that stopped earlier attempts at this job: gravity off, rent, noise without bound, and their kin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from alice.cli.usage import UsageError
from alice.runs import advice, records, scalars
from alice.transfer import curriculum, outcome

MORE = 100
"""Iterations that a remedy adds to a run."""
STUCK = 0.5
"""Rate of a stage below which it is stuck."""
RENT_TERMS = ("transfer_potential", "is_near_ball", "is_ball_high")
"""Reward functions that pay for a posture for as long as it lasts."""
GRAVITY = 9.81
FIRST_LIFTS = 60
"""Iterations after which the state task usually begins to lift."""
FIXED_RATE = ("agent.algorithm.schedule=fixed", "agent.algorithm.learning_rate=1e-4")


@dataclass(frozen=True)
class Cause:
    """Something that is likely wrong with a training."""

    name: str
    evidence: str
    remedy: str


@dataclass
class Run:
    """What the folder of a training tells."""

    folder: Path
    env: dict[str, Any]
    """``params/env.yaml``."""
    agent: dict[str, Any]
    """``params/agent.yaml``."""
    scalars: dict[str, list[tuple[int, float]]]
    """Iteration and value per TensorBoard tag."""

    def last(self, tag: str, default: float = math.nan) -> float:
        """Return the mean of the last five values under a tag."""
        values = [value for _, value in self.scalars.get(tag, [])[-5:]]
        return sum(values) / len(values) if values else default

    @property
    def iterations(self) -> int:
        """Number of iterations that were logged."""
        return max((points[-1][0] + 1 for points in self.scalars.values() if points), default=0)

    @property
    def planned(self) -> int:
        """Number of iterations that the whole run was to have, pauses or not."""
        record = records.read(self.folder) if self.folder else None
        return int((record or {}).get("max_iterations") or self.agent.get("max_iterations") or 0)

    def go_on(self, *words: str) -> str:
        """Return the command that trains on, also where all iterations that were planned are done.

        Args:
            words: Overrides.
        """
        more = ["--more_iterations", str(MORE)] if self.iterations >= self.planned else []
        return advice.resume(self.folder or Path("RUN"), *more, *words)

    def film(self) -> str:
        """Return the command that films the newest checkpoint."""
        task = records.task_of(self.folder) if self.folder else None
        return advice.film(task or "TASK", self.folder or Path("RUN"))

    @property
    def rates(self) -> dict[str, float]:
        """Rate of each stage over the last home episodes, in [0, 1]."""
        return {stage: self.last(f"Metrics/transfer/{stage}_rate", 0.0) for stage in outcome.STAGES}


def read(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        UsageError: If it is no run folder.
    """
    logged = scalars.read(folder)
    env, agent = (_yaml(folder / "params" / f"{name}.yaml") for name in ("env", "agent"))
    return Run(folder, env, agent, logged)


class _Loader(yaml.SafeLoader):
    """Reads what Isaac Lab writes, tuples and names of Python objects included, without making any object."""


def _plain(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else node.value


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", _plain)


def _yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{path.name} of the run cannot be read: {' '.join(str(error).split())[:120]}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path.name} of the run holds no configuration; give a run folder of scripts/train.py")
    return content


def stuck_stage(run: Run) -> str | None:
    """Return the first stage that fewer than half of the home episodes pass, None if there is none."""
    return next((stage for stage, rate in run.rates.items() if rate < STUCK), None)


def causes(run: Run) -> list[Cause]:
    """Return what is likely wrong, the plainest first."""
    found = (check(run) for check in (_gravity, _nan, _noise, _rent, _young, _flying, _still, _frozen_rate, _stage))
    return [cause for cause in found if cause]


def _gravity(run: Run) -> Cause | None:
    gravity = run.env.get("sim", {}).get("gravity") or [0.0, 0.0, 0.0]
    strength = math.sqrt(sum(float(axis) ** 2 for axis in gravity))
    weightless = [path for path in _paths(run.env.get("scene", {}), "disable_gravity") if path[1] is True]
    if strength > 0.9 * GRAVITY and not weightless:
        return None
    said = f"sim.gravity is {tuple(gravity)}" if not weightless else f"{weightless[0][0]} is true"
    return Cause(
        "gravity is off",
        f"{said}; a ball without weight is not lifted by learning",
        "leave sim.gravity at (0, 0, -9.81) and disable_gravity at false for every body",
    )


def _paths(tree: Any, key: str, path: str = "scene") -> list[tuple[str, Any]]:
    """Return path and value of every entry of a name in a tree of mappings and lists."""
    found = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in items:
        here = f"{path}.{name}"
        found += [(here, value)] if name == key else _paths(value, key, here)
    return found


def _nan(run: Run) -> Cause | None:
    losses = {tag: points[-1][1] for tag, points in run.scalars.items() if tag.startswith("Loss/")}
    broken = [tag for tag, value in losses.items() if not math.isfinite(value)]
    if not broken:
        return None
    remedy = "train anew with a lower agent.algorithm.learning_rate; weights that are no numbers cannot be gone on with"
    return Cause("the losses are not numbers", f"{broken[0]} ended as NaN", remedy)


def _noise(run: Run) -> Cause | None:
    spread = run.last("Policy/mean_std")
    if not spread > 1.0:
        return None
    bound = (run.agent.get("actor", {}).get("distribution_cfg") or {}).get("std_range")
    return Cause(
        "the action noise has no useful bound",
        f"Policy/mean_std is {spread:.2f} for actions in [-1, 1]; its range is {bound}, the entropy coefficient"
        f" {run.agent.get('algorithm', {}).get('entropy_coef')}",
        "set agent.actor.distribution_cfg.std_range to (0.05, 1.0) and the entropy coefficient to 0.002",
    )


def _rent(run: Run) -> Cause | None:
    terms = {name: term for name, term in (run.env.get("rewards") or {}).items() if isinstance(term, dict)}
    paid = [
        name
        for name, term in terms.items()
        if any(rent in str(term.get("func")) for rent in RENT_TERMS) and float(term.get("weight") or 0) > 0
    ]
    rates = run.rates
    if paid:
        return Cause(
            "the reward pays for a posture and not for progress",
            f"{', '.join(paid)} pay for a posture for as long as it lasts; pinched {rates['pinched']:.0%}, lifted"
            f" {rates['lifted']:.0%}, success {rates['success']:.0%}",
            "pay the change of a potential (alice.mdp.rewards:transfer_progress); see scripts/audit_rewards.py",
        )
    if rates["pinched"] > 0.9 and rates["lifted"] < 0.1 and run.iterations > 100:
        return Cause(
            "holding is worth more than lifting",
            f"pinched {rates['pinched']:.0%} and lifted {rates['lifted']:.0%} after {run.iterations} iterations",
            "look for a bonus for holding, a lift threshold without slope, weak fingers or gravity that is off",
        )
    return None


def _young(run: Run) -> Cause | None:
    if run.iterations >= min(100, run.planned) and not (run.iterations < FIRST_LIFTS and stuck_stage(run)):
        return None
    return Cause(
        "the training is young",
        f"{run.iterations} of {run.planned} iterations, too early to judge: the state task begins to lift after about"
        f" {FIRST_LIFTS}",
        f"let it go on: {run.go_on()}",
    )


def _flying(run: Run) -> Cause | None:
    lost = run.last("Episode_Termination/ball_lost", 0.0)
    if lost < 0.3 or run.iterations < 100:
        return None
    return Cause(
        "the ball flies or rolls away",
        f"{lost:.0%} of the episodes end with ball_lost",
        f"look at a film: {run.film()}; suspects: finger force, contact stiffness, depenetration velocity",
    )


def _still(run: Run) -> Cause | None:
    cost, reach = run.last("Episode_Reward/action_rate", 0.0), run.last("Episode_Reward/reach", 0.0)
    if run.rates["reached"] > 0.1 or abs(cost) < 0.5 * abs(reach) or run.iterations < 60:
        return None
    return Cause(
        "moving costs more than reaching pays",
        f"action_rate {cost:.3f} against reach {reach:.3f} per second, reached {run.rates['reached']:.0%}",
        "lower the weight of action_rate until the skill exists",
    )


def _frozen_rate(run: Run) -> Cause | None:
    rate = run.last("Loss/learning_rate")
    if not rate <= 1.1e-5 or run.iterations < 60:
        return None
    return Cause(
        "the learning rate has collapsed",
        f"Loss/learning_rate is {rate:.1e}, the least that the adaptive schedule gives",
        f"fix it, with images it never recovers: {run.go_on(*FIXED_RATE)}",
    )


def _stage(run: Run) -> Cause | None:
    points = run.scalars.get("Curriculum/stage/number", [])
    last = run.last("Curriculum/stage/number", 4.0)
    if not points or last >= 3.5 or run.iterations < 150:
        return None
    since = next((step for step, value in points if abs(value - points[-1][1]) < 0.5), 0)
    following = curriculum.NAMES[min(round(last) + 1, len(curriculum.NAMES) - 1)]
    words = ("--run", run.folder or Path("RUN"), "--phase", following, "--more_iterations", str(MORE))
    return Cause(
        "the curriculum does not move on",
        f"stage number {last:.0f} since iteration {since}, its rate is {run.last('Curriculum/stage/rate', 0.0):.0%}",
        f"look at a film: {run.film()}; the next stage shows whether it is the threshold:"
        f" {advice.command('resume_phase', *words)}",
    )
