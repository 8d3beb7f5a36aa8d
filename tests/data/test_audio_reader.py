"""Every kind of file is read whole, block by block and from anywhere, and a bad file is one sentence."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiorestore.data.audio_reader import AudioReader, audio_info, read_audio
from audiorestore.errors import AudioFileError


def sound(channels: int = 2, frames: int = 3000) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (channels, frames))
    return noise.astype(np.float32)


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_U8"), ("AIFF", "PCM_S8"), ("FLAC", "PCM_S8"), ("WAV", "PCM_32"), ("WAVEX", "PCM_24"), ("WAV", "ULAW"),
     ("WAV", "ALAW"), ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("WAV", "GSM610"), ("CAF", "ALAC_16"),
     ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AU", "PCM_16")],
)  # fmt: skip
def test_every_kind_of_file_is_read_alike_however_it_is_cut(tmp_path: Path, container: str, subtype: str) -> None:
    path = tmp_path / "x.bin"  # the content says what it is, not the name
    soundfile.write(path, sound(1, 30_000).T * 0.5, 8000, format=container, subtype=subtype)
    info = audio_info(path)
    assert info.container == container.replace("WAVEX", "WAV")
    assert info.subtype == subtype
    with AudioReader(path) as reader:
        whole = reader.read()
        assert whole.shape == (1, info.frames)
        for frames in (999, 4096, 10**6):
            np.testing.assert_array_equal(np.concatenate(list(reader.blocks(frames)), axis=1), whole)
        for start in (20_001, 5_000, 29_000, 1):
            np.testing.assert_array_equal(reader.read(start, 500), whole[:, start : start + 500])
    assert np.sqrt(np.mean(whole**2)) == pytest.approx(0.26, abs=0.1)


def test_tags_of_mp3_and_vorbis_are_read(tmp_path: Path) -> None:
    for name, container, subtype in (("x.ogg", "OGG", "VORBIS"), ("x.mp3", "MP3", "MPEG_LAYER_III")):
        with soundfile.SoundFile(tmp_path / name, "w", 44100, 2, subtype, format=container) as file:
            file.title, file.artist = "Größe", "日本"
            file.write(sound(2, 30_000).T * 0.5)
        info = audio_info(tmp_path / name)
        assert (info.tags["title"], info.tags["artist"], info.lossy) == ("Größe", "日本", True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nonfinite_samples_are_an_error_with_their_time(tmp_path: Path, value: float) -> None:
    waveform = sound(2, 10_000)
    waveform[1, 4264] = value
    soundfile.write(tmp_path / "x.wav", waveform.T, 8000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=r"x\.wav holds NaN or infinite samples, the first at 0\.533 s"):
        read_audio(tmp_path / "x.wav")
    with AudioReader(tmp_path / "x.wav") as reader:
        blocks = reader.blocks(1000)
        for _ in range(4):
            next(blocks)
        with pytest.raises(AudioFileError, match=r"the first at 0\.533 s"):
            next(blocks)
    np.testing.assert_array_equal(read_audio(tmp_path / "x.wav", allow_nonfinite=True)[0], waveform)


def test_asking_past_the_end_is_the_programmer_s_error(tmp_path: Path, make: Callable[[Path], bytes]) -> None:
    make(tmp_path / "x.wav")
    with AudioReader(tmp_path / "x.wav") as reader:
        assert reader.read(40_000).shape == (2, 0)
        for start, frames in ((-1, 1), (40_000, 1), (0, 40_001)):
            with pytest.raises(ValueError, match="40000 samples"):
                reader.read(start, frames)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".aif", ".caf", ".w64", ".rf64", ".mp3", ".ogg"])
@pytest.mark.parametrize("size", [1, 4, 13, 60])
def test_the_stump_of_a_header_is_refused(
    tmp_path: Path, suffix: str, size: int, make: Callable[[Path], bytes], refused: Callable[[Path], str]
) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(make(path)[:size])
    refused(path)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
def test_garbage_in_the_middle_is_refused(
    tmp_path: Path, suffix: str, make: Callable[[Path], bytes], refused: Callable[[Path], str]
) -> None:
    path = tmp_path / f"x{suffix}"
    data = bytearray(make(path))
    data[len(data) // 2 : len(data) // 2 + 4000] = np.random.default_rng(0).bytes(4000)
    path.write_bytes(data)
    refused(path)


def test_what_is_no_audio_is_refused_in_one_sentence(tmp_path: Path, refused: Callable[[Path], str]) -> None:
    assert "does not exist" in refused(tmp_path / "missing.wav")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "empty.wav").touch()
    assert "is empty" in refused(tmp_path / "empty.wav")
    (tmp_path / "text.wav").write_text("this is text\n" * 100)
    assert "not a supported audio format" in refused(tmp_path / "text.wav")
    (tmp_path / "x.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    assert "MP4 or M4A" in refused(tmp_path / "x.m4a")
    assert "device or a pipe" in refused(Path("/dev/null"))
    assert "cannot be opened" in refused(tmp_path / "text.wav" / "x.wav")
    for container in ("WAV", "OGG"):
        soundfile.write(tmp_path / "zero", np.zeros((0, 1)), 44100, format=container)
        assert "holds no samples" in refused(tmp_path / "zero")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, make: Callable[[Path], bytes], refused: Callable[[Path], str]
) -> None:
    make(tmp_path / "x.wav")
    (tmp_path / "x.wav").chmod(0)
    assert "cannot be read" in refused(tmp_path / "x.wav")


def test_a_flac_that_does_not_know_its_length_is_read_to_its_end(
    tmp_path: Path, make: Callable[[Path], bytes], noise: np.ndarray
) -> None:
    path = tmp_path / "x.flac"
    data = bytearray(make(path))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert audio_info(path).frames == 40_000
    np.testing.assert_allclose(read_audio(path)[0], noise, atol=1 / 65536)


def test_a_flac_with_a_garbled_header_is_refused(
    tmp_path: Path, make: Callable[[Path], bytes], refused: Callable[[Path], str]
) -> None:
    path = tmp_path / "x.flac"
    data = bytearray(make(path))
    path.write_bytes(data[:21] + bytes([data[21] | 0x0F]) + b"\xff" * 4 + data[26:])  # 2³⁶ − 1 samples
    refused(path)
