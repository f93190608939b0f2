"""Stages, promotion and demotion, and what survives a checkpoint. No simulator."""

import json

import pytest

from alice.transfer import curriculum, outcome
from alice.transfer.curriculum import Curriculum, Stage
from alice.transfer.timing import CONTROL_RATE_HZ

PASSED = {"reached": 1, "pinched": 2, "lifted": 3, "carried": 4, "success": 6}


def episodes(stage: str | None, count: int) -> list[tuple[bool, ...]]:
    """Return episodes that got as far as a stage of the job."""
    far = PASSED[stage] if stage else 0
    return [tuple(place < far for place in range(6))] * count


@pytest.fixture
def small() -> Curriculum:
    return Curriculum(window=10)


def test_stages_are_those_of_the_job_in_order_and_good_manners():
    assert curriculum.NAMES == ("reach", "grasp", "lift", "transport", "release", "rest", "manners", "polish")
    assert all(set(stage.measured) <= set(outcome.STAGES) for stage in curriculum.STAGES)


def test_every_stage_is_sound():
    mdp_events = pytest.importorskip("alice.mdp.events", exc_type=ImportError)
    for stage in curriculum.STAGES:
        assert set(stage.starts) <= set(mdp_events.START_KINDS)
        assert sum(stage.starts.values()) == pytest.approx(1.0)
        assert stage.starts["home"] >= 0.3, "home episodes are what decides"
        assert 0 < stage.spread <= 1 and 0 <= stage.randomization <= 1
        assert stage.demote_below < stage.promote_at
        assert min(*stage.weights.values(), *stage.costs.values()) >= 0
    shares = [stage.randomization for stage in curriculum.STAGES]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert curriculum.STAGES[-1].spread == 1.0
    assert [stage.asks_calm for stage in curriculum.STAGES] == [False] * 5 + [True] * 3
    assert [stage.noise_cost > 0 for stage in curriculum.STAGES] == [stage.asks_calm for stage in curriculum.STAGES]


def test_a_lost_ball_costs_little_only_until_balls_are_reached():
    costs = [stage.lost_cost for stage in curriculum.STAGES]
    assert costs == [curriculum.FIRST_LOST_COST] + [curriculum.LOST_COST] * 7
    for stage in curriculum.STAGES:
        assert stage.terms["ball_lost"] == -stage.lost_cost * CONTROL_RATE_HZ  # once, so it is paid in a single step


def test_demotion_does_not_follow_from_the_rate_that_promoted():
    for before, stage in zip(curriculum.STAGES, curriculum.STAGES[1:], strict=False):
        assert stage.demote_below < before.promote_at / 1.5, stage.name


def test_a_full_window_of_success_promotes_by_one_stage(small):
    assert not small.add(episodes("success", 9))
    assert small.stage.name == "reach"
    assert small.add(episodes("success", 1))
    assert small.stage.name == "grasp"
    assert small.fill == 0


def test_the_threshold_itself_promotes_and_one_less_does_not():
    stages = (
        Stage("a", ("reached",), 0.6, 0.0, {}, {}, {}, 1, 0),
        Stage("b", ("success",), 1.01, 0.3, {}, {}, {}, 1, 1),
    )
    for good, expected in ((6, "b"), (5, "a")):
        found = Curriculum(window=10, stages=stages)
        found.add(episodes(None, 10 - good) + episodes("reached", good))
        assert found.stage.name == expected


def test_any_of_the_measured_stages_counts():
    mixed = [(True, True, True, True, False, False), (True, True, False, False, True, False), (True,) + (False,) * 5]
    found = Curriculum("transport", window=10)
    found.add(mixed)
    assert found.rate(("carried",)) == pytest.approx(1 / 3)
    assert found.rate(("carried", "released")) == pytest.approx(2 / 3)


def test_the_window_slides(small):
    small.add(episodes(None, 10))
    assert small.rate(("reached",)) == 0
    small.add(episodes("reached", 5))
    assert small.rate(("reached",)) == 0.5
    small.add(episodes("reached", 1))
    assert small.stage.name == "grasp"


def test_a_policy_that_forgets_is_demoted_once(small):
    for _ in range(2):
        small.add(episodes("success", 10))
    assert small.stage.name == "lift"
    assert small.add(episodes("reached", 10))  # nothing is pinched any more
    assert small.stage.name == "grasp"
    assert not small.add(episodes("reached", 5))


def test_patience_ends_a_stage_whose_bar_is_too_high_for_the_world():
    stages = (
        Stage("a", ("reached",), 0.9, 0.0, {}, {}, {}, 1, 0, patience=25),
        Stage("b", ("pinched",), 0.9, 0.2, {}, {}, {}, 1, 0),
    )
    made = Curriculum(window=10, stages=stages)
    half = episodes("reached", 5) + episodes(None, 5)
    assert not made.add(half) and not made.add(half)
    cut = Curriculum(window=10, stages=stages)
    cut.load_state_dict(json.loads(json.dumps(made.state_dict())))
    for again in (made, cut):
        assert again.add(half) and again.stage.name == "b" and again.fill == 0
        assert not again.add(half * 10), "the last stage has nowhere to go"
        assert again.add(episodes(None, 10)) and again.stage.name == "a"
        assert not again.add(half), "its patience begins anew"


def test_the_first_stage_is_not_demoted_and_the_last_not_promoted(small):
    assert not small.add(episodes(None, 50))
    last = Curriculum("auto", window=10)
    last.index = len(last.stages) - 1
    assert not last.add(episodes("success", 50))


def test_a_named_phase_stays(small):
    fixed = Curriculum("lift", window=10)
    assert not fixed.add(episodes("success", 100))
    assert not fixed.add(episodes(None, 100))
    assert fixed.stage.name == "lift"
    assert fixed.rate(("success",)) == 0


def test_unknown_phase_names_the_options():
    with pytest.raises(ValueError, match=r"phase 'grab' is unknown.*grasp"):
        Curriculum("grab")


def test_state_survives_json(small):
    small.add(episodes("success", 10))
    small.add(episodes("pinched", 7))
    again = Curriculum(window=10)
    again.load_state_dict(json.loads(json.dumps(small.state_dict())))
    assert again.stage.name == "grasp"
    assert again.rate(("pinched",)) == 1.0 and again.fill == 0.7
    assert again.add(episodes("pinched", 3)) and again.stage.name == "lift"


def test_a_phase_that_was_asked_for_wins_over_the_checkpoint(small):
    small.add(episodes("success", 10))
    fixed = Curriculum("release", window=10)
    fixed.load_state_dict(small.state_dict())
    assert fixed.stage.name == "release" and fixed.fill == 0, "what another stage has seen says nothing about this one"
    fixed.add(episodes("success", 3))
    again = Curriculum("release", window=10)
    again.load_state_dict(fixed.state_dict())
    assert again.fill == fixed.fill == 0.3


def test_state_of_another_version_is_refused(small):
    with pytest.raises(ValueError, match=r"'hover'.*reach"):
        small.load_state_dict({"stage": "hover", "window": []})


def test_select_phase_replaces_a_phase_and_keeps_the_rest():
    words = ["physics=ovphysx", "env.curriculum.stage.params.phase=auto"]
    assert curriculum.select_phase(words, None) == words
    assert curriculum.select_phase(words, "lift") == [
        "physics=ovphysx",
        "env.curriculum.stage.params.phase=lift",
    ]
