"""Crackle: dense, of short and small events, as loud as asked for, and fast."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from in_memory import added_alone, apply_damage

from audiorestore.damage import clicks, crackle

RATE = 96000  # where crackles are laid down


def parameters(**settings: Any) -> crackle.Config:
    return replace(crackle.Config(20.0, 1000.0, 0.3, 1.6, 6.0, "mono", 3), **settings)


def crackle_of(seconds: float, rate: int = 44100, channels: int = 1, **settings: Any) -> tuple[np.ndarray, dict]:
    return added_alone(crackle, parameters(**settings), seconds, rate, channels)


def kurtosis(waveform: np.ndarray) -> float:
    return float(np.mean(waveform**4) / np.mean(waveform**2) ** 2)


@pytest.mark.parametrize("per_second", [200.0, 2000.0, 5000.0])
def test_there_are_as_many_as_asked_for(per_second: float) -> None:
    _, reported = crackle_of(4.0, 8000, rate_per_second=per_second)
    assert reported["events"] == pytest.approx(4 * per_second, abs=3.5 * np.sqrt(4 * per_second))


def test_the_denser_the_less_it_stands_out() -> None:
    peaky = [kurtosis(crackle_of(8.0, rate_per_second=rate)[0][0]) for rate in (20.0, 200.0, 2000.0)]
    assert peaky[0] > 3 * peaky[1] > 9 * peaky[2]
    assert peaky[2] > 5  # steady noise would have 3


def test_none_is_longer_than_half_a_millisecond() -> None:
    added, _ = crackle_of(20.0, RATE, rate_per_second=20.0, length_ms=0.5, length_spread=2.0)
    where = np.flatnonzero(added[0])
    gaps = np.flatnonzero(np.diff(where) > 40)
    lengths_ms = np.diff(np.concatenate([[-1], gaps, [len(where) - 1]])) / RATE * 1e3
    alone = lengths_ms[lengths_ms < 0.6]  # two that fall into one another are longer
    assert len(alone) > 0.95 * len(lengths_ms)
    assert np.percentile(alone, 90) <= 0.52


def test_crackle_is_brighter_than_clicks() -> None:
    def centroid_hz(waveform: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(waveform)) ** 2
        return float(np.sum(np.fft.rfftfreq(len(waveform), 1 / 44100) * power) / power.sum())

    quiet = np.full((1, 8 * 44100), 1e-6, np.float32)
    settings = {"snr_db": -100.0, "length_ms": 1.2, "rpm": "off", "repeating_percent": 0.0, "rate_per_second": 20.0}
    clicking, _ = apply_damage(clicks, quiet, 44100, clicks.Config(**(vars(parameters()) | settings)))
    assert centroid_hz(crackle_of(8.0)[0][0]) > 1.5 * centroid_hz((clicking - quiet)[0])


def test_channels_of_a_stereo_disc_crackle_at_the_same_times_at_different_levels() -> None:
    left, right = crackle_of(4.0, channels=2)[0]
    np.testing.assert_array_equal(left, right)
    left, right = crackle_of(4.0, channels=2, disc="stereo", rate_per_second=200.0)[0]
    assert 0.3 < np.corrcoef(left, right)[0, 1] < 0.95
    assert np.corrcoef(np.abs(left), np.abs(right))[0, 1] > 0.6
