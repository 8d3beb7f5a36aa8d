"""Audio goes to the disk and comes back as it was."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiorestore.data.audio_file import AUDIO_SUFFIXES, audio_info, read_audio, read_provenance, write_audio

WRITTEN = [".wav", ".flac", ".aiff", ".aif", ".caf", ".w64", ".rf64"]


def sound(channels: int = 2, frames: int = 3000) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (channels, frames))
    return noise.astype(np.float32)


@pytest.mark.parametrize("suffix", WRITTEN)
def test_all_16_bit_values_come_back_to_the_bit(tmp_path: Path, suffix: str) -> None:
    values = np.arange(-32768, 32768, dtype=np.int16)
    container = {".rf64": "RF64", ".caf": "CAF", ".w64": "W64", ".flac": "FLAC", ".wav": "WAV"}.get(suffix, "AIFF")
    soundfile.write(tmp_path / f"in{suffix}", values, 44100, subtype="PCM_16", format=container)
    waveform, sample_rate = read_audio(tmp_path / f"in{suffix}")
    assert write_audio(tmp_path / f"out{suffix}", waveform, sample_rate) == 0
    written, _ = soundfile.read(tmp_path / f"out{suffix}", dtype="int16")
    np.testing.assert_array_equal(written, values)


@pytest.mark.parametrize("suffix", WRITTEN)
def test_24_bit_values_come_back_to_the_bit(tmp_path: Path, suffix: str) -> None:
    edges = np.array([-(2**23), -(2**23) + 1, -1, 0, 1, 2**23 - 2, 2**23 - 1])
    values = np.concatenate([edges, np.random.default_rng(0).integers(-(2**23), 2**23, 50_000)])
    first, second = tmp_path / f"1{suffix}", tmp_path / f"2{suffix}"
    write_audio(first, (values / 2.0**23).astype(np.float32), 96000, subtype="PCM_24")
    np.testing.assert_array_equal(soundfile.read(first, dtype="int32")[0] >> 8, values)
    write_audio(second, read_audio(first)[0], 96000, subtype="PCM_24")
    assert first.read_bytes() == second.read_bytes()


def test_32_bit_integers_are_computed_in_float64(tmp_path: Path) -> None:
    values = np.array([-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 1, 123_456_789])
    write_audio(tmp_path / "x.wav", values / 2.0**31, 44100, subtype="PCM_32")
    np.testing.assert_array_equal(soundfile.read(tmp_path / "x.wav", dtype="int32")[0], values)


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".caf", ".w64", ".rf64"])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_come_back_to_the_bit_also_above_full_scale(tmp_path: Path, suffix: str, subtype: str) -> None:
    waveform = sound() * np.float32(4)
    over = write_audio(tmp_path / f"x{suffix}", waveform, 48000, subtype=subtype)
    back, _ = read_audio(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(back, waveform)
    assert back.dtype == np.float32
    assert over == np.count_nonzero(np.abs(waveform) > 1)


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_channels_keep_their_place(tmp_path: Path, channels: int, suffix: str) -> None:
    waveform = np.repeat(np.arange(channels, dtype=np.float32)[:, None] / 16, 5, axis=1)
    write_audio(tmp_path / f"x{suffix}", waveform, 44100)
    np.testing.assert_array_equal(read_audio(tmp_path / f"x{suffix}")[0], waveform)


@pytest.mark.parametrize("sample_rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("suffix", WRITTEN)
def test_info_says_what_was_written(tmp_path: Path, sample_rate: int, suffix: str) -> None:
    write_audio(tmp_path / f"x{suffix}", sound(2, 777), sample_rate, subtype="PCM_24")
    info = audio_info(tmp_path / f"x{suffix}")
    assert (info.sample_rate, info.channels, info.frames, info.subtype) == (sample_rate, 2, 777, "PCM_24")
    assert info.container == suffix[1:].upper().replace("AIFF", "AIF").replace("AIF", "AIFF")
    assert info.duration_seconds == 777 / sample_rate
    assert not info.lossy


@pytest.mark.parametrize("suffix", WRITTEN)
def test_one_sample_is_a_sound(tmp_path: Path, suffix: str) -> None:
    write_audio(tmp_path / f"x{suffix}", np.array([[0.5]], np.float32), 44100)
    np.testing.assert_array_equal(read_audio(tmp_path / f"x{suffix}")[0], [[0.5]])


def test_without_dither_silence_stays_silent(tmp_path: Path) -> None:
    write_audio(tmp_path / "x.flac", np.zeros((2, 5000), np.float32), 44100)
    assert not read_audio(tmp_path / "x.flac")[0].any()


@pytest.mark.parametrize("name", ["a b.wav", "Größe 日本.flac", "-rf.wav", "x'\"$.wav", "a.b.c.flac"])
def test_any_name_will_do(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_audio(name, sound(), 44100, provenance='{"a": 1}')
    assert read_audio(name)[0].shape == (2, 3000)
    assert read_provenance(name) == {"a": 1}


def test_a_name_that_is_not_utf_8_is_read_and_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    write_audio(tmp_path / name, sound(), 44100)
    assert audio_info(tmp_path / name).frames == 3000


def test_what_is_written_counts_as_audio_in_a_folder() -> None:
    assert set(WRITTEN) | {".mp3", ".ogg", ".opus"} <= AUDIO_SUFFIXES
