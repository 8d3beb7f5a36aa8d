"""Tables of numbers, for a terminal or for a file."""

import csv
import io
import json
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ..metrics._comparison import Number
from ..scores.groups import MISSING
from ..scores.summary import Entry, Summary

_COLUMNS = ("row", "number", "count", "mean", "median", "gain", "low", "high")
_COMPARED = ("difference", "p")  # where there are several systems
_LEFT = ("row", "number")


def summary_table(summary: Summary, intervals: bool = True) -> Table:
    """Lay out a summary for a terminal: a section for each group and number, with a line for each row.

    Args:
        summary: What was measured.
        intervals: Whether to show the 95 % intervals of the means, which take some room.
    """
    compared = len(summary.systems) > 1
    table = Table(title=Text(summary_title(summary)), box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    headings = ["files", "mean", *(["95 % of the mean"] if intervals else []), "median", "gain"]
    headings += [f"beyond {summary.systems[0]}", "p"] if compared else []
    table.add_column("", overflow="fold")
    for heading in headings:
        table.add_column(Text(heading), justify="right", no_wrap=True)
    group: Any = None
    entries = summary.table()
    for key in dict.fromkeys(_section(entry) for entry in entries):
        mine = [entry for entry in entries if _section(entry) == key]
        if key[0] != group:
            group = key[0]
            table.add_row(Text(group, style="bold reverse"))
        number = summary.numbers[key[1]]
        table.add_row(Text(f"{key[1]}{arrow_of(number)}", style="bold"))
        for entry in mine:
            label = f" {entry['system']} {entry['row']}" if entry.get("system") else f" {entry['row']}"
            table.add_row(Text(label), *_cells(entry, number, intervals, compared), end_section=entry is mine[-1])
    return table


def summary_title(summary: Summary) -> str:
    """Say what a summary's table is about."""
    failed = f", {summary.failed} failed" if summary.failed else ""
    others = len(summary.systems) - 1
    systems = f" of {others + 1} systems" if others > 0 else ""
    title = f"{summary.records} record(s){systems}{failed}; gain: how much better than the same row of degraded"
    if others > 0:
        holm = f", by Holm over {others} comparisons" if others > 1 else ""
        title += f"; p: Wilcoxon signed-rank against {summary.systems[0]}{holm}"
    return title


def summary_cells(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """Lay out a summary as words: headings, and a row of cells for each entry."""
    compared = len(summary.systems) > 1
    headings = ["number", *summary.by, *(["system"] if summary.systems else []), "row"]
    headings += ["files", "mean", "95 % of the mean", "median", "gain"]
    headings += [f"beyond {summary.systems[0]}", "p"] if compared else []
    rows = []
    for entry in summary.table():
        place = [MISSING if each is None else str(each) for each in _place(entry, summary)]
        number = summary.numbers[entry["number"]]
        name = f"{entry['number']}{arrow_of(number)}"
        rows.append([name, *place, entry["row"], *_cells(entry, number, True, compared)])
    return headings, rows


def arrow_of(number: Number) -> str:
    """Say which way is better; nothing for an ingredient, which need not say so by itself."""
    return "" if number.part_of else " ↑" if number.higher_is_better else " ↓"


def _section(entry: Entry) -> tuple[str, str]:
    """Name the part of the table that an entry is in: its group, in words, and its number."""
    fields = entry.get("group", {}).items()
    return ", ".join(f"{name} = {MISSING if value is None else value}" for name, value in fields), entry["number"]


def _cells(entry: Entry, number: Number, intervals: bool, compared: bool) -> list[str]:
    style = number.style
    cells = [str(entry["count"]), format_number(entry["mean"], style)]
    if intervals:
        cells.append("" if entry["low"] is None else f"[{entry['low']:{style}}, {entry['high']:{style}}]")
    cells += [format_number(entry["median"], style), _signed(entry["gain"], style)]
    if compared:
        cells += [_signed(entry["difference"], style), _chance(entry["p"])]
    return cells


def _signed(value: float | None, style: str) -> str:
    return "" if value is None else f"{value:+{style}}"


def _chance(probability: float | None) -> str:
    if probability is None:
        return ""
    return "<0.001" if probability < 0.001 else f"{probability:.3f}"


def summary_as(summary: Summary, format: str) -> str:
    """Write a summary as ``json`` (one object), ``csv`` or ``markdown`` (one line for each entry).

    Fields that part the records into groups come first, then the system, where there are any.
    """
    entries = summary.table()
    if format == "json":
        failures = [failure.as_object() for failure in summary.scores.failures]
        table = [{name: _short(value) for name, value in entry.items()} for entry in entries]
        told = {"records": summary.records, "failed": summary.failed, "table": table, "failures": failures}
        return json.dumps(told) + "\n"
    compared = len(summary.systems) > 1
    headings = [*summary.by, *(["system"] if summary.systems else []), *_COLUMNS, *(_COMPARED if compared else ())]
    places = [_place(entry, summary) for entry in entries]
    if format == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(headings)
        for entry, place in zip(entries, places, strict=True):
            writer.writerow([*place, *(_short(entry[name]) for name in headings[len(place) :])])
        return text.getvalue()
    return _markdown(summary, entries, places, headings)


def _short(value: Any) -> Any:
    """Keep nine digits of a number: what lies below is rounding, and makes differences where there are none."""
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _place(entry: Entry, summary: Summary) -> list[Any]:
    return [*entry.get("group", {}).values(), *([entry["system"]] if summary.systems else [])]


def _markdown(summary: Summary, entries: list[Entry], places: list[list[Any]], headings: list[str]) -> str:
    words = headings.index("count")  # those before it are words, the others numbers
    lines = [_line(headings), f"|{'---|' * words}{'---:|' * (len(headings) - words)}"]
    for entry, place in zip(entries, places, strict=True):
        style = summary.numbers[entry["number"]].style
        styles = {"count": "d", "gain": f"+{style}", "difference": f"+{style}", "p": ".3g"}
        cells = [MISSING if each is None else str(each) for each in place] + [entry[name] for name in _LEFT]
        cells += [format_number(entry[name], styles.get(name, style)) for name in headings[words:]]
        lines.append(_line(cells))
    failures = summary.scores.failures
    if failures:
        lines += ["", f"{len(failures)} record(s) failed:", ""]
        lines += [f"- {_one_line(each.name)}: {_one_line(each.message)}" for each in failures]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(_one_line(cell).replace('|', '&#124;') for cell in cells)} |"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def format_number(value: float | None, style: str) -> str:
    """Write a number in its metric's style; – where there is none.

    >>> format_number(None, ".2f"), format_number(25.8512, ".2f")
    ('–', '25.85')
    """
    return MISSING if value is None else f"{value:{style}}"
