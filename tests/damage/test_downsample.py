"""What a lower sample rate leaves, what folds down, and what stands mirrored above."""

import numpy as np
import pytest
from in_memory import apply_damage

from audiorestore.damage import downsample
from audiorestore.errors import AudioRestoreError
from audiorestore.signal.sound import Sound, joined

RATE = 48000
METHODS = ("soxr", "decimate", "linear", "nearest")


def parameters(method: str = "soxr", rate_hz: float | str = "auto", factor: int = 6) -> downsample.Config:
    return downsample.Config(**({"rate_hz": rate_hz, "factor": factor, "method": method}))


def tone(frequency_hz: float, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(rate) / rate)[np.newaxis].astype(np.float32)


def level(waveform: np.ndarray, frequency_hz: int) -> float:
    """Amplitude of one frequency, over a whole second less its ends, where a filter meets silence."""
    middle = waveform[0, RATE // 4 : 3 * RATE // 4].astype(np.float64)
    time = np.arange(RATE // 4, 3 * RATE // 4) / RATE
    return float(2.0 * np.abs(np.mean(middle * np.exp(-2j * np.pi * frequency_hz * time))))


def test_a_clean_way_keeps_what_fits_and_drops_the_rest() -> None:
    low, high = (apply_damage(downsample, tone(hz), RATE, parameters())[0] for hz in (3000, 5000))
    np.testing.assert_allclose(low[:, 5000:-5000], tone(3000)[:, 5000:-5000], atol=2e-5)
    assert np.abs(high[:, 5000:-5000]).max() < 2e-5


def test_decimating_folds_the_highs_down() -> None:
    folded, _ = apply_damage(downsample, tone(5000), RATE, parameters("decimate"))
    assert level(folded, 3000) == pytest.approx(0.5, abs=1e-3)  # 8000 - 5000
    assert level(folded, 5000) < 1e-3


@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_lines_and_stairs_leave_mirror_images_above(method: str) -> None:
    degraded, _ = apply_damage(downsample, tone(1000), RATE, parameters(method))
    found = [level(degraded, hz) for hz in (1000, 7000, 9000)]
    radians = 2 * np.pi * np.array([1000, 7000, 9000]) / RATE
    # A line is a triangle of 12 samples; a stair has 5, and half of each sample in the middle between two.
    lines = (np.sin(3 * radians) / (6 * np.sin(radians / 2))) ** 2
    stairs = np.sin(3 * radians) / (6 * np.tan(radians / 2))
    assert found == pytest.approx(0.5 * np.abs({"linear": lines, "nearest": stairs}[method]), rel=1e-3)
    folded, _ = apply_damage(downsample, tone(5000), RATE, parameters(method))
    assert level(folded, 3000) > 0.3


def test_stairs_and_lines_to_the_sample() -> None:
    sound = np.array([[0, 3, 6, 9, 0, 0, 0.75, -1, 1]], np.float32)
    stairs, _ = apply_damage(downsample, sound, 9000, parameters("nearest", factor=3))
    assert stairs.tolist() == [[0, 0, 9, 9, 9, 0.75, 0.75, 0.75, 0.75]]
    lines, _ = apply_damage(downsample, sound, 9000, parameters("linear", factor=3))
    np.testing.assert_allclose(lines, [[0, 3, 6, 9, 6.25, 3.5, 0.75, 0.75, 0.75]], atol=1e-6)
    # Between two samples that are equally near lies their mean: no side is preferred, nothing is late.
    halved, _ = apply_damage(downsample, sound, 9000, parameters("nearest", factor=2))
    assert halved.tolist() == [[0, 3, 6, 3, 0, 0.375, 0.75, 0.875, 1]]


def late_by(clean: np.ndarray, degraded: np.ndarray, bins: int) -> float:
    """Delay in samples, from how the phase turns with frequency in the lowest bins."""
    window = np.hanning(clean.shape[-1])
    first, second = (np.fft.rfft(window * each[0])[1:bins] for each in (clean, degraded))
    cross, radians = second * np.conj(first), 2 * np.pi * np.arange(1, bins) / clean.shape[-1]
    return -float(np.sum(radians * cross.imag) / np.sum(radians**2 * cross.real))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("rate", "rate_hz"), [(44100, 22050), (44100, 8000), (8000, 4000), (8000, 3999), (22050, 5512.5)]
)
def test_nothing_is_late(method: str, rate: int, rate_hz: float) -> None:
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(rate))
    spectrum[1200:] = 0  # one second, so bins are hertz
    sound = (0.1 * np.fft.irfft(spectrum, rate))[np.newaxis].astype(np.float32)
    degraded, _ = apply_damage(downsample, sound, rate, parameters(method, rate_hz=float(rate_hz)))
    assert abs(late_by(sound, degraded, 1200)) < 0.02


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("block_frames", [1, 7, 1000])
def test_how_a_recording_is_cut_changes_nothing(method: str, block_frames: int) -> None:
    sound = np.random.default_rng(0).standard_normal((2, 3001)).astype(np.float32)
    settings = parameters(method, rate_hz=8000.0)
    whole, _ = apply_damage(downsample, sound, 44100, settings)
    again = joined(downsample.apply(Sound.of(sound, 44100, block_frames), settings), 2)
    np.testing.assert_allclose(again, whole, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_steady_level_stays(method: str) -> None:
    degraded, _ = apply_damage(downsample, np.full((1, 20000), 1.5, np.float32), RATE, parameters(method))
    np.testing.assert_allclose(degraded[:, 5000:-5000], 1.5, atol=1e-5)


def test_the_rate_in_between_is_reported() -> None:
    sound = np.ones((1, 100), np.float32)
    assert apply_damage(downsample, sound, 44100, parameters(factor=4))[1] == {"rate_hz": 11025}
    assert apply_damage(downsample, sound, 22050, parameters(factor=4))[1] == {"rate_hz": 5512.5}
    assert apply_damage(downsample, sound, 44100, parameters(rate_hz=8000.0))[1] == {"rate_hz": 8000}
    # What is reported, written in a chain, is the same again.
    (again,), (reported,) = (
        apply_damage(downsample, sound, 8000, parameters(rate_hz=rate, factor=3))[0] for rate in ("auto", 8000 / 3)
    )
    np.testing.assert_array_equal(again, reported)


@pytest.mark.parametrize("rate_hz", [8000.0, 44100.0])
def test_a_rate_that_takes_nothing_away_is_refused(rate_hz: float) -> None:
    with pytest.raises(AudioRestoreError, match="the recording has 8000 Hz"):
        apply_damage(downsample, np.ones((1, 100), np.float32), 8000, parameters(rate_hz=rate_hz))
