"""Intervals against published values, and what an interval of a pair must never be."""

import pytest

pytest.importorskip("scipy")

from alice.evaluation.audit import intervals


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_against_published_values(successes, episodes, low, high):
    assert intervals.wilson(successes, episodes) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_is_symmetric_and_stays_in_the_unit_interval():
    low, high = intervals.wilson(20, 20)
    assert (low, high) == pytest.approx((1 - 0.1611, 1.0), abs=5e-5) and high <= 1.0


@pytest.mark.parametrize(("successes", "episodes"), [(0, 0), (3, 2), (-1, 5)])
def test_counts_that_make_no_sense_are_refused(successes, episodes):
    with pytest.raises(ValueError, match="need 0 <= successes <= episodes"):
        intervals.wilson(successes, episodes)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    # The first minus the second policy. Newcombe, Statistics in Medicine 17 (1998), 2635-2650, method 10; Altman et
    # al., Statistics with Confidence (2000), table 6.2; Fagerland et al., Analysis of Contingency Tables (2017).
    [((36, 12, 2, 0), 0.0569, 0.3404), ((14, 5, 0, 22), 0.011, 0.226), ((1, 1, 7, 12), -0.507, -0.026)],
)
def test_paired_interval_against_published_values(table, low, high):
    assert intervals.paired_difference(*table) == pytest.approx((-high, -low), abs=6e-4)


def test_two_policies_that_never_differed_may_differ_all_the_same():
    low, high = intervals.paired_difference(1000, 0, 0, 24)
    assert low < -0.003 and high == pytest.approx(-low)
    low, high = intervals.paired_difference(1024, 0, 0, 0)
    assert low == pytest.approx(-0.0037, abs=2e-4) and high == pytest.approx(-low)


def test_exchanging_the_policies_turns_the_interval_round():
    low, high = intervals.paired_difference(900, 30, 12, 82)
    assert intervals.paired_difference(900, 12, 30, 82) == pytest.approx((-high, -low))
    assert low < -18 / 1024 < high


def test_mcnemar_counts_coins():
    assert intervals.mcnemar(2, 8) == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert intervals.mcnemar(0, 0) == 1.0
