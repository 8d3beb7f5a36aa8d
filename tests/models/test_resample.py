"""Resampling down and up takes away what lies above the lower rate's band, and nothing else, and is late by nothing."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from audiorestore.errors import UsageError
from audiorestore.models import resample

RATE = 22_050


def tone(hertz: float, frames: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(frames) / RATE)).astype(np.float32)[None, None]


def level_db(waveform: np.ndarray) -> float:
    inner = waveform[..., 2_000:-2_000]
    return float(20 * np.log10(np.sqrt(np.mean(np.square(inner, dtype=np.float64))) + 1e-12))


def test_tones_below_the_band_s_end_pass_unchanged_and_in_time() -> None:
    model = resample.Model(resample.Config())
    for hertz, below in ((50.0, 120), (1_000.0, 120), (5_000.0, 80), (7_000.0, 55)):
        waveform = tone(hertz)
        changed = model.restore(waveform) - waveform
        assert level_db(changed) < level_db(waveform) - below  # a late or louder tone would differ


def test_tones_above_it_are_gone_and_do_not_come_back_elsewhere() -> None:
    model = resample.Model(resample.Config())
    for hertz in (8_100.0, 9_000.0, 11_000.0):
        assert level_db(model.restore(tone(hertz))) < level_db(tone(hertz)) - 80


def test_the_rate_that_sound_goes_through_is_a_setting() -> None:
    narrow = resample.Model(resample.Config(through_rate=8_000))
    assert level_db(narrow.restore(tone(5_000))) < -80
    assert level_db(narrow.restore(tone(3_000)) - tone(3_000)) < -80


def test_a_click_stays_where_it_was() -> None:
    waveform = np.zeros((1, 1, 20_001), np.float32)
    waveform[..., 9_876] = 1.0
    restored = resample.Model(resample.Config()).restore(waveform)[0, 0]
    assert np.argmax(np.abs(restored)) == 9_876
    np.testing.assert_allclose(restored[9_876 - 500 : 9_876], restored[9_876 + 500 : 9_876 : -1], atol=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 4_095, 4_096, 4_097, 30_001])
def test_the_same_bits_for_any_cut_and_the_same_length(frames: int) -> None:
    model, rng = resample.Model(resample.Config()), np.random.default_rng(0)
    waveform = rng.standard_normal((2, 1, frames)).astype(np.float32)
    whole = model.restore(waveform)
    assert whole.shape == waveform.shape
    for size in (frames, 777, 10_000):
        stream, pushed, returned = model.stream(), 0, []
        for start in range(0, frames, size):
            block = waveform[..., start : start + size]
            pushed += block.shape[-1]
            returned.append(stream.push(block))
            assert sum(part.shape[-1] for part in returned) <= pushed
        np.testing.assert_array_equal(np.concatenate([*returned, stream.flush()], axis=-1), whole)


def test_stereo_pairs_and_batches_are_resampled_each_for_itself() -> None:
    model = resample.Model(resample.Config(channels=2))
    waveform = np.random.default_rng(0).standard_normal((3, 2, 6_000)).astype(np.float32)
    restored = model.restore(waveform)
    for batch in range(3):
        for channel in range(2):
            alone = model.restore(waveform[batch : batch + 1, channel : channel + 1])
            np.testing.assert_array_equal(restored[batch, channel], alone[0, 0])


def test_a_stream_gives_back_what_it_got_and_holds_little() -> None:
    stream = resample.Model(resample.Config()).stream()
    returned = 0
    for count in range(1, 200):
        returned += stream.push(np.zeros((1, 1, 1_000), np.float32)).shape[-1]
        assert count * 1_000 - returned < 10_000
    assert returned + stream.flush().shape[-1] == 199_000
    with pytest.raises(ValueError, match="nothing was pushed"):
        resample.Model(resample.Config()).stream().flush()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"through_rate": RATE}, "through_rate=22050 is not possible; it is from 1000 Hz to below 22050 Hz"),
        ({"through_rate": 10}, "through_rate=10"),
        ({"sample_rate": 0}, "resampling has to know the rate"),
    ],
    ids=str,
)
def test_rates_that_cannot_be_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        resample.Config(**options)
    assert sentence in str(refused.value)


def test_it_needs_no_torch() -> None:
    code = "import sys; import audiorestore.models.resample as family; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
