"""Rewards of earlier attempts at this job that never lifted a ball, kept as fixtures of the reward audit.

Each is a table of weights in reward per second. What failed is told in ``docs/rewards.md``.
"""

from __future__ import annotations

from dataclasses import MISSING

from isaaclab.managers import RewardTermCfg as RewTerm
from isaaclab.utils import configclass

from alice.mdp import rewards
from alice.transfer.curriculum import EARLY_WEIGHTS

PARTS = ("reach", "grasp", "lift", "transport", "release")


def _term(func, **params) -> RewTerm:
    """Return a term of weight 1: the audit multiplies what it measured by the weights of each table."""
    return RewTerm(func=func, weight=1.0, params=params)


@configclass
class AuditRewardsCfg:
    """Every term of ours and of the earlier attempts: ``env.rewards=audit``. Nothing is trained with it."""

    reach = _term(rewards.transfer_progress, part="reach")
    grasp = _term(rewards.transfer_progress, part="grasp")
    lift = _term(rewards.transfer_progress, part="lift")
    transport = _term(rewards.transfer_progress, part="transport")
    release = _term(rewards.transfer_progress, part="release")
    rest = _term(rewards.rest_progress)
    success = _term(rewards.transfer_success)
    ball_lost = _term(rewards.is_terminated_term, term_name="ball_lost")
    unrest = _term(rewards.arm_unrest_l1)
    jerk = _term(rewards.TargetJerk)
    work = _term(rewards.servo_power, transfer_work=MISSING)
    action_rate = _term(rewards.action_rate_l2)
    action_excess = _term(rewards.action_excess_l2)
    reach_rent = _term(rewards.transfer_potential, part="reach")
    grasp_rent = _term(rewards.transfer_potential, part="grasp")
    lift_rent = _term(rewards.transfer_potential, part="lift")
    transport_rent = _term(rewards.transfer_potential, part="transport")
    release_rent = _term(rewards.transfer_potential, part="release")
    near_ball = _term(rewards.is_near_ball, distance=0.06)
    ball_high = _term(rewards.is_ball_high, height=0.02, held=False)
    held_high = _term(rewards.is_ball_high, height=0.04, held=True)


HISTORIC: dict[str, dict[str, float]] = {
    "alice_001": {"reach_rent": 1.0, "near_ball": 2.0, "held_high": 5.0},
    "grasp_bonus": {"reach_rent": 1.0, "grasp_rent": 1.5, "ball_high": 2.0},
    "reach_only_then_threshold": {"reach_rent": 1.0, "ball_high": 2.0},
    "rent": {f"{part}_rent": EARLY_WEIGHTS[part] for part in PARTS},
}
"""Proximity within 6 cm as a grasp and a lift that is two rare events at once; a bonus for every second of holding; no
bonus at all until the ball is 2 cm up; and our own parts, paid for as long as they last."""
