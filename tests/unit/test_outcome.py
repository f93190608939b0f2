"""Outcomes: every episode gets one label, and a rate gets the interval that statistics books give it."""

import pytest

from alice import outcome


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


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_against_published_values(successes, episodes, low, high):
    assert outcome.wilson_interval(successes, episodes) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_is_symmetric_and_stays_in_the_unit_interval():
    low, high = outcome.wilson_interval(20, 20)
    assert (low, high) == pytest.approx((1 - 0.1611, 1.0), abs=5e-5) and high <= 1.0


@pytest.mark.parametrize(("successes", "episodes"), [(0, 0), (3, 2), (-1, 5)])
def test_counts_that_make_no_sense_are_refused(successes, episodes):
    with pytest.raises(ValueError, match="need 0 <= successes <= episodes"):
        outcome.wilson_interval(successes, episodes)
