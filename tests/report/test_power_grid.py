"""Power over time and frequency: a tone in its row, a click in its column, and no gaps in long sounds."""

import numpy as np
import pytest

from audiorestore.report.power_grid import FLOOR_DB, MAX_COLUMNS, in_decibels, power_grid

RATE = 16000


def tone(frequency_hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate)) / rate)[np.newaxis].astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 96000])
@pytest.mark.parametrize("frequency_hz", [250.0, 1000.0, 3500.0])
def test_a_tone_is_in_the_row_of_its_frequency(frequency_hz: float, rate: int) -> None:
    grid = power_grid(tone(frequency_hz, 1.0, rate), rate)
    # Away from the ends, where the tone is cut off: a frame is up to eight columns long.
    rows = grid.power[8:-8].argmax(axis=1) * grid.bin_hz
    assert np.abs(rows - frequency_hz).max() <= grid.bin_hz / 2
    assert abs(grid.mean.argmax() * grid.bin_hz - frequency_hz) <= grid.bin_hz / 2


def test_a_full_scale_tone_has_0_db_and_half_of_it_6_db_less() -> None:
    full = power_grid(tone(1000.0, 1.0), RATE)  # 1000 Hz is the middle of bin 32
    half = power_grid(0.5 * tone(1000.0, 1.0), RATE)
    assert in_decibels(full.power[8:-8].max(axis=1)) == pytest.approx(0.0, abs=0.01)
    assert in_decibels(half.power[8:-8].max(axis=1)) == pytest.approx(-6.02, abs=0.01)


def test_far_from_a_tone_the_power_is_below_what_a_picture_shows() -> None:
    grid = power_grid(tone(1000.0, 1.0), RATE)
    rows = np.arange(grid.power.shape[1]) * grid.bin_hz
    assert in_decibels(grid.power[8:-8, abs(rows - 1000.0) > 1000.0]).max() < -90


@pytest.mark.parametrize("seconds", [0.25, 1.0, 7.5])
def test_a_click_is_in_the_column_of_its_time(seconds: float) -> None:
    waveform = np.zeros((1, 8 * RATE), np.float32)
    waveform[0, int(seconds * RATE)] = 1.0
    grid = power_grid(waveform, RATE)
    left = grid.left_seconds + int(grid.power.sum(axis=1).argmax()) * grid.column_seconds
    assert left <= seconds <= left + grid.column_seconds


def test_the_columns_cover_the_sound_from_its_start_to_its_end() -> None:
    for frames in (1, 2, 63, 64, 65, 10_000, 123_456, 2_000_001):
        grid = power_grid(np.ones((1, frames), np.float32), RATE)
        assert grid.left_seconds <= 0
        last = grid.left_seconds + (len(grid.power) - 1) * grid.column_seconds
        assert last <= grid.duration_seconds <= last + 2 * grid.column_seconds
        assert grid.duration_seconds == frames / RATE


def test_however_long_a_sound_is_it_has_a_bounded_number_of_columns() -> None:
    for seconds in (1, 10, 100, 300):
        columns = len(power_grid(np.zeros((1, seconds * RATE), np.float32), RATE).power)
        assert columns <= MAX_COLUMNS
        assert columns >= MAX_COLUMNS // 2 or seconds == 1


@pytest.mark.parametrize("position", [0, 1, 17_000, 3_000_123, 4_799_999])
def test_one_click_in_five_minutes_is_seen_wherever_it_is(position: int) -> None:
    waveform = np.zeros((1, 300 * RATE), np.float32)
    waveform[0, position] = 1.0
    power = power_grid(waveform, RATE).power.sum(axis=1)
    assert np.count_nonzero(power) in (1, 2)  # it may be in a frame of each of two columns


def test_the_mean_is_over_frames_and_not_over_columns() -> None:
    waveform = np.zeros((1, 200 * RATE + 1), np.float32)
    waveform[:, -RATE // 100 :] = 1.0  # the last column has fewer frames than the others
    grid = power_grid(waveform, RATE)
    frames = -(-waveform.shape[-1] // 256)
    per_column = -(-frames // MAX_COLUMNS)
    counts = np.diff(range(0, frames, per_column), append=frames)
    assert counts[-1] < counts[0]
    assert grid.mean == pytest.approx((grid.power * counts[:, np.newaxis]).sum(axis=0) / frames, rel=1e-5)


def test_channels_are_averaged_in_power() -> None:
    left = tone(1000.0, 0.5)
    alone = power_grid(left, RATE).power
    assert power_grid(np.concatenate([left, 0 * left]), RATE).power == pytest.approx(alone / 2, rel=1e-5)
    assert power_grid(np.concatenate([left, -left]), RATE).power == pytest.approx(alone, rel=1e-5)


def test_silence_and_a_single_sample_are_finite() -> None:
    silence = power_grid(np.zeros((2, 5000), np.float32), RATE)
    assert silence.silent
    assert set(in_decibels(silence.power).ravel()) == {FLOOR_DB}
    single = power_grid(np.ones((1, 1), np.float32), RATE)
    assert not single.silent
    assert single.power.shape[0] == 1
    assert np.ptp(in_decibels(single.power)) < 0.01  # a click has all frequencies equally
    loud = power_grid(1e6 * tone(1000.0, 0.1), RATE)
    assert in_decibels(loud.power).max() == pytest.approx(120.0, abs=0.1)
    assert np.isfinite(in_decibels(np.array([np.inf, 0.0, 1e300]))).all()


@pytest.mark.parametrize(
    ("frames", "rate", "channels"), [(1, 8000, 1), (30001, 44100, 2), (700, 192000, 3), (900_000, 8000, 2)]
)
def test_it_is_the_literal_mean_of_the_frames_of_each_column(frames: int, rate: int, channels: int) -> None:
    sound = np.random.default_rng(5).standard_normal((channels, frames)).astype(np.float32)
    grid = power_grid(sound, rate)
    n_fft = round(rate / grid.bin_hz)
    hop = round(-2 * grid.left_seconds * rate)
    per_column = round(grid.column_seconds * rate / hop)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    padded = np.pad(sound, [(0, 0), (n_fft // 2, n_fft)])
    starts = range(0, frames, hop)
    spectra = [np.abs(np.fft.rfft(padded[:, start : start + n_fft] * window)) ** 2 for start in starts]
    powers = np.stack([each.mean(axis=0) for each in spectra]) / (window.sum() / 2) ** 2
    literal = np.stack([powers[place : place + per_column].mean(axis=0) for place in range(0, len(powers), per_column)])
    np.testing.assert_allclose(grid.power, literal, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(grid.mean, powers.mean(axis=0), rtol=1e-4, atol=1e-9)
