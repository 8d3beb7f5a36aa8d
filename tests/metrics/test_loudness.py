"""The metric of loudness: both sides in LUFS, their difference in LU."""

import numpy as np
import pytest

from audiorestore.metrics import chosen, loudness
from audiorestore.metrics._comparison import Comparison, Undefined
from audiorestore.signal.loudness import integrated_loudness
from audiorestore.signal.sound import Sound

RATE = 22050


def noise(level: float, seconds: float = 1.0) -> np.ndarray:
    return level * np.random.default_rng(0).standard_normal((2, int(seconds * RATE))).astype(np.float32)


@pytest.mark.parametrize("gain_db", [-6.0, 6.0])
def test_a_gain_in_decibels_is_a_difference_in_loudness_units(gain_db: float) -> None:
    clean = noise(0.05)
    measured = loudness.measure(Comparison.of(clean, np.float32(10.0 ** (gain_db / 20.0)) * clean, RATE))
    expected = integrated_loudness(Sound.of(clean, RATE))
    assert measured["loudness_reference_lufs"] == expected
    assert measured["loudness_lufs"] == pytest.approx(expected + gain_db, abs=1e-4)
    assert measured["loudness_difference_lu"] == pytest.approx(6.0, abs=1e-4)


def test_the_levelled_estimate_is_measured_as_levelled() -> None:
    clean = noise(0.05)
    measured = loudness.measure(Comparison.of(clean, 0.5 * clean, RATE).leveled())
    assert measured["loudness_difference_lu"] == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_what_has_no_loudness_is_undefined_and_the_side_is_named(seconds: float) -> None:
    silent = 0.0 * noise(0.05, seconds)
    measured = loudness.measure(Comparison.of(silent, noise(0.05, seconds), RATE))
    assert isinstance(measured["loudness_lufs"], float if seconds >= 0.4 else Undefined)
    for key in ("loudness_reference_lufs", "loudness_difference_lu"):
        value = measured[key]
        assert isinstance(value, Undefined)
        assert value.reason.startswith("the reference is silent")


def test_it_is_measured_on_request_only() -> None:
    assert "loudness" not in chosen()
    assert "loudness" in chosen(["all"])
