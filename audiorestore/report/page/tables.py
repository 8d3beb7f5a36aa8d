"""What the page shows in rows: means, failures and warnings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from ...data.manifest import Record
from ...metrics._comparison import Number
from ...scores.columns import is_measured
from ...scores.summary import Entry
from ..tables import format_number
from .charts import Violin, violins
from .numbers import Column, best

COLOURS = 6  # systems beyond this use them again


class CellView(NamedTuple):
    """A mean in the table of numbers, in words.

    Attributes:
        mean: "" where there is none.
        median: Below it.
        gain: How much better than doing nothing, "" where that is not known.
        gain_css: Class of the gain's colour.
        best: Whether no other mean of the line is better.
        few: In how many records the number is defined, where others are in more.
    """

    mean: str
    median: str = ""
    gain: str = ""
    gain_css: str = ""
    best: bool = False
    few: str = ""


def css_of(index: int) -> str:
    """Name the CSS class of the reference (−1), of doing nothing (0), or of a system."""
    return "ref" if index < 0 else "c0" if index == 0 else f"c{1 + (index - 1) % COLOURS}"


def mean_lines(found: Sequence[Column], meant: Mapping[str, Number]) -> Iterator[tuple[str, Number, list[CellView]]]:
    """Write the table of means: a line for each number, a cell for each column."""
    for name, number in meant.items():
        cells = [column.cells[name] for column in found]
        marked = best(cells, number)
        full = max(each.count for each in cells)
        yield name, number, [_cell_view(each, number.style, place in marked, full) for place, each in enumerate(cells)]


def _cell_view(cell: Entry, style: str, marked: bool, full: int) -> CellView:
    if not cell.count:
        return CellView("")
    gain, css = "", ""
    if cell.gain is not None:
        gain = f"{cell.gain:+{style}}"
        css = "same" if not any(digit in "123456789" for digit in gain) else "up" if cell.gain > 0 else "down"
    few = f"{cell.count} of {full}" if cell.count < full else ""
    mean, median = format_number(cell.mean, style), format_number(cell.median, style)
    return CellView(mean, median, gain.replace("-", "−"), css, marked, few)


def failures_in(systems: Mapping[str, Sequence[Record]]) -> list[tuple[str, str, str]]:
    """List the records without numbers: system, record, and why."""
    return [
        (system, name_of(record), _why_failed(record))
        for system, records in systems.items()
        for record in records
        if not is_measured(record)
    ]


def _why_failed(record: Record) -> str:
    error = record.get("error")
    if not isinstance(error, dict):
        return "it was not measured"
    return f"{error.get('stage', '?')}: {error.get('message', '?')}"


def warnings_in(systems: Mapping[str, Sequence[Record]]) -> list[tuple[str, str, str]]:
    """List each warning: system, record, and what it says; those about the degraded sound, which all share, once."""
    seen = set()
    found = []
    for system, records in systems.items():
        for record in records:
            for warning in warnings_of(record) if is_measured(record) else ():
                mark = (name_of(record), warning)
                if not warning.startswith("degraded: ") or mark not in seen:
                    found.append((system, *mark))
                seen.add(mark)
    return found


def warnings_of(record: Record) -> Iterator[str]:
    """Say why a record's numbers may be misleading: it is not aligned, or some are undefined."""
    check = record.get("check")
    for role, found in check.items() if isinstance(check, dict) else ():
        if not isinstance(found, dict):
            continue
        if found.get("aligned"):
            yield f"{role}: measured after removing its lag of {found.get('lag')} samples; sound and pictures have it"
        if "warning" in found:
            yield f"{role}: {found['warning']}"
    if "metrics_note" in record:
        yield str(record["metrics_note"])


def name_of(record: Record) -> str:
    """Name a record for people."""
    return str(record.get("id", "?")) + (f", sample {record['sample']}" if "sample" in record else "")


def distributions(found: Sequence[Column], meant: Mapping[str, Number]) -> Iterator[tuple[str, Number, Markup]]:
    """Draw how each number is distributed over the records."""
    for name, number in meant.items():
        rows = []
        for column in found:
            values = column.values.get(name, {})
            raw = next((each for each in found if each.index == column.index and not each.leveled), column)
            if values and not (column.leveled and raw.values.get(name) == values):
                css = css_of(column.index) + (" leveled" if column.leveled else "")
                rows.append(Violin(column.label, css, np.array(list(values.values()))))
        if rows:
            yield name, number, violins(rows, name, number.unit, number.style)
