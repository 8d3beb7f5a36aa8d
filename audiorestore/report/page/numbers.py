"""What was measured of one or several restorers, beside doing nothing: the numbers behind the page of a report."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...data.manifest import Record
from ...metrics import METRICS
from ...metrics._comparison import Number
from ...scores.summary import numbers

Key = tuple[str, int | None, int]  # id, sample, and which of the records that share both
Values = dict[str, dict[Key, float]]


@dataclass(frozen=True)
class Column:
    """One thing that was measured in many records: the degraded sound, or what one system made of it.

    Attributes:
        label: What heads it.
        index: 0 for doing nothing, then a number for each system.
        leveled: Whether it was measured with the best single gain.
        values: What each record measured: number to record to value; undefined ones are not there.
        before: Of a system, what it started from, in the same form.
    """

    label: str
    index: int
    leveled: bool
    values: Values = field(default_factory=dict)
    before: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """What a column says of one number, over all its records.

    Attributes:
        count: In how many records it is defined.
        mean: Over these; None where there is none.
        median: Likewise.
        gain: By how much it is better than doing nothing, raw or levelled as the column is: the mean of the
            distances in the better direction, over the records where both are defined.
    """

    count: int
    mean: float | None = None
    median: float | None = None
    gain: float | None = None


def keyed(records: Sequence[Record]) -> Iterator[tuple[Key, Record]]:
    """Give each record a name of its own, by which it is found again in other systems."""
    seen: Counter[tuple[str, int | None]] = Counter()
    for record in records:
        name = (str(record.get("id", "")), record.get("sample"))
        yield (*name, seen[name]), record
        seen[name] += 1


def is_measured(record: Record) -> bool:
    """Tell whether a record has numbers; one that has none has failed."""
    return "error" not in record and isinstance(record.get("metrics"), dict)


def columns(systems: Mapping[str, Sequence[Record]]) -> list[Column]:
    """Gather all that was measured: doing nothing, raw and levelled, and then the same of each system.

    What was measured of the degraded sound is taken from the first system that has it; each system's gain is over what
    that system itself started from.
    """
    nothing = [Column("degraded", 0, False), Column("degraded, leveled", 0, True)]
    found = list(nothing)
    for index, (name, records) in enumerate(systems.items(), 1):
        mine = [Column(name, index, False), Column(f"{name}, leveled", index, True)]
        for key, record in keyed(records):
            if is_measured(record):
                for leveled, nothing_done, restored in zip(("", "_leveled"), nothing, mine, strict=True):
                    before = record["metrics"].get(f"degraded{leveled}")
                    _take(nothing_done.values, key, before)
                    _take(restored.before, key, before)
                    _take(restored.values, key, record["metrics"].get(f"restored{leveled}"))
        found += mine
    return [column for column in found if column.values]


def _take(values: Values, key: Key, measured: object) -> None:
    if isinstance(measured, dict):
        for name, value in measured.items():
            known = values.setdefault(str(name), {})
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                known.setdefault(key, float(value))


def numbers_in(found: Sequence[Column], metrics: Sequence[str] | None = None) -> dict[str, Number | None]:
    """List the numbers that a report is about, and what they mean; None for one that no metric here gives.

    Args:
        found: What was measured.
        metrics: Names of metrics; by default all whose numbers are there.
    """
    there = dict.fromkeys(name for column in found for name in column.values)
    meant = numbers(METRICS.names() if metrics is None else metrics)
    listed: dict[str, Number | None] = {name: number for name, number in meant.items() if name in there}
    return listed if metrics is not None else listed | {name: meant.get(name) for name in there}


def cell(column: Column, name: str, number: Number | None) -> Cell:
    """Sum up one number of one column."""
    values = column.values.get(name, {})
    if not values:
        return Cell(0)
    gains = list(_gains(column, name, number).values())
    listed = list(values.values())
    gain = float(np.mean(gains)) if gains else None
    return Cell(len(values), float(np.mean(listed)), float(np.median(listed)), gain)


def _gains(column: Column, name: str, number: Number | None) -> dict[Key, float]:
    """Say for each record how much better it is than doing nothing."""
    if number is None:
        return {}
    nothing = column.before.get(name, {})
    direction = 1 if number.higher_is_better else -1
    return {key: direction * (value - nothing[key]) for key, value in column.values[name].items() if key in nothing}


def best(cells: Sequence[Cell], number: Number | None) -> set[int]:
    """Say which cells have the best mean, as it is written; only those over as many records as any are compared.

    >>> from audiorestore.metrics.snr import NUMBERS
    >>> best([Cell(9, 12.0), Cell(9, 15.0), Cell(2, 99.0), Cell(9, 14.999)], NUMBERS["snr_db"])
    {1, 3}
    """
    full = max((each.count for each in cells), default=0)
    means = {place: each.mean for place, each in enumerate(cells) if each.count == full and each.mean is not None}
    if number is None or not means:
        return set()
    top = (max if number.higher_is_better else min)(means.values())
    marked = {place for place, mean in means.items() if f"{mean:{number.style}}" == f"{top:{number.style}}"}
    return marked if len(marked) < len(means) else set()


def ranked(found: Sequence[Column], meant: Mapping[str, Number | None], keys: Sequence[Key]) -> list[Key]:
    """Order records from those where the first system did worst to those where it did best.

    Each number ranks the records by what was gained over doing nothing (by its own value, where nothing was
    restored), and the mean of all ranks counts: no number alone decides, and none for its unit. The ingredients of a
    grade have no rank of their own.
    """
    judged = next((column for column in found if column.index == 1 and not column.leveled), None)
    places: dict[Key, list[float]] = {key: [] for key in keys}
    for name, number in meant.items():
        if number is None or number.part_of:
            continue
        if judged is not None:
            scores = _gains(judged, name, number) if name in judged.values else {}
        else:
            direction = 1 if number.higher_is_better else -1
            scores = {key: direction * value for key, value in found[0].values.get(name, {}).items()} if found else {}
        known = sorted(set(scores.values()))
        rank = {score: place / max(1, len(known) - 1) for place, score in enumerate(known)}
        for key, score in scores.items():
            if key in places:
                places[key].append(rank[score])
    mean = {key: float(np.mean(each)) if each else 0.5 for key, each in places.items()}
    return sorted(keys, key=lambda key: mean[key])


def picked(order: Sequence[Key], count: int) -> list[Key]:
    """Choose some of many: a third from the start, a third around the middle, a third from the end.

    >>> [key[0] for key in picked([(letter, None, 0) for letter in "abcdefghijk"], 6)]
    ['a', 'b', 'e', 'f', 'j', 'k']
    """
    if len(order) <= count:
        return list(order)
    first = last = count // 3
    middle = count - first - last
    start = first + (len(order) - first - last - middle) // 2
    return [*order[:first], *order[start : start + middle], *order[len(order) - last :]]
