"""A WAV mapped into memory is what is read, chunk by chunk."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiorestore.data.audio_reader import read_audio
from audiorestore.data.container_chunks import map_wav

FORM = struct.pack("<HHIIHH", 1, 2, 44100, 176400, 4, 16)


def sound(channels: int = 2, frames: int = 3000) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (channels, frames))
    return noise.astype(np.float32)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WAVE"
    for name, payload in chunks:
        body += name + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize(("subtype", "dtype"), [("PCM_16", np.int16), ("FLOAT", np.float32)])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_mapped_wav_is_what_is_read(tmp_path: Path, container: str, subtype: str, dtype: type, channels: int) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, sound(channels).T, 44100, format=container, subtype=subtype)
    mapped = map_wav(path)
    assert mapped is not None
    assert mapped.dtype == dtype
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, soundfile.read(path, dtype=np.dtype(dtype).name, always_2d=True)[0])


def test_odd_chunks_are_padded(tmp_path: Path) -> None:
    samples = np.arange(20, dtype="<i2").reshape(10, 2)
    odd = (b"note", b"odd")
    (tmp_path / "x.wav").write_bytes(riff(odd, (b"fmt ", FORM), odd, (b"data", samples.tobytes()), odd))
    mapped = map_wav(tmp_path / "x.wav")
    assert mapped is not None
    np.testing.assert_array_equal(mapped, samples)
    np.testing.assert_array_equal(read_audio(tmp_path / "x.wav")[0], samples.T / 32768)


def test_a_data_size_larger_than_the_file_maps_to_its_end(tmp_path: Path) -> None:
    samples = np.arange(20, dtype="<i2").reshape(10, 2)
    (tmp_path / "x.wav").write_bytes(riff((b"fmt ", FORM), (b"data", samples.tobytes()))[:-6])
    mapped = map_wav(tmp_path / "x.wav")
    assert mapped is not None
    np.testing.assert_array_equal(mapped, samples[:8])


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_24"), ("WAV", "DOUBLE"), ("WAV", "PCM_U8"), ("WAV", "MS_ADPCM"), ("FLAC", "PCM_16"),
     ("AIFF", "PCM_16"), ("W64", "PCM_16"), ("OGG", "VORBIS")],
)  # fmt: skip
def test_anything_else_is_not_mapped(tmp_path: Path, container: str, subtype: str) -> None:
    soundfile.write(tmp_path / "x.wav", sound().T, 44100, format=container, subtype=subtype)
    assert map_wav(tmp_path / "x.wav") is None


def test_a_big_endian_wav_is_read_but_not_mapped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", sound().T, 44100, endian="BIG", subtype="PCM_16")
    assert (tmp_path / "x.wav").read_bytes()[:4] == b"RIFX"
    assert map_wav(tmp_path / "x.wav") is None
    np.testing.assert_allclose(read_audio(tmp_path / "x.wav")[0], sound(), atol=1 / 32768)
