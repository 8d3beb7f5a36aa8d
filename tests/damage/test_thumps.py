"""Thumps: low tones that sink and die away as the tonearm does, from a knock on."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from in_memory import added_alone

from audiorestore.damage import thumps
from audiorestore.signal.resample import resample

RATE = 16000


def parameters(**settings: Any) -> thumps.Config:
    return replace(thumps.Config(20.0, 1.0, 15.0, 80.0, 100.0, "off", 0.0, "off", 50.0, "mono", 3), **settings)


def thumps_of(seconds: float, rate: int = RATE, channels: int = 1, **settings: Any) -> tuple[np.ndarray, dict]:
    return added_alone(thumps, parameters(**settings), seconds, rate, channels)


def single(first_seed: int = 0, **settings: Any) -> np.ndarray:
    """One thump of full length, alone, from its start on."""
    for seed in range(first_seed, first_seed + 100):
        added, reported = thumps_of(4.0, rate_per_second=0.25, noise_seed=seed, **settings)
        start = int(np.argmax(np.abs(added[0]) > 1e-4 * np.abs(added).max()))
        if reported["events"] == 1 and start < 2.5 * RATE:
            return np.asarray(added[0, start:])
    raise AssertionError("no seed gives a single thump")


def share_below(waveform: np.ndarray, hertz: float, rate: int = RATE) -> float:
    power = np.abs(np.fft.rfft(waveform)) ** 2
    return float(power[np.fft.rfftfreq(len(waveform), 1 / rate) < hertz].sum() / power.sum())


def test_they_come_as_often_as_asked_for() -> None:
    for rpm in ("off", 78.0):
        events = [thumps_of(60.0, 8000, rpm=rpm, decay_ms=20.0, noise_seed=seed)[1]["events"] for seed in range(4)]
        assert np.mean(events) == pytest.approx(60.0, rel=0.35 if rpm != "off" else 0.2)


def test_their_sound_is_low() -> None:
    for start_hz, decay_ms in ((40.0, 30.0), (80.0, 100.0), (120.0, 150.0)):
        added, _ = thumps_of(20.0, start_hz=start_hz, decay_ms=decay_ms)
        assert share_below(added[0], 200.0) > 0.99
    with_click, _ = thumps_of(20.0, click_db=-6.0)
    assert 0.95 < share_below(with_click[0], 200.0) < 0.999
    treble = [1.0 - share_below(thumps_of(20.0, click_db=level)[0][0], 300.0) for level in ("off", -12.0, -6.0)]
    assert treble[0] < 0.3 * treble[1]
    assert treble[2] == pytest.approx(4 * treble[1], rel=0.2)


def test_the_tone_sinks_to_the_resonance() -> None:
    thump = single(resonance_hz=20.0, start_hz=100.0, decay_ms=100.0)
    crossings = np.flatnonzero(np.diff(np.signbit(thump[: int(0.6 * RATE)]))) / RATE
    crossings = crossings[crossings > 0.002]
    halves = np.diff(crossings)
    assert (np.diff(halves) > -1.5 / RATE).all()  # each swing is slower than the one before
    assert 0.5 / halves[0] == pytest.approx(85.0, rel=0.25)
    assert 0.5 / halves[-1] == pytest.approx(20.0, rel=0.1)


def seconds_of_decay(thump: np.ndarray) -> float:
    """The time in which a thump of 40 Hz falls by 1/e: a straight line through the decibels of its swings."""
    period = RATE // 40
    tops = np.array([np.abs(thump[at : at + period]).max() for at in range(period, 10 * period, period)])
    slope_db = np.polyfit(np.arange(len(tops)) / 40, 20 * np.log10(tops), 1)[0]
    return float(-20 * np.log10(np.e) / slope_db)


@pytest.mark.parametrize("decay_ms", [50.0, 150.0])
def test_thumps_die_away_in_the_time_asked_for_and_no_two_alike(decay_ms: float) -> None:
    decays = [
        1e3 * seconds_of_decay(single(first_seed=seed, decay_ms=decay_ms, resonance_hz=40.0, start_hz=40.0))
        for seed in range(0, 120, 10)
    ]
    assert np.median(decays) == pytest.approx(decay_ms, rel=0.15)
    assert 0.05 < np.std(np.log(decays)) < 0.3


def test_one_seed_is_the_same_thumps_at_every_rate() -> None:
    fine, _ = thumps_of(4.0, 96000, click_db=-6.0, rpm=78.0, rate_per_second=3.0)
    for rate in (8000, 22050):
        coarse, _ = thumps_of(4.0, rate, click_db=-6.0, rpm=78.0, rate_per_second=3.0)
        np.testing.assert_allclose(coarse, resample(fine, 96000, rate), atol=0.01 * np.abs(coarse).max())


def test_a_thump_rings_on_over_seconds_and_blocks() -> None:
    long, _ = thumps_of(6.0, 8000, decay_ms=500.0, rate_per_second=3.0)
    short, _ = thumps_of(3.3, 8000, decay_ms=500.0, rate_per_second=3.0)
    part = long[:, : short.shape[-1] - 100]
    scale = np.sum(short[:, :-100] * part) / np.sum(part**2)
    np.testing.assert_allclose(short[:, :-100], scale * part, atol=1e-5 * np.abs(short).max())
    # A tone this low has no jumps anywhere.
    assert np.abs(np.diff(long)).max() < 0.15 * np.abs(long).max()
