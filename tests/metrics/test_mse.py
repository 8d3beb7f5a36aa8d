"""Mean squared error, worked out by hand."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import Comparison, Signal
from audiorestore.metrics.mse import measure


def mse(reference: np.ndarray, estimate: np.ndarray) -> float:
    signals = (Signal.of(np.atleast_2d(part).astype(np.float32), 16000) for part in (reference, estimate))
    value = measure(Comparison(*signals))["mse"]
    assert isinstance(value, float)
    return value


def test_by_hand() -> None:
    assert mse(np.array([0.0, 0.5, -0.5, 1.0]), np.array([0.0, 0.5, 0.5, 0.0])) == pytest.approx(0.5)


def test_it_is_the_mean_over_all_channels() -> None:
    assert mse(np.zeros((2, 4)), np.array([[1.0] * 4, [0.0] * 4])) == pytest.approx(0.5)


def test_it_grows_with_the_square_of_the_level() -> None:
    rng = np.random.default_rng(0)
    reference, noise = rng.standard_normal((2, 1000)) / 10
    small = mse(reference, reference + 0.01 * noise)
    assert small == pytest.approx(1e-6, rel=0.1)
    assert mse(10 * reference, 10 * reference + 0.1 * noise) == pytest.approx(100 * np.float64(small), rel=1e-3)


def test_identical_signals_and_silence_have_none() -> None:
    assert mse(np.ones(5), np.ones(5)) == 0.0
    assert mse(np.zeros(5), np.zeros(5)) == 0.0


def test_a_long_recording_is_summed_in_double_precision() -> None:
    ones = np.ones(2**24 + 2**20, np.float32)
    assert mse(0 * ones, ones) == pytest.approx(1.0, rel=1e-9)
