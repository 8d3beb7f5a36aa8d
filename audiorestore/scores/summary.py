"""The numbers of many records, summed up beside what doing nothing would have scored."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.manifest import Record
from ..metrics import METRICS, chosen
from ..metrics._comparison import Number
from .columns import ROWS, Columns, Key, Scores, system_of
from .groups import Value, group_value, in_order
from .statistics import holm, mean, mean_intervals, wilcoxon

_NOTHING = tuple(row for row in ROWS if row.startswith("degraded"))  # what was there before any system

Entry = dict[str, Any]
Group = tuple[Value, ...]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]


def numbers(metrics: Sequence[str] | None = None) -> dict[str, Number]:
    """List the numbers that these metrics give, or all that nobody has to ask for."""
    names = chosen(metrics)
    return {name: number for metric in names for name, number in METRICS.load(metric).NUMBERS.items()}


@dataclass
class Summary:
    """The numbers of many records, gathered for a table.

    Where records name the ``system`` that made them, each system gets rows of its own, and is compared with the first
    one, record by record. What they all started from is counted once.

    Attributes:
        metrics: Names of the metrics that were measured, in the order of the table; all, by default.
        by: Fields of the records that part them into groups; each combination that occurs gets a part of the table.
        scores: What was taken in.
    """

    metrics: Sequence[str] | None = None
    by: Sequence[str] = ()
    scores: Scores = field(default_factory=Scores)
    _kinds: dict[Group, int] = field(default_factory=dict, repr=False)
    _groups: dict[str, "array[int]"] = field(default_factory=dict, repr=False)  # a system's records, by kind

    @property
    def numbers(self) -> dict[str, Number]:
        """The numbers that the table is about."""
        return numbers(self.metrics)

    @property
    def records(self) -> int:
        """How many records were measured."""
        return self.scores.records

    @property
    def failed(self) -> int:
        """How many records could not be measured."""
        return len(self.scores.failures)

    @property
    def systems(self) -> list[str]:
        """The systems' names; empty where no record names one."""
        return list(self.scores.systems) if any(self.scores.systems) else []

    def add(self, record: Record) -> None:
        """Take in one record that was measured, or that failed."""
        if self.scores.add(record):
            group = tuple(group_value(record, each) for each in self.by)
            kind = self._kinds.setdefault(group, len(self._kinds))
            self._groups.setdefault(system_of(record), array("l")).append(kind)

    def lacks(self, field: str) -> bool:
        """Tell whether no record has a value for a field that was to part them into groups."""
        place = list(self.by).index(field)
        return all(group[place] is None for group in self._kinds)

    def table(self) -> list[Entry]:
        """Sum up: one entry for each group, system, row and number.

        Undefined numbers are left out, never averaged.

        Returns:
            Entries with ``row``, ``number``, ``count``, ``mean``, ``median``, ``gain``, and ``low`` and ``high``, the
            95 % interval of the mean. ``gain`` is the mean distance from doing nothing in the better direction, from
            ``degraded`` for raw rows and from ``degraded_leveled`` for levelled ones, over the records where both are
            defined. Where there are groups, ``group``: field to value. Where there are systems, ``system`` (None for
            what they started from), ``difference``, the mean distance from the first system in the better direction,
            and ``p``, of the Wilcoxon signed-rank test on the pairs, by Holm's method where they are several.
        """
        entries: list[Entry] = []
        columns: list[Numbers] = []
        fresh = self._fresh()
        for group in sorted(self._kinds, key=in_order):
            for row, system in self._lines():
                for name, number in self.numbers.items():
                    entry, values = self._entry(group, system, row, name, number, fresh)
                    entries.append(entry)
                    columns.append(values)
        for entry, interval in zip(entries, mean_intervals(columns), strict=True):
            entry["low"], entry["high"] = interval or (None, None)
        if self.systems:
            self._compare(entries)
        return entries

    def unlike(self) -> int:
        """Count the records that systems share although they did not start from the same degraded audio."""
        found: set[Key] = set()
        first, *others = self.scores.systems.values() or [Columns()]
        for other in others:
            here, there = _shared(first, other)
            for name in self.numbers:
                ours, theirs = first.column("degraded", name)[here], other.column("degraded", name)[there]
                apart = ~np.isclose(ours, theirs, rtol=1e-5, atol=0.0, equal_nan=True)
                found.update(first.keys[place] for place in here[apart])
        return len(found)

    def _lines(self) -> Iterator[tuple[str, str | None]]:
        """List the rows of a part of the table: row and system, None for what all systems started from."""
        held = self.scores.systems
        several = bool(self.systems)
        yield from ((row, None) for row in _NOTHING if any(columns.has_row(row) for columns in held.values()))
        for system, columns in held.items():
            rows = [row for row in ROWS if row not in _NOTHING and columns.has_row(row)]
            yield from ((row, system if several else None) for row in rows)

    def _values(self, system: str, row: str, number: str, group: Group) -> Numbers:
        """Get a column with NaN for what is not in the group."""
        inside = np.array(self._groups[system]) == self._kinds[group]
        return np.where(inside, self.scores.systems[system].column(row, number), np.nan)

    def _entry(
        self, group: Group, system: str | None, row: str, name: str, number: Number, fresh: dict[str, Mask]
    ) -> tuple[Entry, Numbers]:
        gains = np.zeros(0)
        if row in _NOTHING:
            values = np.concatenate([self._values(each, row, name, group)[new] for each, new in fresh.items()])
        else:
            values = self._values(system or "", row, name, group)
            base = self._values(system or "", row.replace("restored", "degraded"), name, group)
            gains = _defined(values - base) * (1 if number.higher_is_better else -1)
        values = _defined(values)
        entry: Entry = {"group": dict(zip(self.by, group, strict=True))} if self.by else {}
        if self.systems:
            entry["system"] = system
        entry |= {
            "row": row,
            "number": name,
            "count": len(values),
            "mean": mean(values) if len(values) else None,
            "median": float(np.median(values)) if len(values) else None,
            "gain": mean(gains) if len(gains) else None,
        }
        return entry, values

    def _fresh(self) -> dict[str, Mask]:
        """Mark in each system the records that no earlier one has in the same group."""
        seen: set[tuple[Key, int]] = set()
        fresh = {}
        for system, columns in self.scores.systems.items():
            placed = list(zip(columns.keys, self._groups[system], strict=True))
            fresh[system] = np.array([each not in seen for each in placed], bool)
            seen.update(placed)
        return fresh

    def _compare(self, entries: list[Entry]) -> None:
        """Add to each system's entries how far it lies from the first system, and whether that could be chance."""
        first, *others = self.systems
        pairs = {other: _shared(self.scores.systems[first], self.scores.systems[other]) for other in others}
        rivals: dict[tuple[Any, ...], list[Entry]] = {}
        for entry in entries:
            entry["difference"] = entry["p"] = None
            if entry["system"] in pairs:
                group = tuple(entry.get("group", {}).values())
                here, there = pairs[entry["system"]]
                where = (entry["row"], entry["number"], group)
                apart = self._values(entry["system"], *where)[there] - self._values(first, *where)[here]
                better = _defined(apart) * (1 if self.numbers[entry["number"]].higher_is_better else -1)
                entry["difference"] = mean(better) if len(better) else None
                entry["p"] = wilcoxon(better)
                rivals.setdefault(where, []).append(entry)
        for compared in rivals.values():
            for entry, raised in zip(compared, holm([entry["p"] for entry in compared]), strict=True):
                entry["p"] = raised


def _defined(values: Numbers) -> Numbers:
    return values[~np.isnan(values)]


def _shared(first: Columns, other: Columns) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Say where in both are the records that they share."""
    places = {key: place for place, key in enumerate(first.keys)}
    pairs = [(places[key], place) for place, key in enumerate(other.keys) if key in places]
    here, there = np.array(pairs, np.intp).reshape(-1, 2).T
    return here, there
