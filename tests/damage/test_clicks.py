"""Scratches: as many, as long and as loud as asked for, at random times or once a turn, whatever the sample rate."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import added_alone, apply_damage

from audiorestore.damage import clicks
from audiorestore.damage._damage import Run
from audiorestore.data.audio_file import read_audio
from audiorestore.signal.sound import Sound, joined

RATE = 96000  # where clicks are laid down, so that they begin and end where they do
REAL_DISCS = ("vinyl1_Runoff_139_BPM", "vinyl2_oldvinyl_128", "vinyl3_Vinyl_Dust2", "vinyl5_vinyl_crackle_1_edit")


def parameters(**settings: Any) -> clicks.Config:
    return replace(clicks.Config(20.0, 10.0, 0.8, 1.0, 0.0, "off", 50.0, "mono", 5), **settings)


def clicks_of(seconds: float, rate: int = RATE, channels: int = 1, **settings: Any) -> tuple[np.ndarray, dict]:
    """What is added to a direct current that is too soft to leave a trace in it, and what was reported."""
    return added_alone(clicks, parameters(**settings), seconds, rate, channels)


def runs(waveform: np.ndarray, gap: int = 8) -> list[np.ndarray]:
    """The stretches of samples where something is, parted by ``gap`` zeros."""
    where = np.flatnonzero(np.abs(waveform) > 1e-7 * np.abs(waveform).max())
    return np.split(where, np.flatnonzero(np.diff(where) > gap) + 1)


def test_clicks_come_as_often_as_asked_for_at_random_times() -> None:
    added, reported = clicks_of(100.0, length_ms=0.1, noise_seed=1)
    assert reported["events"] == pytest.approx(1000, abs=100)  # three deviations of Poisson's
    seen = runs(added[0])
    assert len(seen) == pytest.approx(reported["events"], rel=0.01)  # a few fall into one another
    gaps = np.diff([run[0] for run in seen]) / RATE
    assert gaps.mean() == pytest.approx(0.1, rel=0.1)
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.1)  # exponential: no rhythm, no bursts


def test_lengths_are_log_normal_about_the_one_asked_for() -> None:
    added, _ = clicks_of(100.0, length_spread=1.6, rate_per_second=5.0)
    lengths_ms = np.array([len(run) for run in runs(added[0], gap=3)]) / RATE * 1e3
    low, middle, high = np.percentile(lengths_ms, [15.9, 50.0, 84.1])
    assert middle == pytest.approx(0.8, rel=0.1)
    assert middle / low == pytest.approx(1.6, rel=0.12)
    assert high / middle == pytest.approx(1.6, rel=0.12)
    longest, _ = clicks_of(30.0, length_ms=4.0, length_spread=3.0, rate_per_second=2.0)
    assert 3.5 < max(len(run) for run in runs(longest[0], gap=3)) / RATE * 1e3 <= 4.1


def test_levels_spread_as_far_as_asked_for() -> None:
    spreads_db = []
    for spread_db in (0.0, 6.0):
        added, _ = clicks_of(100.0, level_spread_db=spread_db, rate_per_second=5.0)
        spreads_db.append(np.std([20 * np.log10(np.abs(added[0, run]).max()) for run in runs(added[0])]))
    assert spreads_db[0] < 1.5  # the phase under the bell
    assert spreads_db[1] == pytest.approx(6.0, abs=0.6)


def test_a_click_is_as_likely_to_begin_upwards_as_downwards() -> None:
    added, reported = clicks_of(60.0)
    assert np.mean([added[0, run[5]] > 0 for run in runs(added[0])]) == pytest.approx(0.5, abs=0.07)
    assert abs(added.mean()) < 0.01 * added.std()
    assert reported["events"] > 500


def test_a_longer_recording_begins_with_the_same_clicks() -> None:
    long, _ = clicks_of(5.3, 16000, length_ms=4.0, rate_per_second=50.0)
    for seconds in (0.7, 1.0, 2.001):  # clicks over the edge of a second, of a block and of the end
        short, _ = clicks_of(seconds, 16000, length_ms=4.0, rate_per_second=50.0)
        part = long[:, : short.shape[-1] - 50]  # but for where the end rings
        scale = np.sum(short[:, :-50] * part) / np.sum(part**2)
        np.testing.assert_allclose(short[:, :-50], scale * part, atol=1e-5 * np.abs(short).max())


def test_clicks_over_the_edge_of_a_block_are_whole() -> None:
    tone = 0.1 * np.sin(np.arange(3 * RATE) * 0.01)[None].astype(np.float32)
    settings = parameters(rate_per_second=200.0, length_ms=4.0, rpm=78.0)
    whole, reported = apply_damage(clicks, tone, RATE, settings)
    run = Run(clicks.apply(Sound.of(tone, RATE, 1000), settings))
    np.testing.assert_allclose(joined(run, 1), whole, atol=1e-7)
    assert run.result.measured == reported


def recurrence(waveform: np.ndarray, rate: int) -> tuple[float, float]:
    """After what time, of 0.5 to 2.2 s, the clicks come again most alike, and how alike (1: entirely)."""
    frames = rate // 500
    treble = np.diff(waveform, 2)
    parts = treble[: len(treble) // frames * frames].reshape(-1, frames)
    loudness = np.log10(np.sqrt(np.mean(parts**2, axis=1)) + 1e-6)
    loudness -= loudness.mean()
    power = np.abs(np.fft.rfft(loudness, 2 * len(loudness))) ** 2
    likeness = np.fft.irfft(power)[: len(loudness)] / np.sum(loudness**2)
    # Times vary by a millisecond or two.
    likeness = np.convolve(likeness, np.ones(3), "same")
    lag = 250 + int(np.argmax(likeness[250:1100]))
    return lag / 500, float(likeness[lag])


def test_scratches_repeat_once_a_turn() -> None:
    for rpm in (33.333, 45.0, 78.0):
        added, _ = clicks_of(40.0, 22050, rpm=rpm, repeating_percent=80.0, rate_per_second=5.0)
        seconds, likeness = recurrence(added[0], 22050)
        turns = seconds * rpm / 60
        assert turns == pytest.approx(round(turns), abs=0.01), rpm
        assert likeness > 0.3, rpm
    assert recurrence(clicks_of(40.0, 22050, rate_per_second=5.0)[0][0], 22050)[1] < 0.2


def test_scratches_are_there_from_the_first_turn_on_and_do_not_change_how_many_clicks_there_are() -> None:
    first_counts, counts = [], []
    for seed in range(30):
        settings: dict[str, Any] = {"rpm": 33.333, "repeating_percent": 100.0, "rate_per_second": 20.0}
        first_counts.append(clicks_of(1.5, 8000, noise_seed=seed, **settings)[1]["events"] / 1.5)
    for seed in range(4):
        counts.append(clicks_of(60.0, 8000, noise_seed=seed, **settings)[1]["events"] / 60)
    assert np.mean(first_counts) == pytest.approx(20.0, rel=0.15)
    assert np.mean(counts) == pytest.approx(20.0, rel=0.15)


def test_a_mono_disc_clicks_alike_in_all_channels_and_a_stereo_disc_does_not() -> None:
    left, right = clicks_of(5.0, channels=2)[0]
    np.testing.assert_array_equal(left, right)
    left, right = clicks_of(60.0, channels=2, disc="stereo")[0]
    seen = runs(left)
    ratios = np.array([np.sum(right[run] * left[run]) / np.sum(left[run] ** 2) for run in seen])
    assert np.std(20 * np.log10(np.abs(ratios))) == pytest.approx(5.7, abs=0.7)  # two channels of 4 dB each
    assert np.mean(ratios < 0) == pytest.approx(0.18, abs=0.06)
    assert clicks_of(1.0, channels=8, disc="stereo")[0].shape == (8, RATE)


def shape_of_the_large(waveform: np.ndarray, rate: int, most: int = 40) -> tuple[float, float]:
    """Medians over the largest clicks, above 300 Hz: the time of 5 to 95 % of the energy (ms), the centroid (Hz)."""
    spectrum = np.fft.rfft(waveform)
    spectrum[np.fft.rfftfreq(len(waveform), 1 / rate) < 300] = 0
    treble = np.fft.irfft(spectrum, len(waveform))
    frequency_hz = np.fft.rfftfreq(512, 1 / rate)
    places: list[int] = []
    shapes = []
    for place in np.argsort(-np.abs(treble))[:20000]:
        if len(places) == most or not 400 < place < len(treble) - 400:
            continue
        if all(abs(place - other) > 400 for other in places):
            places.append(int(place))
            near = treble[place - 100 : place + 100] ** 2
            begin, end = np.searchsorted(np.cumsum(near) / near.sum(), [0.05, 0.95])
            power = np.abs(np.fft.rfft(treble[place - 256 : place + 256] * np.hanning(512))) ** 2
            shapes.append(((end - begin) / rate * 1e3, np.sum(frequency_hz * power) / power.sum()))
    milliseconds, centroid_hz = np.median(shapes, axis=0)
    return float(milliseconds), float(centroid_hz)


def test_clicks_are_shaped_like_those_of_real_discs(corpus: Path) -> None:
    real = []
    for name in REAL_DISCS:
        waveform, rate = read_audio(corpus / "noise" / f"tumult_{name}.flac")
        real.append(shape_of_the_large(waveform[0], rate))
    noise = 10 ** (-60 / 20) * np.random.default_rng(0).standard_normal((1, 441000))
    made = []
    for length_ms in (0.8, 1.2, 1.6):  # as far as the default reaches
        added, _ = clicks_of(10.0, 44100, length_ms=length_ms, length_spread=2.0, level_spread_db=5.0)
        level = 10 ** (-44 / 20) / added.std()  # as the real ones'
        made.append(shape_of_the_large((level * added + noise)[0], 44100))
    for index in range(2):
        least, most = (pick(shape[index] for shape in real) for pick in (min, max))
        assert all(0.5 * least < shape[index] < 1.5 * most for shape in made)
        assert least < np.median([shape[index] for shape in made]) < most


def test_a_real_run_off_groove_repeats_as_ours_does(corpus: Path) -> None:
    waveform, rate = read_audio(corpus / "noise" / "tumult_vinyl1_Runoff_139_BPM.flac")
    seconds, likeness = recurrence(waveform[0], rate)
    assert seconds == pytest.approx(60 / 34.7, abs=0.01)
    assert likeness > 0.3
    added, _ = clicks_of(waveform.shape[-1] / rate, rate, rpm=34.7, repeating_percent=90.0, rate_per_second=8.0)
    noise = 0.003 * added.std() * np.random.default_rng(0).standard_normal(added.shape)
    again, again_likeness = recurrence((added + noise)[0], rate)
    assert again == pytest.approx(seconds, abs=0.01)
    assert again_likeness > 0.3
