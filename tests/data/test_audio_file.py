"""Audio goes to the disk and comes back as it was, and a bad file is one sentence."""

import gc
import json
import os
import resource
import struct
import threading
import warnings
from pathlib import Path

import lameenc
import numpy as np
import pytest
import soundfile

import audiorestore.data.audio_file as audio_file
from audiorestore.data.audio_file import (
    AUDIO_SUFFIXES,
    AudioInfo,
    AudioReader,
    AudioWriter,
    audio_info,
    map_wav,
    output_subtype,
    output_suffix,
    read_audio,
    read_provenance,
    write_audio,
)
from audiorestore.errors import AudioFileError

WRITTEN = [".wav", ".flac", ".aiff", ".aif", ".caf", ".w64", ".rf64"]


def sound(channels: int = 2, frames: int = 3000, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(-0.9, 0.9, (channels, frames))
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


def decode_from_pipe(data: bytes) -> np.ndarray:
    out, into = os.pipe()

    def feed() -> None:
        with os.fdopen(into, "wb") as stream:
            stream.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with soundfile.SoundFile(out) as source:
        blocks = []
        while len(block := source.read(65536, dtype="float32", always_2d=True)):
            blocks.append(block)
    feeder.join()
    return np.concatenate(blocks).T


# --- There and back --------------------------------------------------------------------------------------------------


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


# --- Levels ----------------------------------------------------------------------------------------------------------


def test_over_full_scale_saturates_and_is_counted(tmp_path: Path) -> None:
    waveform = np.array([[1.0, -1.0, 1.5, -1.5, 0.25]], np.float32)
    assert write_audio(tmp_path / "x.wav", waveform, 44100) == 2
    expected = [32767, -32768, 32767, -32768, 8192]
    np.testing.assert_array_equal(soundfile.read(tmp_path / "x.wav", dtype="int16")[0], expected)


def test_clipping_can_be_refused_and_then_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"1 samples are over full scale, by up to 6\.02 dB"):
        write_audio(tmp_path / "x.wav", np.array([0.5, 2.0]), 44100, clip="refuse")
    assert list(tmp_path.iterdir()) == []
    assert write_audio(tmp_path / "x.wav", np.array([0.5, 2.0]), 44100, clip="refuse", subtype="FLOAT") == 1


def test_rounding_is_to_the_nearest_and_half_to_even(tmp_path: Path) -> None:
    steps = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.49, 0.51])
    write_audio(tmp_path / "x.wav", steps / 32768, 44100)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "x.wav", dtype="int16")[0], [0, 2, 2, 0, -2, 0, 1])


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32"])
def test_dither_is_triangular_and_the_same_for_any_blocks(tmp_path: Path, subtype: str) -> None:
    bits = int(subtype[-2:])
    waveform = np.full((2, 40_000), 0.25 / 2 ** (bits - 1))  # a quarter of a step, which rounding would lose
    write_audio(tmp_path / "a.wav", waveform, 44100, subtype=subtype, dither=True)
    with AudioWriter(tmp_path / "b.wav", 44100, 2, subtype=subtype, dither=True) as writer:
        for start in range(0, 40_000, 777):
            writer.write(waveform[:, start : start + 777])
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    steps = soundfile.read(tmp_path / "a.wav", dtype="int32")[0] / 2 ** (32 - bits)
    assert set(np.unique(steps)) == {-1, 0, 1}
    assert steps.mean() == pytest.approx(0.25, abs=0.01)
    # Triangular noise of ±1 step: 1/6, and the rounding of it 1/12: the error's power does not depend on the sound.
    assert steps.var() == pytest.approx(1 / 4, abs=0.01)
    assert np.corrcoef(steps.T)[0, 1] == pytest.approx(0, abs=0.02)


def test_without_dither_silence_stays_silent(tmp_path: Path) -> None:
    write_audio(tmp_path / "x.flac", np.zeros((2, 5000), np.float32), 44100)
    assert not read_audio(tmp_path / "x.flac")[0].any()


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
    with pytest.raises(AudioFileError, match="was to get NaN"):
        write_audio(tmp_path / "y.wav", waveform, 8000)
    assert not (tmp_path / "y.wav").exists()


# --- Tags and provenance ---------------------------------------------------------------------------------------------

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
        _, chunks, size = audio_file._chunks(file)
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


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".rf64"])
def test_same_sound_gives_same_bytes_at_any_time(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    write_audio(path, sound(), 44100, subtype="FLOAT")
    data = path.read_bytes()
    if suffix != ".rf64":  # libsndfile notes the time of writing in a PEAK chunk
        at = data.index(b"PEAK")
        assert data[at + 12 : at + 16] == bytes(4)
    write_audio(path, sound(), 44100, subtype="FLOAT", overwrite=True)
    assert path.read_bytes() == data


def test_tags_of_mp3_and_vorbis_are_read(tmp_path: Path) -> None:
    for name, container, subtype in (("x.ogg", "OGG", "VORBIS"), ("x.mp3", "MP3", "MPEG_LAYER_III")):
        with soundfile.SoundFile(tmp_path / name, "w", 44100, 2, subtype, format=container) as file:
            file.title, file.artist = "Größe", "日本"
            file.write(sound(2, 30_000).T * 0.5)
        info = audio_info(tmp_path / name)
        assert (info.tags["title"], info.tags["artist"], info.lossy) == ("Größe", "日本", True)


# --- Depths and containers -------------------------------------------------------------------------------------------


def described(container: str, subtype: str, channels: int = 2, sample_rate: int = 44100) -> AudioInfo:
    return AudioInfo(Path("x"), sample_rate, channels, 1, container, subtype, {})


@pytest.mark.parametrize(
    ("container", "subtype", "suffix", "depth", "in_flac"),
    [
        ("WAV", "PCM_U8", ".wav", "PCM_16", "PCM_16"),
        ("AIFF", "PCM_S8", ".aiff", "PCM_16", "PCM_16"),
        ("WAV", "ULAW", ".wav", "PCM_16", "PCM_16"),
        ("WAV", "IMA_ADPCM", ".wav", "PCM_16", "PCM_16"),
        ("FLAC", "PCM_16", ".flac", "PCM_16", "PCM_16"),
        ("FLAC", "PCM_24", ".flac", "PCM_24", "PCM_24"),
        ("CAF", "ALAC_20", ".caf", "PCM_24", "PCM_24"),
        ("W64", "PCM_32", ".w64", "PCM_32", "PCM_24"),
        ("RF64", "FLOAT", ".wav", "FLOAT", "PCM_24"),
        ("WAV", "DOUBLE", ".wav", "DOUBLE", "PCM_24"),
        ("MP3", "MPEG_LAYER_III", ".flac", "PCM_16", "PCM_16"),
        ("OGG", "OPUS", ".flac", "PCM_16", "PCM_16"),
        ("AU", "PCM_24", ".wav", "PCM_24", "PCM_24"),
    ],
)
def test_an_output_keeps_the_input_s_depth_and_family(
    container: str, subtype: str, suffix: str, depth: str, in_flac: str
) -> None:
    info = described(container, subtype)
    assert output_suffix(info) == suffix
    assert output_subtype(info, "WAV") == depth
    assert output_subtype(info, "FLAC") == in_flac


def test_what_flac_cannot_hold_becomes_wav(tmp_path: Path) -> None:
    assert output_suffix(described("OGG", "VORBIS", channels=9)) == ".wav"
    with pytest.raises(AudioFileError, match=r"at most 8 channels .* write \.wav"):
        write_audio(tmp_path / "x.flac", np.zeros((9, 10)), 44100)
    with pytest.raises(AudioFileError, match="use PCM_24"):
        write_audio(tmp_path / "x.flac", np.zeros((1, 10)), 44100, subtype="FLOAT")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.mp3", "x", "x.txt"])
def test_a_suffix_that_cannot_be_written_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioFileError, match=r"cannot be written as .*; use one of \.wav, \.flac"):
        write_audio(tmp_path / name, sound(), 44100)
    write_audio(tmp_path / name, sound(), 44100, container="WAV")
    assert audio_info(tmp_path / name).container == "WAV"


def test_what_is_written_counts_as_audio_in_a_folder() -> None:
    assert set(WRITTEN) | {".mp3", ".ogg", ".opus"} <= AUDIO_SUFFIXES


def test_a_wav_that_would_pass_4_gb_becomes_rf64(tmp_path: Path) -> None:
    with AudioWriter(tmp_path / "x.wav", 44100, 2, expected_frames=1 << 30, provenance='{"a": 1}') as writer:
        writer.write(sound())
    assert (tmp_path / "x.wav").read_bytes()[:4] == b"RF64"
    assert audio_info(tmp_path / "x.wav").frames == 3000
    assert read_provenance(tmp_path / "x.wav") == {"a": 1}
    with pytest.raises(AudioFileError, match=r"would pass 4 GB, more than AIFF holds; write \.rf64"):
        AudioWriter(tmp_path / "x.aiff", 44100, 2, expected_frames=1 << 30)


def test_a_wav_that_grows_past_4_gb_stops_instead_of_breaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_file, "_LARGEST_32_BIT", 20_000)
    with AudioWriter(tmp_path / "y.wav", 44100, 2) as writer:
        writer.write(sound())
        with pytest.raises(AudioFileError, match="would pass 4 GB"):
            writer.write(sound())
    with pytest.raises(AudioFileError, match="would pass 4 GB"), AudioWriter(tmp_path / "x.wav", 44100, 2) as writer:
        writer.write(sound(2, 6000))
    assert [path.name for path in tmp_path.iterdir()] == ["y.wav"]


# --- Nothing half-written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("suffix", WRITTEN)
def test_an_error_while_writing_leaves_nothing(tmp_path: Path, suffix: str, error: type[BaseException]) -> None:
    def fail_halfway() -> None:
        with AudioWriter(tmp_path / f"x{suffix}", 44100, 2, provenance="{}") as writer:
            writer.write(sound())
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_needs_overwrite(tmp_path: Path) -> None:
    write_audio(tmp_path / "x.wav", sound(), 44100)
    with pytest.raises(AudioFileError, match="exists already; give -f"):
        write_audio(tmp_path / "x.wav", sound(), 44100)
    write_audio(tmp_path / "x.wav", sound(1), 44100, overwrite=True)
    assert audio_info(tmp_path / "x.wav").channels == 1


@pytest.mark.parametrize("limit", [100, 20_000, 200_000])
@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_full_disk_is_one_sentence(tmp_path: Path, suffix: str, limit: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(AudioFileError, match="cannot be written"):
            write_audio(tmp_path / f"x{suffix}", sound(2, 200_000), 44100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_gets_nothing_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="would hold no samples"), AudioWriter(tmp_path / "x.wav", 44100, 1):
        pass
    assert list(tmp_path.iterdir()) == []


def test_wrong_shapes_are_the_programmer_s_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not fit 2 channel"), AudioWriter(tmp_path / "x.wav", 44100, 2) as writer:
        writer.write(np.zeros((3, 10)))
    with pytest.raises(TypeError, match="must be floats"), AudioWriter(tmp_path / "x.wav", 44100, 1) as writer:
        writer.write(np.zeros(10, np.int16))


# --- MP3 -------------------------------------------------------------------------------------------------------------

MODES = {
    "constant": {"bit_rate": 32},
    "vbr": {"vbr": 4, "vbr_quality": 6},
    "average": {"vbr": 3, "vbr_mean_bitrate_kbps": 64},
}


@pytest.mark.parametrize("name", ["x.mp3", "x.wav"])  # named .wav, it is still an MP3
@pytest.mark.parametrize(("channels", "sample_rate"), [(1, 8000), (2, 22050), (1, 44100), (2, 44100), (2, 48000)])
@pytest.mark.parametrize("mode", MODES)
def test_an_untagged_mp3_is_read_to_its_end(
    tmp_path: Path, mode: str, channels: int, sample_rate: int, name: str
) -> None:
    data = mp3(channels, sample_rate, **MODES[mode])
    (tmp_path / name).write_bytes(data)
    whole = decode_from_pipe(data)
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
    middle = audio_file.scan_mpeg(data[: len(data) // 2]).runs[0][1]
    (tmp_path / "x.mp3").write_bytes(art + data[:middle] + b"junk" * 30 + data[middle:] + b"TAG".ljust(128))
    whole = decode_from_pipe(data)
    assert audio_info(tmp_path / "x.mp3").frames == whole.shape[1]
    np.testing.assert_array_equal(read_audio(tmp_path / "x.mp3")[0], whole)


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


# --- Damaged files ---------------------------------------------------------------------------------------------------


def make(path: Path) -> bytes:
    container = {".ogg": "OGG", ".mp3": "MP3"}.get(path.suffix)
    if container is None:
        write_audio(path, sound(2, 40_000), 44100)
    else:
        subtype = "VORBIS" if container == "OGG" else "MPEG_LAYER_III"
        soundfile.write(path, sound(2, 40_000).T * 0.5, 44100, format=container, subtype=subtype)
    return path.read_bytes()


def refused(path: Path) -> str:
    with pytest.raises(AudioFileError) as caught:
        read_audio(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    assert "; " in sentence  # what was found; what to do
    return sentence


@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".caf", ".w64", ".rf64", ".mp3"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, part: float) -> None:
    path = tmp_path / f"x{suffix}"
    data = make(path)
    path.write_bytes(data[: int(len(data) * part)])
    assert "cut short" in refused(path)


@pytest.mark.parametrize("suffix", [*WRITTEN, ".mp3", ".ogg"])
@pytest.mark.parametrize("size", [1, 4, 13, 60])
def test_the_stump_of_a_header_is_refused(tmp_path: Path, suffix: str, size: int) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(make(path)[:size])
    refused(path)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
def test_garbage_in_the_middle_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    data = bytearray(make(path))
    data[len(data) // 2 : len(data) // 2 + 4000] = np.random.default_rng(0).bytes(4000)
    path.write_bytes(data)
    refused(path)


def test_an_untagged_mp3_with_a_cut_last_frame_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.mp3").write_bytes(mp3()[:-50])
    assert "its last frame is not whole" in refused(tmp_path / "x.mp3")


def test_what_is_no_audio_is_refused_in_one_sentence(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "missing.wav")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "empty.wav").touch()
    assert "is empty" in refused(tmp_path / "empty.wav")
    (tmp_path / "text.wav").write_text("this is text\n" * 100)
    assert "no audio file" in refused(tmp_path / "text.wav")
    (tmp_path / "x.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    assert "MP4 or M4A" in refused(tmp_path / "x.m4a")
    assert "device or a pipe" in refused(Path("/dev/null"))
    assert "cannot be opened" in refused(tmp_path / "text.wav" / "x.wav")
    for container in ("WAV", "OGG"):
        soundfile.write(tmp_path / "zero", np.zeros((0, 1)), 44100, format=container)
        assert "holds no samples" in refused(tmp_path / "zero")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "x.wav")
    (tmp_path / "x.wav").chmod(0)
    assert "may not be read" in refused(tmp_path / "x.wav")


def test_a_flac_that_does_not_know_its_length_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    data = bytearray(make(path))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert audio_info(path).frames == 40_000
    np.testing.assert_allclose(read_audio(path)[0], sound(2, 40_000), atol=1 / 65536)


def test_a_flac_with_a_garbled_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    data = bytearray(make(path))
    path.write_bytes(data[:21] + bytes([data[21] | 0x0F]) + b"\xff" * 4 + data[26:])  # 2³⁶ − 1 samples
    refused(path)
    path.write_bytes(data[:42] + bytes([0x01]) + data[43:])  # the last metadata block no longer says that it is
    assert read_provenance(path) is None


def test_asking_past_the_end_is_the_programmer_s_error(tmp_path: Path) -> None:
    make(tmp_path / "x.wav")
    with AudioReader(tmp_path / "x.wav") as reader:
        assert reader.read(40_000).shape == (2, 0)
        for start, frames in ((-1, 1), (40_000, 1), (0, 40_001)):
            with pytest.raises(ValueError, match="40000 samples"):
                reader.read(start, frames)


# --- Streamed WAV, and WAV in memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFDB])
@pytest.mark.parametrize("provenance", [None, "{}"])
def test_a_wav_whose_writer_could_not_seek_is_read_to_its_end(
    tmp_path: Path, size: int, provenance: str | None
) -> None:
    path = tmp_path / "x.wav"
    data = bytearray(make(path))
    at = data.index(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", size)
    path.write_bytes(data)
    assert audio_info(path).frames == 40_000
    np.testing.assert_allclose(read_audio(path)[0], sound(2, 40_000), atol=1 / 65536)
    mapped = map_wav(path)
    assert mapped is not None
    assert mapped.shape == (40_000, 2)


def test_a_wav_of_no_samples_with_a_chunk_behind_is_still_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros((0, 1)), 44100)
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 4) + b"INFO")
    assert "holds no samples" in refused(path)


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


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WAVE"
    for name, payload in chunks:
        body += name + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


FORM = struct.pack("<HHIIHH", 1, 2, 44100, 176400, 4, 16)


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


def test_a_chunk_behind_the_sound_of_a_w64_is_not_sound(tmp_path: Path) -> None:
    path = tmp_path / "x.w64"
    data = bytearray(make(path))
    guid = b"junk\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
    data += guid + struct.pack("<Q", 64) + b"\x7f" * 40
    data[16:24] = struct.pack("<Q", len(data))
    path.write_bytes(data)
    assert audio_info(path).frames == 40_000
