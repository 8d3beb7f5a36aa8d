"""Tables of numbers, for a terminal or for a file."""

import csv
import io
import json
from typing import Any

from rich.table import Table

from .summary import Summary, numbers

_COLUMNS = ("row", "number", "count", "mean", "median", "gain")


def summary_table(summary: Summary) -> Table:
    """Lay out a summary for a terminal: a line for each row, a column for each number, the gain in brackets."""
    entries = {(entry["row"], entry["number"]): entry for entry in summary.table()}
    rows = list(dict.fromkeys(row for row, _ in entries))
    table = Table(title=f"{summary.records} record(s): mean, median, (gain of the mean over doing nothing)")
    table.add_column("")
    for name, number in numbers().items():
        table.add_column(f"{name} {'↑' if number.higher_is_better else '↓'}", justify="right")
    for row in rows:
        table.add_row(row, *(_cell(entries[row, name], number.style) for name, number in numbers().items()))
    return table


def _cell(entry: dict[str, Any], style: str) -> str:
    if entry["mean"] is None:
        return "–"
    cell = f"{entry['mean']:{style}}  {entry['median']:{style}}"
    return cell if entry["gain"] is None else f"{cell}  ({entry['gain']:+{style}})"


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
        style = numbers()[entry["number"]].style
        cells = [format_number(entry[column], style) for column in ("mean", "median", "gain")]
        lines.append(f"| {entry['row']} | {entry['number']} | {entry['count']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def format_number(value: float | None, style: str) -> str:
    """Write a number in its metric's style; – where there is none.

    >>> format_number(None, ".2f"), format_number(25.8512, ".2f")
    ('–', '25.85')
    """
    return "–" if value is None else f"{value:{style}}"
