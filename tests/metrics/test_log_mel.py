"""Log-mel distance against a literal loop over triangles, and what its bands hear."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import Comparison
from audiorestore.metrics.log_mel import measure, mel_filters


def log_mel_db(reference: np.ndarray, estimate: np.ndarray, sample_rate: int = 44100) -> float:
    sides = (np.atleast_2d(side).astype(np.float32) for side in (reference, estimate))
    value = measure(Comparison.of(*sides, sample_rate))["log_mel_db"]
    assert isinstance(value, float)
    return value


def noise(seed: int, frames: int = 10_000, channels: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, frames))


def literal(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """One channel: for each frame and band, the power under the triangle, floored, in decibels."""
    window = np.sin(np.pi * np.arange(2048) / 2048) ** 2
    rounding = np.sum(window**2) * (2.0**-15) ** 2 / 12
    top = 1127 * np.log(1 + min(20_000, sample_rate / 2) / 700)  # 2595 log10 is 1127 ln
    corners = [700 * (np.exp(top * step / 81 / 1127) - 1) for step in range(82)]
    distances = []
    for start in range(0, max(1, len(reference) - 2048 + 512), 512):
        parts = [window * np.pad(row, (0, 2048))[start : start + 2048] for row in (reference, estimate)]
        powers = [np.abs(np.fft.rfft(part)) ** 2 for part in parts]
        for low, centre, high in zip(corners, corners[1:], corners[2:], strict=False):
            bands, weight = np.zeros(2), 0.0
            for index in range(int(low * 2048 / sample_rate), min(1024, int(high * 2048 / sample_rate) + 1) + 1):
                hz = index * sample_rate / 2048
                share = np.interp(hz, [low, centre, high], [0.0, 1.0, 0.0])
                bands += share * np.array([powers[0][index], powers[1][index]])
                weight += share
            if weight:
                first, second = np.maximum(bands, weight * rounding)
                distances.append(abs(10 * np.log10(first / second)))
    return float(np.mean(distances))


@pytest.mark.parametrize(("frames", "sample_rate"), [(1, 44100), (3000, 8000), (4000, 44100), (4000, 192_000)])
def test_it_is_the_literal_loop(frames: int, sample_rate: int) -> None:
    reference = noise(0, frames)
    for estimate in (noise(1, frames), reference + 0.1 * noise(2, frames), np.zeros((1, frames))):
        expected = literal(reference[0], estimate[0], sample_rate)
        assert log_mel_db(reference, estimate, sample_rate) == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 44100, 48000])
def test_there_are_80_bands_that_cover_all_bins_evenly(sample_rate: int) -> None:
    filters = mel_filters(sample_rate, 2048)
    assert filters.shape == (1025, 80)
    hz = np.arange(1025) * sample_rate / 2048
    # Neighbours sum to one between the first centre and the last.
    mels = 2595 * np.log10(1 + np.array([min(20_000, sample_rate / 2)]) / 700) * np.array([1, 80]) / 81
    first, last = 700 * (10 ** (mels / 2595) - 1)
    between = (hz >= first) & (hz <= last)
    np.testing.assert_allclose(filters[between].sum(axis=1), 1.0, atol=1e-5)
    assert not filters[hz >= 20_000].any()


def test_1000_hz_is_1000_mel() -> None:
    # 8000 Hz are 2840 mel, so that 1000 mel lie in the 28.5th of the 81 steps.
    filters = mel_filters(16000, 2048)
    assert set(np.nonzero(filters[128])[0]) == {27, 28}
    np.testing.assert_allclose(filters[128, 27:29], [0.48, 0.52], atol=0.02)


@pytest.mark.parametrize("gain_db", [-20.0, -0.446, 6.0])
def test_a_gain_is_as_far_as_its_decibels(gain_db: float) -> None:
    sound = noise(0)
    assert log_mel_db(sound, sound * 10 ** (gain_db / 20)) == pytest.approx(abs(gain_db), abs=1e-3)


def test_phase_does_not_count_and_other_noise_is_nearer_than_bin_by_bin() -> None:
    sound = noise(0, 44100)
    assert log_mel_db(sound, -sound) == 0.0
    # Bin by bin, the decibels of two noises are 6 dB apart in the mean; bands of several bins lie nearer.
    assert 1.0 < log_mel_db(sound, noise(1, 44100)) < 5.0


def test_below_sixteen_bit_nothing_is_heard() -> None:
    silence = np.zeros((1, 10_000))
    assert log_mel_db(silence, 1e-6 * noise(0)) == 0.0
    assert log_mel_db(silence, silence) == 0.0
