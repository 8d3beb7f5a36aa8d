"""The numbers of many records in one table: means, medians, and the gain over doing nothing."""

import csv
import io
import json
from typing import Any

import pytest
from rich.console import Console

from audiorestore.report.page.numbers import columns
from audiorestore.report.tables import format_number, summary_as, summary_table
from audiorestore.scores.summary import ROWS, Entry, Summary, numbers


def measured(**rows: dict[str, float | None]) -> dict[str, Any]:
    return {"id": "song", "metrics": rows}


@pytest.fixture
def summary() -> Summary:
    """Three records with an undefined number in one, and two that failed."""
    held = Summary()
    for index, (before, after) in enumerate([(10.0, 13.0), (20.0, 21.0), (30.0, 38.0)]):
        held.add(
            measured(
                degraded={"snr_db": before, "lsd_db": 4.0 + index},
                degraded_leveled={"snr_db": before + 1, "lsd_db": 4.0},
                restored={"snr_db": after, "lsd_db": 3.0 if index else None},
                restored_leveled={"snr_db": after + 0.5, "lsd_db": 4.5},
            )
        )
    held.add({"id": "broken", "error": {"stage": "eval", "message": "broken"}})
    held.add({"id": "never measured"})
    return held


def entry(summary: Summary, row: str, number: str) -> Entry:
    (found,) = [entry for entry in summary.table() if (entry.row, entry.number) == (row, number)]
    return found


def test_records_and_failures_are_counted(summary: Summary) -> None:
    assert (summary.records, summary.failed) == (3, 2)


def test_mean_and_median_are_over_records(summary: Summary) -> None:
    # Of 27 equally likely resamples of three values, one contains only the lowest and one only the highest.
    whole = Entry("restored", "snr_db", count=3, mean=24.0, median=21.0, gain=4.0, low=13.0, high=38.0)
    assert entry(summary, "restored", "snr_db") == whole


def test_an_undefined_number_is_left_out_and_not_averaged(summary: Summary) -> None:
    assert entry(summary, "restored", "lsd_db").count == 2
    assert entry(summary, "restored", "lsd_db").mean == 3.0


def test_gain_is_positive_where_a_number_is_better_in_either_direction(summary: Summary) -> None:
    assert entry(summary, "restored", "snr_db").gain == 24.0 - 20.0  # more decibels over the error
    assert entry(summary, "restored", "lsd_db").gain == 5.5 - 3.0  # less distance, where both are known
    assert entry(summary, "restored_leveled", "snr_db").gain == 24.5 - 21.0  # against the levelled row
    assert entry(summary, "restored_leveled", "lsd_db").gain == 4.0 - 4.5  # worse


def test_doing_nothing_has_no_gain(summary: Summary) -> None:
    for row in ("degraded", "degraded_leveled"):
        assert entry(summary, row, "snr_db").gain is None


def test_a_number_that_no_record_has_is_none_everywhere(summary: Summary) -> None:
    assert entry(summary, "restored", "si_sdr_db") == Entry("restored", "si_sdr_db", count=0)


def test_without_a_do_nothing_row_there_is_no_gain() -> None:
    alone = Summary()
    alone.add(measured(restored={"snr_db": 3.0}))
    assert entry(alone, "restored", "snr_db").gain is None
    assert {each.row for each in alone.table()} == {"restored"}


def test_rows_come_in_their_order_whatever_the_records_had() -> None:
    held = Summary()
    held.add(measured(**{row: {"snr_db": 1.0} for row in reversed(ROWS)}))
    rows = [each.row for each in held.table()]
    assert list(dict.fromkeys(rows)) == list(ROWS)


def test_the_page_shows_the_very_entries_of_the_table(summary: Summary) -> None:
    entries = summary.table()
    found = columns(summary, ["restored"])
    assert [(column.label, column.index) for column in found] == [
        ("degraded", 0),
        ("degraded, leveled", 0),
        ("restored", 1),
        ("restored, leveled", 1),
    ]
    assert {id(cell) for column in found for cell in column.cells.values()} == set(map(id, entries))


def test_nothing_at_all_is_an_empty_table() -> None:
    assert Summary().table() == []
    assert json.loads(summary_as(Summary(), "json")) == {
        "records": 0,
        "failed": 0,
        "table": [],
        "failures": [],
    }
    assert len(summary_as(Summary(), "markdown").splitlines()) == 2


JSON = ("row", "number", "count", "mean", "median", "gain", "low", "high")


def test_json_is_one_object_with_the_whole_table(summary: Summary) -> None:
    text = summary_as(summary, "json")
    assert text.count("\n") == 1
    assert json.loads(text) == {
        "records": 3,
        "failed": 2,
        "table": [{name: getattr(entry, name) for name in JSON} for entry in summary.table()],
        "failures": [
            {"id": "broken", "system": "", "stage": "eval", "message": "broken"},
            {"id": "never measured", "system": "", "stage": "eval", "message": "it was not measured"},
        ],
    }


def test_csv_has_a_line_for_each_row_and_number_in_full_precision(summary: Summary) -> None:
    lines = list(csv.DictReader(io.StringIO(summary_as(summary, "csv"))))
    assert len(lines) == 4 * len(numbers())
    found = {(line["row"], line["number"]): line for line in lines}
    assert float(found["restored", "snr_db"]["mean"]) == 24.0
    assert found["degraded", "snr_db"]["gain"] == ""
    assert "\r" not in summary_as(summary, "csv")


def test_markdown_has_cells_under_its_headings(summary: Summary) -> None:
    table, failures = summary_as(summary, "markdown").split("\n\n", 1)
    lines = table.splitlines()
    assert {line.count("|") for line in lines} == {9}
    assert "| restored | snr_db | 3 | 24.00 | 21.00 | +4.00 | 13.00 | 38.00 |" in lines
    assert "| degraded | snr_db | 3 | 20.00 | 20.00 | – | 10.00 | 30.00 |" in lines
    assert failures == "2 record(s) failed:\n\n- broken: broken\n- never measured: it was not measured\n"


def test_the_terminal_s_table_shows_the_better_direction_and_signs_the_gain(summary: Summary) -> None:
    console = Console(width=120, file=io.StringIO(), color_system=None)
    console.print(summary_table(summary))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "3 record(s)" in text
    assert "snr_db ↑" in text
    assert "lsd_db ↓" in text
    assert "+4.00" in text
    assert "-0.50" in text
    (line,) = [line for line in text.splitlines() if "+2.50" in line]
    assert line.split()[0] == "restored"
    assert "[13.00, 38.00]" in text
    assert "2 failed" in text


def test_the_terminal_s_table_fits_80_columns(summary: Summary) -> None:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(summary_table(summary))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert "restored_leveled" in text


@pytest.mark.parametrize(
    ("value", "style", "text"), [(None, ".2f", "–"), (1.005e-4, ".3e", "1.005e-04"), (-3.456, ".1f", "-3.5")]
)
def test_numbers_are_written_in_their_metric_s_style(value: float | None, style: str, text: str) -> None:
    assert format_number(value, style) == text


def test_a_summary_of_chosen_metrics_has_only_their_numbers_in_their_order() -> None:
    held = Summary(metrics=["snr", "mse"])
    held.add(measured(degraded={"snr_db": 1.0, "mse": 9.0}, restored={"snr_db": 2.0, "mse": 8.0}))
    assert [each.number for each in held.table()] == ["snr_db", "mse"] * 2
    assert entry(held, "restored", "mse").gain == 1.0
    assert [line.split(",")[1] for line in summary_as(held, "csv").splitlines()[1:]] == ["snr_db", "mse"] * 2
    assert "si_sdr" not in summary_as(held, "markdown")
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(summary_table(held))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.index("snr_db ↑") < text.index("mse ↓")
    assert "si_sdr" not in text
