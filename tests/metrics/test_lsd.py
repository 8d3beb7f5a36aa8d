"""Log-spectral distance against a literal loop over frames and bins, and what its floor means."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import Comparison, Signal
from audiorestore.metrics.lsd import FLOOR, HOP_LENGTH, N_FFT, measure


def lsd_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    signals = (Signal.of(np.atleast_2d(part).astype(np.float32), 44100) for part in (reference, estimate))
    value = measure(Comparison(*signals))["lsd_db"]
    assert isinstance(value, float)
    return value


def literal(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Lattner and Nistal 2021, eq. 5: over frames, the mean of √(mean over bins of (10 log10 P/P̂)²), floored."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    floor = np.sum(window**2) * (2.0**-15) ** 2 / 12  # rounding to 16 bit: a uniform error of one step
    frames = 1
    while 2048 + (frames - 1) * 512 < reference.shape[-1]:
        frames += 1
    distances = []
    for clean, dirty in zip(np.atleast_2d(reference), np.atleast_2d(estimate), strict=True):
        padded = [np.concatenate([row, np.zeros(2048 + 512 * frames)]) for row in (clean, dirty)]
        for frame in range(frames):
            here = slice(512 * frame, 512 * frame + 2048)
            first, second = (np.maximum(np.abs(np.fft.rfft(window * row[here])) ** 2, floor) for row in padded)
            distances.append(np.sqrt(np.mean((10 * np.log10(first / second)) ** 2)))
    return float(np.mean(distances))


def noise(frames: int = 20_000, channels: int = 1, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal((channels, frames))


@pytest.mark.parametrize("frames", [1, 100, 2048, 2049, 20_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_is_the_literal_loop(frames: int, channels: int) -> None:
    reference = noise(frames, channels)
    for estimate in (noise(frames, channels, seed=1), reference + noise(frames, channels, 0.01, 2), 0 * reference):
        assert lsd_db(reference, estimate) == pytest.approx(literal(reference, estimate), rel=1e-3)


def test_the_floor_is_sixteen_bit_rounding_in_a_bin() -> None:
    assert pytest.approx(5.96e-8, rel=1e-3) == FLOOR
    assert (N_FFT, HOP_LENGTH) == (2048, 512)
    # Measured: what rounding a recording to 16 bit leaves in the bins.
    sound = noise(400_000)[0]
    error = np.round(sound * 32768) / 32768 - sound
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    frames = error[: len(error) // N_FFT * N_FFT].reshape(-1, N_FFT)
    power = np.mean(np.abs(np.fft.rfft(frames * window)) ** 2)
    assert power == pytest.approx(FLOOR, rel=0.02)


@pytest.mark.parametrize("gain_db", [-20.0, -0.446, 6.0])
def test_a_gain_is_as_far_as_its_decibels(gain_db: float) -> None:
    sound = noise()
    assert lsd_db(sound, sound * 10 ** (gain_db / 20)) == pytest.approx(abs(gain_db), abs=1e-3)


def test_the_distance_is_the_same_both_ways() -> None:
    first, second = noise(), noise(seed=1)
    assert lsd_db(first, second) == pytest.approx(lsd_db(second, first), rel=1e-6)


def test_phase_does_not_count() -> None:
    # Upside down is the same spectrum; two noises of the same colour are not 0 apart, but far nearer than silence.
    sound = noise()
    assert lsd_db(sound, -sound) == 0.0
    # ln of two exponentials is logistic: its deviation π/√3, times 10/ln 10, is 7.88 dB.
    assert lsd_db(sound, noise(seed=1)) == pytest.approx(7.88, abs=0.2)


def test_below_the_floor_nothing_is_heard() -> None:
    silence = np.zeros((1, 20_000))
    assert lsd_db(silence, noise(level=2.0**-22)) == 0.0
    assert lsd_db(silence, silence) == 0.0


def test_a_missing_band_costs_the_decibels_down_to_the_floor() -> None:
    """The upper half of the spectrum is lost: √½ of the height of the sound over the floor."""
    frames = 400_000
    sound = noise(frames)[0]
    spectrum = np.fft.rfft(sound)
    spectrum[len(spectrum) // 2 :] = 0.0
    height_db = 10 * np.log10(0.01 * np.sum(np.hanning(N_FFT) ** 2) / FLOOR)
    # The mean of 10 log10 of an exponential power lies 2.51 dB under its level, its deviation is 5.57 dB.
    expected = np.sqrt(0.5 * ((height_db - 2.51) ** 2 + 5.57**2))
    assert lsd_db(sound, np.fft.irfft(spectrum, frames)) == pytest.approx(expected, rel=0.01)


def test_two_channels_are_the_mean_of_both() -> None:
    reference, estimate = noise(channels=2), noise(channels=2, seed=1)
    alone = [lsd_db(reference[channel], estimate[channel]) for channel in (0, 1)]
    assert lsd_db(reference, estimate) == pytest.approx(np.mean(alone), rel=1e-5)


def lsd_deshpande(reference: np.ndarray, estimate: np.ndarray) -> float:
    value = measure(Comparison.of(np.atleast_2d(reference), np.atleast_2d(estimate), 22050))["lsd_deshpande"]
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize(("frames", "channels"), [(1, 1), (100, 2), (2049, 1), (10_000, 2)])
def test_deshpandes_is_the_literal_equation_6(frames: int, channels: int) -> None:
    """S = log10(|STFT|² + 1e-8), window 2048; the mean over frames of √(mean over bins of (S − Ŝ)²)."""
    reference, estimate = noise(frames, channels), noise(frames, channels, 0.02, 1)
    window = np.sin(np.pi * np.arange(2048) / 2048) ** 2
    distances = []
    for clean, dirty in zip(reference, estimate, strict=True):
        for start in range(0, max(1, frames - 2048 + 512), 512):
            parts = [np.pad(row, (0, 2048))[start : start + 2048] for row in (clean, dirty)]
            first, second = (np.log10(np.abs(np.fft.rfft(window * part)) ** 2 + 1e-8) for part in parts)
            distances.append(np.sqrt(np.mean((first - second) ** 2)))
    assert lsd_deshpande(reference, estimate) == pytest.approx(np.mean(distances), rel=1e-3)


def test_deshpandes_counts_powers_of_ten() -> None:
    sound = noise()
    assert lsd_deshpande(sound, 0.1 * sound) == pytest.approx(2.0, abs=1e-3)  # a hundredth of the power
    assert lsd_deshpande(sound, -sound) == 0.0
    # Digital silence against a power of 1 in every bin: eight powers of ten, whatever is in 16 bit.
    click = np.zeros(2048)
    click[1024] = 1.0  # where the window is 1
    assert lsd_deshpande(click, 0 * click) == pytest.approx(8.0, abs=1e-4)
    assert lsd_db(click, 0 * click) == pytest.approx(-10 * np.log10(FLOOR), abs=1e-3)
