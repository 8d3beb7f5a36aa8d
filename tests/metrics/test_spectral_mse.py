"""Mean squared error of magnitudes against the literal equation and numbers worked out by hand."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import Comparison
from audiorestore.metrics.spectral_mse import measure


def sqrt_power_mse(reference: np.ndarray, estimate: np.ndarray) -> float:
    sides = (np.atleast_2d(side).astype(np.float32) for side in (reference, estimate))
    value = measure(Comparison.of(*sides, 44100))["sqrt_power_mse"]
    assert isinstance(value, float)
    return value


def noise(seed: int, frames: int = 10_000, channels: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, frames))


@pytest.mark.parametrize("frames", [1, 2048, 2049, 10_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_is_the_literal_equation(frames: int, channels: int) -> None:
    """Lattner and Nistal 2021, eq. 6, with the DFT written out as a matrix for a few of the bins and then for all."""
    reference, estimate = noise(0, frames, channels), noise(1, frames, channels)
    window = np.sin(np.pi * np.arange(2048) / 2048) ** 2
    errors = []
    for clean, dirty in zip(reference, estimate, strict=True):
        for start in range(0, max(1, frames - 2048 + 512), 512):
            parts = [window * np.pad(row, (0, 2048))[start : start + 2048] for row in (clean, dirty)]
            powers = [np.abs(np.fft.fft(part)[:1025]) ** 2 for part in parts]
            errors.append(np.mean((np.sqrt(powers[0]) - np.sqrt(powers[1])) ** 2))
    assert sqrt_power_mse(reference, estimate) == pytest.approx(np.mean(errors), rel=1e-3)


def test_a_click_by_hand() -> None:
    # A click of height h where the window is 1 has the magnitude h in every bin.
    click = np.zeros(2048)
    click[1024] = 1.0
    assert sqrt_power_mse(click, 0 * click) == pytest.approx(1.0, rel=1e-5)
    assert sqrt_power_mse(click, 0.75 * click) == pytest.approx(1 / 16, rel=1e-4)


def test_phase_does_not_count_but_level_does() -> None:
    sound = noise(0)
    assert sqrt_power_mse(sound, -sound) == 0.0
    whole = sqrt_power_mse(sound, 0 * sound)  # the mean power: 0.01 times the sum of the squared window
    assert whole == pytest.approx(0.01 * 3 / 8 * 2048, rel=0.05)
    assert sqrt_power_mse(sound, 0.9 * sound) == pytest.approx(0.01 * np.float64(whole), rel=1e-3)
    assert sqrt_power_mse(3 * sound, 2.7 * sound) == pytest.approx(0.09 * np.float64(whole), rel=1e-3)


def test_what_is_soft_hardly_counts() -> None:
    """A missing band 40 dB down costs a ten-thousandth of what a missing loud one does, where the LSD makes it most."""
    time = np.arange(44100) / 44100
    loud, soft = np.sin(2 * np.pi * 1000 * time), 0.01 * np.sin(2 * np.pi * 15_000 * time)
    without_soft = sqrt_power_mse(loud + soft, loud)
    assert without_soft == pytest.approx(1e-4 * sqrt_power_mse(loud + soft, soft), rel=0.01)
