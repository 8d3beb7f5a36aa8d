"""Resampling down and up removes what is above the lower rate's band, and nothing else, without delay."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from networks import assert_refused

from audiorestore.models import resample
from audiorestore.signal.sound import Sound, joined

RATE = 22_050


def tone(hertz: float, frames: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(frames) / RATE)).astype(np.float32)[None]


def restored(model: resample.Model, waveform: np.ndarray, block: int = 65_536) -> np.ndarray:
    blocks = model.restored(Sound.of(waveform, RATE, block), np.random.default_rng(0))
    return joined(blocks, len(waveform))


def level_db(waveform: np.ndarray) -> float:
    inner = waveform[..., 2_000:-2_000]
    return float(20 * np.log10(np.sqrt(np.mean(np.square(inner, dtype=np.float64))) + 1e-12))


def test_tones_below_the_band_s_end_pass_unchanged_and_without_delay() -> None:
    model = resample.Model(resample.Config())
    for hertz, below in ((50.0, 120), (1_000.0, 120), (5_000.0, 80), (7_000.0, 55)):
        waveform = tone(hertz)
        changed = restored(model, waveform) - waveform
        assert level_db(changed) < level_db(waveform) - below  # a delayed or louder tone would differ


def test_tones_above_it_are_removed_without_aliases() -> None:
    model = resample.Model(resample.Config())
    for hertz in (8_100.0, 9_000.0, 11_000.0):
        assert level_db(restored(model, tone(hertz))) < level_db(tone(hertz)) - 80


def test_the_lower_rate_is_a_setting() -> None:
    narrow = resample.Model(resample.Config(through_rate=8_000))
    assert level_db(restored(narrow, tone(5_000))) < -80
    assert level_db(restored(narrow, tone(3_000)) - tone(3_000)) < -80


def test_the_recording_says_the_rate_and_one_without_such_frequencies_is_left_as_it_is() -> None:
    noise = np.random.default_rng(0).standard_normal((1, 44_100)).astype(np.float32)
    for rate in (44_100, 48_000):
        blocks = resample.Model(resample.Config()).restored(Sound.of(noise, rate), np.random.default_rng(0))
        spectrum = np.abs(np.fft.rfft(np.hanning(44_100) * joined(blocks, 1)[0])) ** 2
        above = np.fft.rfftfreq(44_100, 1 / rate) > 8_200
        assert 10 * np.log10(spectrum[above].mean() / spectrum[~above].mean()) < -60, "nothing is left up to the top"
    for rate in (8_000, 16_000):
        blocks = resample.Model(resample.Config()).restored(Sound.of(noise, rate), np.random.default_rng(0))
        np.testing.assert_array_equal(joined(blocks, 1), noise)


def test_a_click_stays_where_it_was() -> None:
    waveform = np.zeros((1, 20_001), np.float32)
    waveform[..., 9_876] = 1.0
    (click,) = restored(resample.Model(resample.Config()), waveform)
    assert np.argmax(np.abs(click)) == 9_876
    np.testing.assert_allclose(click[9_876 - 500 : 9_876], click[9_876 + 500 : 9_876 : -1], atol=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 4_095, 4_096, 4_097, 30_001])
def test_blocks_make_no_difference_and_the_length_is_kept(frames: int) -> None:
    model, rng = resample.Model(resample.Config()), np.random.default_rng(0)
    waveform = rng.standard_normal((2, frames)).astype(np.float32)
    whole = restored(model, waveform, frames)
    assert whole.shape == waveform.shape
    for size in (777, 10_000):
        np.testing.assert_array_equal(restored(model, waveform, size), whole)


def test_channels_are_resampled_separately() -> None:
    model = resample.Model(resample.Config(channels=2))
    waveform = np.random.default_rng(0).standard_normal((3, 6_000)).astype(np.float32)
    together = restored(model, waveform)
    for channel in range(3):
        np.testing.assert_array_equal(together[channel], restored(model, waveform[channel : channel + 1])[0])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sample_rate": 16_000}, "sample_rate=16000 is not possible; it must be above through_rate=16000"),
        ({"through_rate": 10}, "through_rate=10"),
    ],
    ids=str,
)
def test_impossible_rates_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    assert_refused(resample.Config, options, sentence)


def test_it_needs_no_torch() -> None:
    code = "import sys; import audiorestore.models.resample as family; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
