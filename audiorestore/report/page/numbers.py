"""The numbers on the page: those of the summary, so that every table shows the same, in a column for each system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...metrics._comparison import Number
from ...scores.columns import ROWS, Key, Values
from ...scores.summary import Entry, Summary


@dataclass(frozen=True)
class Column:
    """What was measured of the degraded sound, or of what one system made of it.

    Attributes:
        label: Its heading.
        index: 0 for doing nothing, then a number for each system.
        leveled: Whether it was measured with the best single gain.
        cells: Each number, summed up over the records.
        values: Each number, record by record, where it is defined.
        gains: How much better than doing nothing it is, likewise.
    """

    label: str
    index: int
    leveled: bool
    cells: Mapping[str, Entry]
    values: Mapping[str, Mapping[Key, float]]
    gains: Mapping[str, Mapping[Key, float]]


def columns(summary: Summary, names: Sequence[str]) -> list[Column]:
    """Arrange a summary in columns: doing nothing, raw and levelled, and then the same of each system.

    Args:
        summary: The numbers; groups are ignored.
        names: Of the systems, also of that whose records name none.
    """
    whole = summary.ungrouped()
    cells = {(entry.row, entry.system, entry.number): entry for entry in whole.table()}
    unnamed = next((name for name in names if name not in summary.scores.systems), "")
    found = []
    for row, system in whole.lines():
        role, leveled = row.removesuffix("_leveled"), row.endswith("_leveled")
        label = role if role == "degraded" else system or unnamed
        series = {name: whole.series(row, system, name) for name in whole.numbers}
        found.append(
            Column(
                f"{label}, leveled" if leveled else label,
                0 if role == "degraded" else 1 + list(names).index(label),
                leveled,
                {name: cells[row, system, name] for name in series},
                {name: _defined(each.keys, each.values) for name, each in series.items()},
                {name: _defined(each.keys, each.gains) for name, each in series.items()},
            )
        )
    return found


def _defined(keys: Sequence[Key], values: Values) -> dict[Key, float]:
    return {key: float(value) for key, value in zip(keys, values, strict=True) if value == value}


def numbers_in(summary: Summary) -> dict[str, Number]:
    """List the numbers of a summary that any record has, and what they mean."""
    held = summary.scores.systems.values()
    return {
        name: number
        for name, number in summary.numbers.items()
        if any((row, name) in columns for columns in held for row in ROWS)
    }


def best(cells: Sequence[Entry], number: Number) -> set[int]:
    """Find the cells with the best mean, as it is written; only those over as many records as any are compared.

    >>> from audiorestore.metrics.snr import NUMBERS
    >>> means = [(9, 12.0), (9, 15.0), (2, 99.0), (9, 14.999)]
    >>> best([Entry("restored", "snr_db", *each) for each in means], NUMBERS["snr_db"])
    {1, 3}
    """
    full = max((each.count for each in cells), default=0)
    means = {place: each.mean for place, each in enumerate(cells) if each.count == full and each.mean is not None}
    if not means:
        return set()
    top = (max if number.higher_is_better else min)(means.values())
    marked = {place for place, mean in means.items() if f"{mean:{number.style}}" == f"{top:{number.style}}"}
    return marked if len(marked) < len(means) else set()


def ranked(found: Sequence[Column], meant: Mapping[str, Number], keys: Sequence[Key]) -> list[Key]:
    """Order records from those where the first system did worst to those where it did best.

    Each number ranks the records by the gain over doing nothing (by its own value, where nothing was restored), and the
    mean of all ranks counts, so that no number decides by itself or by its unit. Ingredients of another number have no
    rank.
    """
    judged = next((column for column in found if column.index == 1 and not column.leveled), None)
    places: dict[Key, list[float]] = {key: [] for key in keys}
    for name, number in meant.items():
        if number.part_of or not found:
            continue
        if judged is not None:
            scores = judged.gains[name]
        else:
            sign = 1 if number.higher_is_better else -1
            scores = {key: sign * value for key, value in found[0].values[name].items()}
        known = sorted(set(scores.values()))
        rank = {score: place / max(1, len(known) - 1) for place, score in enumerate(known)}
        for key, score in scores.items():
            if key in places:
                places[key].append(rank[score])
    mean = {key: float(np.mean(each)) if each else 0.5 for key, each in places.items()}
    return sorted(keys, key=lambda key: mean[key])


def picked(order: Sequence[Key], count: int) -> list[Key]:
    """Choose some of many: a third from the start, a third around the middle, a third from the end.

    >>> [key.id for key in picked([Key(letter) for letter in "abcdefghijk"], 6)]
    ['a', 'b', 'e', 'f', 'j', 'k']
    """
    if len(order) <= count:
        return list(order)
    first = last = count // 3
    middle = count - first - last
    start = first + (len(order) - first - last - middle) // 2
    return [*order[:first], *order[start : start + middle], *order[len(order) - last :]]
