"""Tables of numbers and of failed conditions, for a terminal or for a file."""

import csv
import io
import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ..metrics._comparison import Number
from ..scores.groups import MISSING
from ..scores.summary import Entry, Summary
from ..scores.verdict import Verdict

_COLUMNS = ("row", "number", "count", "mean", "median", "gain", "low", "high")
_COMPARED = ("difference", "p")  # where there are several systems
_MOST_NAMED = 20  # records in a note


def summary_table(summary: Summary, intervals: bool = True) -> Table:
    """Make a table of a summary for a terminal: a section for each group and number, with a line for each row.

    The 95 % intervals of the means can be left out, since a narrow terminal has no room for them.
    """
    compared = len(summary.systems) > 1
    table = Table(title=Text(summary_title(summary)), box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    headings = ["files", "mean", *(["95 % of the mean"] if intervals else []), "median", "gain"]
    headings += [f"vs {summary.systems[0]}", "p"] if compared else []
    table.add_column("", overflow="fold")
    for heading in headings:
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for group, found in groupby(summary.table(), key=lambda entry: entry.group):
        entries = list(found)
        words = ", ".join(f"{name} = {MISSING if value is None else value}" for name, value in group.items())
        table.add_row(Text(words, style="bold reverse"))
        for name, number in summary.numbers.items():
            table.add_row(Text(f"{name}{arrow_of(number)}", style="bold"))
            for entry in entries:
                if entry.number == name:
                    label = f" {entry.system} {entry.row}" if entry.system else f" {entry.row}"
                    table.add_row(Text(label), *_cells(entry, number, intervals, compared))
            table.add_section()
    return table


def summary_title(summary: Summary) -> str:
    """Write the title of a summary's table."""
    failed = f", {summary.failed} failed" if summary.failed else ""
    others = len(summary.systems) - 1
    systems = f" of {others + 1} systems" if others > 0 else ""
    title = f"{summary.records} record(s){systems}{failed}; gain: how much better than the same row of degraded"
    if others > 0:
        holm = f", by Holm over {others} comparisons" if others > 1 else ""
        title += f"; p: Wilcoxon signed-rank against {summary.systems[0]}{holm}"
    return title


def summary_cells(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """Make a table of a summary as text: headings, and a row of cells for each entry."""
    compared = len(summary.systems) > 1
    headings = ["number", *summary.by, *(["system"] if summary.systems else []), "row"]
    headings += ["files", "mean", "95 % of the mean", "median", "gain"]
    headings += [f"vs {summary.systems[0]}", "p"] if compared else []
    rows = []
    for entry in summary.table():
        place = [MISSING if each is None else str(each) for each in _place(entry, summary)]
        number = summary.numbers[entry.number]
        name = f"{entry.number}{arrow_of(number)}"
        rows.append([name, *place, entry.row, *_cells(entry, number, True, compared)])
    return headings, rows


def arrow_of(number: Number) -> str:
    """Get an arrow for the better direction; none for an ingredient of another number, which has none by itself."""
    return "" if number.part_of else " ↑" if number.higher_is_better else " ↓"


def _cells(entry: Entry, number: Number, intervals: bool, compared: bool) -> list[str]:
    style, signed = number.style, f"+{number.style}"
    cells = [str(entry.count), format_number(entry.mean, style)]
    if intervals:
        cells.append("" if entry.low is None else f"[{entry.low:{style}}, {entry.high:{style}}]")
    cells += [format_number(entry.median, style), format_number(entry.gain, signed, "")]
    if compared:
        p = "<0.001" if entry.p is not None and entry.p < 0.001 else format_number(entry.p, ".3f", "")
        cells += [format_number(entry.difference, signed, ""), p]
    return cells


def summary_as(summary: Summary, format: str) -> str:
    """Write a summary as ``json`` (one object), ``csv`` or ``markdown`` (one line for each entry).

    The fields that records are grouped by come first, then the system, where there are any.
    """
    entries = summary.table()
    named = ["system"] if summary.systems else []
    if format == "json":
        columns = [*(["group"] if summary.by else []), *named, *_COLUMNS, *(_COMPARED if named else ())]
        table = [{name: _short(getattr(entry, name)) for name in columns} for entry in entries]
        failures = [failure.as_object() for failure in summary.scores.failures]
        counts = {"records": summary.records, "failed": summary.failed}
        return json.dumps({**counts, "table": table, "failures": failures}) + "\n"
    columns = [*_COLUMNS, *(_COMPARED if len(summary.systems) > 1 else ())]
    headings = [*summary.by, *named, *columns]
    if format == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(headings)
        for entry in entries:
            writer.writerow([*_place(entry, summary), *(_short(getattr(entry, name)) for name in columns)])
        return text.getvalue()
    return _markdown(summary, headings, columns)


def _short(value: Any) -> Any:
    """Round a number to nine digits: the others are rounding errors, and differ where nothing else does."""
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _place(entry: Entry, summary: Summary) -> list[Any]:
    return [*entry.group.values(), *([entry.system] if summary.systems else [])]


def _markdown(summary: Summary, headings: list[str], columns: list[str]) -> str:
    words = headings.index("count")  # columns of text, before those of numbers
    lines = [_line(headings), f"|{'---|' * words}{'---:|' * (len(headings) - words)}"]
    for entry in summary.table():
        style = summary.numbers[entry.number].style
        styles = {"count": "d", "gain": f"+{style}", "difference": f"+{style}", "p": ".3g"}
        cells = [MISSING if each is None else str(each) for each in _place(entry, summary)] + [entry.row, entry.number]
        cells += [format_number(getattr(entry, name), styles.get(name, style)) for name in columns[2:]]
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


def format_number(value: float | None, style: str, missing: str = MISSING) -> str:
    """Format a number in its metric's style; – where it is missing, or what is given for that.

    >>> format_number(None, ".2f"), format_number(25.8512, ".2f")
    ('–', '25.85')
    """
    return missing if value is None else f"{value:{style}}"


def notes_on(summary: Summary) -> list[str]:
    """List what a reader of a summary has to know, in sentences: earlier failures, and doubtful groups and systems."""
    notes = []
    before = [failure.name for failure in summary.scores.failures if failure.stage != "eval"]
    if before:
        more = f" and {len(before) - _MOST_NAMED} more" if len(before) > _MOST_NAMED else ""
        names = ", ".join(before[:_MOST_NAMED]) + more
        notes.append(f"{len(before)} record(s) failed in an earlier stage and were not measured: {names}")
    for field in summary.by:
        if summary.records and summary.lacks(field):
            notes.append(
                f"no record has the field {field}, so --by {field} has no effect; try a field such as damage.mp3.kbps"
            )
    if different := summary.count_different_inputs():
        notes.append(
            f"{different} record(s) were restored from different degraded audio by different systems; the 'degraded' "
            f"rows are those of {summary.systems[0]}"
        )
    return notes


def verdict_table(verdicts: Sequence[Verdict], title: str) -> Table:
    """Make a table for a terminal of the conditions that were not met, each with its reason and the worst files."""
    table = Table(title=Text(title), box=box.SIMPLE_HEAD, pad_edge=False, show_lines=False)
    table.add_column("failed", overflow="fold")
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("wanted", no_wrap=True)
    table.add_column("reason and worst files", overflow="fold", ratio=1)
    for verdict in verdicts:
        if verdict.reason:
            table.add_row(*map(Text, (verdict.name, verdict.found, verdict.wanted, "\n".join(verdict.lines))))
    return table
