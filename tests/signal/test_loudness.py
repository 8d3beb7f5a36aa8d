"""Integrated loudness: that of pyloudnorm on short recordings, and of the recommendation's own test signals."""

import numpy as np
import pyloudnorm
import pytest

from audiorestore.signal.loudness import integrated_loudness
from audiorestore.signal.sound import Block, Sound


def swelling(rng: np.random.Generator, channels: int, frames: int) -> Block:
    """Noise whose level wanders over 80 dB, so that both gates close."""
    levels = np.interp(np.arange(frames), np.linspace(0, frames, 7), 10.0 ** rng.uniform(-4.0, 0.0, 7))
    return (0.1 * levels * rng.standard_normal((channels, frames))).astype(np.float32)


def tone(level_db: float, seconds: float, sample_rate: int = 48000) -> Block:
    phase = 2.0 * np.pi * 1000.0 / sample_rate * np.arange(round(seconds * sample_rate))
    return (10.0 ** (level_db / 20.0) * np.sin(phase)).astype(np.float32)[np.newaxis]


@pytest.mark.parametrize("sample_rate", [8000, 11025, 22050, 44100, 96000])
def test_it_is_that_of_pyloudnorm(sample_rate: int) -> None:
    rng = np.random.default_rng(sample_rate)
    meter = pyloudnorm.Meter(sample_rate)
    for channels in (1, 2, 3, 4, 5):
        for seconds in (0.4, 0.46, 1.0, 3.333):
            waveform = swelling(rng, channels, int(np.ceil(seconds * sample_rate)))
            expected = meter.integrated_loudness(waveform.T.astype(np.float64))
            assert integrated_loudness(Sound.of(waveform, sample_rate)) == pytest.approx(expected, abs=1e-9)


def test_the_cut_into_blocks_does_not_matter() -> None:
    waveform = swelling(np.random.default_rng(1), 2, 100000)
    measured = {integrated_loudness(Sound.of(waveform, 22050, block)) for block in (100000, 65536, 4097, 777)}
    assert len(measured) == 1


def test_pauses_do_not_count() -> None:
    """As in EBU Tech 3341, case 3: −36, −23 and −36 dB are −23 LUFS, and silence changes nothing."""
    waveform = np.concatenate([tone(-36.0, 10.0), tone(-23.0, 60.0), tone(-36.0, 10.0), tone(-90.0, 20.0)], axis=-1)
    assert integrated_loudness(Sound.of(np.repeat(waveform, 2, axis=0), 48000)) == pytest.approx(-23.0, abs=0.1)


def test_surround_channels_weigh_more_and_a_subwoofer_nothing() -> None:
    """The same tone in one channel of 5.1 and 7.1, against its loudness in the left one."""

    def in_channel(index: int, channels: int) -> float | None:
        waveform = np.zeros((channels, 48000), np.float32)
        waveform[index] = tone(-20.0, 1.0)[0]
        return integrated_loudness(Sound.of(waveform, 48000))

    left = in_channel(0, 6)
    assert left is not None
    expected = [left] * 3 + [None] + [pytest.approx(left + 10.0 * np.log10(1.41))] * 2
    assert [in_channel(index, 6) for index in range(6)] == expected
    assert in_channel(3, 8) is None
    assert [in_channel(index, 7) for index in range(7)] == [pytest.approx(left)] * 7


@pytest.mark.parametrize("waveform", [np.zeros((2, 48000)), tone(-75.0, 1.0), tone(-10.0, 0.39), np.zeros((1, 0))])
def test_silence_and_what_is_too_short_have_no_loudness(waveform: Block) -> None:
    assert integrated_loudness(Sound.of(waveform, 48000)) is None
