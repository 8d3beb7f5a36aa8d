"""Segmental SNR against a literal loop over frames and numbers worked out by hand."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import Comparison, Undefined
from audiorestore.metrics.segmental_snr import measure

RATE = 8000  # a frame of 20 ms is 160 samples


def segmental_snr_db(reference: np.ndarray, estimate: np.ndarray, sample_rate: int = RATE) -> float | Undefined:
    sides = (np.atleast_2d(side).astype(np.float32) for side in (reference, estimate))
    return measure(Comparison.of(*sides, sample_rate))["segmental_snr_db"]


def noise(seed: int, frames: int, channels: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, frames))


@pytest.mark.parametrize("frames", [1, 159, 160, 161, 8000, 70_001])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_is_the_literal_loop(frames: int, channels: int) -> None:
    """10 log10 Σs² / Σ(s − ŝ)² of each frame, held within −10 and 35, averaged where the frame is not silent."""
    swell = 10.0 ** (-3.0 * np.abs(np.sin(np.arange(frames) / 3000)))  # 60 dB: some frames are left out
    reference = swell * noise(0, frames, channels)
    estimate = reference + 0.01 * noise(1, frames, channels)
    starts = range(0, frames, 160)
    powers = [np.mean(reference[:, start : start + 160] ** 2) for start in starts]
    ratios = []
    for start, power in zip(starts, powers, strict=True):
        if power > max(powers) / 10_000:
            error = np.mean((reference - estimate)[:, start : start + 160] ** 2)
            ratios.append(min(35.0, max(-10.0, 10 * np.log10(power / error))))
    assert segmental_snr_db(reference, estimate) == pytest.approx(np.mean(ratios), abs=1e-3)


def test_by_hand() -> None:
    """Three frames: an error of a tenth, one of a hundred times the sound, and none."""
    reference = np.ones(480)
    estimate = np.concatenate([np.full(160, 0.9), np.full(160, 101.0), np.ones(160)])
    assert segmental_snr_db(reference, estimate) == pytest.approx((20 - 10 + 35) / 3, abs=1e-4)


def test_soft_frames_count_as_much_as_loud_ones() -> None:
    """Half of the frames 30 dB softer, all with the same noise: 40 and 10 dB, of which the SNR shows only the first."""
    reference = np.repeat([1.0, 10**-1.5] * 10, 160)
    estimate = reference + np.tile([0.02, -0.02], 1600)  # 34 dB and 4 dB
    assert segmental_snr_db(reference, estimate) == pytest.approx(33.98 - 15, abs=0.01)


def test_silent_frames_are_left_out_and_those_just_within_40_db_are_not() -> None:
    error = np.tile([0.1, -0.1], 80)
    loud = np.ones(160)
    for level, expected in ((0.0, 20.0), (0.0099, 20.0), (0.0101, (20.0 - 10.0) / 2)):
        reference = np.concatenate([loud, level * loud])
        assert segmental_snr_db(reference, reference + np.tile(error, 2)) == pytest.approx(expected, abs=1e-3)


def test_the_frame_is_20_ms_at_any_rate() -> None:
    for sample_rate in (8000, 44100, 192_000):
        length = sample_rate // 50
        reference = np.ones(2 * length)
        estimate = np.concatenate([np.full(length, 0.9), np.ones(length)])
        assert segmental_snr_db(reference, estimate, sample_rate) == pytest.approx((20 + 35) / 2, abs=1e-4)


def test_a_silent_channel_beside_it_changes_nothing() -> None:
    reference, estimate = noise(0, 4000), noise(0, 4000) + 0.1 * noise(1, 4000)
    silence = np.zeros((1, 4000))
    alone = segmental_snr_db(reference, estimate)
    beside = segmental_snr_db(np.concatenate([reference, silence]), np.concatenate([estimate, silence]))
    assert beside == pytest.approx(alone, rel=1e-6)


def test_polarity_and_a_lag_count() -> None:
    sound = noise(0, 8000)
    assert segmental_snr_db(sound, -sound) == pytest.approx(-6.02, abs=0.01)
    assert segmental_snr_db(sound, np.roll(sound, 1)) == pytest.approx(-3.0, abs=0.3)


def test_silence() -> None:
    sound, silence = noise(0, 1000), np.zeros((1, 1000))
    assert isinstance(segmental_snr_db(silence, sound), Undefined)
    assert isinstance(segmental_snr_db(silence, silence), Undefined)
    assert segmental_snr_db(sound, silence) == pytest.approx(0.0, abs=1e-6)
    assert segmental_snr_db(sound, sound) == 120.0
