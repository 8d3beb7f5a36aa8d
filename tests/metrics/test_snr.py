"""Signal-to-noise ratio against numbers worked out by hand."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import IDENTICAL_DB, Comparison, Signal, Undefined, ratio_db
from audiorestore.metrics.snr import measure


def snr_db(reference: np.ndarray, estimate: np.ndarray) -> float | Undefined:
    signals = (Signal.of(np.atleast_2d(part).astype(np.float32), 16000) for part in (reference, estimate))
    return measure(Comparison(*signals))["snr_db"]


def test_a_tenth_too_soft_is_twenty_decibels() -> None:
    reference = np.random.default_rng(0).standard_normal(1000)
    assert snr_db(reference, 0.9 * reference) == pytest.approx(20.0, abs=1e-4)
    assert snr_db(reference, 1.1 * reference) == pytest.approx(20.0, abs=1e-4)


def test_by_hand() -> None:
    # Energy 1 + 4 + 4 = 9, error 0 + 0 + 0.09.
    assert snr_db(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 1.7])) == pytest.approx(20.0, abs=1e-4)


def test_silence_instead_of_sound_is_no_decibel_and_the_opposite_minus_six() -> None:
    reference = np.array([0.3, -0.7, 0.2])
    assert snr_db(reference, np.zeros(3)) == pytest.approx(0.0, abs=1e-6)
    assert snr_db(reference, -reference) == pytest.approx(-6.0206, abs=1e-4)


def test_channels_share_one_ratio() -> None:
    # The left is exact, the right (a tenth of the energy of both) is missing: 10 log10(10 / 1).
    reference = np.array([[3.0, 0.0], [0.0, 1.0]])
    assert snr_db(reference, np.array([[3.0, 0.0], [0.0, 0.0]])) == pytest.approx(10.0, abs=1e-4)


def test_lames_gain_alone_is_26_decibels() -> None:
    reference = np.random.default_rng(0).standard_normal(1000)
    assert snr_db(reference, 0.95 * reference) == pytest.approx(26.02, abs=0.01)


def test_a_sample_of_lag_ruins_white_noise() -> None:
    reference = np.random.default_rng(0).standard_normal(100_000)
    assert snr_db(reference[1:], reference[:-1]) == pytest.approx(-3.01, abs=0.05)


def test_identical_signals_score_120_and_nothing_scores_more() -> None:
    reference = np.random.default_rng(0).standard_normal(1000)
    assert snr_db(reference, reference) == IDENTICAL_DB == 120.0
    assert ratio_db(1.0, 1e-300) == 120.0
    assert ratio_db(1.0, 1e-12) == 120.0
    assert ratio_db(1.0, 1.1e-12) == pytest.approx(119.586, abs=0.001)


def test_a_silent_reference_has_no_snr() -> None:
    assert isinstance(snr_db(np.zeros(3), np.ones(3)), Undefined)
    assert isinstance(snr_db(np.zeros(3), np.zeros(3)), Undefined)


def test_the_level_of_both_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    reference, noise = rng.standard_normal((2, 1000))
    loud = snr_db(reference, reference + 0.1 * noise)
    assert snr_db(1e-3 * reference, 1e-3 * (reference + 0.1 * noise)) == pytest.approx(loud, abs=1e-3)
