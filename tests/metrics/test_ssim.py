"""Structural similarity against a literal loop over patches, and what it says about spectrograms."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import Comparison
from audiorestore.metrics.ssim import measure, similarity

RATE = 22050


def ssim(reference: np.ndarray, estimate: np.ndarray) -> float:
    sides = (np.atleast_2d(side).astype(np.float32) for side in (reference, estimate))
    value = measure(Comparison.of(*sides, RATE))["ssim"]
    assert isinstance(value, float)
    return value


def noise(seed: int, frames: int = 8000, channels: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, frames))


def literal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Wang et al. 2004, eq. 13–16, patch by patch: weighted means, variances and covariance of one spectrogram."""
    weights = np.exp(-(np.arange(-1, 2)[:, None] ** 2 + np.arange(-1, 2) ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    c1, c2 = 0.01**2, 0.03**2
    out = np.empty((first.shape[0] - 2, first.shape[1] - 2))
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            x, y = (side[row : row + 3, column : column + 3] for side in (first, second))
            mx, my = np.sum(weights * x), np.sum(weights * y)
            vx, vy = np.sum(weights * (x - mx) ** 2), np.sum(weights * (y - my) ** 2)
            cov = np.sum(weights * (x - mx) * (y - my))
            out[row, column] = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return out


@pytest.mark.parametrize("level", [1e-3, 0.1, 256.0])
def test_patches_are_compared_as_the_formula_says(level: float) -> None:
    rng = np.random.default_rng(0)
    first, second = level * np.abs(rng.standard_normal((2, 7, 9)))
    expected = literal(first, second)
    np.testing.assert_allclose(similarity(first[None], second[None])[0], expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(similarity(first[None], first[None])[0], 1.0, rtol=1e-12)


@pytest.mark.parametrize(("frames", "channels"), [(1, 1), (1024, 2), (1271, 1), (1272, 1), (3000, 2)])
def test_it_is_the_mean_over_the_patches_of_the_magnitudes(frames: int, channels: int) -> None:
    """Hann frames of 1023, 248 apart; fewer than three frames go on in silence."""
    reference = noise(0, frames, channels)
    estimate = reference + 0.1 * noise(1, frames, channels)
    window = np.sin(np.pi * np.arange(1023) / 1023) ** 2
    starts = list(range(0, max(1, frames - 1023 + 248), 248))
    values = []
    for rows in zip(reference, estimate, strict=True):
        maps = []
        for row in rows:
            parts = [np.pad(row, (0, 1023))[start : start + 1023] for start in starts]
            parts += [np.zeros(1023)] * (3 - len(parts))
            maps.append(np.abs([np.fft.rfft(window * part) for part in parts]))
        assert maps[0].shape[1] == 512
        values.append(literal(*maps).mean())
    assert ssim(reference, estimate) == pytest.approx(np.mean(values), abs=1e-5)


def test_blocks_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    from audiorestore.signal import stft

    reference, estimate = noise(0), noise(1)
    whole = ssim(reference, estimate)
    for frames in (1, 2, 5):
        monkeypatch.setattr(stft, "BLOCK_FRAMES", frames * 248)  # so many frames at a time
        assert ssim(reference, estimate) == pytest.approx(whole, rel=1e-6)


def test_phase_does_not_count_and_silence_is_like_silence() -> None:
    sound, silence = noise(0), np.zeros((1, 8000))
    assert ssim(sound, -sound) == 1.0
    assert ssim(silence, silence) == 1.0
    assert ssim(sound, silence) < 0.01
    assert ssim(sound, silence) == pytest.approx(ssim(silence, sound), rel=1e-6)


def test_another_noise_of_the_same_colour_is_not_alike() -> None:
    assert ssim(noise(0), noise(1)) < 0.5 < ssim(noise(0), noise(0) + 0.1 * noise(1))


def test_a_missing_upper_half_costs_half() -> None:
    sound = noise(0, 22050)
    spectrum = np.fft.rfft(sound)
    spectrum[:, spectrum.shape[1] // 2 :] = 0.0
    assert ssim(sound, np.fft.irfft(spectrum, 22050)) == pytest.approx(0.5, abs=0.01)


def test_a_gain_costs_contrast_and_luminance() -> None:
    """Of loud patches: 2g / (1 + g²) for the means and the same for the variances."""
    sound = 5 * noise(0)
    for gain in (0.5, 2.0):
        assert ssim(sound, gain * sound) == pytest.approx((2 * gain / (1 + gain**2)) ** 2, abs=0.01)
