"""How far a mean can be trusted, and whether one system is really better than another: from the files themselves.

Sources: Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979 (percentile interval:
Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13); Wilcoxon, "Individual comparisons by
ranking methods", Biometrics Bulletin 1, 1945; Holm, "A simple sequentially rejective multiple test procedure",
Scandinavian Journal of Statistics 6, 1979.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..randomness import generator

RESAMPLES = 2000
_BLOCK = 1 << 18  # entries that are drawn at once: 2 MB
_EXACT = 50  # differences up to which every sign pattern is counted
_DIGITS = 6  # of numbers in records, and so of what is told of them

Values = NDArray[np.float64]


def mean(values: Iterable[float]) -> float:
    """Average, rounded once: the result depends neither on the order nor on the machine.

    >>> mean([1e16, 3.0, -1e16])
    1.0
    """
    held = list(values)
    return math.fsum(held) / len(held)


def mean_intervals(columns: Sequence[Values]) -> list[tuple[float, float] | None]:
    """Give each column's mean its 95 % interval: the percentile bootstrap over 2,000 resamples.

    What is drawn depends on the number of values only, so that the same values get the same interval in every table.

    Args:
        columns: Each of any length, without NaN.

    Returns:
        The interval's ends, to six digits; None for fewer than two values.
    """
    found: list[tuple[float, float] | None] = [None] * len(columns)
    for count in {len(column) for column in columns} - {0, 1}:
        places = [index for index, column in enumerate(columns) if len(column) == count]
        values = np.stack([columns[index] for index in places], axis=1)
        low, high = np.percentile(_resampled_means(values), [2.5, 97.5], axis=0)
        for place, ends in zip(places, zip(low, high, strict=True), strict=True):
            found[place] = (rounded(ends[0]), rounded(ends[1]))
    return found


def _resampled_means(values: Values) -> Values:
    """Draw rows with replacement, again and again, and average each draw: shape (resamples, columns)."""
    count = len(values)
    rng = generator(0, "bootstrap", count)
    centre = values.mean(axis=0)  # taken off first, lest what all have in common costs digits
    means = []
    at_once = max(1, _BLOCK // count)
    for start in range(0, RESAMPLES, at_once):
        draws = min(at_once, RESAMPLES - start)
        drawn = rng.integers(0, count, (draws, count)) + count * np.arange(draws)[:, None]
        times = np.bincount(drawn.ravel(), minlength=draws * count).reshape(draws, count)
        means.append(times @ (values - centre) / count + centre)
    return np.concatenate(means)


def wilcoxon(differences: Values) -> float | None:
    """Tell how likely paired differences as lopsided as these are by chance: Wilcoxon's signed-rank test, two-sided.

    Zeros are left out, equal sizes share their mean rank. Up to 50 differences all patterns of signs are counted;
    beyond, the sum of ranks is taken as normal, its variance corrected for ties.

    Args:
        differences: One for each pair, without NaN.

    Returns:
        The p-value; None where there is no pair, 1 where no pair differs.

    >>> wilcoxon(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))  # 2 of 32 patterns of signs are as lopsided
    0.0625
    """
    if not len(differences):
        return None
    told = np.array([rounded(each) for each in differences])  # what is equal to six digits is a tie
    told = told[told != 0.0]
    if not len(told):
        return 1.0
    ranks = _mean_ranks(np.abs(told))
    upper = float(ranks[told > 0].sum())
    if len(told) <= _EXACT:
        return _exact(np.rint(2.0 * ranks).astype(int), round(2.0 * upper))
    half = 0.25 * len(told) * (len(told) + 1)
    spread = math.sqrt(0.25 * float(np.square(ranks).sum()))
    return math.erfc(abs(upper - half) / spread / math.sqrt(2.0))


def _mean_ranks(sizes: Values) -> Values:
    _, places, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: Values = (last - 0.5 * (counts - 1))[places]
    return means


def _exact(doubled: NDArray[np.int64], upper: int) -> float:
    """Count the patterns of signs whose sum of (doubled) ranks lies as far out as this one."""
    shares = np.zeros(int(doubled.sum()) + 1)
    shares[0] = 1.0
    for rank in doubled:
        shares[rank:] = 0.5 * (shares[rank:] + shares[:-rank])
        shares[:rank] *= 0.5
    return min(1.0, 2.0 * min(float(shares[: upper + 1].sum()), float(shares[upper:].sum())))


def holm(probabilities: Sequence[float | None]) -> list[float | None]:
    """Raise p-values for how many comparisons were made at once, by Holm's method; None is no comparison.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    made = sorted((value, index) for index, value in enumerate(probabilities) if value is not None)
    raised: list[float | None] = [None] * len(probabilities)
    least = 0.0
    for place, (value, index) in enumerate(made):
        least = max(least, min(1.0, (len(made) - place) * value))
        raised[index] = least
    return raised


def rounded(value: float) -> float:
    """Keep as many digits as records do.

    >>> rounded(2 / 3)
    0.666667
    """
    return float(f"{value:.{_DIGITS}g}")
