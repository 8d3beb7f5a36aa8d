"""What the page lists: failures, warnings and distributions."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from markupsafe import Markup

from ...data.manifest import Record
from ...metrics._comparison import Number
from ...scores.columns import is_measured
from .charts import Violin, violins
from .numbers import Column

COLOURS = 6  # systems beyond this use them again


def css_of(index: int) -> str:
    """Name the CSS class of the reference (−1), of doing nothing (0), or of a system."""
    return "ref" if index < 0 else "c0" if index == 0 else f"c{1 + (index - 1) % COLOURS}"


def failures_in(systems: Mapping[str, Sequence[Record]]) -> list[tuple[str, str, str]]:
    """List the records without numbers: system, record, and why."""
    failures = []
    for system, records in systems.items():
        for record in records:
            if not is_measured(record):
                error = record.get("error")
                why = "it was not measured"
                if isinstance(error, dict):
                    why = f"{error.get('stage', '?')}: {error.get('message', '?')}"
                failures.append((system, name_of(record), why))
    return failures


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
