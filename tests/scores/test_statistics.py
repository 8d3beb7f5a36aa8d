"""Intervals and tests of significance against direct computation, and against published values."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest

from audiorestore.randomness import generator
from audiorestore.scores.statistics import RESAMPLES, holm, mean, mean_intervals, wilcoxon


def test_the_interval_is_that_of_the_plain_loop() -> None:
    values = np.random.default_rng(3).normal(20.0, 4.0, 17)
    drawn = generator(0, "bootstrap", 17).integers(0, 17, (RESAMPLES, 17))
    means = []
    for resample in drawn:
        means.append(sum(values[place] for place in resample) / 17)
    low, high = np.percentile(means, [2.5, 97.5])
    (interval,) = mean_intervals([values])
    assert interval == pytest.approx((low, high), rel=1e-5)


def test_drawing_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(4).normal(size=40)
    whole = mean_intervals([values])
    monkeypatch.setattr("audiorestore.scores.statistics._ENTRIES_AT_ONCE", 100)
    assert mean_intervals([values]) == whole


def test_a_column_s_interval_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(5)
    columns = [rng.normal(size=size) for size in (9, 30, 9, 1, 0)]
    together = mean_intervals(columns)
    assert together == [mean_intervals([column])[0] for column in columns]
    assert together[3:] == [None, None]


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says() -> None:
    samples = np.random.default_rng(6).normal(5.0, 1.0, (300, 40))
    held = [low <= 5.0 <= high for low, high in filter(None, mean_intervals(list(samples)))]
    assert 0.90 <= np.mean(held) <= 0.98


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert mean_intervals([np.full(5, 120.0)]) == [(120.0, 120.0)]


def test_the_mean_does_not_depend_on_the_order() -> None:
    values = [1e16, 1.0, -1e16, 1.0]
    assert {mean(order) for order in itertools.permutations(values)} == {0.5}


def signs_counted(differences: np.ndarray) -> float:
    """Count all patterns of signs, one by one."""
    sizes = np.abs(differences)
    ranks = [np.mean(np.flatnonzero(np.sort(sizes) == size)) + 1 for size in sizes]
    centre = sum(ranks) / 2
    seen = abs(sum(rank for rank, each in zip(ranks, differences, strict=True) if each > 0) - centre)
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product((0, 1), repeat=len(ranks))]
    return sum(abs(total - centre) >= seen - 1e-9 for total in sums) / len(sums)


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5], [1, -2, 3, 4, 5, 6], [2, 2, -2, 4, 1, 1, 7], [-1], [1, -1]])
def test_few_pairs_are_counted_pattern_by_pattern(values: list[float]) -> None:
    differences = np.array(values, float)
    assert wilcoxon(differences) == pytest.approx(signs_counted(differences), rel=1e-9)


def test_a_textbook_case_with_its_published_p_value() -> None:
    # Heights of Zea mays in eighths of an inch, cross- less self-fertilised (Darwin 1876): a textbook case.
    # The negative ones have the ranks 10 and 14; 676 of 32,768 patterns have a sum of ranks of 24 or less, twice that
    # many are as extreme.
    darwin = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)
    assert wilcoxon(darwin) == pytest.approx(2 * 676 / 32768, rel=1e-9)


@pytest.mark.parametrize("count", [14, 60])
def test_many_pairs_with_ties_are_taken_as_normal(count: int) -> None:
    differences = np.array([(-1) ** (place % 3) * (1 + place // 2) for place in range(count)], float)  # sizes in pairs
    ranks = np.repeat(np.arange(count // 2) * 2 + 1.5, 2)  # equal sizes share their mean rank
    centre = count * (count + 1) / 4
    spread = math.sqrt(sum(rank**2 for rank in ranks) / 4)
    distance = abs(sum(ranks[differences > 0]) - centre) / spread
    assert wilcoxon(differences) == pytest.approx(2 * NormalDist().cdf(-distance), rel=1e-6)


def test_no_difference_is_no_evidence() -> None:
    assert wilcoxon(np.zeros(8)) == 1.0
    assert wilcoxon(np.zeros(0)) is None


def test_differences_equal_to_six_digits_are_ties() -> None:
    noisy = np.array([0.1 + 0.2, 0.3, -0.3, 0.5])
    assert noisy[0] != noisy[1]
    assert wilcoxon(noisy) == wilcoxon(np.array([0.3, 0.3, -0.3, 0.5]))


def test_several_comparisons_raise_each_p_value() -> None:
    assert holm([0.01]) == [0.01]
    assert holm([0.02, 0.01, None, 0.2]) == pytest.approx([0.04, 0.03, None, 0.2])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
