"""Who trains, who validates, who is tested: a hash decides, so nobody moves when others come."""

import os
from collections import Counter
from pathlib import Path

import pytest

from audiorestore.data.manifest import Record, failed
from audiorestore.engine.pairing.split import Splitter, assign_splits, parse_group_by, parse_ratios
from audiorestore.errors import UsageError

RATIOS = (0.8, 0.1, 0.1)


def groups(count: int, start: int = 0) -> list[str]:
    return [f"album/song{index}" for index in range(start, start + count)]


def test_ratios_are_shares_of_whatever_sum() -> None:
    assert parse_ratios("80:10:10") == pytest.approx(RATIOS)
    assert parse_ratios("8:1:1") == pytest.approx(RATIOS)
    assert parse_ratios("3:1") == (0.75, 0.0, 0.25)
    assert parse_ratios("100:0:0") == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "text", ["", "80", "80:10:5:5", "a:b:c", "-1:1:1", "0:0:0", "0:0", "nan:1:1", "inf:1:1", "80/10/10"]
)
def test_other_ratios_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="as 80:10:10"):
        parse_ratios(text)


@pytest.mark.parametrize("seed", range(2))
def test_adding_groups_moves_none_of_the_old_ones(seed: int) -> None:
    few = assign_splits(groups(100), RATIOS, seed)
    assert set(few.values()) == {"train", "val", "test"}
    many = assign_splits(groups(1_000), RATIOS, seed)
    assert {group: many[group] for group in few} == few


def test_shares_are_near_the_ratios() -> None:
    counted = Counter(assign_splits(groups(5_000), RATIOS, 0).values())
    # Three standard deviations of a binomial share: 3 · √(p · (1 − p) / 5000) is 1.7 % and 1.3 %.
    assert counted["train"] / 5_000 == pytest.approx(0.8, abs=0.017)
    assert counted["val"] / 5_000 == pytest.approx(0.1, abs=0.013)
    assert counted["test"] / 5_000 == pytest.approx(0.1, abs=0.013)


@pytest.mark.parametrize("count", [3, 4, 7])
def test_no_split_is_empty_however_few_the_groups(count: int) -> None:
    for seed in range(60):
        for ratios in (RATIOS, (0.98, 0.01, 0.01), (0.01, 0.01, 0.98), (0.01, 0.98, 0.01)):
            assert set(assign_splits(groups(count), ratios, seed).values()) == {"train", "val", "test"}


def test_a_split_without_a_share_gets_nobody() -> None:
    assert set(assign_splits(groups(200), (0.8, 0.0, 0.2), 0).values()) == {"train", "test"}
    assert set(assign_splits(groups(200), (1.0, 0.0, 0.0), 0).values()) == {"train"}
    assert set(assign_splits(groups(200), (0.0, 0.0, 1.0), 0).values()) == {"test"}


def test_an_empty_split_takes_the_nearest_group_and_no_other_moves() -> None:
    for seed in range(50):
        with_val, without = assign_splits(groups(6), RATIOS, seed), assign_splits(groups(6), (0.9, 0.0, 0.1), seed)
        moved = [group for group in with_val if with_val[group] != without[group] and with_val[group] != "val"]
        assert len(moved) <= 1  # only where taking a group for val left another split with none


def test_the_order_of_the_groups_and_repeating_them_changes_nothing() -> None:
    for seed in range(20):
        expected = assign_splits(groups(5), RATIOS, seed)
        assert assign_splits(reversed(groups(5)), RATIOS, seed) == expected
        assert assign_splits(groups(5) * 2, RATIOS, seed) == expected


def test_another_seed_shares_out_anew() -> None:
    assert assign_splits(groups(100), RATIOS, 0) != assign_splits(groups(100), RATIOS, 1)


@pytest.mark.parametrize(("count", "ratios"), [(0, RATIOS), (1, RATIOS), (2, RATIOS), (1, (0.8, 0.0, 0.2))])
def test_fewer_groups_than_splits_are_refused_with_a_way_out(count: int, ratios: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match=rf"{count} group\(s\) cannot fill .* such as --split 100:0:0"):
        assign_splits(groups(count), ratios, 0)


# Sharing out records.


def test_records_get_group_and_split_and_failed_ones_stay_as_they_were() -> None:
    records = [{"id": f"song{index}", "mood": index} for index in range(20)]
    records[3] = failed(records[3], "degrade", "broken")
    shared = list(Splitter((0.8, 0.1, 0.1), 0).share(iter(records)))
    assert [record["id"] for record in shared] == [record["id"] for record in records]
    assert shared[3] == records[3]
    good = [record for record in shared if "error" not in record]
    assert all(record["group"] == record["id"] for record in good)
    assert {record["split"] for record in good} == {"train", "val", "test"}


def test_all_records_of_a_group_fall_in_one_split() -> None:
    records = [{"id": f"song{index}", "group": f"album{index % 10}", "sample": 0} for index in range(100)]
    splits: dict[str, set[str]] = {}
    for record in Splitter((0.5, 0.25, 0.25), 1).share(records):
        splits.setdefault(record["group"], set()).add(record["split"])
    assert all(len(split) == 1 for split in splits.values())
    assert len(splits) == 10
    samples = list(Splitter((1.0, 0.0, 0.0), 0).share([{"id": "one", "sample": 0}, {"id": "one", "sample": 1}]))
    assert [record["group"] for record in samples] == ["one", "one"]  # copies of one source stay together


def test_nothing_but_failures_needs_no_splits() -> None:
    records = [failed({"id": "a"}, "pair", "broken")]
    assert list(Splitter((0.8, 0.1, 0.1), 0).share(records)) == records


def test_records_of_one_source_file_are_one_group() -> None:
    records: list[Record] = [{"id": f"take{index}", "reference": f"song{index % 4}.wav"} for index in range(12)]
    splitter = Splitter((0.5, 0.25, 0.25), 0)
    shared = list(splitter.share(list(splitter.note(records))))
    for song in range(4):
        mine = [record for record in shared if record["reference"] == f"song{song}.wav"]
        assert len({record["split"] for record in mine}) == 1
        assert {record["group"] for record in mine} == {min(record["id"] for record in mine)}


def test_a_split_that_is_there_stays_unless_shares_are_asked_for() -> None:
    records: list[Record] = [{"id": f"song{index}", "split": "test" if index < 5 else "train"} for index in range(20)]
    kept = Splitter(None, 0)
    assert list(kept.share(records)) == [{**record, "group": record["id"]} for record in records]
    assert kept.replaced == 0
    asked = Splitter((1.0, 0.0, 0.0), 0)
    assert {record["split"] for record in asked.share(records)} == {"train"}
    assert asked.replaced == 5


# Groups that are asked for.


def splits_of(splitter: Splitter, records: list[Record], key: str) -> dict[str, set[str]]:
    """Assign records to splits, and collect the splits in which each value of a field is."""
    found: dict[str, set[str]] = {}
    for record in splitter.share(list(splitter.note(records))):
        found.setdefault(str(record[key]), set()).add(record["split"])
    return found


@pytest.mark.parametrize(
    ("text", "record", "group"),
    [
        ("folder", {"id": "a", "reference": "music/blues/a.wav"}, "music/blues"),
        ("folder", {"id": "a", "reference": "/music/./blues//a.wav"}, "/music/blues"),
        ("folder", {"id": "a", "reference": "../blues/a.wav"}, "../blues"),
        ("folder", {"id": "blues/a", "reference": "a.wav"}, "blues"),
        ("folder", {"id": "blues/a", "reference": "./a.wav"}, "blues"),
        ("folder", {"id": "blues/a"}, "blues"),
        ("folder", {"id": "a", "reference": "a.wav"}, "."),
        (r"path:blues\.\d+", {"id": "a", "reference": "gtzan/blues.00012.1.wav"}, "blues.00012"),
        (r"path:(.*)\.\d\.wav$", {"id": "a", "reference": "gtzan/blues.00012.1.wav"}, "gtzan/blues.00012"),
        (r"path:p(\d+)_(\d+)", {"id": "a", "reference": "vctk/p225_001.wav"}, "225"),
        ("field:speaker", {"id": "a", "speaker": "Ann"}, "Ann"),
        ("field:tags.speaker.name", {"id": "a", "tags": {"speaker": {"name": "Ann"}}}, "Ann"),
        ("field:speaker", {"id": "a", "speaker": 0}, "0"),
        ("field:take", {"id": "a", "take": 1.5}, "1.5"),
        ("field:live", {"id": "a", "live": True}, "true"),
        ("field:group", {"id": "a", "group": "x"}, "x"),
    ],
)
def test_a_group_is_read_from_folder_path_or_field(text: str, record: Record, group: str) -> None:
    (shared,) = Splitter((1.0, 0.0, 0.0), 0, parse_group_by(text)).share([record])
    assert shared["group"] == group


@pytest.mark.parametrize(
    "text", ["", "song", "Folder", "folder:", "path", "path:", "path:(", "path:a{99999999999}", "field:", "field:a..b"]
)
def test_other_ways_to_group_are_refused_with_what_is_possible(text: str) -> None:
    with pytest.raises(UsageError, match=r"--group-by .* it is folder, path:REGEX .* or field:NAME"):
        parse_group_by(text)


def test_a_bad_expression_is_refused_with_what_is_wrong_in_it() -> None:
    with pytest.raises(UsageError, match="unterminated subpattern at position 3"):
        parse_group_by("path:abc(")


@pytest.mark.parametrize(
    ("text", "record", "message"),
    [
        (r"path:song\d", {"id": "a", "reference": "talk.wav"}, r"path:song\d finds nothing in talk.wav"),
        (r"path:^(\d*)", {"id": "a", "reference": "talk.wav"}, "finds nothing in talk.wav"),
        (r"path:(x)|talk", {"id": "a", "reference": "talk.wav"}, "finds nothing in talk.wav"),
        ("path:talk", {"id": "talk"}, "has no reference"),
        ("field:speaker", {"id": "a"}, "has no field speaker"),
        ("field:speaker", {"id": "a", "speaker": ""}, "has no field speaker"),
        ("field:speaker.name", {"id": "a", "speaker": "Ann"}, "has no field speaker.name"),
        ("field:speaker", {"id": "a", "speaker": {"name": "Ann"}}, 'is {"name": "Ann"}, neither text nor a number'),
    ],
)
def test_a_record_without_such_a_group_fails_before_any_work_is_done(text: str, record: Record, message: str) -> None:
    splitter = Splitter((1.0, 0.0, 0.0), 0, parse_group_by(text))
    (noted,) = splitter.note([record])
    assert message in noted["error"]["message"]
    assert noted == failed(record, "pair", noted["error"]["message"])
    assert list(splitter.share([noted])) == [noted]


def test_one_record_without_a_group_leaves_the_others_be() -> None:
    records: list[Record] = [{"id": f"song{index}", "speaker": index} for index in range(20)]
    del records[3]["speaker"]
    shared = list(Splitter(RATIOS, 0, parse_group_by("field:speaker")).share(records))
    assert [record["id"] for record in shared if "error" in record] == ["song3"]
    assert {record["split"] for record in shared if "error" not in record} == {"train", "val", "test"}


def thirds(songs: int, takes: int = 1) -> list[Record]:
    """Make records as GTZAN cut in thirds gives them, each third damaged in several ways."""
    return [
        {"id": f"{song:03}.{third}", "sample": take, "song": song, "reference": f"gtzan/blues.{song:05}.{third}.wav"}
        for song in range(songs)
        for third in range(3)
        for take in range(takes)
    ]


def test_thirds_of_a_song_never_fall_into_two_splits() -> None:
    for seed in range(10):
        splitter = Splitter(RATIOS, seed, parse_group_by(r"path:(.*)\.\d\.wav$"))
        splits = splits_of(splitter, thirds(20, takes=3), "song")
        assert [len(found) for found in splits.values()] == [1] * 20
        assert set.union(*splits.values()) == {"train", "val", "test"}


def test_without_a_group_thirds_of_a_song_do_fall_into_two_splits() -> None:
    splits = splits_of(Splitter(RATIOS, 0), thirds(20), "song")
    assert max(len(found) for found in splits.values()) > 1


def test_the_group_is_that_of_the_source_and_not_of_the_aligned_copy() -> None:
    splitter = Splitter(RATIOS, 0, parse_group_by(r"path:(.*)\.\d\.wav$"))
    noted = list(splitter.note(thirds(20)))
    aligned = [{**record, "reference": f"aligned/{record['id']}.wav"} for record in noted]
    assert {record["group"] for record in splitter.share(aligned)} == {f"gtzan/blues.{song:05}" for song in range(20)}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("group_by", [None, "field:mood"])
def test_records_of_one_source_stay_together_whatever_their_groups(seed: int, group_by: str | None) -> None:
    records: list[Record] = [
        {"id": f"take{index}", "reference": f"song{index % 10}.wav", "mood": f"mood{index}", "group": f"mood{index}"}
        for index in range(30)
    ]
    splits = splits_of(Splitter(RATIOS, seed, group_by and parse_group_by(group_by)), records, "reference")
    assert [len(found) for found in splits.values()] == [1] * 10


def test_groups_that_share_a_source_become_one_along_the_whole_chain() -> None:
    sources = {"a": "1.wav", "b": "2.wav", "c": "2.wav", "d": "3.wav", "e": "4.wav"}
    groups = {"a": "z", "b": "z", "c": "y", "d": "y", "e": "x"}
    records = [{"id": name, "reference": sources[name], "group": groups[name]} for name in sources]
    for order in (records, records[::-1]):
        shared = {record["id"]: record["group"] for record in Splitter((1.0, 0.0, 0.0), 0).share(order)}
        assert shared == {"a": "y", "b": "y", "c": "y", "d": "y", "e": "x"}


def test_a_record_without_a_group_joins_the_group_of_its_source() -> None:
    records = [{"id": "a", "reference": "song.wav"}, {"id": "b", "reference": "song.wav", "group": "x"}]
    assert [record["group"] for record in Splitter((1.0, 0.0, 0.0), 0).share(records)] == ["x", "x"]


def test_one_file_under_two_names_is_one_source(tmp_path: Path) -> None:
    (tmp_path / "song.wav").touch()
    (tmp_path / "again.wav").symlink_to("song.wav")
    paths = [str(tmp_path / "song.wav"), str(tmp_path / "again.wav"), os.path.relpath(tmp_path / "song.wav")]
    records = [{"id": f"{index}", "reference": path} for index, path in enumerate(paths)]
    assert {record["group"] for record in Splitter((1.0, 0.0, 0.0), 0).share(records)} == {"0"}


def test_references_of_the_same_bytes_are_one_source() -> None:
    records = [{"id": name, "reference": f"{name}.wav", "digests": {"reference": "5eed"}} for name in "ab"]
    records += [{"id": "c", "reference": "c.wav", "digests": {"reference": "other"}}]
    assert [record["group"] for record in Splitter((1.0, 0.0, 0.0), 0).share(records)] == ["a", "a", "c"]


def test_a_group_that_is_asked_for_replaces_the_one_that_is_there() -> None:
    record = {"id": "a", "reference": "blues/a.wav", "group": "mine"}
    (kept,) = Splitter((1.0, 0.0, 0.0), 0).share([record])
    (asked,) = Splitter((1.0, 0.0, 0.0), 0, parse_group_by("folder")).share([record])
    assert (kept["group"], asked["group"]) == ("mine", "blues")


def test_a_record_that_failed_still_holds_its_group_s_name() -> None:
    records = [{"id": "a", "reference": "song.wav"}, {"id": "b", "reference": "song.wav"}]
    broken = [failed(records[0], "degrade", "broken"), records[1]]
    for given in (records, broken):
        assert list(Splitter((1.0, 0.0, 0.0), 0).share(given))[1]["group"] == "a"


def test_splits_that_are_there_and_tear_a_group_apart_are_refused_with_a_way_out() -> None:
    records = [{"id": f"blues/{split}", "split": split} for split in ("train", "test")]
    with pytest.raises(UsageError, match=r"'blues' has records in train and in test already; use --split to reassign"):
        list(Splitter(None, 0, parse_group_by("folder")).share(records))
    assert splits_of(Splitter((1.0, 0.0, 0.0), 0, parse_group_by("folder")), records, "group") == {"blues": {"train"}}


@pytest.mark.parametrize("ratios", ["80:10:10", "85:8:7", "80:20"])
def test_groups_of_several_files_are_shared_out_near_the_ratios(ratios: str) -> None:
    shares = parse_ratios(ratios)
    records: list[Record] = [{"id": f"{group:03}/{file}"} for group in range(400) for file in range(5)]
    shared = list(Splitter(shares, 0, parse_group_by("folder")).share(records))
    counted = Counter(record["split"] for record in shared)
    for name, share in zip(("train", "val", "test"), shares, strict=True):
        # Three standard deviations of the share of 400 groups.
        assert counted[name] / 2_000 == pytest.approx(share, abs=3 * (share * (1 - share) / 400) ** 0.5)
