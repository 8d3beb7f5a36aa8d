"""Power spectra against a literal loop over frames, and what they say about tones and noise."""

from itertools import cycle

import numpy as np
import pytest

from audiorestore.signal import stft
from audiorestore.signal.sound import Sound
from audiorestore.signal.stft import hann, power_blocks, power_spectra


def literal(waveform: np.ndarray, n_fft: int, hop_length: int) -> np.ndarray:
    """One channel: frame by frame, the definition of the DFT written out as a matrix."""
    frames = 1
    while (frames - 1) * hop_length + n_fft < len(waveform):
        frames += 1
    padded = np.zeros((frames - 1) * hop_length + n_fft)
    padded[: len(waveform)] = waveform
    time = np.arange(n_fft)
    window = np.sin(np.pi * time / n_fft) ** 2
    turns = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), time) / n_fft)
    starts = [frame * hop_length for frame in range(frames)]
    return np.array([np.abs(turns @ (window * padded[start : start + n_fft])) ** 2 for start in starts])


@pytest.mark.parametrize("frames", [1, 63, 64, 65, 80, 81, 1000])
@pytest.mark.parametrize(("n_fft", "hop_length"), [(64, 16), (64, 64), (64, 100), (62, 7), (63, 20)])
def test_spectra_are_those_of_a_literal_loop(frames: int, n_fft: int, hop_length: int) -> None:
    waveform = np.random.default_rng(frames).standard_normal((2, frames)).astype(np.float32)
    powers = power_spectra(waveform, n_fft, hop_length)
    expected = np.stack([literal(row, n_fft, hop_length) for row in waveform.astype(np.float64)])
    assert powers.shape == expected.shape
    assert powers.dtype == np.float32
    np.testing.assert_allclose(powers, expected, rtol=1e-4, atol=1e-4)


def test_the_memory_limit_does_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    waveform = np.random.default_rng(0).standard_normal((3, 5000)).astype(np.float32)
    whole = power_spectra(waveform, 256, 64)
    for limit in (1, 256 * 3 * 7):  # one frame at a time, seven frames at a time
        monkeypatch.setattr(stft, "_BINS_AT_ONCE", limit)
        np.testing.assert_array_equal(power_spectra(waveform, 256, 64), whole)


def test_any_leading_shape_is_kept() -> None:
    waveform = np.random.default_rng(0).standard_normal((2, 3, 500)).astype(np.float32)
    powers = power_spectra(waveform, 128, 32)
    assert powers.shape == (2, 3, 13, 65)
    np.testing.assert_array_equal(powers[1, 2], power_spectra(waveform[1, 2], 128, 32))


def test_hann_windows_half_a_frame_apart_sum_to_one() -> None:
    window = hann(512)
    np.testing.assert_allclose(window[:256] + window[256:], 1.0, atol=1e-12)
    assert np.sum(window**2) == pytest.approx(3 / 8 * 512)


def test_a_tone_stands_in_its_bin_with_a_quarter_of_the_frame_squared() -> None:
    tone = np.cos(2 * np.pi * 32 * np.arange(4096) / 512)
    powers = power_spectra(tone[None], 512, 128)[0]
    np.testing.assert_allclose(powers[:, 32], (512 / 4) ** 2, rtol=1e-4)
    far = np.delete(powers, [31, 32, 33], axis=1)
    assert far.max() < 1e-10 * powers[:, 32].min()


def test_white_noise_has_its_variance_times_the_window_energy_in_every_bin() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 400_000))
    mean = power_spectra(noise, 256, 256)[0].mean(axis=0)[1:-1]
    assert mean.mean() == pytest.approx(0.01 * np.sum(hann(256) ** 2), rel=0.01)
    assert mean.max() / mean.min() < 1.4


@pytest.mark.parametrize(("n_fft", "hop_length"), [(64, 16), (64, 64), (64, 100), (63, 20)])
def test_blocks_are_the_spectra_of_the_whole(n_fft: int, hop_length: int) -> None:
    for frames, channels in zip((1, 2, 63, 64, 65, 127, 128, 129, 1000, 5003), cycle((1, 2, 8)), strict=False):
        waveform = np.random.default_rng(frames).standard_normal((channels, frames)).astype(np.float32)
        blocks = list(power_blocks(Sound.of(waveform, 8000), n_fft, hop_length))
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), power_spectra(waveform, n_fft, hop_length))


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(("n_fft", "hop_length"), [(64, 16), (64, 100)])
def test_any_cut_gives_the_same_blocks(step: int, n_fft: int, hop_length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the recording comes and however many frames are made at a time."""
    waveform = np.random.default_rng(0).standard_normal((2, 3001)).astype(np.float32)
    whole = power_spectra(waveform, n_fft, hop_length)
    monkeypatch.setattr(stft, "BLOCK_FRAMES", step * hop_length)
    for block_frames in (1, 7, 64, 100, 2999, 3001, 10_000):
        blocks = list(power_blocks(Sound.of(waveform, 8000, block_frames), n_fft, hop_length))
        assert [block.shape[1] for block in blocks[:-1]] == [step] * (len(blocks) - 1)
        assert 1 <= blocks[-1].shape[1] <= step
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), whole)


def test_blocks_are_few_frames_of_a_long_recording_and_start_again_each_time() -> None:
    sound = Sound.of(np.random.default_rng(0).standard_normal((1, 400_000)), 44100)
    sizes = [block.shape[1] for block in power_blocks(sound, 2048, 512)]
    assert max(sizes) * 512 <= 65536
    assert sum(sizes) == 1 + -(-(400_000 - 2048) // 512)
    first, again = (next(power_blocks(sound, 2048, 512)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
