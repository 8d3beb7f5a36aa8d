"""Sketches of sounds: independent of the blocks, and without gaps in long sounds."""

import tracemalloc

import numpy as np
import pytest

from audiorestore.report.power_grid import power_grid
from audiorestore.report.sketch import ENVELOPE_COLUMNS, Sketch, Sketcher

RATE = 16000


def noise(frames: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(frames).uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)


def sketch(waveform: np.ndarray, block: int = 65536) -> Sketch:
    sketcher = Sketcher(waveform.shape[0], waveform.shape[1], RATE)
    for start in range(0, waveform.shape[1], block):
        sketcher.push(waveform[:, start : start + block])
    return sketcher.finish()


@pytest.mark.parametrize(
    ("frames", "block"), [(1, 1), (2, 1), (63, 7), (1200, 100), (1201, 100), (RATE, 333), (654_321, 65536)]
)
def test_the_spectrogram_is_that_of_the_whole_waveform(frames: int, block: int) -> None:
    waveform = noise(frames)
    whole, made = power_grid(waveform, RATE), sketch(waveform, block).grid
    np.testing.assert_allclose(made.power, whole.power, rtol=1e-5)
    np.testing.assert_allclose(made.mean, whole.mean, rtol=1e-5)
    for field in ("column_seconds", "left_seconds", "bin_hz", "duration_seconds"):
        assert getattr(made, field) == getattr(whole, field)


@pytest.mark.parametrize("frames", [1, 1199, 1200, 1201, 98_765])
@pytest.mark.parametrize("block", [1000, 1024, 65536])
def test_each_column_of_the_envelope_has_the_extremes_of_its_samples(frames: int, block: int) -> None:
    waveform = noise(frames)
    made = sketch(waveform, block)
    per_column = round(made.column_seconds * RATE)
    columns = [waveform[:, start : start + per_column] for start in range(0, frames, per_column)]
    assert len(columns) <= ENVELOPE_COLUMNS
    assert made.lowest.tolist() == [column.min() for column in columns]
    assert made.highest.tolist() == [column.max() for column in columns]
    assert made.peak == np.abs(waveform).max()


def test_the_power_is_over_all_channels_and_samples() -> None:
    waveform = np.zeros((2, 5000), np.float32)
    waveform[0] = 0.5
    assert sketch(waveform, 777).mean_power == pytest.approx(0.125)


def test_memory_does_not_grow_with_the_length() -> None:
    block = noise(65536)
    peaks = []
    for blocks in (16, 160):
        sketcher = Sketcher(2, blocks * 65536, RATE)
        tracemalloc.start()
        for _ in range(blocks):
            sketcher.push(block)
        sketcher.finish()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
