"""Who trains, who validates, who is tested: a hash decides, so nobody moves when others come."""

from collections import Counter

import pytest

from audiorestore.data.manifest import Record, failed
from audiorestore.engine.split import Splitter, assign_splits, parse_ratios
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


@pytest.mark.parametrize("seed", range(5))
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
    for seed in range(300):
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
