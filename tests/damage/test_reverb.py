"""Rooms, drawn and recorded: how long they sound, how much, where, and that the direct sound stays as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import apply_damage
from oracles import find_lag

from audiorestore.damage import reverb
from audiorestore.data.audio_file import read_audio, write_audio
from audiorestore.errors import AudioRestoreError, UsageError
from audiorestore.randomness import generator

RATE = 16000


def drawn(**settings: float | str) -> reverb.Config:
    room = {"decay_seconds": 0.5, "drr_db": 6.0, "predelay_ms": 10.0, "damping_percent": 0.0, "noise_seed": 1}
    return reverb.Config(**({"folder": "drawn", "file": "drawn", **room, **settings}))


def answer(channels: int = 1, seconds: float = 3.0, at: int = 0, **settings: float | str) -> np.ndarray:
    """What a click becomes."""
    click = np.zeros((channels, int(seconds * RATE)), np.float32)
    click[:, at] = 1.0
    return apply_damage(reverb, click, RATE, drawn(**settings))[0].astype(np.float64)


def decay_of(tail: np.ndarray) -> float:
    """Time for 60 dB, from the backward integral between 5 and 35 dB below its start."""
    left_db = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2) + 1e-12)
    start, stop = (int(np.argmax(left_db < limit)) for limit in (-5, -35))
    return 2.0 * (stop - start) / RATE


def band(tail: np.ndarray, centre_hz: float) -> np.ndarray:
    """Half an octave or less around a frequency, smooth enough to ring for milliseconds only."""
    n_fft = 2 * len(tail)  # or what rings before the tail would come round to its end
    frequency_hz = np.fft.rfftfreq(n_fft, 1 / RATE)
    bell = np.exp(-(((frequency_hz - centre_hz) / (0.2 * centre_hz)) ** 2))
    return np.asarray(np.fft.irfft(np.fft.rfft(tail, n_fft) * bell, n_fft)[: len(tail)])


def test_the_direct_sound_stays_and_a_pause_follows() -> None:
    response = answer(at=100, predelay_ms=20.0)[0]
    assert not response[:100].any() or np.abs(response[:100]).max() < 1e-6
    assert response[100] == pytest.approx(1.0, abs=1e-6)
    assert np.abs(response[101:420]).max() < 1e-6
    assert np.abs(response[420:520]).max() > 0.01


@pytest.mark.parametrize("decay_seconds", [0.2, 0.7, 2.0])
def test_the_tail_falls_by_sixty_decibels_in_the_time_asked_for(decay_seconds: float) -> None:
    found = [decay_of(answer(decay_seconds=decay_seconds, noise_seed=seed)[0, 200:]) for seed in range(3)]
    assert np.mean(found) == pytest.approx(decay_seconds, rel=0.06)


@pytest.mark.parametrize("drr_db", [-5.0, 0.0, 12.0])
@pytest.mark.parametrize("damping_percent", [0.0, 80.0])
def test_the_tail_has_the_energy_asked_for(drr_db: float, damping_percent: float) -> None:
    for response in answer(2, drr_db=drr_db, damping_percent=damping_percent):
        assert -10 * np.log10(np.sum(response[1:] ** 2)) == pytest.approx(drr_db, abs=0.01)


def test_damping_takes_the_highs_sooner() -> None:
    tails = [answer(decay_seconds=1.2, damping_percent=50.0, noise_seed=seed)[0, 200:] for seed in range(6)]
    low, middle, high = (
        np.mean([decay_of(band(tail, centre_hz)) for tail in tails]) for centre_hz in (300, 2000, 8000)
    )
    assert low == pytest.approx(1.2, rel=0.08)
    assert middle == pytest.approx(0.9, rel=0.1)  # half of the way from 500 Hz to 8 kHz, in octaves
    assert high == pytest.approx(0.6, rel=0.1)


def test_a_tail_starts_with_all_frequencies() -> None:
    response = np.concatenate([answer(seconds=0.5, noise_seed=seed)[0, 160:960] for seed in range(30)]).reshape(30, -1)
    power = np.mean(np.abs(np.fft.rfft(response)) ** 2, axis=0)[1:-1]
    levels_db = 10 * np.log10(power.reshape(-1, 57).mean(axis=1))  # 7 even bands
    assert np.ptp(levels_db) < 1.0


def test_channels_have_tails_of_their_own_and_the_seed_is_the_room() -> None:
    first, again, other = (answer(2, noise_seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first[0, 200:8000], first[1, 200:8000])[0, 1]) < 0.1
    assert abs(np.corrcoef(first[0, 200:8000], other[0, 200:8000])[0, 1]) < 0.1


def test_silence_stays_silent_and_loud_sound_is_not_clipped() -> None:
    assert not apply_damage(reverb, np.zeros((2, 3000), np.float32), RATE, drawn())[0].any()
    loud, soft = (apply_damage(reverb, np.full((1, 3000), level, np.float32), RATE, drawn())[0] for level in (4.0, 0.5))
    np.testing.assert_allclose(loud, 8.0 * soft, rtol=1e-4, atol=1e-5)


# Recorded rooms.


def speechlike(channels: int = 1, frames: int = RATE) -> np.ndarray:
    spectrum = np.fft.rfft(np.random.default_rng(3).standard_normal((channels, frames)))
    spectrum[:, int(0.8 * spectrum.shape[-1]) :] = 0
    return np.asarray(0.1 * np.fft.irfft(spectrum, frames), np.float32)


def saved(folder: Path, response: np.ndarray, rate: int = RATE, name: str = "room.wav") -> Path:
    write_audio(folder / name, np.atleast_2d(response).astype(np.float32), rate, subtype="FLOAT", overwrite=True)
    return folder / name


def inside(path: Path, waveform: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    return apply_damage(reverb, waveform, RATE, drawn(folder=str(path.parent), file=str(path)))


@pytest.mark.parametrize("delay", [0.0, 321.0, 500.5, 77.25])
@pytest.mark.parametrize("gain", [0.01, -3.0])
def test_a_room_without_an_echo_changes_nothing(tmp_path: Path, delay: float, gain: float) -> None:
    """Neither its delay, by a fraction of a sample, nor its gain, nor its polarity."""
    response = gain * np.sinc(np.arange(2000) - delay)
    sound = speechlike(2)
    degraded, _ = inside(saved(tmp_path, response), sound)
    # Within the direct sound's 2.5 ms lies all but a little of a sinc between samples.
    np.testing.assert_allclose(degraded[:, 200:-200], sound[:, 200:-200], atol=0.01 * np.abs(sound).max())
    assert all(abs(find_lag(*rows)) < 0.01 for rows in zip(sound, degraded, strict=True))


def test_an_echo_comes_when_it_came_and_as_loud(tmp_path: Path) -> None:
    response = np.zeros(4000)
    response[[50, 1000, 1500, 3999]] = [0.4, 1.0, -0.5, 0.25]  # something leads up to the strongest peak
    click = np.zeros((1, 6000), np.float32)
    click[0, 2000] = 1.0
    degraded, reported = inside(saved(tmp_path, response), click)
    expected = np.zeros(6000)
    expected[[1050, 2000, 2500, 4999]] = [0.4, 1.0, -0.5, 0.25]
    np.testing.assert_allclose(degraded[0], expected, atol=1e-6)
    assert reported["drr_db"] == pytest.approx(-10 * np.log10(0.4**2 + 0.5**2 + 0.25**2), abs=0.02)
    assert (reported["predelay_ms"], reported["damping_percent"]) == (None, None)


def test_the_decay_of_a_recorded_room_is_reported(tmp_path: Path) -> None:
    frames = 2 * RATE
    tail = np.random.default_rng(0).standard_normal((2, frames)) * 10 ** (-3 * np.arange(frames) / RATE / 0.8)
    tail[:, 0] = 20.0
    _, reported = inside(saved(tmp_path, 0.02 * tail), speechlike(2))
    assert reported["decay_seconds"] == pytest.approx(0.8, rel=0.05)
    assert reported["drr_db"] == pytest.approx(10 * np.log10(400 / np.mean(np.sum(tail[:, 40:] ** 2, axis=1))), abs=0.5)
    _, reported = inside(saved(tmp_path, np.eye(1, 500)), speechlike())
    assert reported["decay_seconds"] is None
    assert reported["drr_db"] is None


def test_a_room_of_another_rate_keeps_its_times(tmp_path: Path) -> None:
    response = np.zeros(48000)
    response[[480, 24480]] = [0.5, 0.25]  # an echo of half, half a second later
    sound = speechlike(1, 20000)
    degraded, _ = inside(saved(tmp_path, response, 48000), sound)
    echo = degraded - sound
    # A click at 48 kHz is a little less of one at 16 kHz: its gain is right within 0.3 dB.
    assert np.abs(echo[0, 200:7000]).max() < 0.035 * np.abs(sound).max()
    np.testing.assert_allclose(echo[0, 8200:19000], 0.5 * sound[0, 200:11000], atol=0.05 * np.abs(sound).max())


def test_each_channel_has_its_room_at_no_delay(tmp_path: Path) -> None:
    response = np.zeros((2, 3000))
    response[0, [10, 500]] = [1.0, 0.5]
    response[1, [700, 1000]] = [0.2, 0.1]
    sound = speechlike(3, 5000)
    degraded, _ = inside(saved(tmp_path, response), sound)
    for index, delay in enumerate((490, 300, 490)):
        expected = sound[index].copy()
        expected[delay:] += 0.5 * sound[index, :-delay]
        np.testing.assert_allclose(degraded[index], expected, atol=1e-5)


def test_what_is_no_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioRestoreError, match=r"channel 2 of .* is silent"):
        inside(saved(tmp_path, np.stack([np.eye(1, 500)[0], np.zeros(500)])), speechlike(2))
    with pytest.raises(AudioRestoreError, match=r"lasts 10\.5 s, and an impulse response of at most 10 s"):
        inside(saved(tmp_path, np.eye(1, 84000)[0], 8000), speechlike())


def test_a_file_is_drawn_where_there_is_a_folder(tmp_path: Path) -> None:
    paths = {str(saved(tmp_path, np.eye(1, 500)[0], name=name)) for name in ("a.wav", "b.wav")}
    draws = [reverb.Config(folder=str(tmp_path)).draw(generator(seed)) for seed in range(20)]
    assert {each.file for each in draws} == paths
    assert reverb.sources(draws[0]) == [Path(draws[0].file)]
    assert reverb.sources(reverb.Config().draw(generator(0))) == []
    with pytest.raises(UsageError, match="there is no file or folder"):
        reverb.Config(folder=str(tmp_path / "none")).draw(generator(0))


def test_real_recordings_keep_their_place(corpus: Path) -> None:
    for path in sorted((corpus / "ljspeech").glob("*.flac"))[:3]:
        speech, rate = read_audio(path)
        degraded, _ = apply_damage(reverb, speech, rate, reverb.Config().draw(generator(0, path.name)))
        assert abs(find_lag(speech[0], degraded[0])) < 0.05
