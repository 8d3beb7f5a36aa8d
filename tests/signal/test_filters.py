"""Convolution by blocks is convolution, and a filter of zero phase is the response that was asked for."""

import numpy as np
import pytest

from audiorestore.errors import AudioRestoreError
from audiorestore.signal.filters import convolved, zero_phase
from audiorestore.signal.sound import Sound, joined


def noise(channels: int, frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((channels, frames)).astype(np.float32)


def run(waveform: np.ndarray, responses: np.ndarray, advance: int = 0, block_frames: int = 65536) -> np.ndarray:
    return joined(convolved(Sound.of(waveform, 8000, block_frames), responses, advance), len(waveform))


def by_hand(waveform: np.ndarray, responses: np.ndarray, advance: int = 0) -> np.ndarray:
    """Sum delayed copies, in the plainest way that NumPy has."""
    frames = waveform.shape[-1]
    return np.stack(
        [
            np.convolve(row.astype(np.float64), responses[index % len(responses)])[advance : advance + frames]
            for index, row in enumerate(waveform)
        ]
    )


@pytest.mark.parametrize(
    ("frames", "taps", "advance"),
    [
        (1, 1, 0),
        (1, 9, 4),
        (5, 400, 200),
        (5, 400, 399),
        (700, 1, 0),
        (3000, 101, 50),
        (70000, 3, 2),
        (90000, 9000, 77),
    ],
)
@pytest.mark.parametrize("rows", [1, 3])
def test_blocks_joined_are_the_convolution(frames: int, taps: int, advance: int, rows: int) -> None:
    waveform, responses = noise(3, frames), noise(rows, taps, 1).astype(np.float64)
    got = run(waveform, responses, advance)
    assert got.dtype == np.float32
    assert got.shape == waveform.shape
    np.testing.assert_allclose(got, by_hand(waveform, responses, advance), atol=1e-5 * np.sqrt(taps))


@pytest.mark.parametrize("block_frames", [1, 999, 4096, 100000])
def test_how_a_recording_is_cut_changes_nothing(block_frames: int) -> None:
    waveform, responses = noise(2, 40000), noise(1, 333, 1).astype(np.float64)
    np.testing.assert_array_equal(run(waveform, responses, 100, block_frames), run(waveform, responses, 100))


def magnitude(response: np.ndarray, radians: np.ndarray) -> np.ndarray:
    """Sum cosines: the response of symmetric taps, without an FFT."""
    half = len(response) // 2
    return response[half] + 2.0 * np.cos(np.outer(radians, np.arange(1, half + 1))) @ response[half + 1 :]


def test_a_smooth_response_is_met_and_is_symmetric() -> None:
    radians = np.linspace(0.0, np.pi, 77)
    response = zero_phase(lambda at: np.exp(-4.0 * at**2))
    np.testing.assert_array_equal(response, response[::-1])
    np.testing.assert_allclose(magnitude(response, radians), np.exp(-4.0 * radians**2), atol=3e-5)
    assert len(response) < 60


def test_a_looser_tolerance_makes_a_shorter_filter() -> None:
    def edge(at: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + (at / 0.5) ** 12)

    assert len(zero_phase(edge, 1e-2)) < len(zero_phase(edge, 1e-4)) < len(zero_phase(edge, 1e-6))


def test_a_filter_without_end_is_refused() -> None:
    with pytest.raises(AudioRestoreError, match="lower order"):
        zero_phase(lambda at: (at < 1.0).astype(np.float64))
