"""Another sample rate: what can be heard survives, what cannot be held dies, and every sample is accounted for."""

import numpy as np
import pytest

from audiorestore.signal.resample import StreamResampler, fit, resample, resampled_frames

UP = [(16000, 44100), (44100, 48000), (8000, 48000), (11025, 12000)]
DOWN = [(44100, 16000), (48000, 44100), (22050, 16000), (48000, 8000), (96000, 44100), (192000, 48000), (44100, 22050)]
PAIRS = [*UP, *DOWN, (16001, 15999)]


def tone(frequency_hz: float, sample_rate: int, frames: int) -> np.ndarray:
    """A quarter of a second that swells and fades, so that no edge rings through the filters."""
    seconds = np.arange(frames) / sample_rate
    return np.sin(np.pi * seconds / 0.25) ** 2 * np.sin(2 * np.pi * frequency_hz * seconds + 0.3)


def noise(frames: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(frames).standard_normal((channels, frames)).astype(np.float32)


def level_db(error: np.ndarray, against: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(error)) / np.mean(np.square(against)) + 1e-30))


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
@pytest.mark.parametrize("part", [0.05, 0.4, 0.55])
def test_a_tone_that_both_rates_can_hold_survives_in_place(from_rate: int, to_rate: int, part: float) -> None:
    frequency_hz = part * min(from_rate, to_rate) / 2
    frames = from_rate // 4
    resampled = resample(tone(frequency_hz, from_rate, frames)[None], from_rate, to_rate)[0]
    ideal = tone(frequency_hz, to_rate, len(resampled))  # the same phase: no delay at all
    assert level_db(resampled - ideal, ideal) < -90


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_near_the_band_edge_the_filter_takes_a_hundredth_of_a_decibel_and_nothing_else(
    from_rate: int, to_rate: int
) -> None:
    frequency_hz = 0.85 * min(from_rate, to_rate) / 2
    resampled = resample(tone(frequency_hz, from_rate, from_rate // 4)[None], from_rate, to_rate)[0]
    ideal = tone(frequency_hz, to_rate, len(resampled))
    gain = np.dot(resampled, ideal) / np.dot(ideal, ideal)
    assert abs(20 * np.log10(gain)) < 0.01
    assert level_db(resampled - gain * ideal, ideal) < -90


@pytest.mark.parametrize(("from_rate", "to_rate"), [pair for pair in DOWN if pair[1] < 0.95 * pair[0]])
def test_a_tone_above_the_new_nyquist_dies(from_rate: int, to_rate: int) -> None:
    high = tone(0.52 * to_rate, from_rate, from_rate // 4)
    resampled = resample(high[None], from_rate, to_rate)[0]
    assert level_db(resampled, high) < -90


def test_going_up_adds_no_sound_above_the_old_nyquist() -> None:
    resampled = resample(noise(16000), 16000, 48000)[0]
    windowed = np.abs(np.fft.rfft(resampled * np.hanning(len(resampled)))) ** 2
    above = int(len(windowed) * 8300 / 24000)
    assert 10 * np.log10(windowed[above:].max() / windowed[:above].max()) < -90


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_the_length_is_the_duration_rounded_up(from_rate: int, to_rate: int) -> None:
    for frames in (1, 2, 3, 100, 1023, 4410, 12345):
        resampled = resample(noise(frames, channels=2), from_rate, to_rate)
        assert resampled.shape == (2, int(np.ceil(frames * to_rate / from_rate)))
        assert np.isfinite(resampled).all()
        # There and back is never shorter, so that the exact length can be asked for.
        assert resample(resampled, to_rate, from_rate, frames=frames).shape == (2, frames)


def test_a_sample_alone_is_still_a_sample() -> None:
    for from_rate, to_rate in PAIRS:
        assert resampled_frames(1, from_rate, to_rate) == -(-to_rate // from_rate)
        assert resampled_frames(0, from_rate, to_rate) == 0


def test_the_same_rate_changes_nothing() -> None:
    waveform = noise(1000, channels=2)
    np.testing.assert_array_equal(resample(waveform, 44100, 44100), waveform)
    assert resample(waveform, 44100, 44100, frames=1200).shape == (2, 1200)


def test_channels_do_not_touch_each_other() -> None:
    both = noise(5000, channels=2)
    both[1] = 0.0
    resampled = resample(both, 44100, 16000)
    assert not resampled[1].any()
    np.testing.assert_array_equal(resampled[:1], resample(both[:1], 44100, 16000))


@pytest.mark.parametrize("frames", [0, 1, 5, 9])
def test_fit_cuts_or_pads_the_end(frames: int) -> None:
    waveform = np.arange(1.0, 6.0)[None]
    fitted = fit(waveform, frames)
    assert fitted.shape == (1, frames)
    kept = min(frames, 5)
    np.testing.assert_array_equal(fitted[:, :kept], waveform[:, :kept])
    assert not fitted[:, kept:].any()


BLOCKS = {"1": [1], "7": [7], "1000": [1000], "odd": [3, 1, 4096, 17, 0, 999, 1], "all at once": [10**9]}


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize(("from_rate", "to_rate"), [(44100, 16000), (16000, 44100), (48000, 44100), (22050, 22050)])
def test_a_stream_is_the_whole_whatever_the_blocks(from_rate: int, to_rate: int, blocks: list[int]) -> None:
    waveform = noise(6151, channels=2)
    stream = StreamResampler(from_rate, to_rate, channels=2)
    parts, start, turn = [], 0, 0
    while start < waveform.shape[-1]:
        size = blocks[turn % len(blocks)]
        parts.append(stream.push(waveform[:, start : start + size]))
        start, turn = start + size, turn + 1
    parts.append(stream.flush())
    joined = np.concatenate(parts, axis=-1)
    whole = resample(waveform, from_rate, to_rate)
    assert joined.shape == whole.shape
    np.testing.assert_allclose(joined, whole, atol=2e-6)


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
@pytest.mark.parametrize("frames", [0, 1, 2, 441, 10007])
def test_a_stream_returns_the_exact_length(from_rate: int, to_rate: int, frames: int) -> None:
    stream = StreamResampler(from_rate, to_rate, channels=1)
    waveform = noise(frames)
    parts = [stream.push(waveform[:, start : start + 777]) for start in range(0, frames, 777)] + [stream.flush()]
    assert sum(part.shape[-1] for part in parts) == resampled_frames(frames, from_rate, to_rate)
    assert all(part.dtype == np.float32 for part in parts)
