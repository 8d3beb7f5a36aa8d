"""Steady noise: as loud as asked for, of the right colour, and nothing of the sound touched."""

from itertools import pairwise

import numpy as np
import pytest
from in_memory import apply_damage
from oracles import active_power, mean_power

from audiorestore.damage import hiss
from audiorestore.errors import AudioRestoreError
from audiorestore.signal.level import decibels

RATE = 44100
SECONDS = 4


def tone(channels: int = 1, frames: int = SECONDS * RATE) -> np.ndarray:
    row = 0.2 * np.sin(2 * np.pi * 440 * np.arange(frames) / RATE)
    return np.tile(row, (channels, 1)).astype(np.float32)


def parameters(snr_db: float = 20.0, colour: str = "white", noise_seed: int = 5) -> hiss.Config:
    return hiss.Config(**({"snr_db": snr_db, "colour": colour, "noise_seed": noise_seed}))


def noise_of(waveform: np.ndarray, **settings: float | str | int) -> np.ndarray:
    degraded, _ = apply_damage(hiss, waveform, RATE, parameters(**settings))  # type: ignore[arg-type]
    assert degraded.dtype == np.float32
    assert degraded.shape == waveform.shape
    return degraded.astype(np.float64) - waveform


def test_pauses_do_not_make_a_recording_noisier() -> None:
    sound = tone()
    with_pauses = np.concatenate([sound, np.zeros((1, 3 * sound.shape[-1]), np.float32)], axis=-1)
    noise = noise_of(with_pauses)
    assert decibels(active_power(with_pauses, RATE) / mean_power(noise)) == pytest.approx(20.0, abs=0.1)
    assert mean_power(noise) == pytest.approx(mean_power(noise_of(sound)), rel=0.01)
    # The hiss goes on through the pause.
    assert mean_power(noise[:, -RATE:]) == pytest.approx(mean_power(noise[:, :RATE]), rel=0.05)


def octave_levels_db(noise: np.ndarray) -> np.ndarray:
    """Power in each hertz, octave by octave, 62.5 Hz to 16 kHz."""
    spectrum = np.mean(np.abs(np.fft.rfft(noise)) ** 2, axis=0)
    frequency_hz = np.fft.rfftfreq(noise.shape[-1], 1 / RATE)
    edges = 62.5 * 2.0 ** np.arange(9)
    return np.array(
        [10 * np.log10(spectrum[(frequency_hz >= low) & (frequency_hz < high)].mean()) for low, high in pairwise(edges)]
    )


def test_white_noise_is_flat() -> None:
    levels = octave_levels_db(noise_of(tone(4), colour="white"))
    assert np.ptp(levels) < 0.6


def test_pink_noise_falls_three_decibels_an_octave() -> None:
    levels = octave_levels_db(noise_of(tone(4), colour="pink"))
    np.testing.assert_allclose(np.diff(levels), -3.01, atol=0.6)
    assert (levels[-1] - levels[0]) / 7 == pytest.approx(-3.01, abs=0.08)


@pytest.mark.parametrize("colour", ["white", "pink"])
def test_channels_have_noise_of_their_own(colour: str) -> None:
    left, right = noise_of(tone(2), colour=colour)
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.05
    assert mean_power(left) == pytest.approx(mean_power(right), rel=0.1)


def test_noise_has_nothing_to_do_with_the_sound() -> None:
    sound = tone()
    noise = noise_of(sound, snr_db=0.0)
    assert abs(np.corrcoef(noise[0], sound[0])[0, 1]) < 0.01
    assert abs(noise.mean()) < 0.01 * noise.std()


@pytest.mark.parametrize("frames", [1, 2, 100, 2205, 44100])
def test_silence_is_refused(frames: int) -> None:
    with pytest.raises(AudioRestoreError, match="silent"):
        apply_damage(hiss, np.zeros((2, frames), np.float32), RATE, parameters())


@pytest.mark.parametrize("colour", ["white", "pink"])
@pytest.mark.parametrize("frames", [1, 2, 3, 50])
def test_a_few_samples_get_their_noise(frames: int, colour: str) -> None:
    sound = np.full((1, frames), 0.5, np.float32)
    noise = noise_of(sound, colour=colour, snr_db=6.0)
    assert decibels(mean_power(sound) / mean_power(noise)) == pytest.approx(6.0, abs=0.1)
