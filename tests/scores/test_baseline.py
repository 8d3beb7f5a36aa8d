"""A run against an earlier one: what is worse, by how much, in which files, and what is missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from audiorestore.errors import UsageError
from audiorestore.scores.baseline import Tolerances, compare, parse_tolerances, read_baseline
from audiorestore.scores.columns import Scores
from audiorestore.scores.summary import numbers

NUMBERS = numbers(["snr", "mse"])


def run(values: dict[str, float | None], number: str = "snr_db", row: str = "restored", **more: Any) -> Scores:
    held = Scores()
    for id, value in values.items():
        held.add({"id": id, "metrics": {row: {number: value}}, **more})
    return held


def missed(before: Scores, after: Scores, tolerances: Tolerances | None = None) -> dict[str, str]:
    return {each.name: each.reason for each in compare(before, after, NUMBERS, tolerances) if each.reason}


def test_the_same_run_passes_and_each_number_is_a_condition() -> None:
    same = run({"a": 10, "b": None, "c": 5})
    assert [each.name for each in compare(same, same, NUMBERS)] == ["records", "restored.snr_db"]
    assert missed(same, same) == {}


def test_better_passes_and_worse_fails_in_either_direction() -> None:
    assert missed(run({"a": 10, "b": 10}), run({"a": 9, "b": 12})) == {}
    assert missed(run({"a": 1e-3}, "mse"), run({"a": 5e-4}, "mse")) == {}
    (reason,) = missed(run({"a": 1e-3}, "mse"), run({"a": 2e-3}, "mse")).values()
    assert reason == "the mean was 0.001 and is worse by 0.001"


def test_a_tolerance_is_in_the_number_s_own_unit() -> None:
    before, after = run({"a": 10, "b": 10}), run({"a": 9, "b": 10})
    assert missed(before, after, Tolerances({"snr_db": 0.5})) == {}
    result = compare(before, after, NUMBERS, Tolerances({"snr_db": 0.4}))[1]
    assert (result.found, result.wanted) == ("9.5", ">= 9.6")
    assert result.reason == "the mean was 10 and is worse by 0.5"
    assert result.worst == (("a", "10.00 → 9.00"),)


def test_the_last_digit_of_a_record_may_change() -> None:
    assert missed(run({"a": 23.4567}), run({"a": 23.4566})) == {}
    assert missed(run({"a": 23.4567}), run({"a": 23.456})) != {}


def test_a_single_file_has_its_own_tolerance() -> None:
    before, after = run({"a": 10, "b": 10, "c": 10}), run({"a": 4, "b": 20, "c": 9.5})
    assert missed(before, after) == {}  # better in the mean
    each = Tolerances(each={"snr_db": 1.0})
    assert missed(before, after, each) == {"restored.snr_db": "worse by more than 1: 1 record(s): a"}
    assert compare(before, after, NUMBERS, each)[1].worst == (("a", "10.00 → 4.00"), ("c", "10.00 → 9.50"))


def test_a_missing_record_fails_and_a_new_one_does_not() -> None:
    before, after = run({"a": 10, "b": 30}), run({"a": 10, "c": 0})
    assert missed(before, after) == {"records": "not measured now: 1 record(s): b"}
    after.add({"id": "b", "error": {"stage": "restore", "message": "broken"}})
    assert missed(before, after) == {"records": "not measured now: 1 record(s): b"}


def test_a_number_that_has_become_undefined_fails_and_one_that_became_defined_does_not() -> None:
    assert missed(run({"a": 10, "b": 1}), run({"a": 10, "b": None})) == {
        "restored.snr_db": "undefined now: 1 record(s): b"
    }
    assert missed(run({"a": 10, "b": None}), run({"a": 10, "b": 1})) == {}


def test_the_ingredients_of_a_grade_are_compared_only_where_a_tolerance_is_given() -> None:
    runs = [Scores(), Scores()]
    for held, grade, steps in zip(runs, (-1.0, -0.5), (1.0, 1.5), strict=True):
        held.add({"id": "a", "metrics": {"restored": {"peaq_odg": grade, "peaq_adb": steps}}})
    result = compare(*runs, numbers(["peaq"]))
    assert [(each.name, each.reason) for each in result] == [("records", ""), ("restored.peaq_odg", "")]
    result = compare(*runs, numbers(["peaq"]), Tolerances({"peaq_adb": 0.1}))
    assert [each.name for each in result if each.reason] == ["restored.peaq_adb"]


def test_two_runs_that_share_nothing_fail() -> None:
    assert "numbers" in missed(run({"a": 1}, "lsd_db"), run({"a": 1}))
    assert missed(run({"a": 1}), Scores()).keys() == {"records", "numbers"}


def test_records_of_one_id_are_matched_in_their_order_and_samples_by_number() -> None:
    before, after = Scores(), Scores()
    for held, values in ((before, (1.0, 5.0)), (after, (5.0, 1.0))):
        for sample, value in enumerate(values):
            held.add({"id": "a", "sample": sample, "metrics": {"restored": {"snr_db": value}}})
    result = missed(before, after, Tolerances(each={"snr_db": 0.5}))
    assert result == {"restored.snr_db": "worse by more than 0.5: 1 record(s): a.1"}
    assert missed(run({"a": 1}), run({"a": 1})) == {}


def test_a_failed_record_keeps_its_place_among_those_of_its_id() -> None:
    before, after = Scores(), Scores()
    for value in (1.0, 5.0):
        before.add({"id": "a", "metrics": {"restored": {"snr_db": value}}})
    after.add({"id": "a", "error": {"stage": "eval", "message": "broken"}})
    after.add({"id": "a", "metrics": {"restored": {"snr_db": 3.0}}})
    assert missed(before, after) == {
        "records": "not measured now: 1 record(s): a",
        "restored.snr_db": "the mean was 5 and is worse by 2",
    }


def test_systems_are_matched_by_name_and_a_baseline_without_one_is_for_all() -> None:
    cnn, mlp = run({"a": 10}, system="cnn"), run({"a": 5}, system="mlp")
    both = Scores({**cnn.systems, **mlp.systems})
    assert missed(both, both) == {}
    assert missed(run({"a": 7}), both).keys() == {"mlp: restored.snr_db"}
    assert missed(both, cnn) == {"mlp: records": "not measured now: 1 record(s): a"}
    assert "cnn: records" in missed(cnn, run({"a": 10}))


@pytest.mark.parametrize(
    "text",
    ["snr_db", "snr_db=", "=1", "snr_db=x", "snr_db=-1", "snr_db=nan", "snr_db=inf", "some:snr_db=1", "snr_db=1 2", ""],
)
def test_tolerances_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--tolerance .* cannot be read"):
        parse_tolerances([text], NUMBERS)


def test_tolerances_are_read() -> None:
    result = parse_tolerances(["snr_db=0.5", " all: mse = 1e-3", "snr_db=1"], NUMBERS)
    assert (result.mean, result.each) == ({"snr_db": 1.0}, {"mse": 1e-3})
    with pytest.raises(UsageError, match="no number 'snr'"):
        parse_tolerances(["snr=1"], NUMBERS)


GOOD = {"id": "a", "metrics": {"restored": {"snr_db": 1.0, "mse": None}}}


def test_a_baseline_is_what_eval_wrote(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    broken = {"id": "b", "error": {"stage": "eval", "message": "broken"}}
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(broken) + "\n")
    held = read_baseline(path)
    assert held.records == 1
    assert [failure.id for failure in held.failures] == ["b"]


def test_a_baseline_needs_the_extension_of_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "scores"
    path.write_text(json.dumps(GOOD) + "\n")
    with pytest.raises(UsageError, match=r"manifest extension \(\.json, \.jsonl, "):
        read_baseline(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is not a file"),
        ("", "holds no records"),
        ('{"id": "a"}\n', "contains no scores"),
        (json.dumps(GOOD) + "\n{broken\n", "line 2: is not JSON"),
        ('{"id": "a", "metrics": 3}\n', "a: metrics is not an object"),
        ('{"id": "a", "metrics": {"restored": {"snr_db": "10"}}}\n', "restored.snr_db is '10', not a number"),
        ('{"id": "a", "metrics": {"restored": {"snr_db": NaN}}}\n', "NaN is not a JSON number"),
        ('{"id": "a", "metrics": {"restored": {"snr_db": 1e999}}}\n', "an undefined number has to be null"),
    ],
)
def test_a_file_that_is_not_a_baseline_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "scores.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_baseline(path)
    assert words in str(refused.value)
