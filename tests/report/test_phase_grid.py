"""Phases relative to a reference: the angle, the bin and the column of a shift, a delay and an inversion."""

import numpy as np
import pytest

from audiorestore.report.phase_grid import phase_grid
from audiorestore.report.power_grid import power_grid

RATE = 16000


def noise(seed: int, frames: int = RATE, channels: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


@pytest.mark.parametrize(("frames", "channels"), [(1, 1), (700, 2), (RATE, 1), (700_000, 1)])
def test_columns_and_bins_are_those_of_the_power(frames: int, channels: int) -> None:
    sound = noise(0, frames, channels)
    grid = phase_grid(sound, sound, RATE, 0.0)
    assert grid.shape == power_grid(sound, RATE).power.shape
    assert np.abs(grid[np.isfinite(grid)]).max(initial=0.0) < 1e-6


def test_it_is_the_angle_between_the_spectra_of_a_frame() -> None:
    reference, estimate = noise(0), noise(1)
    grid = phase_grid(reference, estimate, RATE, 0.0)
    window = np.sin(np.pi * np.arange(512) / 512) ** 2
    for column in (10, 100):
        here = slice(column * 64 - 256, column * 64 + 256)  # 40 ms are about 512 samples; an eighth is the hop
        first, second = (np.fft.rfft(window * side[0, here]) for side in (reference, estimate))
        turn = np.angle(second / first)
        away = np.angle(np.exp(1j * (grid[column] - turn)))
        assert np.abs(away[1:-1]).max() < 1e-3


def test_a_delay_turns_high_frequencies_further() -> None:
    sound = noise(0)
    grid = phase_grid(sound, np.roll(sound, 3), RATE, 0.0)
    hz = np.arange(257) * RATE / 512
    for index in (8, 40, 80):
        turn = np.angle(np.exp(1j * grid[5:-5, index]).mean())
        assert np.exp(1j * turn) == pytest.approx(np.exp(-2j * np.pi * hz[index] * 3 / RATE), abs=0.1)


@pytest.mark.parametrize("frames", [RATE, 700_000])  # one frame in a column, and several
def test_inverted_polarity_is_half_a_turn(frames: int) -> None:
    sound = noise(0, frames)
    grid = phase_grid(sound, -0.5 * sound, RATE, 0.0)
    np.testing.assert_allclose(np.abs(grid), np.pi, atol=1e-3)


def test_the_louder_channel_decides() -> None:
    sound, other = noise(0), noise(1)
    pair = np.concatenate([sound, 0.01 * other]), np.concatenate([-sound, 0.01 * other])
    assert np.median(np.abs(phase_grid(*pair, RATE, 0.0))) == pytest.approx(np.pi, abs=0.01)


def test_where_either_is_quiet_there_is_no_angle() -> None:
    sound, silence = noise(0), np.zeros((1, RATE), np.float32)
    for pair in ((sound, silence), (silence, sound), (silence, silence)):
        assert np.isnan(phase_grid(*pair, RATE, 1e-12)).all()
    power = power_grid(sound, RATE).power
    grid = phase_grid(sound, sound, RATE, float(np.median(power)))
    np.testing.assert_array_equal(np.isfinite(grid), power >= np.median(power))
