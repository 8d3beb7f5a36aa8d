"""Swaying speed: the map is the one that is written down, tones stay clean, and a reference can follow."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from in_memory import apply_damage, in_blocks
from oracles import find_lag, mean_power

from audiorestore.damage import wow
from audiorestore.damage._damage import Run
from audiorestore.data.audio_file import read_audio
from audiorestore.signal.level import decibels
from audiorestore.signal.sound import Sound, joined

RATE = 44100


def parameters(wow_percent: float = 1.0, wow_hz: float = 0.8, **others: float) -> wow.Config:
    return wow.Config(
        **(
            {
                "wow_percent": wow_percent,
                "wow_hz": wow_hz,
                "wow_phase_degrees": 70.0,
                "flutter_percent": 0.1,
                "flutter_hz": 11.0,
                "flutter_phase_degrees": 200.0,
                **others,
            }
        )
    )


def warped(waveform: np.ndarray, sample_rate: int, drawn: wow.Config) -> np.ndarray:
    return joined(wow.warp(Sound.of(waveform, sample_rate), drawn), len(waveform))


def shift_seconds(seconds: np.ndarray, drawn: wow.Config) -> np.ndarray:
    """The documented d(t), written out by hand, part by part."""
    total = np.zeros(len(seconds))
    for depth, rate_hz, degrees in (
        (drawn.wow_percent, drawn.wow_hz, drawn.wow_phase_degrees),
        (drawn.flutter_percent, drawn.flutter_hz, drawn.flutter_phase_degrees),
    ):
        phase = degrees * np.pi / 180
        total += depth / 100 / (2 * np.pi * rate_hz) * (np.sin(2 * np.pi * rate_hz * seconds + phase) - np.sin(phase))
    return total


def tone(cycles_per_sample: float, places: np.ndarray) -> np.ndarray:
    return np.asarray(0.8 * np.sin(2 * np.pi * cycles_per_sample * places + 0.3))


def noise(channels: int = 2, frames: int = 2 * RATE) -> np.ndarray:
    return 0.3 * np.random.default_rng(4).standard_normal((channels, frames)).astype(np.float32)


@pytest.mark.parametrize("cycles_per_sample", [0.001, 0.1, 0.25, 0.4, 0.45, 0.48])
@pytest.mark.parametrize("sample_rate", [8000, 44100, 192000])
def test_a_tone_is_read_where_the_formula_says(cycles_per_sample: float, sample_rate: int) -> None:
    drawn = parameters()
    places = np.arange(2 * sample_rate, dtype=np.float64)
    degraded, _ = apply_damage(wow, tone(cycles_per_sample, places)[None], sample_rate, drawn)
    wanted = tone(cycles_per_sample, places + sample_rate * shift_seconds(places / sample_rate, drawn))
    inside = slice(200, -int(0.02 * sample_rate))
    error = degraded[0, inside] - wanted[inside]
    assert decibels(mean_power(error) / 0.32) < -115.0
    assert np.abs(error).max() < 0.8e-5  # -100 dB


def test_the_frequency_sways_by_the_percent_that_was_asked_for() -> None:
    """Speed measured by the phase of a tone, not by the formula."""
    drawn = parameters(wow_percent=2.0, wow_hz=0.5, flutter_percent=0.0, wow_phase_degrees=0.0)
    frames = 8 * RATE
    degraded, _ = apply_damage(wow, np.sin(2 * np.pi * 3150 / RATE * np.arange(frames))[None], RATE, drawn)
    spectrum = np.fft.fft(degraded[0].astype(np.float64))
    spectrum[frames // 2 :] = 0.0
    speed = np.diff(np.unwrap(np.angle(np.fft.ifft(spectrum)))) / (2 * np.pi * 3150 / RATE)
    middle = speed[RATE : 7 * RATE]
    assert 100 * (middle.max() - 1) == pytest.approx(2.0, abs=0.02)
    assert 100 * (1 - middle.min()) == pytest.approx(2.0, abs=0.02)
    assert middle.mean() == pytest.approx(1.0, abs=1e-4)  # three whole sways
    np.testing.assert_allclose(speed[[2 * RATE, 4 * RATE, 6 * RATE]], 1.02, atol=1e-4)  # fastest where a turn begins
    np.testing.assert_allclose(speed[[1 * RATE, 3 * RATE, 5 * RATE]], 0.98, atol=1e-4)


@pytest.mark.parametrize("phase", [0.0, 90.0, 180.0, 270.0])
@pytest.mark.parametrize("percent", [0.1, 10.0])
def test_the_first_sample_stays_and_time_runs_forward(phase: float, percent: float) -> None:
    drawn = parameters(wow_percent=percent, wow_hz=0.1, wow_phase_degrees=phase, flutter_percent=0.5 * percent)
    ramp = np.linspace(0.0, 1.0, 3 * RATE)[None]
    assert apply_damage(wow, noise(), RATE, drawn)[0][0, 0] == pytest.approx(noise()[0, 0], abs=1e-6)
    degraded, reported = apply_damage(wow, ramp, RATE, drawn)
    reach = int(reported["largest_lag"]) + 200
    assert (np.diff(degraded[0, 300:-reach]) > 0).all()


def test_the_largest_lag_is_reported_in_samples() -> None:
    drawn = parameters(wow_percent=1.0, wow_hz=1.0, wow_phase_degrees=90.0, flutter_percent=0.0)
    _, reported = apply_damage(wow, noise(), RATE, drawn)
    assert reported["largest_lag"] == pytest.approx(2 * 0.01 / (2 * np.pi) * RATE, abs=0.01)
    # After half a turn the recording is late by that much: it plays what came before.
    clean = noise()
    degraded, _ = apply_damage(wow, clean, RATE, drawn)
    around = slice(RATE // 2 - 200, RATE // 2 + 200)
    lags = [
        np.corrcoef(clean[0, around.start - lag : around.stop - lag], degraded[0, around])[0, 1]
        for lag in (139, 140, 141)
    ]
    assert np.argmax(lags) == 1  # 2 · 0.01 / 2π s are 140.4 samples
    assert max(lags) > 0.7


def test_without_depth_nothing_happens() -> None:
    clean = noise()
    degraded, reported = apply_damage(wow, clean, RATE, parameters(wow_percent=0.0, flutter_percent=0.0))
    np.testing.assert_allclose(degraded, clean, atol=1e-7)
    assert reported == {"largest_lag": 0.0}


def test_the_map_can_be_undone_by_another_program() -> None:
    """Find by fixed-point iteration which degraded sample holds a clean one, and read there with a plain sinc."""
    drawn = parameters()
    clean = np.fft.irfft(np.fft.rfft(noise(1, RATE)) * (np.arange(RATE // 2 + 1) < 18000), RATE)
    degraded, _ = apply_damage(wow, clean, RATE, drawn)
    wanted = np.arange(5000, 5100) / RATE
    seconds = wanted.copy()
    for _ in range(20):
        seconds = wanted - shift_seconds(seconds, drawn)
    kernel = np.sinc(seconds[:, None] * RATE - np.arange(RATE))
    restored = kernel @ degraded[0].astype(np.float64)
    assert decibels(mean_power(restored - clean[0, 5000:5100]) / mean_power(clean)) < -50.0


@pytest.mark.parametrize("channels", [1, 3])
def test_a_reference_that_is_warped_alike_lies_under_the_damage(channels: int) -> None:
    clean = noise(channels)
    before = clean.copy()
    drawn = parameters()
    degraded, measured = apply_damage(wow, clean, RATE, drawn)
    # As the record has it, with what was measured; and the damage itself is nothing else.
    followed = wow.Config.from_record(drawn.record("wow") | measured)
    np.testing.assert_array_equal(warped(clean, RATE, followed), degraded)
    np.testing.assert_array_equal(clean, before)


def test_other_sound_on_top_follows_the_same_map() -> None:
    clean, other = noise(), noise()[:, ::-1]
    bent, bent_other = (warped(each, RATE, parameters()) for each in (clean, other))
    np.testing.assert_allclose(warped(clean + other, RATE, parameters()), bent + bent_other, atol=1e-6)


@pytest.mark.parametrize("lengths", [[1], [7, 1000], [16384], [100000]])
def test_blocks_of_any_length_give_the_same(lengths: list[int]) -> None:
    clean = noise(2, 40000 if lengths == [1] else 2 * RATE)
    run = Run(wow.apply(in_blocks(clean, RATE, lengths), parameters()))
    np.testing.assert_array_equal(joined(run, 2), apply_damage(wow, clean, RATE, parameters())[0])


def test_the_end_finds_silence_or_stops_short() -> None:
    constant = np.ones((1, RATE), np.float32)
    early = parameters(wow_hz=0.25, wow_phase_degrees=0.0, flutter_percent=0.0)  # a quarter of a turn: ahead at the end
    late = replace(early, wow_phase_degrees=180.0)
    degraded, reported = apply_damage(wow, constant, RATE, early)
    missing = int(np.count_nonzero(np.abs(degraded[0]) < 0.5))
    assert missing == pytest.approx(reported["largest_lag"], abs=2)
    assert np.abs(degraded[0, -missing + 150 :]).max() < 1e-5
    assert apply_damage(wow, constant, RATE, late)[0][0, -400:-150] == pytest.approx(1.0, abs=1e-3)
    assert reported["largest_lag"] == pytest.approx(0.01 / (2 * np.pi * 0.25) * RATE, abs=0.1)


def test_what_is_over_full_scale_is_not_clipped() -> None:
    clean = (2.0 * np.sin(2 * np.pi * 100 / RATE * np.arange(RATE)))[None]
    assert np.abs(apply_damage(wow, clean, RATE, parameters())[0]).max() == pytest.approx(2.0, abs=1e-3)


def test_a_real_recording_sways_and_its_warped_reference_follows(corpus: Path) -> None:
    path = corpus / "ljspeech" / "LJ001-0002.flac"
    waveform, rate = read_audio(path)
    clean = waveform[:, : 4 * rate]
    degraded, _ = apply_damage(wow, clean, rate, parameters(wow_percent=3.0, wow_hz=0.3))
    reference = warped(clean, rate, parameters(wow_percent=3.0, wow_hz=0.3))
    lags = [abs(find_lag(clean[0, at : at + rate], degraded[0, at : at + rate])) for at in (0, rate // 2)]
    assert max(lags) > 20.0
    assert abs(find_lag(reference[0], degraded[0])) < 1e-3
