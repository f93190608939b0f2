"""Outcomes: every episode gets one label, and a rate gets the interval that statistics books give it."""

import pytest

from alice.transfer import outcome


def _stages(passed: str) -> dict[str, bool]:
    """Return milestones from a word of letters, such as "rp" for reached and pinched."""
    letters = dict(zip("rplceS", outcome.STAGES, strict=True))
    return {name: letter in passed for letter, name in letters.items()}


@pytest.mark.parametrize(
    ("passed", "in_dish", "lost", "held", "expected"),
    [
        ("rplceS", True, False, False, "success"),
        ("rplceS", False, True, False, "success"),  # what counts once has happened
        ("rplce", True, False, False, "timeout"),
        ("", True, False, False, "timeout"),
        ("rplc", False, True, False, "ball_lost"),
        ("", False, True, False, "ball_lost"),
        ("", False, False, False, "never_reached"),
        ("r", False, False, False, "never_pinched"),
        ("rp", False, False, False, "never_lifted"),
        ("rpl", False, False, False, "dropped_in_transport"),
        ("rplc", False, False, False, "missed_dish"),
        ("rplce", False, False, False, "missed_dish"),
        ("rplc", False, False, True, "timeout"),
        ("rp", False, False, True, "never_lifted"),
    ],
)
def test_the_label_of_an_episode(passed, in_dish, lost, held, expected):
    assert outcome.classify(_stages(passed), in_dish, lost, held) == expected


def test_every_label_is_listed_and_can_happen():
    seen = {
        outcome.classify(_stages(passed), in_dish, lost, False)
        for passed in ("", "r", "rp", "rpl", "rplc", "rplceS")
        for in_dish in (False, True)
        for lost in (False, True)
    }
    assert seen == set(outcome.OUTCOMES)


def test_a_missing_stage_is_an_error():
    with pytest.raises(KeyError):
        outcome.classify({"reached": True}, False, False, False)


def test_headlines_ask_for_known_milestones_and_begin_with_success():
    assert next(iter(outcome.HEADLINES.items())) == ("success", ("success",))
    assert all(set(needs) <= {*outcome.STAGES, "placed"} for needs in outcome.HEADLINES.values())


def test_the_seeds_that_chose_something_are_known():
    assert {outcome.SELECTION_SEED, 777} <= outcome.SELECTION_SEEDS.keys()
