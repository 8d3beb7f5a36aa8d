"""Effective bandwidth on sounds whose band is known, and what moves it and what does not."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import Comparison, Signal, Undefined
from audiorestore.metrics.bandwidth import band_edge_hz, edge_hz, measure

RATE = 44100


def bandwidth_error_hz(reference: np.ndarray, estimate: np.ndarray, sample_rate: int = RATE) -> float | Undefined:
    sides = (np.atleast_2d(side).astype(np.float32) for side in (reference, estimate))
    return measure(Comparison.of(*sides, sample_rate))["bandwidth_error_hz"]


def edge(waveform: np.ndarray, sample_rate: int = RATE) -> float:
    found = band_edge_hz(Signal.of(np.atleast_2d(waveform), sample_rate))
    assert found is not None
    return found


def band(cutoff_hz: float, slope_db_per_octave: float = 0.0, frames: int = RATE, sample_rate: int = RATE) -> np.ndarray:
    """Noise up to a frequency, falling from 100 Hz on."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(frames))
    hz = np.fft.rfftfreq(frames, 1 / sample_rate)
    spectrum *= np.maximum(hz / 100, 1.0) ** (slope_db_per_octave / 6.0206)
    sound = np.fft.irfft(np.where(hz <= cutoff_hz, spectrum, 0.0), frames)
    return np.asarray(0.2 * sound / np.abs(sound).max())


@pytest.mark.parametrize("cutoff_hz", [1000.0, 4000.0, 8000.0, 16000.0, 22050.0])
@pytest.mark.parametrize("slope", [0.0, -6.0])
def test_the_edge_is_where_the_band_ends(cutoff_hz: float, slope: float) -> None:
    # A falling spectrum's top is low already, so that the last percent is wide; frames of Hann blur by some bins.
    found = edge(band(cutoff_hz, slope))
    assert 0.95 * cutoff_hz < found < cutoff_hz + 80.0


def test_by_hand() -> None:
    """Three bins of a mean power of 1e-5, so that the floor is 1e-10: 40, 50 + 10 log10 3 and 20 dB over it."""
    power = np.array([1e-6, 3e-5 - 1e-6 - 1e-8, 1e-8])
    area = 40 / 2 + 54.619 + 20 / 2  # the outer bins are halves
    into_the_last = (0.99 * area - 20 - 54.619) / 20  # of a bin's width
    assert edge_hz(power, 4000) == pytest.approx(1000 * (1.5 + into_the_last), abs=1.0)


def test_the_error_is_the_distance_of_the_edges_both_ways() -> None:
    wide, narrow = band(16000.0), band(11000.0)
    too_low, too_high = bandwidth_error_hz(wide, narrow), bandwidth_error_hz(narrow, wide)
    assert too_low == too_high == pytest.approx(0.99 * 5000, rel=0.01)


@pytest.mark.parametrize("sample_rate", [8000, 48000, 192_000])
def test_a_lost_upper_half_is_found_at_any_rate(sample_rate: int) -> None:
    whole = band(sample_rate / 2, frames=20_000, sample_rate=sample_rate)
    half = band(sample_rate / 4, frames=20_000, sample_rate=sample_rate)
    assert bandwidth_error_hz(whole, half, sample_rate) == pytest.approx(sample_rate / 4, rel=0.02)


def test_level_polarity_lag_and_phase_do_not_count() -> None:
    sound, narrow = band(16000.0, -6.0), band(8000.0, -6.0)
    expected = bandwidth_error_hz(sound, narrow)
    for other in (-narrow, 1e-3 * narrow, 50 * narrow):
        assert bandwidth_error_hz(sound, other) == pytest.approx(expected, abs=1.0)
    assert bandwidth_error_hz(sound, np.roll(sound, 1000)) == pytest.approx(0.0, abs=30.0)
    # The edge, unlike the SNR, does not mind that the sound is another.
    assert bandwidth_error_hz(sound, sound[::-1]) == pytest.approx(0.0, abs=30.0)


def test_a_whistle_and_rounding_noise_over_the_band_do_not_move_the_edge() -> None:
    sound = band(8000.0)
    whistle = 0.001 * np.sin(2 * np.pi * 15_734 * np.arange(RATE) / RATE)  # of a television, 40 dB down
    assert edge(sound + whistle) == pytest.approx(edge(sound), abs=100)
    assert edge(np.round(sound * 32768) / 32768) == pytest.approx(edge(sound), abs=1)


def test_a_lower_cutoff_is_never_better() -> None:
    sound = band(20000.0, -6.0)
    errors = [bandwidth_error_hz(sound, band(cutoff_hz, -6.0)) for cutoff_hz in (18000, 14000, 9000, 5000, 500)]
    assert all(isinstance(error, float) for error in errors)
    assert errors == sorted(errors)
    assert len(set(errors)) == 5


def test_silence_has_no_edge() -> None:
    sound, silence = band(8000.0, frames=4000), np.zeros(4000)
    assert band_edge_hz(Signal.of(silence[np.newaxis], RATE)) is None
    for reference, estimate, reason in ((silence, sound, "reference"), (sound, silence, "measured audio")):
        undefined = bandwidth_error_hz(reference, estimate)
        assert isinstance(undefined, Undefined)
        assert reason in undefined.reason
