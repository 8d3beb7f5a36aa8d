"""What a file gets is right to the step, the same each time, and nothing of it stays behind after an error."""

import resource
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiorestore.data import audio_writer
from audiorestore.data.audio_reader import audio_info
from audiorestore.data.audio_writer import AudioWriter, write_audio
from audiorestore.data.file_provenance import read_provenance
from audiorestore.errors import AudioFileError

WRITTEN = [".wav", ".flac", ".aiff", ".aif", ".caf", ".w64", ".rf64"]


def sound(channels: int = 2, frames: int = 3000) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (channels, frames))
    return noise.astype(np.float32)


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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nonfinite_samples_are_refused(tmp_path: Path, value: float) -> None:
    waveform = sound(2, 10_000)
    waveform[1, 4264] = value
    with pytest.raises(AudioFileError, match="refusing to write NaN"):
        write_audio(tmp_path / "y.wav", waveform, 8000)
    assert not (tmp_path / "y.wav").exists()


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


def test_what_flac_cannot_hold_is_refused(tmp_path: Path) -> None:
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


def test_a_wav_that_would_pass_4_gb_becomes_rf64(tmp_path: Path) -> None:
    with AudioWriter(tmp_path / "x.wav", 44100, 2, expected_frames=1 << 30, provenance='{"a": 1}') as writer:
        writer.write(sound())
    assert (tmp_path / "x.wav").read_bytes()[:4] == b"RF64"
    assert audio_info(tmp_path / "x.wav").frames == 3000
    assert read_provenance(tmp_path / "x.wav") == {"a": 1}
    with pytest.raises(AudioFileError, match=r"would pass 4 GB, more than AIFF holds; write \.rf64"):
        AudioWriter(tmp_path / "x.aiff", 44100, 2, expected_frames=1 << 30)


def test_a_wav_that_grows_past_4_gb_stops_instead_of_breaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_writer, "_LARGEST_32_BIT", 20_000)
    with AudioWriter(tmp_path / "y.wav", 44100, 2) as writer:
        writer.write(sound())
        with pytest.raises(AudioFileError, match="would pass 4 GB"):
            writer.write(sound())
    with pytest.raises(AudioFileError, match="would pass 4 GB"), AudioWriter(tmp_path / "x.wav", 44100, 2) as writer:
        writer.write(sound(2, 6000))
    assert [path.name for path in tmp_path.iterdir()] == ["y.wav"]


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
    with pytest.raises(AudioFileError, match="nothing to write"), AudioWriter(tmp_path / "x.wav", 44100, 1):
        pass
    assert list(tmp_path.iterdir()) == []


def test_wrong_shapes_are_the_programmer_s_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not fit 2 channel"), AudioWriter(tmp_path / "x.wav", 44100, 2) as writer:
        writer.write(np.zeros((3, 10)))
    with pytest.raises(TypeError, match="must be floats"), AudioWriter(tmp_path / "x.wav", 44100, 1) as writer:
        writer.write(np.zeros(10, np.int16))
