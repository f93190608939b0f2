"""Intervals and tests of success rates: SciPy's where it has them."""

from __future__ import annotations

import math

from scipy.stats import binomtest


def wilson(successes: int, episodes: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a success rate, lower and upper bound in [0, 1].

    Args:
        successes: Number of successes.
        episodes: Number of episodes, at least 1.

    Raises:
        ValueError: If the counts make no sense.
    """
    if episodes < 1 or not 0 <= successes <= episodes:  # SciPy answers with NaN
        raise ValueError(f"successes={successes}, episodes={episodes}: need 0 <= successes <= episodes, episodes >= 1")
    interval = binomtest(successes, episodes).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def paired_difference(both: int, only_first: int, only_second: int, neither: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two success rates on equal starts, second minus first.

    This is method 10 of R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", Statistics in Medicine 17 (1998), 2635-2650: the Wilson intervals of the two rates, joined by
    their correlation. Unlike Wald's it has a width where the two never differ.

    Args:
        both: Number of starts that both managed.
        only_first: Number that the first alone managed.
        only_second: Number that the second alone managed.
        neither: Number that neither managed.

    Raises:
        ValueError: If the counts make no sense.
    """
    count = both + only_first + only_second + neither
    firsts, seconds = both + only_first, both + only_second
    first, second = firsts / count, seconds / count
    first_low, first_high = wilson(firsts, count)
    second_low, second_high = wilson(seconds, count)
    product = both * neither - only_first * only_second
    if product > 0:  # a continuity correction that makes the rates less alike than they look
        product = max(product - count / 2, 0.0)
    margins = firsts * seconds * (count - firsts) * (count - seconds)
    correlation = product / math.sqrt(margins) if margins else 0.0

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(one * one - 2.0 * correlation * one * other + other * other, 0.0))

    below = distance(first_high - first, second - second_low)
    above = distance(first - first_low, second_high - second)
    return second - first - below, second - first + above


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of the exact McNemar test of two policies on equal starts.

    Args:
        only_first: Number of starts that the first alone managed.
        only_second: Number that the second alone managed.
    """
    apart = only_first + only_second
    return float(binomtest(only_second, apart).pvalue) if apart else 1.0
