"""Tables of numbers, for a terminal or for a file."""

import csv
import io
import json

from rich.table import Table

from .summary import Summary

_COLUMNS = ("row", "number", "count", "mean", "median", "gain")


def summary_table(summary: Summary) -> Table:
    """Lay out a summary for a terminal: a section for each number, with a line for each row."""
    table = Table(title=f"{summary.records} record(s); gain: how much better than the same row of degraded")
    for heading in ("", "row", "files", "mean", "median", "gain"):
        table.add_column(heading, justify="left" if heading in ("", "row") else "right", no_wrap=True)
    entries = summary.table()
    for name, number in summary.numbers.items():
        mine = [entry for entry in entries if entry["number"] == name]
        for index, entry in enumerate(mine):
            heading = f"{name} {'↑' if number.higher_is_better else '↓'}" if index == 0 else ""
            cells = [format_number(entry[column], number.style) for column in ("mean", "median")]
            gain = "" if entry["gain"] is None else f"{entry['gain']:+{number.style}}"
            table.add_row(heading, entry["row"], str(entry["count"]), *cells, gain, end_section=index == len(mine) - 1)
    return table


def summary_as(summary: Summary, format: str) -> str:
    """Write a summary as ``json`` (one object), ``csv`` or ``markdown`` (one line for each row and number)."""
    entries = summary.table()
    if format == "json":
        return json.dumps({"records": summary.records, "failed": summary.failed, "table": entries}) + "\n"
    if format == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(entries)
        return text.getvalue()
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---|---|---:|---:|---:|---:|"]
    for entry in entries:
        style = summary.numbers[entry["number"]].style
        cells = [format_number(entry[column], style) for column in ("mean", "median")]
        cells.append(format_number(entry["gain"], "+" + style))
        lines.append(f"| {entry['row']} | {entry['number']} | {entry['count']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def format_number(value: float | None, style: str) -> str:
    """Write a number in its metric's style; – where there is none.

    >>> format_number(None, ".2f"), format_number(25.8512, ".2f")
    ('–', '25.85')
    """
    return "–" if value is None else f"{value:{style}}"
