"""What stands on a report's page in rows: means, failures, doubts, and what each number means."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...data.manifest import Record
from ...metrics._comparison import Number
from ...scores.columns import is_measured
from ...scores.summary import Entry, Summary
from ...scores.verdict import Verdict
from ..tables import format_number, summary_cells, summary_title
from .charts import Violin, violins
from .numbers import Column, best
from .text import escaped

_MOST_LISTED = 100  # failures, or doubts
COLOURS = 6  # systems beyond this share them


def colour_of(index: int) -> str:
    """Name the CSS class of the reference (−1), of doing nothing (0), or of a system."""
    return "ref" if index < 0 else "c0" if index == 0 else f"c{1 + (index - 1) % COLOURS}"


def style_of(number: Number) -> str:
    """Say how a value is written."""
    return number.style


def arrow(number: Number) -> str:
    """Say which way is up, to the eye and to the ear."""
    sign, words = ("↑", "higher is better") if number.higher_is_better else ("↓", "lower is better")
    return f'<span class="arrow" role="img" aria-label="{words}" title="{words}">{sign}</span>'


def breakable(name: str) -> str:
    """Write a number's name so that it may be broken where a line is short."""
    return escaped(name).replace("_", "_<wbr>")


def summary_section(found: Sequence[Column], meant: Mapping[str, Number]) -> Iterator[str]:
    """Write the table of means: a line for each number, a column for each thing that was measured."""
    if not meant:
        yield '<p class="note">No record was measured.</p>'
        return
    yield (
        '<p class="note">Means over all records where a number is defined; below, small, the median. In colour: how '
        "much better (+) or worse (−) than <em>degraded</em>, record by record. <em>Leveled</em>: after the best "
        "single gain, and so compared with <em>degraded, leveled</em>. ★ marks the best mean of a line.</p>"
        '<div class="scroll" role="region" aria-label="Table of numbers" tabindex="0"><table><thead><tr>'
        '<th scope="col">number</th>'
    )
    for column in found:
        yield f'<th scope="col" class="{colour_of(column.index)}"><span>{escaped(column.label, 60)}</span></th>'
    yield "</tr></thead><tbody>"
    for name, number in meant.items():
        cells = [column.cells[name] for column in found]
        marked = best(cells, number)
        full = max(each.count for each in cells)
        unit = f" <small>{escaped(number.unit)}</small>" if number.unit else ""
        yield f'<tr><th scope="row">{breakable(name)} {arrow(number)}{unit}</th>'
        yield from (_told(each, style_of(number), place in marked, full) for place, each in enumerate(cells))
        yield "</tr>"
    yield "</tbody></table></div>"


def _told(told: Entry, style: str, marked: bool, full: int) -> str:
    if not told.count:
        return "<td>–</td>"
    star = '<span class="star" role="img" aria-label="best">★</span>' if marked else ""
    gain = ""
    if told.gain is not None:
        shown = f"{told.gain:+{style}}"
        colour = "same" if not any(digit in "123456789" for digit in shown) else "up" if told.gain > 0 else "down"
        gain = f'<span class="{colour}">{shown.replace("-", "−")}</span> '
    few = f" <small>{told.count} of {full}</small>" if told.count < full else ""
    return (
        f"<td{' class=best' if marked else ''}><b>{star}{format_number(told.mean, style)}</b>"
        f"<small>{gain}{format_number(told.median, style)}</small>{few}</td>"
    )


def gates_section(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """List the conditions of a build server, those that were not met with the reason and the worst files."""
    rows = []
    for verdict in verdicts:
        why = [verdict.reason, *(f"{name}: {words}" for name, words in verdict.worst)] if verdict.reason else ["met"]
        rows.append([verdict.name, verdict.found, verdict.wanted, "; ".join(why)])
    yield from _grid(["condition", "found", "wanted", "why, and the worst files"], rows, "list")


def details_section(summary: Summary) -> Iterator[str]:
    """Lay out the means with their 95 % intervals, group by group, and what tests say of several systems."""
    yield f'<p class="note">{escaped(summary_title(summary))}.</p>'
    yield from _grid(*summary_cells(summary))


def _grid(headings: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> Iterator[str]:
    yield f'<div class="scroll" tabindex="0"><table class="{kind}"><thead><tr>'
    yield from (f'<th scope="col">{escaped(heading)}</th>' for heading in headings)
    yield "</tr></thead><tbody>"
    for first, *rest in rows:
        yield f'<tr><th scope="row">{escaped(first)}</th>'
        yield from (f"<td>{escaped(cell)}</td>" for cell in rest)
        yield "</tr>\n"
    yield "</tbody></table></div>"


def failures_section(systems: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    """List what could not be measured, and where the numbers are in doubt."""
    failed = [(name, record) for name, records in systems.items() for record in records if not is_measured(record)]
    total = sum(len(records) for records in systems.values())
    if failed:
        yield f'<p class="trouble">{len(failed)} of {total} records failed; no number counts them.</p>'
        yield from _listing([(name, record, why_failed(record)) for name, record in failed], len(systems) > 1)
    else:
        yield f'<p class="note">None of {total} records failed.</p>'
    doubts = list(_doubts(systems))
    if doubts:
        yield f'<p class="trouble">{len(doubts)} doubt(s) about records that were measured:</p>'
        yield from _listing(doubts, len(systems) > 1)


def _doubts(systems: Mapping[str, Sequence[Record]]) -> Iterator[tuple[str, Record, str]]:
    """List each doubt; what concerns the degraded sound, which all systems share, once."""
    told = set()
    for name, records in systems.items():
        for record in records:
            for doubt in doubts_of(record) if is_measured(record) else ():
                mark = (name_of(record), doubt)
                if not doubt.startswith("degraded: ") or mark not in told:
                    yield name, record, doubt
                told.add(mark)


def why_failed(record: Record) -> str:
    """Say why a record has no numbers."""
    error = record.get("error")
    if not isinstance(error, dict):
        return "it has not been measured"
    return f"{error.get('stage', '?')}: {error.get('message', '?')}"


def doubts_of(record: Record) -> Iterator[str]:
    """Say why a record's numbers may not be what they seem: it is late, or some are undefined."""
    check = record.get("check")
    for role, told in check.items() if isinstance(check, dict) else ():
        if not isinstance(told, dict):
            continue
        if told.get("aligned"):
            yield f"{role}: measured with its lag of {told.get('lag')} samples undone, heard and drawn with it"
        if "warning" in told:
            yield f"{role}: {told['warning']}"
    if "metrics_note" in record:
        yield str(record["metrics_note"])


def name_of(record: Record) -> str:
    """Name a record as people know it."""
    return str(record.get("id", "?")) + (f", sample {record['sample']}" if "sample" in record else "")


def _listing(rows: Sequence[tuple[str, Record, str]], several: bool) -> Iterator[str]:
    yield '<div class="scroll" role="region" aria-label="List" tabindex="0"><table class="list"><tbody>'
    for name, record, why in rows[:_MOST_LISTED]:
        system = f"<td>{escaped(name, 60)}</td>" if several else ""
        yield f'<tr><th scope="row">{escaped(name_of(record), 120)}</th>{system}<td>{escaped(why)}</td></tr>'
    yield "</tbody></table></div>"
    if len(rows) > _MOST_LISTED:
        yield f'<p class="note">And {len(rows) - _MOST_LISTED} more.</p>'


def violins_section(found: Sequence[Column], meant: Mapping[str, Number]) -> Iterator[str]:
    """Draw how each number is spread over the records."""
    yield (
        '<p class="note">How each number is spread over the records: a violin is broad where many of them lie. The '
        "stroke is the median, which stands at the right; the bar holds the middle half, a dot is a record. Leveled "
        "rows that are no different are left out.</p>"
        '<div class="charts">'
    )
    for name, number in meant.items():
        rows = []
        for column in found:
            values = column.values.get(name, {})
            raw = next((each for each in found if each.index == column.index and not each.leveled), column)
            if values and not (column.leveled and raw.values.get(name) == values):
                colour = colour_of(column.index) + " leveled" * column.leveled
                rows.append(Violin(column.label, colour, np.array(list(values.values()))))
        if rows:
            unit = f", {number.unit}" if number.unit else ""
            yield f"<figure><figcaption>{escaped(name)}{escaped(unit)} {arrow(number)}</figcaption>"
            yield violins(rows, name, style_of(number)) + "</figure>"
    yield "</div>"


def meanings_section(meant: Mapping[str, Number]) -> Iterator[str]:
    """Say what each number means, and where its definition is from."""
    yield '<dl class="meanings">'
    for name, number in meant.items():
        yield f"<div><dt>{escaped(name)} {arrow(number)}</dt>"
        yield f"<dd>{escaped(number.meaning, 1000)}</dd>"
        yield f"<dd>{escaped(number.limits, 1000)}</dd>" if number.limits else ""
        yield f"<dd><small>{escaped(number.source, 1000)}</small></dd></div>"
    yield "</dl>"
