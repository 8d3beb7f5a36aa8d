"""Hum: partials where they belong, falling as asked for, in phase to the last sample."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import added_alone

from audiorestore.damage import hum
from audiorestore.damage._damage import Run
from audiorestore.data.audio_file import read_audio
from audiorestore.signal.sound import Sound


def parameters(**settings: Any) -> hum.Config:
    return replace(hum.Config(20.0, 50, 0.0, 20, -6.0, 0.0, 0.0, 11), **settings)


def hum_of(seconds: float, rate: int = 8000, channels: int = 1, **settings: Any) -> tuple[np.ndarray, dict]:
    return added_alone(hum, parameters(**settings), seconds, rate, channels)


def power_spectrum(waveform: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """The frequencies, finely, and the power there, of the first 16 seconds."""
    start = waveform[: 16 * rate]
    return np.fft.rfftfreq(1 << 21, 1 / rate), np.abs(np.fft.rfft(start * np.hanning(len(start)), 1 << 21)) ** 2


def partials_db(waveform: np.ndarray, rate: int, hum_hz: float, count: int) -> np.ndarray:
    """Levels of the partials, each the largest within a hertz of where it belongs."""
    frequency_hz, power = power_spectrum(waveform, rate)
    edges = np.searchsorted(frequency_hz, hum_hz * np.arange(1, count + 1)[:, None] + [-1, 1])
    return np.array([10 * np.log10(power[low:high].max()) for low, high in edges])


def tilt_and_spread(levels_db: np.ndarray) -> tuple[float, float]:
    """The fall in decibels an octave, and how far the levels stray from it."""
    octaves = np.log2(np.arange(1, len(levels_db) + 1))
    line = np.polyfit(octaves, levels_db, 1)
    return float(line[0]), float(np.std(levels_db - np.polyval(line, octaves)))


@pytest.mark.parametrize("mains_hz", [50, 60])
@pytest.mark.parametrize("harmonics", [1, 7, 60])
def test_all_partials_are_there_and_nothing_else(mains_hz: int, harmonics: int) -> None:
    added, reported = hum_of(1.0, mains_hz=mains_hz, harmonics=harmonics)
    levels_db = 20 * np.log10(np.abs(np.fft.rfft(added[0])) + 1e-20)  # one bin a hertz, and whole periods
    levels_db -= levels_db.max()
    wanted = mains_hz * np.arange(1, harmonics + 1)
    np.testing.assert_allclose(levels_db[wanted], -6.0 * np.log2(np.arange(1, harmonics + 1)), atol=0.05)
    assert np.delete(levels_db, wanted).max() < -100
    assert reported["hum_hz"] == mains_hz


def test_partials_stray_from_the_line_as_far_as_asked_for() -> None:
    found = [
        tilt_and_spread(
            partials_db(hum_of(2.0, harmonics=60, harmonic_spread_db=4.0, noise_seed=seed)[0][0], 8000, 50, 60)
        )
        for seed in range(12)
    ]
    tilt, spread_db = np.mean(found, axis=0)
    assert tilt == pytest.approx(-6.0, abs=0.7)
    assert spread_db == pytest.approx(4.0, abs=0.5)


def test_the_frequency_lies_off_the_mains_as_asked_for() -> None:
    added, reported = hum_of(20.0, offset_percent=0.13, harmonics=3)
    assert reported["hum_hz"] == pytest.approx(50.065)
    spectrum = np.abs(np.fft.rfft(added[0] * np.hanning(160000), 8 * 160000))
    assert np.argmax(spectrum) / 160 == pytest.approx(50.065, abs=0.004)


def test_it_is_the_same_wave_at_every_rate_and_in_every_channel() -> None:
    coarse, fine = (hum_of(1.0, rate, harmonics=40)[0] for rate in (8000, 48000))
    np.testing.assert_allclose(fine[:, ::6], coarse, atol=1e-4 * np.abs(coarse).max())
    four, _ = hum_of(1.0, channels=4, channel_spread_db=6.0)
    one, _ = hum_of(1.0, channels=1)
    scales = four @ one[0] / (one[0] @ one[0])
    np.testing.assert_allclose(four, scales[:, None] * one, atol=1e-5 * np.abs(four).max())
    assert np.ptp(20 * np.log10(scales)) > 1.0
    np.testing.assert_allclose(hum_of(1.0, channels=2)[0][0], hum_of(1.0, channels=2)[0][1])


def test_after_a_quarter_of_an_hour_it_is_still_in_phase() -> None:
    rate, block_frames, blocks = 8000, 65536, 110  # 15 minutes
    quiet = np.full((1, block_frames), 1e-6, np.float32)
    sound = Sound(rate, 1, block_frames * blocks, lambda: (quiet for _ in range(blocks)))
    run = Run(hum.apply(sound, parameters(harmonics=1, snr_db=-100.0, offset_percent=0.1)))
    seconds = np.arange(block_frames) / rate
    phases = []
    for number, block in enumerate(run):
        if number in (0, blocks - 1):
            start = number * block_frames / rate
            turns = np.mod(50.05 * start, 1.0) + 50.05 * seconds
            phases.append(np.angle(np.sum(block[0] * np.hanning(block_frames) * np.exp(-2j * np.pi * turns))))
    assert phases[1] == pytest.approx(phases[0], abs=1e-5)


def test_the_defaults_are_those_of_real_hum(corpus: Path) -> None:
    spans = hum.Config()
    for name, low_hz, high_hz in (
        ("adt_hum_50Hz_headphone_plug", 49.0, 51.0),
        ("tumult_hum3_joedeshon_electrical_hum_01_cut", 59.0, 61.0),
        ("tumult_hum5_vhs_hum", 59.0, 61.0),
        ("mercury_noise_c", 49.0, 51.0),
    ):
        waveform, rate = read_audio(corpus / "noise" / f"{name}.flac")
        frequency_hz, power = power_spectrum(waveform[0], rate)
        near = np.flatnonzero((frequency_hz > low_hz) & (frequency_hz < high_hz))
        hum_hz = float(frequency_hz[near[np.argmax(power[near])]])
        tilt, spread_db = tilt_and_spread(partials_db(waveform[0], rate, hum_hz, 30))
        assert spans.tilt_db_per_octave.low - 0.5 < tilt < spans.tilt_db_per_octave.high
        assert spread_db < spans.harmonic_spread_db.high + 0.5
        # Ours, made with these numbers, gives them again to the same measurement.
        added, _ = hum_of(
            4.0, harmonics=30, tilt_db_per_octave=tilt, harmonic_spread_db=0.0, mains_hz=round(hum_hz, -1)
        )
        assert tilt_and_spread(partials_db(added[0], 8000, round(hum_hz, -1), 30))[0] == pytest.approx(tilt, abs=0.1)
