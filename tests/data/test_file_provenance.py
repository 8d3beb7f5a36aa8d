"""Where an output came from is read back from it, and neither the sound nor the tags beside it suffer."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiorestore.data.audio_reader import audio_info, read_audio
from audiorestore.data.audio_writer import write_audio
from audiorestore.data.container_chunks import list_chunks
from audiorestore.data.file_provenance import read_provenance

TAGS = {
    "title": "Größe 日本", "artist": "A", "album": "B", "date": "1999", "genre": "Jazz", "tracknumber": "7",
    "comment": "C", "copyright": "D", "license": "L", "software": "Encoder 1.0",
}  # fmt: skip
PROVENANCE = {"model": "Ünïcode 日本", "options": ["y" * 2500], "digest": "0123"}
CARRIED = {
    ".wav": TAGS.keys() - {"license"},
    ".rf64": TAGS.keys() - {"license"},
    ".flac": TAGS.keys(),
    ".caf": TAGS.keys(),
    ".aiff": {"title", "artist", "comment", "copyright", "software"},
    ".w64": set(),
}


def sound(channels: int = 2, frames: int = 3000) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (channels, frames))
    return noise.astype(np.float32)


@pytest.mark.parametrize("provenance", [None, json.dumps(PROVENANCE, ensure_ascii=False), "{}"])
@pytest.mark.parametrize("suffix", CARRIED)
def test_tags_are_kept_beside_the_provenance(tmp_path: Path, suffix: str, provenance: str | None) -> None:
    waveform = sound(2, 1001)
    write_audio(tmp_path / f"1{suffix}", waveform, 44100, tags=TAGS, provenance=provenance)
    first = audio_info(tmp_path / f"1{suffix}")
    write_audio(tmp_path / f"2{suffix}", waveform, 44100, tags=first.tags, provenance=provenance)
    second = audio_info(tmp_path / f"2{suffix}")
    carried = {name: TAGS[name] for name in CARRIED[suffix]}
    assert first.tags == carried
    assert second.tags == carried  # libsndfile's signature in the software tag does not pile up
    for number in "12":
        path = tmp_path / f"{number}{suffix}"
        carries = provenance is not None and suffix != ".w64"
        assert read_provenance(path) == (json.loads(provenance or "") if carries else None)
        np.testing.assert_allclose(read_audio(path)[0], waveform, atol=1 / 65536)


@pytest.mark.parametrize("suffix", [".wav", ".rf64", ".aiff", ".caf", ".flac"])
@pytest.mark.parametrize("license_tag", ["", "CC BY 4.0"])
@pytest.mark.parametrize("length", [2, 3, 9, 120, 10_000])
def test_provenance_of_any_length_leaves_a_sound_file(
    tmp_path: Path, suffix: str, license_tag: str, length: int
) -> None:
    path, text = tmp_path / f"x{suffix}", json.dumps({"k": "v" * length})
    write_audio(path, sound(1, 999), 44100, subtype="PCM_24", provenance=text, tags={"license": license_tag})
    assert read_provenance(path) == json.loads(text)
    assert audio_info(path).tags.get("license", "") == (license_tag if suffix in (".flac", ".caf") else "")
    with path.open("rb") as file:
        _, chunks, size = list_chunks(file)
    if suffix != ".flac":
        assert chunks[-1].start + chunks[-1].size in (size, size - 1)  # the last chunk ends the file
    if suffix in (".wav", ".aiff"):
        declared = struct.unpack("<I" if suffix == ".wav" else ">I", path.read_bytes()[4:8])[0]
        assert declared == size - 8


def test_files_without_provenance_have_none(tmp_path: Path) -> None:
    (tmp_path / "t.wav").write_text("hello")
    soundfile.write(tmp_path / "x.mp3", sound().T * 0.5, 44100)
    soundfile.write(tmp_path / "x.flac", sound().T, 44100)
    for name in ("t.wav", "x.mp3", "x.flac", "missing.wav", "."):
        assert read_provenance(tmp_path / name) is None


def test_a_flac_whose_metadata_do_not_end_has_no_provenance(tmp_path: Path, make: Callable[[Path], bytes]) -> None:
    path = tmp_path / "x.flac"
    data = make(path)
    path.write_bytes(data[:42] + bytes([0x01]) + data[43:])  # the last metadata block no longer says that it is
    assert read_provenance(path) is None
