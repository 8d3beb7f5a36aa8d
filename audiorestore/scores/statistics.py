"""How far a mean can be trusted, and whether one system is really better than another.

Sources: Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979 (percentile interval:
Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13); Wilcoxon, "Individual comparisons by
ranking methods", Biometrics Bulletin 1, 1945; Holm, "A simple sequentially rejective multiple test procedure",
Scandinavian Journal of Statistics 6, 1979. The first two are computed by scipy.stats, which is imported only where it
is needed: importing it takes longer than the rest of the start-up.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ..randomness import generator
from .columns import Values

RESAMPLES = 2000
_ENTRIES_AT_ONCE = 1 << 20  # of resampled columns: 8 MB
_DIGITS = 6  # of the numbers in records, and so of everything computed from them


def mean(values: Iterable[float]) -> float:
    """Compute a mean that is rounded only once, so that it depends neither on the order nor on the machine.

    >>> mean([1e16, 3.0, -1e16])
    1.0
    """
    listed = list(values)
    return math.fsum(listed) / len(listed)


def mean_intervals(columns: Sequence[Values]) -> list[tuple[float, float] | None]:
    """Compute the 95 % interval of each column's mean: the percentile bootstrap over 2,000 resamples.

    The random draws depend only on the number of values, so that the same values get the same interval in every table.
    Columns may have any lengths; none may hold NaN.

    Returns:
        The ends of the interval, to six digits; None for fewer than two values.
    """
    intervals: list[tuple[float, float] | None] = [None] * len(columns)
    for count in sorted({len(column) for column in columns} - {0, 1}):
        from scipy import stats

        places = [place for place, column in enumerate(columns) if len(column) == count]
        values = np.stack([columns[place] for place in places])
        low, high = stats.bootstrap(
            (values,),
            np.mean,
            axis=-1,
            n_resamples=RESAMPLES,
            batch=max(1, _ENTRIES_AT_ONCE // values.size),
            method="percentile",
            rng=generator(0, "bootstrap", count),
        ).confidence_interval
        for place, *ends in zip(places, low, high, strict=True):
            intervals[place] = (rounded(ends[0]), rounded(ends[1]))
    return intervals


def wilcoxon(differences: Values) -> float | None:
    """Test whether paired differences are centred on zero: Wilcoxon's signed-rank test, two-sided.

    Differences are rounded to six digits first, so that equal ones are ties; zeros are left out, as Wilcoxon did. As
    `scipy.stats.wilcoxon` does by default, up to 50 differences all patterns of signs are counted; beyond that, and
    where more than 13 differences contain ties, the sum of ranks is taken as normal, with a variance corrected for ties
    and without a correction for continuity. NaN is not allowed.

    Returns:
        The p-value; None where there is no pair, 1 where no pair differs.

    >>> wilcoxon(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))  # 2 of 32 patterns of signs are as extreme
    0.0625
    """
    if not len(differences):
        return None
    unequal = np.array([value for value in map(rounded, differences) if value != 0.0])
    if not len(unequal):
        return 1.0
    from scipy import stats

    return float(stats.wilcoxon(unequal, zero_method="wilcox", correction=False, method="auto").pvalue)


def holm(probabilities: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for the number of comparisons made at once, by Holm's method; None is not a comparison.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    made = sorted((value, place) for place, value in enumerate(probabilities) if value is not None)
    adjusted: list[float | None] = [None] * len(probabilities)
    least = 0.0
    for rank, (value, place) in enumerate(made):
        least = max(least, min(1.0, (len(made) - rank) * value))
        adjusted[place] = least
    return adjusted


def rounded(value: float) -> float:
    """Keep as many digits as records do.

    >>> rounded(2 / 3)
    0.666667
    """
    return float(f"{value:.{_DIGITS}g}")
