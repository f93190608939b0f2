"""No trick earns more than the honest next step, and the audit sees what was wrong with earlier rewards."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("isaaclab")
torch = pytest.importorskip("torch")

from alice.evaluation.physics import reward_audit  # noqa: E402
from alice.tasks.ball_transfer.env_cfg import RewardsCfg  # noqa: E402
from alice.tasks.ball_transfer.historic_rewards_cfg import HISTORIC, AuditRewardsCfg  # noqa: E402
from alice.transfer import curriculum  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recorded(simulate):
    """Return what every behaviour earns per reward term; recorded once."""
    if not hasattr(test_no_stage_pays_a_trick, "recorded"):
        env = simulate("env.rewards=audit", num_envs=32, play=True)
        test_no_stage_pays_a_trick.recorded = reward_audit.record(env)
    return test_no_stage_pays_a_trick.recorded


def _failures(recorded, weights) -> set[str]:
    return {verdict.behaviour for verdict in reward_audit.judge(recorded, weights) if not verdict.passed}


@pytest.mark.parametrize("stage", curriculum.STAGES, ids=curriculum.NAMES)
def test_no_stage_pays_a_trick(stage, recorded):
    costs = RewardsCfg()
    others = {name: getattr(costs, name).weight for name in ("action_rate", "action_excess")}
    weights = reward_audit.parts_of(stage, others)
    assert _failures(recorded, weights) == set(), reward_audit.table(reward_audit.judge(recorded, weights))


WRONG = {
    "alice_001": "surround",  # pinching adds nothing to being near
    "grasp_bonus": "pinch_and_hold",  # the first centimetre up pays nothing
    "reach_only_then_threshold": "surround",  # hovering with open fingers is as good as pinching
    "rent": "carry_and_freeze",  # holding the ball over the dish for ever beats letting go
}


@pytest.mark.parametrize("name", HISTORIC)
def test_the_rewards_of_earlier_attempts_are_caught(name, recorded):
    assert WRONG[name] in _failures(recorded, HISTORIC[name]), reward_audit.table(
        reward_audit.judge(recorded, HISTORIC[name])
    )


def test_every_weight_names_a_recorded_term():
    terms = {name for name in vars(AuditRewardsCfg()) if not name.startswith("_")}
    for weights in (*HISTORIC.values(), *(stage.terms for stage in curriculum.STAGES)):
        assert set(weights) <= terms
    assert all(getattr(AuditRewardsCfg(), name).weight == 1.0 for name in terms)


def test_the_honest_ladder_does_what_its_names_say(recorded):
    """The terms of the whole job, undiscounted in order: each rung adds its own part."""
    paid = {name: {term: float(value.mean()) for term, value in terms.items()} for name, terms in recorded.items()}
    assert paid["surround"]["grasp"] < 0.002 < 0.02 < paid["pinch_and_hold"]["grasp"]
    assert paid["pinch_and_hold"]["lift"] < 0.2 * paid["lift_and_freeze"]["lift"]
    assert paid["lift_and_freeze"]["transport"] < 0.8 * paid["carry_and_freeze"]["transport"]
    assert paid["carry_and_freeze"]["success"] == 0.0 < paid["transfer"]["success"]
    assert paid["throw"]["success"] < 0.2 * paid["transfer"]["success"]


def test_the_door_passes(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "audit_rewards.py"), "--num_envs", "8", "--device", "cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert done.stdout.rstrip().endswith("passed")
