"""The user's own noise: the right file, the right place in it, the right level, and no click where it is repeated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import apply_damage
from oracles import active_power, mean_power

from audiorestore.damage import noise
from audiorestore.data.audio_file import read_audio, write_audio
from audiorestore.errors import AudioRestoreError, UsageError
from audiorestore.randomness import generator
from audiorestore.signal.level import decibels

RATE = 16000


def hiss(channels: int, frames: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def music(channels: int = 1, seconds: float = 2.0) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return np.tile(0.3 * np.sin(2 * np.pi * 440 * time), (channels, 1)).astype(np.float32)


def saved(folder: Path, waveform: np.ndarray, name: str = "noise.wav", rate: int = RATE) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, waveform, rate, subtype="FLOAT", overwrite=True)
    return path


def parameters(path: Path, snr_db: float = 10.0, start: float = 0.0) -> noise.Config:
    return noise.Config(**({"folder": str(path.parent), "snr_db": snr_db, "file": str(path), "start": start}))


def added(waveform: np.ndarray, path: Path, rate: int = RATE, **settings: float) -> tuple[np.ndarray, dict[str, Any]]:
    degraded, reported = apply_damage(noise, waveform, rate, parameters(path, **settings))
    return degraded.astype(np.float64) - waveform, reported


def alike(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@pytest.mark.parametrize("snr_db", [-10.0, 5.0, 40.0])
@pytest.mark.parametrize("frames", [5000, 100000])
def test_the_snr_is_the_one_asked_for(tmp_path: Path, snr_db: float, frames: int) -> None:
    sound = music(2)
    got, reported = added(sound, saved(tmp_path, hiss(1, frames)), snr_db=snr_db)
    assert decibels(active_power(sound, RATE) / mean_power(got)) == pytest.approx(snr_db, abs=0.02)
    assert reported["noise_dbfs"] == pytest.approx(decibels(mean_power(got)), abs=0.02)


@pytest.mark.parametrize("start", [0.0, 0.25, 1.0])
def test_a_long_file_lies_under_the_recording_in_one_piece(tmp_path: Path, start: float) -> None:
    recorded = hiss(1, 5 * RATE)
    got, reported = added(music(), saved(tmp_path, recorded), start=start)
    first = round(start * 3 * RATE)  # three of the five seconds are free
    assert reported["noise_start_seconds"] == pytest.approx(first / RATE, abs=1e-3)
    assert reported["noise_looped"] == 0
    assert alike(got, recorded[:, first : first + 2 * RATE]) > 0.99999


def test_a_short_file_is_repeated(tmp_path: Path) -> None:
    recorded = hiss(1, RATE // 2)
    got, reported = added(music(seconds=3.0), saved(tmp_path, recorded))
    period = RATE // 2 - RATE // 20  # the fade is shared
    assert reported["noise_looped"] == 1
    assert alike(got[:, :period], recorded[:, :period]) > 0.99999
    assert alike(got[:, period : 2 * period], got[:, 2 * period : 3 * period]) > 0.99999


def test_where_it_is_repeated_it_is_as_loud_and_nothing_jumps(tmp_path: Path) -> None:
    period, fade = RATE // 2 - RATE // 20, RATE // 20
    got, _ = added(music(seconds=60.0), saved(tmp_path, hiss(4, RATE // 2).mean(axis=0, keepdims=True)), start=0.3)
    seams = got[0, period - int(0.3 * period) :][: period * 100].reshape(100, period)
    assert decibels(mean_power(seams[:, :fade]) / mean_power(seams)) == pytest.approx(0.0, abs=1.0)
    wave = np.sin(2 * np.pi * 103.3 * np.arange(RATE // 2) / RATE)[np.newaxis].astype(np.float32)
    smooth, _ = added(music(seconds=3.0), saved(tmp_path, wave, "wave.wav"), start=0.5)
    steepest = np.abs(np.diff(smooth[0, : period // 3])).max()
    assert np.abs(np.diff(smooth)).max() < 1.5 * steepest  # a jump would be fifty times as steep


def test_noise_of_another_sample_rate_keeps_its_pitch(tmp_path: Path) -> None:
    wave = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(3 * 48000) / 48000)[np.newaxis].astype(np.float32)
    got, _ = added(music(), saved(tmp_path, wave, rate=48000), start=0.5)
    spectrum = np.abs(np.fft.rfft(got[0] * np.hanning(got.shape[-1])))
    assert np.argmax(spectrum) * RATE / got.shape[-1] == pytest.approx(1000.0, abs=0.6)


def test_channels_of_the_noise_are_taken_in_turn(tmp_path: Path) -> None:
    left, right = recorded = hiss(2, 2 * RATE)
    both = saved(tmp_path, recorded)
    got, _ = added(music(3), both)
    assert [alike(got[0], left), alike(got[1], right), alike(got[2], left)] == pytest.approx([1, 1, 1], abs=1e-5)
    one, _ = added(music(1), both)
    assert alike(one[0], left) > 0.99999
    got, _ = added(music(2), saved(tmp_path, recorded[:1], "mono.wav"))
    np.testing.assert_allclose(got[0], got[1], atol=1e-6)


def test_the_draw_does_not_depend_on_the_path_of_the_folder(tmp_path: Path) -> None:
    for place in ("here", "zz/there"):
        for name in ("b.wav", "a/c.flac", "a.wav", ".hidden.wav"):
            (tmp_path / place / name).parent.mkdir(parents=True, exist_ok=True)
            write_audio(tmp_path / place / name, hiss(1, 4000), RATE)
    drawn = [
        [noise.Config(folder=str(tmp_path / place)).draw(generator(seed)) for seed in range(40)]
        for place in ("here", "zz/there")
    ]
    files = [
        [Path(str(each.file)).relative_to(tmp_path / place).as_posix() for each in draws]
        for draws, place in zip(drawn, ("here", "zz/there"), strict=True)
    ]
    assert files[0] == files[1]
    assert set(files[0]) == {"b.wav", "a/c.flac", "a.wav"}
    assert [each.start for each in drawn[0]] == [each.start for each in drawn[1]]
    assert len({each.start for each in drawn[0]}) == 40


def test_one_file_may_stand_for_a_folder_and_a_file_that_is_named_is_taken(tmp_path: Path) -> None:
    path = saved(tmp_path, hiss(1, 4000))
    saved(tmp_path, hiss(1, 4000), "other.wav")
    for config in (noise.Config(folder=str(path)), noise.Config(folder=str(tmp_path), file=str(path))):
        for seed in range(5):
            drawn = config.draw(generator(seed))
            assert drawn.file == str(path)
            assert noise.sources(drawn) == [path]


def test_a_folder_is_asked_for_and_looked_into(tmp_path: Path) -> None:
    for config, words in (
        (noise.Config(), "it needs folder"),
        (noise.Config(folder=str(tmp_path / "none")), "there is no file or folder"),
        (noise.Config(folder=str(tmp_path)), "holds no audio files"),
    ):
        with pytest.raises(UsageError, match=words):
            config.draw(generator(0))
    with pytest.raises(UsageError, match="it needs folder=a path"):
        noise.Config.parse({"snr_db": "3"})


def test_silence_makes_no_noise(tmp_path: Path) -> None:
    with pytest.raises(AudioRestoreError, match=r"noise\.wav is silent from 0\.00 to 0\.50 s"):
        added(music(), saved(tmp_path, np.zeros((1, RATE // 2), np.float32)))
    half = np.concatenate([np.zeros((1, 3 * RATE), np.float32), hiss(1, RATE)], axis=-1)
    with pytest.raises(AudioRestoreError, match=r"is silent from 0\.00 to 2\.00 s"):
        added(music(), saved(tmp_path, half, "half.wav"))
    added(music(), saved(tmp_path, half, "half.wav"), start=1.0)
    with pytest.raises(AudioRestoreError, match="the recording is silent"):
        added(np.zeros((1, 3000), np.float32), saved(tmp_path, hiss(1, 4000), "hiss.wav"))


def test_a_scrap_of_noise_is_not_made_a_tone_of(tmp_path: Path) -> None:
    scrap = saved(tmp_path, hiss(1, 500))
    with pytest.raises(AudioRestoreError, match=r"holds 0\.031 s of noise"):
        added(music(), scrap)
    added(music()[:, :400], scrap)  # as long as it is long enough


def test_real_noise_lies_under_real_speech(corpus: Path) -> None:
    speech, rate = read_audio(sorted((corpus / "ljspeech").glob("*.flac"))[0])
    for seed in range(4):
        drawn = noise.Config(folder=str(corpus / "noise"), snr_db=12.0).draw(generator(seed))
        degraded, reported = apply_damage(noise, speech, rate, drawn)
        level = decibels(mean_power(degraded.astype(np.float64) - speech))
        assert decibels(active_power(speech, rate)) - level == pytest.approx(12.0, abs=0.05)
        assert reported["noise_dbfs"] == pytest.approx(level, abs=0.05)
