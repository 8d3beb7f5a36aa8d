"""Multi-resolution spectral distance against the published formula, written out with padded and mirrored frames too."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import Comparison, Undefined
from audiorestore.metrics.mr_stft import measure

RESOLUTIONS = [(512, 50, 240), (1024, 120, 600), (2048, 240, 1200)]  # Yamamoto et al. 2020, Table 1: FFT, hop, window


def mr_stft(reference: np.ndarray, estimate: np.ndarray) -> float | Undefined:
    sides = (np.atleast_2d(side).astype(np.float32) for side in (reference, estimate))
    return measure(Comparison.of(*sides, 24000))["mr_stft"]


def noise(seed: int, frames: int = 12_000, channels: int = 1, level: float = 0.1) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal((channels, frames))


def literal(reference: np.ndarray, estimate: np.ndarray, padded: bool) -> float:
    """Spectral convergence + log magnitude distance, the mean over three resolutions, of one channel.

    With ``padded`` as auraloss and the authors of Parallel WaveGAN compute it: frames are centred, the ends are
    mirrored and the FFT is longer than the window. Powers are floored at 1e-8.
    """
    total = 0.0
    for n_fft, hop, length in RESOLUTIONS:
        window = np.sin(np.pi * np.arange(length) / length) ** 2
        size, side = (n_fft, n_fft // 2) if padded else (length, 0)
        magnitudes = []
        for row in (reference, estimate):
            if padded:
                row = np.pad(row, side, mode="reflect")
                window_here = np.pad(window, (n_fft - length) // 2)
            else:
                frames = 1 + max(0, -(-(len(row) - length) // hop))
                row = np.pad(row, (0, max(0, (frames - 1) * hop + length - len(row))))
                window_here = window
            starts = range(0, len(row) - size + 1, hop)
            spectra = np.array([np.fft.rfft(window_here * row[start : start + size]) for start in starts])
            magnitudes.append(np.sqrt(np.maximum(np.abs(spectra) ** 2, 1e-8)))
        first, second = magnitudes
        total += np.linalg.norm(first - second) / np.linalg.norm(first)
        total += np.mean(np.abs(np.log(first) - np.log(second)))
    return total / len(RESOLUTIONS)


@pytest.mark.parametrize("frames", [100, 240, 241, 1200, 12_000])
def test_it_is_the_formula_on_frames_without_padding(frames: int) -> None:
    reference = noise(0, frames)
    for estimate in (noise(1, frames), reference + 0.1 * noise(2, frames)):
        expected = literal(reference[0], estimate[0], padded=False)
        assert mr_stft(reference, estimate) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("error", [1.0, 0.1, 0.01])
def test_it_lies_within_two_per_cent_of_the_padded_and_mirrored_form(error: float) -> None:
    time = np.arange(24_000)
    reference = np.sin(time / 10) * np.exp(-(time % 6000) / 2000) + noise(0, 24_000, level=0.01)
    estimate = reference + error * noise(1, 24_000)
    assert mr_stft(reference, estimate) == pytest.approx(literal(reference[0], estimate[0], padded=True), rel=0.02)


def test_a_gain_by_hand() -> None:
    # 1 − g of the magnitudes, and |ln g| of each.
    sound = noise(0)
    for gain in (0.5, 0.9, 2.0):
        assert mr_stft(sound, gain * sound) == pytest.approx(abs(1 - gain) + abs(np.log(gain)), abs=1e-4)


def test_silence_instead_of_sound_is_one_and_the_height_over_the_floor() -> None:
    # E ln P of an exponential power is ln of its mean less Euler's gamma; the floor lies at ln 1e-8.
    heights = [np.log(0.01 * 3 / 8 * length) - np.euler_gamma - np.log(1e-8) for _, _, length in RESOLUTIONS]
    assert mr_stft(noise(0, 40_000), np.zeros(40_000)) == pytest.approx(1 + np.mean(heights) / 2, rel=0.01)


def test_a_silent_reference_has_none() -> None:
    silence = np.zeros(5000)
    assert isinstance(mr_stft(silence, noise(0, 5000)), Undefined)
    assert isinstance(mr_stft(silence, silence), Undefined)


def test_phase_does_not_count_a_lag_hardly_and_other_noise_does() -> None:
    sound = noise(0)
    assert mr_stft(sound, -sound) == 0.0
    late, other = mr_stft(sound, np.roll(sound, 2)), mr_stft(sound, noise(1))
    assert isinstance(late, float)
    assert isinstance(other, float)
    assert late < 0.2 * other


def test_a_silent_channel_beside_it_halves_what_is_averaged_over_bins_only() -> None:
    sound, silence = noise(0), np.zeros((1, 12_000))
    beside = mr_stft(np.concatenate([sound, silence]), np.concatenate([0.5 * sound, silence]))
    assert beside == pytest.approx(0.5 + np.log(2) / 2, abs=1e-4)
