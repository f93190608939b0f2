"""The audit: the only way a success rate of this project is measured.

It counts the first episode of each environment after a full reset, from home starts alone, with the deterministic
policy, in as many rounds as the number of episodes takes. Counting first episodes keeps quick ones from being counted
more often than slow ones. How episode k begins, and in what world, follows from the audit's seed and k alone
(:mod:`alice.evaluation.audit.draws`): two policies with the same seed meet the same starts.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from alice import arms
from alice.cli import terminal
from alice.evaluation.audit import draws, intervals, manners
from alice.transfer import outcome
from alice.transfer.books import Last
from alice.transfer.state import transfer_state

if TYPE_CHECKING:
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper
    from tqdm import tqdm

    from alice.evaluation.audit.tracks import Tracks

MAX_ENVS = 1024
"""Most environments of one round, unless the user asks for more."""
DEFAULT_SEED = 20260
"""Seed of audits; training uses small numbers, so that no start is drawn twice."""


@dataclass
class Episodes:
    """What happened in E counted episodes of an arm with J joints."""

    arm: arms.Arm
    stages: torch.Tensor
    """Milestones in the order of :data:`alice.transfer.outcome.STAGES`, (E, 6) bool."""
    stage_steps: torch.Tensor
    """Control step of each milestone, (E, 6); 0 where it did not happen."""
    max_height: torch.Tensor
    """Greatest height of the pinched ball over its rest, (E,) [m]."""
    in_dish: torch.Tensor
    """Whether the ball lay in the dish at the end, (E,) bool."""
    held: torch.Tensor
    """Whether the ball was pinched at the end, (E,) bool."""
    lost: torch.Tensor
    """Whether the ball left the reach of the arm, (E,) bool."""
    placed: torch.Tensor
    """Whether they held the success condition for long enough but for the calm of the arm, (E,) bool."""
    length: torch.Tensor
    """Length, (E,) [control steps]."""
    ball_radius: torch.Tensor
    """(E,) [m]."""
    ball_start: torch.Tensor
    """Where the ball began, (E, 2), base frame [m]."""
    dish: torch.Tensor
    """Centre of the dish, (E, 2), base frame [m]."""
    peak_effort: torch.Tensor
    """Greatest drive effort of each joint, each a mean over a control step, (E, J) [N·m, N]."""
    peak_speed: torch.Tensor
    """Greatest speed of each joint, likewise, (E, J) [rad/s, m/s]."""
    mean_speed: torch.Tensor
    """Mean speed of each joint, without sign, (E, J) [rad/s, m/s]."""
    room: torch.Tensor
    """Smallest distance of each joint from its stops, (E, J) [rad, m]."""
    work: torch.Tensor
    """Work of the drives, torque times speed without sign over all joints, (E,) [J]."""
    jerk: torch.Tensor
    """Root mean square third difference of the arm joints' targets, over the control step cubed, (E,) [rad/s³]."""

    @staticmethod
    def concatenate(parts: list[Episodes]) -> Episodes:
        """Return all episodes of several rounds in one."""
        names = [name for name in Episodes.__dataclass_fields__ if name != "arm"]
        return Episodes(parts[0].arm, **{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def envs_for(episodes: int, num_envs: int | None, kinds: int = 1) -> int:
    """Return how many environments to simulate: rounds of equal size, each a whole number of blocks.

    A round has about :data:`MAX_ENVS` of them at most, unless the user asks for more.

    Args:
        episodes: Number of episodes.
        num_envs: What the user asked for.
        kinds: Kinds of ball, see :func:`alice.evaluation.audit.draws.kind_count`.
    """
    size = draws.block_size(kinds)
    rounds = math.ceil(episodes / min(num_envs or MAX_ENVS, episodes))
    wanted = min(num_envs, episodes) if num_envs else math.ceil(episodes / rounds)
    return size * math.ceil(wanted / size)


def run_audit(
    env: RslRlVecEnvWrapper,
    policy: torch.nn.Module,
    episodes: int,
    seed: int,
    show_progress: bool,
    tracks: Tracks | None = None,
) -> Episodes:
    """Play ``episodes`` counted episodes and return them in the order of their numbers.

    Args:
        env: Environment in play mode; :func:`envs_for` says how many.
        policy: Network from observation groups to actions.
        episodes: How many to count.
        seed: Any whole number of at least 0.
        show_progress: Whether to draw a bar on standard error.
        tracks: Takes the path of every counted episode; None keeps none.

    Raises:
        ValueError: If the environments are no whole number of blocks.
    """
    size = draws.block_size(draws.kind_count(env.unwrapped.cfg))
    if env.num_envs % size:
        raise ValueError(f"num_envs={env.num_envs}: an audit needs a multiple of {size}, see audit.envs_for")
    order = draws.seats(draws.kinds_of(env.unwrapped))
    parts = []
    with terminal.bar(total=episodes, unit="episode", disable=not show_progress) as bar, torch.inference_mode():
        for first in range(0, episodes, env.num_envs):
            draws.deal(env.unwrapped, seed, first, order)
            parts.append(_round(env, policy, order[: episodes - first], bar, tracks))
    return Episodes.concatenate(parts)


def _round(
    env: RslRlVecEnvWrapper, policy: torch.nn.Module, counted: torch.Tensor, bar: tqdm, tracks: Tracks | None
) -> Episodes:
    """Play the first episode of the environments ``counted``, (K,) long; all have just been reset."""
    obs = env.get_observations()
    policy.reset(torch.ones(env.num_envs, dtype=torch.bool, device=env.device))
    state = transfer_state(env.unwrapped)
    if not state.books.is_home_start.all():
        raise RuntimeError("an audit counts home starts only, but the reset event draws others: check play_mode()")
    running = torch.zeros(env.num_envs, dtype=torch.bool, device=env.device)
    running[counted] = True
    moved = manners.Manners(env.unwrapped)
    start = {"ball_start": state.now.ball_pos[:, :2].clone(), "dish": state.dish_pos[:, :2].clone()}
    if tracks is not None:
        tracks.begin(env.unwrapped)
    kept: dict[str, torch.Tensor] = {}
    while running.any():
        if tracks is not None:
            tracks.note(state, moved.effort, moved.speed)
        obs, _, dones, _ = env.step(policy(obs))
        policy.reset(dones)
        done = dones.bool()
        # A finished environment has been reset by now: its joints are those of the next episode.
        moved.note(running & ~done)
        ended = running & done
        if ended.any():
            _keep(kept, state.books.last, ended)
            running &= ~done
            bar.update(int(ended.sum()))
    kept.update(**moved.results(), ball_radius=state.ball_radius, **start)
    if tracks is not None:
        tracks.finish(kept["length"], counted)
    return Episodes(arms.of(env.unwrapped), **{name: value[counted].cpu() for name, value in kept.items()})


def _keep(kept: dict[str, torch.Tensor], last: Last, ended: torch.Tensor) -> None:
    """Copy the results of the environments that have just ended their counted episode."""
    for name in ("stages", "stage_steps", "max_height", "in_dish", "held", "lost", "placed", "length"):
        value = getattr(last, name)
        kept.setdefault(name, torch.zeros_like(value))[ended] = value[ended]


def summarize(episodes: Episodes, step_dt: float) -> dict[str, Any]:
    """Return rates, times and peaks of an audit, ready for JSON.

    Args:
        episodes: What happened.
        step_dt: Length of a control step [s].
    """
    count = len(episodes.length)
    success = episodes.stages[:, -1]
    lifted = episodes.stages[:, outcome.STAGES.index("lifted")]
    dropped = lifted & ~episodes.in_dish & ~episodes.held
    return {
        "episodes": count,
        "success": rate(success),
        "headlines": {name: rate(values) for name, values in headlines(episodes).items()},
        "stages": dict(zip(outcome.STAGES, episodes.stages.float().mean(dim=0).tolist(), strict=True)),
        "outcomes": _outcomes(episodes),
        "ball_radii": _by_radius(episodes),
        "pick_rate": float(lifted.float().mean()),
        "drop_rate": float(dropped.sum() / lifted.sum()) if lifted.any() else None,
        "time_to_success": _times(episodes.stage_steps[success, -1].float(), step_dt),
        "max_height_m": {
            "median": float(episodes.max_height.median()),
            "max": float(episodes.max_height.max()),
        },
        "manners": manners.summary(episodes),
        "joints": {
            joint.name: {
                "peak_effort": float(episodes.peak_effort[:, index].max()),
                "median_peak_effort": float(episodes.peak_effort[:, index].median()),
                "effort_limit": joint.effort_limit,
                "peak_speed": float(episodes.peak_speed[:, index].max()),
                "speed_limit": joint.velocity_limit,
                "units": ["N·m", "rad/s"] if joint.kind == "revolute" else ["N", "m/s"],
            }
            for index, joint in enumerate(episodes.arm.joints)
        },
    }


def headlines(episodes: Episodes) -> dict[str, torch.Tensor]:
    """Return whether each episode counts for each of the figures that a policy is judged by, (E,) bool each.

    ``success`` asks where the ball rests and not how it came there: one that was thrown counts. ``carried_success``
    wants it pinched, and held over the table near the dish, as well; ``placed`` only leaves the arm's calm out.
    """
    happened = dict(zip(outcome.STAGES, episodes.stages.unbind(dim=-1), strict=True)) | {"placed": episodes.placed}
    return {name: torch.stack([happened[stage] for stage in needs]).all(0) for name, needs in outcome.HEADLINES.items()}


def classify(episodes: Episodes) -> list[str]:
    """Return the outcome of each episode, one of :data:`alice.transfer.outcome.OUTCOMES`."""
    ends = torch.stack((episodes.in_dish, episodes.lost, episodes.held), dim=-1).tolist()
    return [
        outcome.classify(dict(zip(outcome.STAGES, stages, strict=True)), *end)
        for stages, end in zip(episodes.stages.tolist(), ends, strict=True)
    ]


def _outcomes(episodes: Episodes) -> dict[str, dict[str, float]]:
    counts = dict.fromkeys(outcome.OUTCOMES, 0) | Counter(classify(episodes))
    return {name: {"count": count, "rate": count / len(episodes.length)} for name, count in counts.items()}


def rate(success: torch.Tensor) -> dict[str, float]:
    """Return the rate of successes, (E,) bool, and its 95 % interval."""
    low, high = intervals.wilson(int(success.sum()), len(success))
    return {"rate": float(success.float().mean()), "low": low, "high": high}


def _by_radius(episodes: Episodes) -> list[dict[str, float]]:
    """Return number of episodes and success for each ball radius [m], smallest first."""
    found = []
    for radius in episodes.ball_radius.unique().tolist():
        success = episodes.stages[episodes.ball_radius == radius, -1]
        found.append({"radius_m": round(radius, 6), "episodes": len(success), **rate(success)})
    return found


def _times(steps: torch.Tensor, step_dt: float) -> dict[str, float] | None:
    """Return the median and the 90th percentile of step counts, None if there are none."""
    if len(steps) == 0:
        return None
    median, p90 = torch.quantile(steps, torch.tensor([0.5, 0.9])).tolist()
    return {"median_steps": median, "p90_steps": p90, "median_s": median * step_dt, "p90_s": p90 * step_dt}
