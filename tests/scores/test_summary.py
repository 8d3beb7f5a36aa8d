"""Groups and systems in the summary: what is compared with what, over which records."""

import csv
import io
import json
import math
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from audiorestore.errors import RecordError, UsageError
from audiorestore.report.tables import summary_as, summary_table
from audiorestore.scores.groups import check_field, group_value
from audiorestore.scores.summary import Summary


def record(id: str, before: float | None, after: float | None, **more: Any) -> dict[str, Any]:
    rows = {"degraded": {"snr_db": before}, "restored": {"snr_db": after}}
    return {"id": id, "metrics": rows, **more}


def coded(kbps: int) -> dict[str, Any]:
    return {"damage": [{"name": "mp3", "kbps": kbps}, {"name": "hiss", "snr_db": 20.0}]}


def gathered(records: list[dict[str, Any]], **options: Any) -> Summary:
    summary = Summary(metrics=["snr"], **options)
    for each in records:
        summary.add(each)
    return summary


def shown(summary: Summary) -> str:
    console = Console(width=140, file=io.StringIO(), color_system=None)
    console.print(summary_table(summary))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("damage.mp3.kbps", 32),
        ("damage.hiss.snr_db", 20.0),
        ("damage.mp3", "mp3"),
        ("damage", "mp3+hiss"),
        ("damage.vorbis.kbps", None),
        ("damage.mp3.mood", None),
        ("group", "album"),
        ("alignment.level", "keep"),
        ("alignment.lag", "[0, 1]"),
        ("alignment", '{"lag": [0, 1], "level": "keep"}'),
        ("good", "true"),
        ("group.deeper", None),
        ("nothing", None),
    ],
)
def test_a_field_leads_into_the_record(field: str, value: Any) -> None:
    result = {"group": "album", "good": True, "alignment": {"level": "keep", "lag": [0, 1]}, **coded(32)}
    assert group_value(result, field) == value


def test_a_damage_applied_twice_gives_both_values() -> None:
    twice = {"damage": [{"name": "mp3", "kbps": 128}, {"name": "mp3", "kbps": 32}]}
    assert group_value(twice, "damage.mp3.kbps") == "128+32"


@pytest.mark.parametrize("record", [{"damage": "mp3"}, {"damage": [3, None]}, {"damage": {}}, {"damage": None}])
def test_malformed_damages_have_no_group(record: dict[str, Any]) -> None:
    assert group_value(record, "damage.mp3.kbps") is None


@pytest.mark.parametrize("field", ["", ".", "damage..kbps", "group."])
def test_a_name_that_is_not_a_field_is_refused(field: str) -> None:
    with pytest.raises(UsageError, match="is not the name of a field"):
        check_field(field)


def test_each_group_is_summed_up_by_itself_in_order_of_size() -> None:
    records = [record("a", 10, 12, **coded(128)), record("b", 0, 1, **coded(32)), record("c", 20, 26, **coded(128))]
    table = gathered([*records, record("d", 5, 5)], by=["damage.mp3.kbps"]).table()
    result = [(entry.group["damage.mp3.kbps"], entry.count, entry.mean, entry.gain) for entry in table]
    assert result == [
        (32, 1, 0.0, None),
        (32, 1, 1.0, 1.0),
        (128, 2, 15.0, None),
        (128, 2, 19.0, 4.0),
        (None, 1, 5.0, None),
        (None, 1, 5.0, 0.0),
    ]


def test_unusual_numbers_make_groups_too() -> None:
    values = [10**400, math.nan, 3, math.nan, 2.5]
    table = gathered([record(str(value), 1, 2, mood=value) for value in values], by=["mood"]).table()
    found = {entry.group["mood"]: entry.count for entry in table if entry.row == "restored"}
    assert list(found.items()) == [(2.5, 1), (3, 1), (10**400, 1), ("nan", 2)]


def test_several_fields_give_crossed_groups_in_every_format() -> None:
    records = [record(f"{kbps}{split}", 1, 2, split=split, **coded(kbps)) for kbps in (32, 64) for split in "ab"]
    summary = gathered(records, by=["damage.mp3.kbps", "split"])
    lines = list(csv.DictReader(io.StringIO(summary_as(summary, "csv"))))
    assert [(line["damage.mp3.kbps"], line["split"], line["row"], line["count"]) for line in lines] == [
        (kbps, split, row, "1") for kbps in ("32", "64") for split in "ab" for row in ("degraded", "restored")
    ]
    assert json.loads(summary_as(summary, "json"))["table"][0]["group"] == {"damage.mp3.kbps": 32, "split": "a"}
    markdown = summary_as(summary, "markdown").splitlines()
    assert markdown[0].startswith("| damage.mp3.kbps | split | row |")
    assert {line.count("|") for line in markdown} == {11}
    assert shown(summary).count("damage.mp3.kbps = 64, split = b") == 1


SYSTEMS = [
    record(id, before, after, system=system)
    for system, values in {"cnn": [12, 21, 33], "mlp": [13, 23, 36]}.items()
    for id, before, after in zip("abc", (10, 20, 30), values, strict=True)
]


def test_systems_are_side_by_side_and_their_input_is_counted_once() -> None:
    summary = gathered(SYSTEMS)
    result = [(entry.system, entry.row, entry.count, entry.mean) for entry in summary.table()]
    assert result == [(None, "degraded", 3, 20.0), ("cnn", "restored", 3, 22.0), ("mlp", "restored", 3, 24.0)]
    assert summary.count_different_inputs() == 0
    assert "mlp restored" in shown(summary)
    assert "against cnn" in shown(summary)


def test_each_group_has_its_input_where_each_system_is_a_group() -> None:
    records = [record("a", 10, 12, system=name, model=name) for name in ("cnn", "mlp")]
    table = gathered(records, by=["model"]).table()
    assert [(each.group["model"], each.count, each.mean) for each in table if each.row == "degraded"] == [
        ("cnn", 1, 10.0),
        ("mlp", 1, 10.0),
    ]


def test_a_system_is_compared_with_the_first_pair_by_pair() -> None:
    _, first, second = gathered(SYSTEMS).table()
    assert (first.difference, first.p) == (None, None)
    assert second.difference == 2.0
    assert second.p == 0.25  # of eight patterns of signs, two are as lopsided as three of one sign


def test_pairs_are_found_by_id_and_only_where_both_are_defined() -> None:
    cnn = [record(id, 0, after, system="cnn") for id, after in zip("abcd", (1, 2, None, 4), strict=True)]
    mlp = [record(id, 0, after, system="mlp") for id, after in zip("dcbx", (5, 5, 1, 9), strict=True)]
    second = gathered(cnn + mlp).table()[-1]
    assert second.difference == 0.0  # d gains one, b loses one; c and x have no partner
    assert second.p == 1.0


def test_a_lower_number_is_a_gain_where_less_is_better() -> None:
    summary = Summary(metrics=["mse"])
    for system, value in (("a", 4.0), ("b", 1.0)):
        for id in "xy":
            summary.add({"id": id, "system": system, "metrics": {"restored": {"mse": value}}})
    assert summary.table()[-1].difference == 3.0


def test_p_values_of_more_than_two_systems_are_adjusted_and_the_title_says_so() -> None:
    third = [{**each, "system": "unet"} for each in SYSTEMS[3:]]
    summary = gathered([*SYSTEMS, *third])
    assert [entry.p for entry in summary.table()] == [None, None, 0.5, 0.5]  # twice 0.25
    assert "by Holm over 2 comparisons" in shown(summary)
    assert "Holm" not in shown(gathered(SYSTEMS))


def test_systems_with_different_inputs_are_counted() -> None:
    other = [record(id, before, 40, system="other") for id, before in zip("abc", (10, 25, None), strict=True)]
    summary = gathered([*SYSTEMS[:3], *other])
    assert summary.count_different_inputs() == 2
    assert summary.table()[0].mean == 20.0


def test_the_same_id_twice_in_one_system_is_two_records() -> None:
    summary = gathered([*SYSTEMS, record("a", 10, 50, system="cnn")])
    assert [entry.count for entry in summary.table()] == [4, 4, 3]


def test_samples_of_one_id_are_separate_records() -> None:
    records = [record("a", 1, 2, sample=sample, system=system) for system in ("x", "y") for sample in (0, 1)]
    assert [entry.count for entry in gathered(records).table()] == [2, 2, 2]


def test_failed_samples_of_one_id_are_separate_records() -> None:
    error = {"error": {"stage": "eval", "message": "broken"}}
    summary = gathered([{"id": "a", **error}, *({"id": "a", "sample": sample, **error} for sample in (0, 1))])
    assert [line for line in summary_as(summary, "markdown").splitlines() if line.startswith("- ")] == [
        "- a: broken",
        "- a.0: broken",
        "- a.1: broken",
    ]
    assert [each.get("sample") for each in json.loads(summary_as(summary, "json"))["failures"]] == [None, 0, 1]


def test_text_of_users_is_not_markup() -> None:
    summary = gathered([record("a", 1, 2, system="[red]x|y", group="[/]")], by=["group"])
    assert "[red]x|y restored" in shown(summary)
    assert "group = [/]" in shown(summary)
    assert {line.count("|") for line in summary_as(summary, "markdown").splitlines()} == {11}


@pytest.mark.parametrize(
    "metrics",
    [
        3,
        {"degraded": 3},
        {"degraded": {"snr_db": "ten"}},
        {"degraded": {"snr_db": True}},
        {"r": {"x": 1e999}},
        {"r": {"x": 10**400}},
    ],
)
def test_scores_that_are_not_numbers_are_refused(metrics: Any) -> None:
    with pytest.raises(RecordError):
        gathered([{"id": "a", "metrics": metrics}])


def test_only_the_numbers_of_a_record_are_kept() -> None:
    import tracemalloc

    names = {f"number_{index}": 1.0 + index for index in range(20)}
    rows = ("degraded", "degraded_leveled", "restored", "restored_leveled")
    tracemalloc.start()
    summary = Summary(metrics=["snr"])
    for index in range(500):
        summary.add({"id": f"song {index}", "metrics": {row: dict(names) | {"snr_db": float(index)} for row in rows}})
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 500 * (4 * 21 * 8 * 1.3 + 700)
    assert np.isclose(summary.table()[0].mean, 249.5)


def test_the_table_is_summed_up_once_until_a_record_is_added() -> None:
    summary = gathered(SYSTEMS, by=["id"])
    table = summary.table()
    assert summary.table() is table
    assert "mlp restored" in shown(summary)
    assert summary.table() is table
    summary.add(record("d", 1, 2, system="cnn"))
    assert len(summary.table()) == len(table) + 3


def test_without_groups_there_is_one_group_with_the_same_numbers() -> None:
    records = [record(id, before, before + 2, mood=id) for id, before in zip("abc", (1.0, 2.0, 6.0), strict=True)]
    grouped = gathered(records, by=["mood"])
    assert len(grouped.table()) == 6
    assert grouped.ungrouped().table() == gathered(records).table()
    assert gathered([], by=["mood"]).ungrouped().table() == []


def test_a_series_has_a_value_and_a_gain_for_each_record() -> None:
    summary = gathered([record("a", 10, 12), record("b", 20, None)])
    assert summary.lines() == [("degraded", None), ("restored", None)]
    keys, values, gains = summary.series("restored", None, "snr_db")
    assert [str(key) for key in keys] == ["a", "b"]
    assert np.array_equal(values, [12.0, np.nan], equal_nan=True)
    assert np.array_equal(gains, [2.0, np.nan], equal_nan=True)
