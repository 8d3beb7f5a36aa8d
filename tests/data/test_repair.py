"""What libsndfile would read wrongly is read to its end, or refused where sound is missing."""

import gc
import struct
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import lameenc
import numpy as np
import pytest
import soundfile
from oracles import decode_from_pipe

from audiorestore.data.audio_reader import AudioReader, audio_info, read_audio
from audiorestore.data.container_chunks import map_wav
from audiorestore.data.mpeg_frames import scan_mpeg
from audiorestore.errors import AudioFileError

MODES = {
    "constant": {"bit_rate": 32},
    "vbr": {"vbr": 4, "vbr_quality": 6},
    "average": {"vbr": 3, "vbr_mean_bitrate_kbps": 64},
}


def sound(channels: int = 2, frames: int = 3000) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (channels, frames))
    return noise.astype(np.float32)


def mp3(channels: int = 2, sample_rate: int = 44100, seconds: float = 2.0, **settings: int) -> bytes:
    """Code loud noise in bursts, so that the bit reservoir is in use and a varying bit rate varies."""
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(sample_rate)
    encoder.set_out_sample_rate(sample_rate)
    encoder.set_channels(channels)
    encoder.set_quality(7)
    for name, value in settings.items():
        getattr(encoder, f"set_{name}")(value)
    frames = int(sample_rate * seconds)
    bursts = sound(channels, frames).T * (np.arange(frames) % 12000 > 6000)[:, None]
    pcm = ((bursts + 0.05 * np.sin(np.arange(frames) / 20)[:, None]) * 32767).astype("<i2")
    return bytes(encoder.encode(pcm.tobytes())) + bytes(encoder.flush())


@pytest.mark.parametrize("name", ["x.mp3", "x.wav"])  # named .wav, it is still an MP3
@pytest.mark.parametrize(("channels", "sample_rate"), [(1, 8000), (2, 22050), (1, 44100), (2, 44100), (2, 48000)])
@pytest.mark.parametrize("mode", MODES)
def test_an_untagged_mp3_is_read_to_its_end(
    tmp_path: Path, mode: str, channels: int, sample_rate: int, name: str
) -> None:
    data = mp3(channels, sample_rate, **MODES[mode])
    (tmp_path / name).write_bytes(data)
    whole = decode_from_pipe(data).T
    info = audio_info(tmp_path / name)
    assert (info.container, info.subtype, info.lossy) == ("MP3", "MPEG_LAYER_III", True)
    assert info.frames == whole.shape[1] >= 2 * sample_rate
    np.testing.assert_array_equal(read_audio(tmp_path / name)[0], whole)
    with AudioReader(tmp_path / name) as reader:
        np.testing.assert_array_equal(np.concatenate(list(reader.blocks(1000)), axis=1), whole)
        for start in (9_000, 100, 12_345):
            np.testing.assert_array_equal(reader.read(start, 700), whole[:, start : start + 700])


def test_libsndfile_alone_would_cut_this_mp3_short_and_spoil_its_blocks(tmp_path: Path) -> None:
    """Keep the reason for our detours honest: when this fails, they can go."""
    (tmp_path / "x.mp3").write_bytes(mp3(2, 44100, vbr=4, vbr_quality=6))
    (tmp_path / "y.mp3").write_bytes(mp3(2, 44100, bit_rate=32))
    assert soundfile.info(tmp_path / "x.mp3").frames < audio_info(tmp_path / "x.mp3").frames
    blocks = [block.T for block in soundfile.blocks(tmp_path / "y.mp3", 1000, dtype="float32")]
    with AudioReader(tmp_path / "y.mp3") as reader:
        pairs = zip(reader.blocks(1000), blocks[:80], strict=False)
        assert max(np.abs(ours - theirs).max() for ours, theirs in pairs) > 0.1


def test_a_tagged_mp3_has_its_exact_length(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.mp3", sound(2, 30_001).T * 0.5, 44100)
    assert audio_info(tmp_path / "x.mp3").frames == 30_001
    assert read_audio(tmp_path / "x.mp3")[0].shape == (2, 30_001)


def test_two_tagged_mp3s_in_one_file_are_both_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.mp3", sound(2, 44_100).T * 0.5, 44100)
    (tmp_path / "y.mp3").write_bytes((tmp_path / "x.mp3").read_bytes() * 2)
    waveform, _ = read_audio(tmp_path / "y.mp3")
    assert waveform.shape[1] == audio_info(tmp_path / "y.mp3").frames > 2 * 44_100
    assert np.sqrt(np.mean(waveform[:, -30_000:-3_000] ** 2)) > 0.1


@pytest.mark.parametrize("mode", MODES)
def test_an_mp3_with_art_and_junk_is_read_to_its_end(tmp_path: Path, mode: str) -> None:
    data = mp3(**MODES[mode])
    art = b"ID3\x03\x00\x00" + bytes([0, 1, 0, 0]) + bytes(16384)
    middle = scan_mpeg(data[: len(data) // 2]).runs[0][1]
    (tmp_path / "x.mp3").write_bytes(art + data[:middle] + b"junk" * 30 + data[middle:] + b"TAG".ljust(128))
    whole = decode_from_pipe(data).T
    assert audio_info(tmp_path / "x.mp3").frames == whole.shape[1]
    np.testing.assert_array_equal(read_audio(tmp_path / "x.mp3")[0], whole)


def test_an_untagged_mp3_with_a_cut_last_frame_is_refused(tmp_path: Path, refused: Callable[[Path], str]) -> None:
    (tmp_path / "x.mp3").write_bytes(mp3()[:-50])
    assert "its last frame is not whole" in refused(tmp_path / "x.mp3")


def open_files() -> int:
    folder = Path("/proc/self/fd")  # Linux only; elsewhere the test looks at warnings alone
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_stopping_early_leaves_no_open_files(tmp_path: Path) -> None:
    (tmp_path / "x.mp3").write_bytes(mp3(vbr=4))
    before = open_files()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for _ in range(5):
            with AudioReader(tmp_path / "x.mp3") as reader:
                next(reader.blocks(100))
            with pytest.raises(AudioFileError):
                AudioReader(tmp_path / "missing.mp3")
        gc.collect()
    assert threading.active_count() == 1
    assert open_files() == before


@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".caf", ".w64", ".rf64", ".mp3"])
def test_a_truncated_file_is_refused(
    tmp_path: Path, suffix: str, part: float, make: Callable[[Path], bytes], refused: Callable[[Path], str]
) -> None:
    path = tmp_path / f"x{suffix}"
    data = make(path)
    path.write_bytes(data[: int(len(data) * part)])
    assert "cut short" in refused(path)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFDB])
def test_a_wav_whose_writer_could_not_seek_is_read_to_its_end(
    tmp_path: Path, size: int, make: Callable[[Path], bytes], noise: np.ndarray
) -> None:
    path = tmp_path / "x.wav"
    data = bytearray(make(path))
    at = data.index(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", size)
    path.write_bytes(data)
    assert audio_info(path).frames == 40_000
    np.testing.assert_allclose(read_audio(path)[0], noise, atol=1 / 65536)
    mapped = map_wav(path)
    assert mapped is not None
    assert mapped.shape == (40_000, 2)


def test_a_wav_of_no_samples_with_a_chunk_behind_is_still_empty(tmp_path: Path, refused: Callable[[Path], str]) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros((0, 1)), 44100)
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 4) + b"INFO")
    assert "holds no samples" in refused(path)


def test_a_chunk_behind_the_sound_of_a_w64_is_not_sound(tmp_path: Path, make: Callable[[Path], bytes]) -> None:
    path = tmp_path / "x.w64"
    data = bytearray(make(path))
    guid = b"junk\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
    data += guid + struct.pack("<Q", 64) + b"\x7f" * 40
    data[16:24] = struct.pack("<Q", len(data))
    path.write_bytes(data)
    assert audio_info(path).frames == 40_000
