"""What is drawn depends on the user's seed and on names, and on nothing else."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from audiorestore.randomness import generator, seed_for, uniform


def test_the_same_names_draw_the_same() -> None:
    first, again = (generator(3, "degrade", "album/song", 0).standard_normal(5) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_draw_does_not_hang_on_what_was_drawn_before() -> None:
    names = [f"song-{index}" for index in range(20)]
    forwards = {name: float(generator(0, name).uniform()) for name in names}
    backwards = {name: float(generator(0, name).uniform()) for name in reversed(names)}
    assert forwards == backwards
    np.random.default_rng(0).uniform()
    assert float(generator(0, names[7]).uniform()) == forwards[names[7]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, "a"), (1, "a")),
        ((0, "a"), (0, "b")),
        ((0, "a", "b"), (0, "b", "a")),
        ((0, "ab", "c"), (0, "a", "bc")),
        ((0, "a"), (0, "a", "")),
        ((0, "a"), (0, "a", 0)),
        ((1, "1"), (11,)),
        ((0, "é"), (0, "e")),
    ],
)
def test_other_names_or_another_seed_are_another_seed(one: tuple[int, str], other: tuple[int, str]) -> None:
    assert seed_for(*one) != seed_for(*other)


def test_seeds_fit_where_63_bits_fit() -> None:
    seeds = [seed_for(seed, "name") for seed in (-5, 0, 1, 2**70)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert len(set(seeds)) == 4


def test_seeds_never_change_between_versions() -> None:
    """A recipe drawn today must be drawn the same next year: SHA-256 of the names, joined by zero bytes."""
    assert seed_for(0) == 3456079177858693020
    assert seed_for(0, "degrade", "album/song", 0) == 1704374003449534407
    digest = hashlib.sha256(b"0\x00degrade\x00album/song\x000").digest()
    assert seed_for(0, "degrade", "album/song", 0) == int.from_bytes(digest[:8], "big") // 2


def test_another_process_draws_the_same() -> None:
    """Python's own hash of a text changes from process to process; this one must not."""
    code = "from audiorestore.randomness import seed_for; print(seed_for(7, 'pair', 'é/ü'))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(told) == seed_for(7, "pair", "é/ü")


def test_names_lie_evenly_on_the_unit_interval() -> None:
    points = np.array([uniform(0, "split", f"song-{index}") for index in range(4000)])
    assert points.min() >= 0.0
    assert points.max() < 1.0
    counts, _ = np.histogram(points, bins=10, range=(0, 1))
    assert np.sum((counts - 400) ** 2 / 400) < 27.9  # chi-squared, 9 degrees of freedom, 0.1 %
    assert uniform(0, "split", "song-1") == points[1]


def test_names_that_resemble_each_other_draw_nothing_alike() -> None:
    draws = np.array([generator(0, "song", index).standard_normal(200) for index in range(30)])
    correlations = np.corrcoef(draws) - np.eye(30)
    assert np.abs(correlations).max() < 0.35  # 1/√200 is 0.07: five deviations


def test_names_that_are_no_utf_8_draw_as_well() -> None:
    odd = b"caf\xe9".decode(errors="surrogateescape")
    assert seed_for(0, odd) == seed_for(0, odd) != seed_for(0, "café")
