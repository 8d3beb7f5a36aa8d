"""Segments for training: from anywhere in the sound, with silence around it, and from disk as from memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiorestore.data import pairs
from audiorestore.data.audio_file import write_audio
from audiorestore.data.pairs import PairDataset
from audiorestore.errors import RecordError
from audiorestore.signal.resample import resample

RATE = 8000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a pair of waveforms and give its record."""

    def pair(name: str, reference: np.ndarray, degraded: np.ndarray | None = None, **options: Any) -> dict[str, Any]:
        degraded = -reference if degraded is None else degraded
        rate = options.pop("sample_rate", RATE)
        suffix = options.pop("suffix", ".wav")
        options.setdefault("subtype", "FLOAT")
        for role, waveform in (("clean", reference), ("degraded", degraded)):
            write_audio(tmp_path / f"{name}.{role}{suffix}", np.atleast_2d(waveform), rate, **options)
        return {
            "id": name,
            "reference": str(tmp_path / f"{name}.clean{suffix}"),
            "degraded": str(tmp_path / f"{name}.degraded{suffix}"),
        }

    return pair


def counting(frames: int, start: int = 1) -> np.ndarray:
    """Make a waveform whose samples are their own places."""
    return (np.arange(start, start + frames) / 65536).astype(np.float32)


def places(segments: np.ndarray) -> np.ndarray:
    return np.rint(segments * 65536).astype(int)


def test_segments_of_both_sides_are_cut_at_the_same_place(write: Any) -> None:
    data = PairDataset([write("a", counting(1_000))], RATE)
    degraded, reference = data.draw(rng(), 50, 64, 10)
    assert degraded.shape == reference.shape == (50, 1, 84)
    assert degraded.dtype == reference.dtype == np.float32
    np.testing.assert_array_equal(degraded, -reference)
    inside = places(reference)[:, 0, 10:-10]
    np.testing.assert_array_equal(np.diff(inside, axis=1), 1)
    assert inside.min() >= 1
    assert inside.max() <= 1_000


def test_context_is_sound_inside_the_file_and_silence_outside(write: Any) -> None:
    data = PairDataset([write("a", counting(100))], RATE)
    _, reference = data.draw(rng(), 200, 60, 30)
    for row in places(reference)[:, 0]:
        first = row[30] - 30  # where the context begins, counted from 1
        expected = np.arange(first, first + 120)
        np.testing.assert_array_equal(row, np.where((expected >= 1) & (expected <= 100), expected, 0))
    starts = places(reference)[:, 0, 30]
    assert starts.min() == 1  # both ends of the file are reached
    assert starts.max() == 41


def test_every_stretch_of_sound_is_as_likely_as_any_other(write: Any) -> None:
    # One file three times as long as the other: three times as many segments, evenly spread.
    data = PairDataset([write("a", counting(3_000)), write("b", counting(1_000, 5_001))], RATE)
    _, reference = data.draw(rng(), 20_000, 100, 0)
    middles = places(reference)[:, 0, 50]
    in_b = middles > 5_000
    assert in_b.mean() == pytest.approx(0.25, abs=0.01)
    counts, _ = np.histogram(middles[~in_b], bins=29, range=(51, 2_951))
    expected = 20_000 * 100 / 4_000
    # Ends get the draws whose segments would reach out of the file: half a segment more.
    assert counts[1:-1] == pytest.approx(expected, rel=0.2)
    assert counts[0] == pytest.approx(1.5 * expected, rel=0.2)
    covered = np.bincount((places(reference)[~in_b] - 1).ravel(), minlength=3_000)
    assert covered[100:-100] == pytest.approx(20_000 * 100 / 4_000, rel=0.35)
    assert covered.min() > 0.35 * 20_000 * 100 / 4_000  # no sample is left out


def test_a_file_shorter_than_a_segment_is_filled_up_with_silence(write: Any) -> None:
    data = PairDataset([write("a", counting(5))], RATE)
    _, reference = data.draw(rng(), 3, 8, 2)
    assert places(reference)[:, 0].tolist() == [[0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0]] * 3


def test_the_same_generator_draws_the_same_segments(write: Any) -> None:
    data = PairDataset([write("a", counting(1_000))], RATE)
    first, again, other = (data.draw(rng(seed), 4, 16, 0)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_mono_model_draws_every_channel_alone(write: Any) -> None:
    data = PairDataset([write("a", np.stack([counting(500, 1), counting(500, 1_001), counting(500, 2_001)]))], RATE)
    _, reference = data.draw(rng(), 300, 10, 0)
    assert reference.shape == (300, 1, 10)
    counts = np.bincount(places(reference)[:, 0, 0] // 1_000, minlength=3)
    assert counts.sum() == 300
    assert counts.min() > 60


def test_a_stereo_model_draws_channel_pairs_and_doubles_what_has_no_partner(write: Any) -> None:
    stereo = PairDataset([write("a", np.stack([counting(500, 1), counting(500, 1_001)]))], RATE, 2)
    _, reference = stereo.draw(rng(), 50, 10, 3)
    assert reference.shape == (50, 2, 16)
    inside = places(reference)[:, :, 3:-3]
    np.testing.assert_array_equal(inside[:, 1] - inside[:, 0], 1_000)
    mono = PairDataset([write("b", counting(500))], RATE, 2)
    _, reference = mono.draw(rng(), 20, 10, 0)
    np.testing.assert_array_equal(reference[:, 0], reference[:, 1])
    three = PairDataset([write("c", np.stack([counting(500, 1 + 1_000 * index) for index in range(3)]))], RATE, 2)
    _, reference = three.draw(rng(), 200, 10, 0)
    firsts = places(reference)[:, :, 0] // 1_000
    assert {tuple(row) for row in firsts.tolist()} == {(0, 1), (2, 2)}


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2])
def test_mapped_files_give_what_files_in_memory_give(
    write: Any, monkeypatch: pytest.MonkeyPatch, subtype: str, channels: int
) -> None:
    noise = (0.1 * rng(5).standard_normal((channels, 3_000))).astype(np.float32)
    records = [write("a", noise, 0.5 * noise, subtype=subtype), write("b", noise[:, :700], subtype=subtype)]
    held = PairDataset(records, RATE)
    assert held.in_memory
    monkeypatch.setattr(pairs, "MEMORY_BYTES", 0)
    mapped = PairDataset(records, RATE)
    assert not mapped.in_memory
    assert all(type(track.degraded).__name__ == "_Mapped" for track in mapped.tracks)
    for ours, theirs in zip(mapped.draw(rng(), 20, 100, 40), held.draw(rng(), 20, 100, 40), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == np.float32
    for ours, theirs in zip(mapped.walk(512, 9), held.walk(512, 9), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_cannot_be_mapped_is_read(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MEMORY_BYTES", 0)
    noise = (0.1 * rng(5).standard_normal((1, 3_000))).astype(np.float32)
    for name, options, rate in (
        ("flac", {"suffix": ".flac", "subtype": "PCM_16"}, RATE),
        ("deep", {"subtype": "PCM_24"}, RATE),
        ("other", {"sample_rate": 16_000}, RATE),
    ):
        data = PairDataset([write(name, noise, **options)], rate)
        assert all(isinstance(track.reference, np.ndarray) for track in data.tracks)


def test_memory_is_reckoned_over_all_channels_of_both_sides(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [write("a", np.zeros((2, 1_000), np.float32) + 0.1)]
    for size, fits in ((16_000, True), (15_999, False)):
        monkeypatch.setattr(pairs, "MEMORY_BYTES", size)
        assert PairDataset(records, RATE).in_memory is fits
        sized = [{**records[0], "frames": 1_000, "channels": 2}]
        assert PairDataset(sized, RATE).in_memory is fits


def test_other_rates_are_resampled_and_zero_means_as_it_comes(write: Any) -> None:
    noise = (0.1 * rng(5).standard_normal((1, 3_000))).astype(np.float32)
    record = write("a", noise, sample_rate=16_000)
    ((_, reference),) = PairDataset([record], RATE).walk(10_000)
    np.testing.assert_array_equal(reference, resample(noise, 16_000, RATE))
    ((_, reference),) = PairDataset([record], 0).walk(10_000)
    np.testing.assert_array_equal(reference, noise)


def test_walking_goes_once_through_everything(write: Any) -> None:
    data = PairDataset([write("a", counting(1_000)), write("b", counting(130, 2_001))], RATE)
    assert data.frames == 1_130
    pieces = [reference for _, reference in data.walk(300)]
    assert [piece.shape for piece in pieces] == [(1, 300), (1, 300), (1, 300), (1, 100), (1, 130)]
    np.testing.assert_array_equal(places(np.concatenate(pieces, axis=1))[0], [*range(1, 1_001), *range(2_001, 2_131)])


def test_walking_with_context_overlaps_and_is_silent_outside(write: Any) -> None:
    data = PairDataset([write("a", counting(10))], RATE)
    pieces = [places(reference)[0].tolist() for _, reference in data.walk(4, context=3)]
    assert pieces == [[0, 0, 0, 1, 2, 3, 4, 5, 6, 7], [2, 3, 4, 5, 6, 7, 8, 9, 10, 0], [6, 7, 8, 9, 10, 0, 0, 0]]


def test_a_limit_is_shared_evenly_and_taken_from_the_middles(write: Any) -> None:
    data = PairDataset([write("a", counting(1_000)), write("b", counting(100, 2_001)), write("c", counting(6))], RATE)
    pieces = [places(reference)[0] for _, reference in data.walk(10_000, limit=60)]
    assert [len(piece) for piece in pieces] == [20, 20, 6]
    assert (pieces[0][0], pieces[1][0]) == (491, 2_041)
    assert sum(reference.shape[1] for _, reference in data.walk(7, limit=10**9)) == 1_106


def test_sides_of_different_shapes_are_refused(write: Any) -> None:
    for name, degraded in (("short", np.zeros((1, 999))), ("stereo", np.zeros((2, 1_000)))):
        with pytest.raises(RecordError, match=f"'{name}'.*use 'ar pair' to align them"):
            PairDataset([write(name, counting(1_000), degraded.astype(np.float32))], RATE)


def test_no_pairs_are_refused() -> None:
    with pytest.raises(RecordError, match="no pairs"):
        PairDataset([], RATE)
