"""Scale-invariant signal-to-distortion ratio against its literal formula and numbers worked out by hand."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import Comparison, Signal, Undefined
from audiorestore.metrics.si_sdr import measure


def si_sdr_db(reference: np.ndarray, estimate: np.ndarray) -> float | Undefined:
    signals = (Signal.of(np.atleast_2d(part).astype(np.float32), 16000) for part in (reference, estimate))
    return measure(Comparison(*signals))["si_sdr_db"]


def literal(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Le Roux et al. 2019, eq. 4–5: e_target = α·s with α = ŝᵀs / ‖s‖², the rest is distortion."""
    scale = np.sum(estimate * reference) / np.sum(reference**2)
    target = scale * reference
    return float(10 * np.log10(np.sum(target**2) / np.sum((target - estimate) ** 2)))


@pytest.mark.parametrize("gain", [0.01, 0.95, 1.0, 30.0])
@pytest.mark.parametrize("noise", [0.01, 0.3, 2.0])
def test_it_is_the_literal_formula(gain: float, noise: float) -> None:
    rng = np.random.default_rng(1)
    reference = rng.standard_normal((2, 4000))
    estimate = gain * (reference + noise * rng.standard_normal((2, 4000)))
    assert si_sdr_db(reference, estimate) == pytest.approx(literal(reference, estimate), abs=1e-3)


def test_by_hand() -> None:
    # The estimate is 2 parts of the reference (1, 0) and 1 part across it: 4 to 1.
    assert si_sdr_db(np.array([1.0, 0.0]), np.array([2.0, 1.0])) == pytest.approx(6.0206, abs=1e-4)


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.95, 1e-3, 100.0])
def test_level_does_not_count(gain: float) -> None:
    reference = np.random.default_rng(0).standard_normal(1000)
    assert si_sdr_db(reference, gain * reference) == 120.0


def test_polarity_does_not_count_either() -> None:
    reference = np.random.default_rng(0).standard_normal(1000)
    assert si_sdr_db(reference, -0.5 * reference) == 120.0


def test_an_offset_counts_as_distortion() -> None:
    # A mean is not taken off: a cosine of power 1/2 and an offset of power 1/100.
    reference = np.cos(2 * np.pi * 5 * np.arange(1000) / 1000)
    assert si_sdr_db(reference, reference + 0.1) == pytest.approx(10 * np.log10(50), abs=1e-3)


def test_both_channels_share_one_scale() -> None:
    # Right and left swapped in level: no single scale undoes that.
    reference = np.array([[1.0, 0.0], [0.0, 1.0]])
    estimate = np.array([[1.0, 0.0], [0.0, 0.5]])
    assert si_sdr_db(reference, estimate) == pytest.approx(literal(reference, estimate), abs=1e-4)
    assert literal(reference, estimate) == pytest.approx(9.542, abs=0.001)  # 2 · 0.75² to 2 · 0.25²


def test_silence_has_none() -> None:
    sound = np.array([0.5, -0.5])
    assert isinstance(si_sdr_db(np.zeros(2), sound), Undefined)
    assert isinstance(si_sdr_db(sound, np.zeros(2)), Undefined)
    assert isinstance(si_sdr_db(np.zeros(2), np.zeros(2)), Undefined)
