"""Gates: how they are written, when they hold, and which files they name."""

from typing import Any

import pytest

from audiorestore.errors import UsageError
from audiorestore.metrics import METRICS
from audiorestore.scores.columns import Columns, Scores
from audiorestore.scores.gates import judge, judge_gates, parse_gate, read_gates
from audiorestore.scores.summary import numbers

NUMBERS = numbers(["snr", "lsd", "mse"])


def scores(**rows: list[float | None]) -> Columns:
    """Columns of SNR by row, a record for each place: a, b, c …"""
    held = Columns()
    for place, values in enumerate(zip(*rows.values(), strict=True)):
        metrics = {row: {"snr_db": value} for row, value in zip(rows, values, strict=True)}
        held.add({"id": "abcdefghij"[place], "metrics": metrics})
    return held


def verdict(text: str, failed: int = 0, **rows: list[float | None]) -> Any:
    (gate,) = read_gates([text], NUMBERS)
    return judge(gate, scores(**rows), NUMBERS, failed)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("restored.snr_db>=degraded.snr_db+1.0", True),
        ("restored.snr_db >= degraded.snr_db + 2", True),  # 12 and 10 + 2
        ("restored.snr_db>degraded.snr_db+2", False),
        ("restored.snr_db - degraded.snr_db == 2", True),
        ("restored.snr_db-degraded.snr_db==2.001", False),
        ("degraded.snr_db<=10", True),
        ("degraded.snr_db<10", False),
        ("-degraded.snr_db <= -1e1", True),
        ("12.5 > restored.snr_db", True),
        ("+12. >= restored.snr_db - .5 + 5e-1", True),
        ("mean:restored.snr_db>=12", True),
        ("median: restored.snr_db >= 12", False),  # 11
        ("median:restored.snr_db==11", True),
        ("all:restored.snr_db>degraded.snr_db", False),  # b is no better
        ("all : restored.snr_db>=degraded.snr_db", True),
    ],
)
def test_a_condition_holds_or_does_not(text: str, holds: bool) -> None:
    result = verdict(text, degraded=[8, 11, 11], restored=[10, 11, 15])
    assert (result.reason == "") is holds
    assert result.name == text


def test_sums_of_floats_that_should_be_equal_are() -> None:
    assert not verdict("restored.snr_db>=degraded.snr_db+0.1", degraded=[0.1, 0.2], restored=[0.2, 0.3]).reason
    assert not verdict("all:restored.snr_db==degraded.snr_db+0.1", degraded=[0.1, 0.2], restored=[0.2, 0.3]).reason
    assert verdict("restored.snr_db>degraded.snr_db+0.1", degraded=[0.1, 0.2], restored=[0.2, 0.3]).reason


def test_the_mean_and_the_worst_files_are_named() -> None:
    result = verdict("restored.snr_db>=degraded.snr_db+1", degraded=[10, 10, 10], restored=[9, 12, 10])
    assert (result.found, result.wanted) == ("10.3333", ">= 11")
    assert result.reason == "the mean is 10.3333, not >= 11"
    assert result.worst == (("a", "9.00, wanted >= 11.00"), ("c", "10.00, wanted >= 11.00"))


def test_of_many_files_the_five_worst_are_named() -> None:
    result = verdict("all:restored.snr_db>=10", restored=[9, 8, 7, 6, 5, 4, 11])
    assert [name for name, _ in result.worst] == ["f", "e", "d", "c", "b"]
    assert result.reason == "6 of 7 records do not meet it"


@pytest.mark.parametrize("statistic", ["", "median:", "all:"])
def test_an_undefined_number_fails_whatever_the_others_are(statistic: str) -> None:
    result = verdict(f"{statistic}restored.snr_db>=degraded.snr_db", degraded=[1, 1, 1], restored=[9, None, 9])
    assert result.reason == "undefined in 1 record(s): b"
    assert not verdict(f"{statistic}degraded.snr_db>=1", degraded=[1, 1, 1], restored=[9, None, 9]).reason


def test_the_mean_is_over_the_records_where_both_sides_are_defined() -> None:
    result = verdict("restored.snr_db>=degraded.snr_db+1", degraded=[1, 100, 3], restored=[2, None, 4])
    assert (result.found, result.wanted) == ("3", ">= 3")
    assert result.reason == "undefined in 1 record(s): b"


def test_a_row_that_no_record_has_fails_and_so_does_a_run_without_records() -> None:
    assert verdict("restored.snr_db>=1", degraded=[1, 2]).reason == "undefined in 2 record(s): a, b"
    assert verdict("restored.snr_db>=1").reason == "no record was measured"


def test_a_failed_record_cannot_meet_a_condition_on_all() -> None:
    assert verdict("all:restored.snr_db>=1", failed=2, restored=[5]).reason == "2 record(s) failed"
    assert not verdict("restored.snr_db>=1", failed=2, restored=[5]).reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "one comparison"),
        ("restored.snr_db", "one comparison"),
        ("restored.snr_db=1", "one comparison"),
        ("1<restored.snr_db<2", "one comparison"),
        ("restored.snr_db>=", "a side is missing"),
        (">=1", "a side is missing"),
        ("restored.snr_db>=1+", "a side is missing"),
        ("restored.snr_db=>1", "'restored.snr_db=' is neither|where + or - is"),
        ("restored.snr_db>=>1", "one comparison"),
        ("restored.snr_db>=degraded", "'degraded' is neither"),
        ("restored.snr_db>=2*degraded.snr_db", "'*degraded.snr_db' where"),
        ("restored.snr_db>=1 degraded.snr_db", "where + or - is expected"),
        ("restored.snr_db>=--1", "neither"),
        ("restored.snr_db>=nan", "neither"),
        ("restored.snr_db>=1e999", "too large"),
        ("1>=0", "names no number"),
        ("some:restored.snr_db>=0", "'some:restored.snr_db' is neither"),
        ("restored.snr_db>=__import__('os').system('true')", "neither|where"),
        ("restored.snr_db>=١", "neither"),  # a digit, but not one of ours
        ("restored.snr_db>=\n[red]", "neither"),
        ("\udcff\x00>=1", "neither"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused_with_an_example(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("*", r"\*").replace("+", r"\+")) as refused:
        parse_gate(text)
    assert repr(text) in str(refused.value)
    assert "restored.snr_db>=degraded.snr_db+1.0" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_long_conditions_are_read_in_linear_time() -> None:
    with pytest.raises(UsageError):
        parse_gate("restored.snr_db>=" + "1+" * 50_000)
    with pytest.raises(UsageError):
        parse_gate(" " * 100_000 + "a" * 100_000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("restord.snr_db>=1", "no row 'restord' (did you mean 'restored'?); there are: degraded, degraded_leveled"),
        ("restored.snr>=1", "no number 'snr' (did you mean 'snr_db'?); these are measured: snr_db, lsd_db"),
        ("restored.si_sdr_db>=1", "'si_sdr_db' is not going to be measured; add --metric si_sdr"),
        ("1<=restored.snr_db-degraded.odd", "no number 'odd'"),
    ],
)
def test_a_number_that_is_not_measured_is_refused_with_those_that_are(text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_gates([text], NUMBERS)
    assert words in str(refused.value)


def test_every_number_of_every_metric_can_be_required() -> None:
    measured = numbers(METRICS.names())
    texts = [f"all:restored_leveled.{name}>=degraded_leveled.{name}" for name in measured]
    assert [gate.terms[0][2] for gate in read_gates(texts, measured)] == list(measured)


def test_each_system_is_judged_even_one_that_only_failed() -> None:
    held = Scores()
    for system, value in (("cnn", 5.0), ("mlp", 1.0)):
        held.add({"id": "a", "system": system, "metrics": {"restored": {"snr_db": value}}})
    held.add({"id": "a", "system": "unet", "error": {"stage": "restore", "message": "broken"}})
    held.add({"id": "line:3", "error": {"stage": "eval", "message": "no record"}})
    judged = judge_gates(read_gates(["restored.snr_db>=2"], NUMBERS), held, NUMBERS)
    assert [(each.kind, each.name, bool(each.reason)) for each in judged] == [
        ("require", "cnn: restored.snr_db>=2", False),
        ("require", "mlp: restored.snr_db>=2", True),
        ("require", "unet: restored.snr_db>=2", True),
    ]
    assert judged[-1].reason == "no record was measured"


def test_a_failed_record_without_a_system_counts_against_all() -> None:
    held = Scores()
    for system in ("cnn", "mlp"):
        held.add({"id": "a", "system": system, "metrics": {"restored": {"snr_db": 9}}})
    gates = read_gates(["all:restored.snr_db>=1"], NUMBERS)
    assert [verdict.reason for verdict in judge_gates(gates, held, NUMBERS)] == ["", ""]
    held.add({"id": "scores.jsonl:3", "error": {"stage": "eval", "message": "is not JSON"}})
    assert [verdict.reason for verdict in judge_gates(gates, held, NUMBERS)] == ["1 record(s) failed"] * 2
