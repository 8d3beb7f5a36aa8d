"""Degraded audio is aligned with its reference: linearly, provably, and only where something has to move."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import find_lag

from audiorestore.data.audio_file import audio_info, read_audio, write_audio
from audiorestore.data.manifest import Record
from audiorestore.engine.pairing.pair import PairConfig, match_by_name, pair_record
from audiorestore.errors import AlignmentError, AudioFileError, RecordError, UsageError
from audiorestore.signal.lag import shift
from audiorestore.signal.resample import resample

RATE = 16000
SCALE = np.float32(2.0**-15)


def music(frames: int = 24_000, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Make noise with a fall towards the treble, as music has, on the grid of 16 bit; it repeats nowhere."""
    white = np.random.default_rng(seed).standard_normal((channels, frames + 64))
    kernel = 0.9 ** np.arange(64)
    coloured = np.stack([np.convolve(row, kernel, "valid")[:frames] for row in white])
    return (np.rint(0.05 * coloured / SCALE) * SCALE).astype(np.float32)


@pytest.fixture
def align_pair(tmp_path: Path) -> Any:
    """Write a reference and a degraded waveform, and pair them."""

    def pair(
        reference: np.ndarray, degraded: np.ndarray, degraded_rate: int = RATE, folder: bool = True, **options: Any
    ) -> Record:
        paths = {"reference": tmp_path / "clean.wav", "degraded": tmp_path / "damaged.wav"}
        write_audio(paths["reference"], reference, RATE, subtype="FLOAT", overwrite=True)
        write_audio(paths["degraded"], degraded, degraded_rate, subtype="FLOAT", overwrite=True)
        record = {"id": "album/song", **{role: str(path) for role, path in paths.items()}, "mood": "blue"}
        return pair_record(record, PairConfig(folder=tmp_path / "aligned" if folder else None, **options))

    return pair


def late(waveform: np.ndarray, frames: int) -> np.ndarray:
    return np.pad(waveform, [(0, 0), (frames, 0)])


def both(record: Record) -> tuple[np.ndarray, np.ndarray]:
    return read_audio(record["reference"])[0], read_audio(record["degraded"])[0]


def test_a_pair_that_lies_right_is_left_where_it_is(align_pair: Any, tmp_path: Path) -> None:
    reference = music(channels=2)
    record = align_pair(reference, 0.5 * reference, folder=False)
    assert record["degraded"] == str(tmp_path / "damaged.wav")
    assert record["alignment"] == {
        "lag": 0.0,
        "gain_db": -6.02,
        "residual_lag": 0.0,
        "windows": [0.0, 0.0],
        "level": "keep",
    }
    assert (record["sample_rate"], record["channels"], record["frames"]) == (RATE, 2, 24_000)
    assert record["mood"] == "blue"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean.wav", "damaged.wav"]


@pytest.mark.parametrize("frames", [1, 7, 1_105, 12_000])
def test_a_late_copy_is_cut_at_its_start_to_the_very_sample(align_pair: Any, frames: int) -> None:
    reference = music()
    record = align_pair(reference, late(reference, frames))
    assert record["alignment"]["lag"] == frames
    assert record["alignment"]["residual_lag"] == 0.0
    assert "reference_start" not in record["alignment"]
    clean, aligned = both(record)
    np.testing.assert_array_equal(aligned, reference)
    np.testing.assert_array_equal(clean, reference)
    assert record["frames"] == 24_000


@pytest.mark.parametrize("frames", [1, 500])
def test_a_late_copy_that_was_cut_at_the_end_shortens_the_reference(
    align_pair: Any, tmp_path: Path, frames: int
) -> None:
    reference = music()
    record = align_pair(reference, late(reference, frames)[:, :24_000])
    clean, aligned = both(record)
    np.testing.assert_array_equal(aligned, reference[:, :-frames])
    np.testing.assert_array_equal(clean, aligned)
    assert record["frames"] == 24_000 - frames
    assert record["alignment"]["reference_start"] == 0
    assert record["reference"] == str(tmp_path / "aligned" / "reference" / "album" / "song.wav")
    assert record["degraded"] == str(tmp_path / "aligned" / "degraded" / "album" / "song.wav")


@pytest.mark.parametrize("frames", [1, 500])
def test_an_early_copy_loses_the_reference_s_start_and_nothing_wraps_around(align_pair: Any, frames: int) -> None:
    reference = music()
    record = align_pair(reference, reference[:, frames:])
    assert record["alignment"]["lag"] == -frames
    assert record["alignment"]["reference_start"] == frames
    clean, aligned = both(record)
    np.testing.assert_array_equal(aligned, reference[:, frames:])
    np.testing.assert_array_equal(clean, aligned)


def test_a_copy_that_reaches_further_on_both_sides_is_cut_to_the_reference(align_pair: Any) -> None:
    reference = music()
    other = music(1_000, seed=1)
    record = align_pair(reference, np.concatenate([other, reference, other], axis=1))
    assert record["alignment"]["lag"] == 1_000
    np.testing.assert_array_equal(both(record)[1], reference)


def test_channels_may_be_late_by_different_lags(align_pair: Any) -> None:
    reference = music(channels=2)
    degraded = np.stack([late(reference[:1], 30)[0, :24_000], late(reference[1:], 75)[0, :24_000] * np.float32(0.5)])
    record = align_pair(reference, degraded)
    assert record["alignment"]["lag"] == [30.0, 75.0]
    assert record["alignment"]["gain_db"] == pytest.approx([0.0, -6.02], abs=0.02)
    clean, aligned = both(record)
    np.testing.assert_array_equal(clean, reference[:, : 24_000 - 75])
    np.testing.assert_array_equal(aligned, clean * np.array([[1.0], [0.5]], np.float32))


@pytest.mark.parametrize("lag", [0.5, 10.25, -3.4])
def test_fractions_of_a_sample_are_measured_and_undone(align_pair: Any, lag: float) -> None:
    reference = music()
    reference = resample(resample(reference, RATE, RATE // 2), RATE // 2, RATE)  # nothing near the Nyquist frequency
    degraded = shift(reference, -lag, 24_100)
    record = align_pair(reference, degraded)
    assert record["alignment"]["lag"] == pytest.approx(lag, abs=0.01)
    assert abs(record["alignment"]["residual_lag"]) <= 0.01
    clean, aligned = both(record)
    assert clean.shape == aligned.shape == (1, record["frames"])
    inner = slice(100, -200)
    error = np.square(aligned - clean)[:, inner].mean() / np.square(clean)[:, inner].mean()
    assert error < 1e-5
    assert abs(find_lag(clean[0], aligned[0])) < 0.01


@pytest.mark.parametrize("rate", [8000, 32000, 44100])
def test_another_sample_rate_is_brought_to_that_of_the_reference(align_pair: Any, rate: int) -> None:
    reference = resample(resample(music(), RATE, RATE // 4), RATE // 4, RATE)
    record = align_pair(reference, resample(late(reference, 200), RATE, rate), rate)
    assert record["sample_rate"] == RATE
    assert record["alignment"]["lag"] == pytest.approx(200, abs=0.02)
    assert audio_info(record["degraded"]).sample_rate == RATE
    clean, aligned = both(record)
    assert clean.shape == aligned.shape
    inner = slice(500, -500)
    np.testing.assert_allclose(aligned[:, inner], clean[:, inner], atol=2e-3 * np.abs(clean).max())


@pytest.mark.parametrize("gain", [0.25, 0.95, 4.0])
def test_levels_are_matched_where_asked_for(align_pair: Any, gain: float) -> None:
    reference = music(channels=2)
    record = align_pair(reference, np.float32(gain) * reference, level="match")
    assert record["alignment"]["gain_db"] == pytest.approx(20 * np.log10(gain), abs=0.01)
    assert record["alignment"]["level"] == "match"
    clean, aligned = both(record)
    np.testing.assert_allclose(aligned, clean, atol=1e-6)


def test_a_level_that_needs_no_matching_needs_no_copy(align_pair: Any, tmp_path: Path) -> None:
    reference = music()
    record = align_pair(reference, reference, level="match", folder=False)
    assert record["degraded"] == str(tmp_path / "damaged.wav")


@pytest.mark.parametrize("what", ["late", "level", "rate", "length"])
def test_a_copy_needs_a_folder_for_it(align_pair: Any, what: str) -> None:
    reference = music()
    degraded = {
        "late": late(reference, 5),
        "level": 0.5 * reference,
        "rate": resample(reference, RATE, 32000),
        "length": np.pad(reference, [(0, 0), (0, 10)]),
    }[what]
    options: dict[str, Any] = {"level": "match"} if what == "level" else {}
    rate = 32000 if what == "rate" else RATE
    with pytest.raises(AlignmentError, match="give -o FOLDER"):
        align_pair(reference, degraded, rate, folder=False, **options)


def test_pairing_again_goes_on_where_it_was(align_pair: Any, tmp_path: Path) -> None:
    reference = music()
    record = align_pair(reference, late(reference, 40)[:, :24_000])
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "aligned").rglob("*.wav")}
    assert len(written) == 2
    assert align_pair(reference, late(reference, 40)[:, :24_000]) == record
    assert {path: path.stat().st_mtime_ns for path in written} == written


@pytest.mark.parametrize("changed", ["level", "degraded"])
def test_a_copy_made_from_something_else_is_not_replaced_unasked(align_pair: Any, changed: str) -> None:
    reference = music()
    align_pair(reference, late(reference, 40))
    again: dict[str, Any] = {
        "degraded": late(reference, 41) if changed == "degraded" else late(reference, 40),
        **({"level": "match"} if changed == "level" else {}),
    }
    with pytest.raises(AudioFileError, match="made from something else; give -f"):
        align_pair(reference, **again)
    assert align_pair(reference, **again, overwrite=True)["alignment"]["residual_lag"] == 0.0


def test_a_run_that_broke_off_between_the_two_copies_can_be_run_again(align_pair: Any) -> None:
    reference = music()
    record = align_pair(reference, late(reference, 40)[:, :24_000])
    Path(record["degraded"]).unlink()  # the reference's copy is written first
    assert align_pair(reference, late(reference, 40)[:, :24_000]) == record


def test_aligned_copies_never_overwrite_their_own_input(tmp_path: Path) -> None:
    reference = music()
    write_audio(tmp_path / "clean.wav", reference, RATE)
    source = tmp_path / "degraded" / "song.wav"
    source.parent.mkdir()
    write_audio(source, late(reference, 40), RATE)
    before = source.read_bytes()
    record = {"id": "song", "reference": str(tmp_path / "clean.wav"), "degraded": str(source)}
    with pytest.raises(AudioFileError):
        pair_record(record, PairConfig(folder=tmp_path, overwrite=True))
    assert source.read_bytes() == before


def test_drift_other_content_silence_and_turned_polarity_are_refused(align_pair: Any) -> None:
    reference = music(48_000)
    slow = resample(reference, 16_000, 16_016)  # one in a thousand slower
    with pytest.raises(AlignmentError, match="the lag is not the same everywhere"):
        align_pair(reference, slow)
    gap = np.concatenate([reference[:, :20_000], reference[:, 20_300:]], axis=1)  # a piece is missing
    with pytest.raises(AlignmentError, match="the lag is not the same everywhere"):
        align_pair(reference, gap)
    with pytest.raises(AlignmentError, match="do not look like the same recording"):
        align_pair(reference, music(48_000, seed=9))
    with pytest.raises(AlignmentError, match="polarity"):
        align_pair(reference, -reference)
    with pytest.raises(AlignmentError, match="degraded recording is silent"):
        align_pair(reference, 0 * reference)
    with pytest.raises(AlignmentError, match="reference is silent"):
        align_pair(0 * reference, reference)
    with pytest.raises(AlignmentError, match="1 channels and the degraded 2"):
        align_pair(reference, np.concatenate([reference, reference]))


def test_a_silent_channel_takes_the_lag_of_the_others(align_pair: Any) -> None:
    reference = music(channels=2)
    reference[1] = 0
    record = align_pair(reference, late(reference, 12))
    assert record["alignment"]["lag"] == 12.0
    np.testing.assert_array_equal(both(record)[1], reference)


def test_a_record_without_both_sides_is_refused() -> None:
    with pytest.raises(RecordError, match="no reference"):
        pair_record({"id": "a", "degraded": "a.wav"}, PairConfig())


def test_a_paired_record_is_plain_json(align_pair: Any) -> None:
    reference = music(channels=2)
    record = align_pair(reference, late(reference, 3))
    assert json.loads(json.dumps(record, allow_nan=False)) == record


# Folders by name.


def test_folders_are_joined_by_name_whatever_the_suffix(tmp_path: Path) -> None:
    for name in ("clean/a/one.wav", "clean/two.wav", "damaged/a/one.flac", "damaged/three.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_audio(tmp_path / name, music(100), RATE)
    records = list(match_by_name(tmp_path / "clean", {"degraded": tmp_path / "damaged"}, "pair"))
    assert [record["id"] for record in records] == ["a/one", "three", "two"]
    assert records[0] == {
        "id": "a/one",
        "reference": str(tmp_path / "clean/a/one.wav"),
        "degraded": str(tmp_path / "damaged/a/one.flac"),
    }
    assert records[1]["error"] == {
        "stage": "pair",
        "message": f"'three' has no file of that name in {tmp_path / 'clean'} (reference)",
    }
    assert "(degraded)" in records[2]["error"]["message"]


def test_two_files_are_one_pair_and_a_file_with_a_folder_is_none(tmp_path: Path) -> None:
    for name in ("clean.wav", "damaged.wav"):
        write_audio(tmp_path / name, music(100), RATE)
    (record,) = match_by_name(tmp_path / "clean.wav", {"degraded": tmp_path / "damaged.wav"}, "pair")
    assert record["id"] == "clean"
    with pytest.raises(UsageError, match="as folders, or all as files"):
        list(match_by_name(tmp_path / "clean.wav", {"degraded": tmp_path}, "pair"))
    with pytest.raises(UsageError, match=r"--degraded .* does not exist"):
        list(match_by_name(tmp_path / "clean.wav", {"degraded": tmp_path / "nowhere"}, "pair"))


def test_a_foreign_file_is_never_taken_for_a_trimmed_reference(tmp_path: Path) -> None:
    clean = music(16_000)
    write_audio(tmp_path / "clean.wav", clean, RATE, subtype="FLOAT")
    write_audio(tmp_path / "cut.wav", clean[:, 500:], RATE, subtype="FLOAT")
    (tmp_path / "o" / "reference").mkdir(parents=True)
    write_audio(tmp_path / "o" / "reference" / "a.wav", music(15_500, seed=9), RATE)
    record = {"id": "a", "reference": str(tmp_path / "clean.wav"), "degraded": str(tmp_path / "cut.wav")}
    for _ in range(2):
        with pytest.raises(AudioFileError, match="made from something else"):
            pair_record(record, PairConfig(folder=tmp_path / "o"))


def test_copies_that_were_moved_are_told_where_they_are(tmp_path: Path) -> None:
    clean = music(16_000)
    write_audio(tmp_path / "clean.wav", clean, RATE, subtype="FLOAT")
    write_audio(tmp_path / "cut.wav", clean[:, 500:], RATE, subtype="FLOAT")
    record = {"id": "a", "reference": str(tmp_path / "clean.wav"), "degraded": str(tmp_path / "cut.wav")}
    first = pair_record(record, PairConfig(folder=tmp_path / "o"))
    (tmp_path / "o").rename(tmp_path / "moved")
    again = pair_record(record, PairConfig(folder=tmp_path / "moved"))
    assert again["alignment"] == first["alignment"]
    assert again["degraded"] == str(tmp_path / "moved" / "degraded" / "a.wav")
    assert again["reference"] == str(tmp_path / "moved" / "reference" / "a.wav")
