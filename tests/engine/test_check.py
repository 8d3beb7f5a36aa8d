"""A manifest of pairs that still holds what it says, and each way in which it may not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiorestore.data.audio_file import write_audio
from audiorestore.data.manifest import Record, failed
from audiorestore.engine.batch import run_batch
from audiorestore.engine.pairing.check import Leaks, check_record
from audiorestore.engine.pairing.pair import PairConfig, pair_record
from audiorestore.engine.pairing.split import Splitter, parse_group_by
from audiorestore.engine.provenance import digest_in, file_digest, with_digests
from audiorestore.errors import AudioFileError, RecordError
from audiorestore.signal.lag import shift

RATE = 16000


def music(frames: int = 8_000, channels: int = 2, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def write(path: Path, waveform: np.ndarray, sample_rate: int = RATE) -> Path:
    write_audio(path, waveform, sample_rate, subtype="FLOAT", overwrite=True)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Record:
    """A pair as `ar pair` leaves it, with `clean.wav` and `hurt.wav` in the test's folder."""
    reference = music()
    paths = {
        "reference": str(write(tmp_path / "clean.wav", reference)),
        "degraded": str(write(tmp_path / "hurt.wav", reference + 0.1 * music(seed=1))),
    }
    return with_digests(pair_record({"id": "album/song", **paths, "mood": "blue"}, PairConfig()))


def problem_of(record: Record) -> str:
    """Check a record that is wrong, and get the message."""
    checked = check_record(record)
    message: str = checked["error"]["message"]
    assert checked == failed(record, "check", message)
    return message


# One pair.


def test_the_digests_of_both_files_are_noted(good: Record, tmp_path: Path) -> None:
    assert good["digests"] == {
        "reference": file_digest(tmp_path / "clean.wav"),
        "degraded": file_digest(tmp_path / "hurt.wav"),
    }
    assert digest_in(good, "degraded") == good["digests"]["degraded"] != digest_in(good, "reference")


@pytest.mark.parametrize("digests", [None, [], "5eed", {}, {"degraded": "5eed"}, {"reference": None}])
def test_a_record_without_a_digest_has_none(digests: Any) -> None:
    assert digest_in({"id": "a", "digests": digests}, "reference") is None


def test_digests_need_both_files(good: Record) -> None:
    with pytest.raises(RecordError, match="no degraded"):
        with_digests({"id": "a", "reference": good["reference"]})
    with pytest.raises(AudioFileError, match=r"gone\.wav cannot be read"):
        with_digests({**good, "degraded": "gone.wav"})


def test_a_pair_that_is_right_comes_back_as_it_was(good: Record) -> None:
    assert check_record(good) == good
    bare = {key: good[key] for key in ("id", "reference", "degraded")}
    assert check_record(bare) == bare


def test_an_aligned_copy_is_right(tmp_path: Path) -> None:
    reference = music()
    paths = {
        "reference": str(write(tmp_path / "clean.wav", reference)),
        "degraded": str(write(tmp_path / "hurt.wav", shift(reference, -30.25, 7_000))),
    }
    record = pair_record({"id": "song", **paths}, PairConfig(folder=tmp_path / "aligned"))
    assert record["alignment"]["lag"] == pytest.approx(30.25, abs=0.02)
    assert check_record(with_digests(record)) == with_digests(record)


def test_what_failed_before_passes_untouched() -> None:
    record = failed({"id": "a"}, "degrade", "broken")
    assert check_record(record) == record


def test_both_files_have_to_be_named(good: Record) -> None:
    assert problem_of({"id": "a", "degraded": good["degraded"]}) == "the record has no reference"
    assert problem_of({"id": "a"}) == "the record has no reference and no degraded"


@pytest.mark.parametrize("role", ["reference", "degraded"])
def test_a_file_that_is_gone_is_told_once(good: Record, role: str) -> None:
    Path(good[role]).unlink()
    assert problem_of(good) == f"{good[role]} does not exist; check the name"


def test_two_files_that_are_gone_are_both_told(good: Record) -> None:
    for role in ("reference", "degraded"):
        Path(good[role]).unlink()
    assert problem_of(good) == "; ".join(
        f"{good[role]} does not exist; check the name" for role in ("reference", "degraded")
    )


def test_a_file_that_is_no_audio_any_more_is_told(good: Record) -> None:
    Path(good["degraded"]).write_bytes(b"nothing of the kind" * 20)
    assert good["degraded"] in problem_of(good)


@pytest.mark.parametrize("role", ["reference", "degraded"])
def test_one_changed_bit_is_told(good: Record, role: str) -> None:
    data = bytearray(Path(good[role]).read_bytes())
    data[-3] ^= 1
    Path(good[role]).write_bytes(data)
    assert problem_of(good) == f"{good[role]} has changed since it was paired (its digest differs)"
    undigested = {key: value for key, value in good.items() if key != "digests"}
    assert check_record(undigested) == undigested


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("sample_rate", 8000, "sample_rate differs: 16000 in the reference, 16000 in the degraded, 8000 in the record"),
        ("channels", 1, "channels differs: 2 in the reference, 2 in the degraded, 1 in the record"),
        ("frames", 7_999, "frames differs: 8000 in the reference, 8000 in the degraded, 7999 in the record"),
    ],
)
def test_the_record_says_what_the_files_hold(good: Record, field: str, value: int, message: str) -> None:
    assert problem_of({**good, field: value}) == message


def test_files_of_different_sizes_are_told_of(good: Record, tmp_path: Path) -> None:
    write(tmp_path / "hurt.wav", music(7_000, channels=1), 8_000)
    assert problem_of(with_digests(good)).split("; ") == [
        "sample_rate differs: 16000 in the reference, 8000 in the degraded, 16000 in the record",
        "channels differs: 2 in the reference, 1 in the degraded, 2 in the record",
        "frames differs: 8000 in the reference, 7000 in the degraded, 8000 in the record",
    ]


def test_the_file_that_is_left_is_still_compared_with_the_record(good: Record) -> None:
    Path(good["degraded"]).unlink()
    assert problem_of({**good, "frames": 9}).endswith("; frames differs: 8000 in the reference, 9 in the record")


@pytest.mark.parametrize("lag", [1.0, -7.0, 0.5])
def test_a_lag_is_measured_again_on_every_channel(good: Record, tmp_path: Path, lag: float) -> None:
    reference = music()
    write(tmp_path / "hurt.wav", np.stack([reference[0], shift(reference[1], -lag, 8_000)]))
    assert problem_of(with_digests(good)) == f"channel 2 of {good['degraded']} has a lag of {lag:.2f} samples"


def test_other_sound_is_told_of(good: Record, tmp_path: Path) -> None:
    write(tmp_path / "hurt.wav", music(seed=5))
    assert "do not look like the same recording" in problem_of(with_digests(good))


def test_what_was_let_through_when_the_pair_was_made_is_no_news(good: Record, tmp_path: Path) -> None:
    write(tmp_path / "hurt.wav", -music())
    turned = with_digests(good)
    assert "polarity is inverted" in problem_of(turned)
    allowed = {**turned, "alignment": {**turned["alignment"], "found": ["polarity"]}}
    assert check_record(allowed) == allowed


@pytest.mark.parametrize("alignment", [None, "fine", {"found": None}, {"found": 3}, {"found": [{}]}])
def test_an_alignment_that_is_none_of_ours_lets_nothing_through(good: Record, tmp_path: Path, alignment: Any) -> None:
    write(tmp_path / "hurt.wav", -music())
    assert "polarity is inverted" in problem_of({**with_digests(good), "alignment": alignment})


def test_on_silence_no_lag_is_asked_for(good: Record, tmp_path: Path) -> None:
    write(tmp_path / "clean.wav", np.zeros((2, 8_000), np.float32))
    assert "error" not in check_record(with_digests(good))


# Many pairs.


def pairs(count: int = 3) -> list[Record]:
    """Make pairs that lie in train, in val and in test, in turn, with nothing in common."""
    return [
        {
            "id": f"song{index}",
            "reference": f"clean/{index}.wav",
            "degraded": f"hurt/{index}.wav",
            "group": f"album{index}",
            "split": ("train", "val", "test")[index % 3],
            "digests": {"reference": f"{index:032x}", "degraded": f"{index + 1000:032x}"},
        }
        for index in range(count)
    ]


def leaks(records: list[Record]) -> dict[str, str]:
    """Watch records pass, and get the messages of those that leak."""
    watched = list(Leaks().watch(records))
    assert [record["id"] for record in watched] == [record["id"] for record in records]
    return {record["id"]: record["error"]["message"] for record in watched if "error" in record}


def test_splits_with_nothing_in_common_pass_untouched() -> None:
    assert list(Leaks().watch(pairs(9))) == pairs(9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group": "album0"}, "it is in val, but 'song0' of the same group (album0) is in train"),
        ({"reference": "clean/0.wav"}, "it is in val, but 'song0' with the same reference file is in train"),
        ({"reference": "hurt/../clean/0.wav"}, "it is in val, but 'song0' with the same reference file is in train"),
        (
            {"digests": {"reference": f"{0:032x}", "degraded": "5eed"}},
            "it is in val, but 'song0' with the same reference under another name is in train",
        ),
    ],
)
def test_what_lies_in_two_splits_is_told_with_both_records(change: Record, message: str) -> None:
    records = pairs()
    records[1] |= change
    assert leaks(records) == {"song1": message}
    records[1]["split"] = "train"
    assert leaks(records) == {}


def test_a_link_to_a_reference_is_the_same_file(tmp_path: Path) -> None:
    records = pairs(2)
    (tmp_path / "again.wav").symlink_to(tmp_path / "song.wav")
    for record, name in zip(records, ("song.wav", "again.wav"), strict=True):
        record["reference"] = str(tmp_path / name)
    assert leaks(records) == {"song1": "it is in val, but 'song0' with the same reference file is in train"}


def test_the_same_file_is_not_told_twice_for_its_bytes() -> None:
    records = pairs(2)
    records[1] |= {"reference": records[0]["reference"], "digests": records[0]["digests"]}
    assert leaks(records) == {"song1": "it is in val, but 'song0' with the same reference file is in train"}


def test_the_same_id_and_sample_twice_is_told() -> None:
    first, second, third = ({**record, "id": "song"} for record in pairs(3))
    assert leaks([first, {**second, "sample": 1}, {**third, "sample": 2}]) == {}
    assert leaks([first, {**second, "sample": 0}]) == {
        "song": "'song' (sample 0) stands for two records of this manifest"
    }


def test_all_have_a_split_or_none_has() -> None:
    without = [{key: value for key, value in record.items() if key != "split"} for record in pairs()]
    assert leaks(without) == {}
    assert leaks([pairs()[0], without[1], pairs()[2]]) == {"song1": "it has no split, but 'song0' has one"}
    assert leaks([without[0], pairs()[1], without[2]]) == {"song1": "it has a split, but 'song0' has none"}


def test_what_failed_in_an_earlier_stage_needs_no_split_and_stays_as_it_was() -> None:
    broken = failed({"id": "broken"}, "degrade", "no sound")
    watched = list(Leaks().watch([broken, *pairs(), {**broken, "id": "broken too"}]))
    assert watched == [broken, *pairs(), {**broken, "id": "broken too"}]


def test_a_leak_is_told_beside_what_was_wrong_already() -> None:
    records = pairs(2)
    records[1] = failed({**records[1], "group": "album0"}, "check", "another digest")
    assert leaks(records) == {
        "song1": "another digest; it is in val, but 'song0' of the same group (album0) is in train"
    }


def test_pairs_without_digests_are_counted_and_are_no_failure() -> None:
    records = pairs(3)
    del records[0]["digests"], records[1]["digests"]["degraded"]
    watch = Leaks()
    assert list(watch.watch(records)) == records
    assert watch.undigested == 2


# The whole way: what is shared out here passes here.


@pytest.fixture
def corpus_of_thirds(tmp_path: Path) -> list[Record]:
    """Twelve songs in thirds, each damaged twice; two of the songs are the same."""
    records: list[Record] = []
    for song in range(12):
        for third in range(3):
            clean = music(2_000, 1, seed=3 * (song % 11) + third)
            reference = write(tmp_path / f"song{song}.{third}.wav", clean)
            for sample in range(2):
                degraded = write(tmp_path / f"hurt{song}.{third}.{sample}.wav", clean * np.float32(0.5 + sample))
                paths = {"reference": str(reference), "degraded": str(degraded)}
                records.append({"id": f"{song}/{third}", "sample": sample, **paths})
    return records


def share(records: list[Record], work: Callable[[Record], Record], seed: int = 0) -> list[Record]:
    splitter = Splitter((0.8, 0.1, 0.1), seed, parse_group_by(r"path:(.*)\.\d\.wav$"))
    return list(splitter.share(list(run_batch(splitter.note(records), work, "pair", seed))))


@pytest.mark.parametrize("jobs", [1, 4])
def test_pairs_that_were_shared_out_are_all_right(corpus_of_thirds: list[Record], jobs: int) -> None:
    shared = share(corpus_of_thirds, lambda record: with_digests(pair_record(record, PairConfig())))
    assert {record["split"] for record in shared} == {"train", "val", "test"}
    for record in Leaks().watch(run_batch(shared, check_record, "check", jobs=jobs)):
        assert "error" not in record


def test_a_copied_song_that_was_shared_out_without_digests_is_found_with_them(corpus_of_thirds: list[Record]) -> None:
    found = 0
    for seed in range(20):
        shared = share(corpus_of_thirds, lambda record: record, seed)
        splits = {record["id"]: record["split"] for record in shared}
        wrong = [record["id"] for record in Leaks().watch(map(with_digests, shared)) if "error" in record]
        assert wrong == ([] if splits["0/0"] == splits["11/0"] else [f"11/{third}" for third in (0, 0, 1, 1, 2, 2)])
        found += bool(wrong)
    assert found > 0
