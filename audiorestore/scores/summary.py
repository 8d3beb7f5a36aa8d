"""The numbers of many records summed up: means, medians, and the gain over doing nothing."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.manifest import Record
from ..metrics import METRICS, chosen
from ..metrics._comparison import Number
from .columns import ROWS, Columns, Key, Scores, Values, shared_places, system_of
from .groups import Value, group_value, in_order
from .statistics import holm, mean, mean_intervals, wilcoxon

_NOTHING = tuple(row for row in ROWS if row.startswith("degraded"))  # the input of all systems

Group = tuple[Value, ...]
Mask = NDArray[np.bool_]


def numbers(metrics: Sequence[str] | None = None) -> dict[str, Number]:
    """List the numbers that these metrics give; by default those of all metrics that are not on request only."""
    names = chosen(metrics)
    return {name: number for metric in names for name, number in METRICS.load(metric).NUMBERS.items()}


@dataclass(frozen=True)
class Entry:
    """One number of one row, summed up over the records of a group.

    Attributes:
        row: One of `ROWS`.
        number: The number's name.
        count: How many records have it; those where it is undefined are never averaged.
        mean: Over these records, as are all further numbers; None without any.
        median: The median.
        gain: The mean distance from doing nothing, in the better direction: from ``degraded`` for raw rows, from
            ``degraded_leveled`` for levelled ones, over the records where both are defined.
        low: Lower end of the 95 % interval of the mean.
        high: Upper end of it.
        group: Value of each field that the records are grouped by.
        system: Name of the system; None for the input of all systems, or where no record names a system.
        difference: The mean distance from the first system in the better direction.
        p: Of the Wilcoxon signed-rank test on the pairs, adjusted by Holm's method where there are several systems.
    """

    row: str
    number: str
    count: int
    mean: float | None = None
    median: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    group: dict[str, Value] = field(default_factory=dict)
    system: str | None = None
    difference: float | None = None
    p: float | None = None


class Series(NamedTuple):
    """One number of one row, record by record.

    Attributes:
        keys: The records.
        values: A value for each; NaN where it is undefined, or where the record is in another group.
        gains: How much better each is than doing nothing; NaN where one of both is undefined.
    """

    keys: Sequence[Key]
    values: Values
    gains: Values


@dataclass
class Summary:
    """The numbers of many records, collected for a table.

    Where records name the ``system`` that made them, each system gets its own rows, and is compared with the first one,
    record by record. The input that they share is counted once.

    Attributes:
        metrics: Names of the metrics that were measured, in the order of the table; see `numbers`.
        by: Fields of the records to group by; each combination that occurs gets its own part of the table.
        scores: The numbers.
    """

    metrics: Sequence[str] | None = None
    by: Sequence[str] = ()
    scores: Scores = field(default_factory=Scores)
    _kinds: dict[Group, int] = field(default_factory=dict, repr=False)
    _groups: dict[str, "array[int]"] = field(default_factory=dict, repr=False)  # by system: the kind of each record
    _table: list[Entry] | None = field(default=None, repr=False)
    _new: dict[str, Mask] | None = field(default=None, repr=False)

    @cached_property
    def numbers(self) -> dict[str, Number]:
        """The numbers of the table."""
        return numbers(self.metrics)

    @property
    def records(self) -> int:
        """The number of records that were measured."""
        return self.scores.records

    @property
    def failed(self) -> int:
        """The number of records that could not be measured."""
        return len(self.scores.failures)

    @property
    def systems(self) -> list[str]:
        """The systems' names; empty where no record names one."""
        return list(self.scores.systems) if any(self.scores.systems) else []

    def add(self, record: Record) -> None:
        """Add one record that was measured, or that failed.

        Raises:
            RecordError: Its metrics are not what `ar eval` writes.
        """
        self._table = self._new = None
        if self.scores.add(record):
            group = tuple(group_value(record, each) for each in self.by)
            kind = self._kinds.setdefault(group, len(self._kinds))
            self._groups.setdefault(system_of(record), array("l")).append(kind)

    def lacks(self, field: str) -> bool:
        """Check whether no record has a value for a field that they are grouped by."""
        place = list(self.by).index(field)
        return all(group[place] is None for group in self._kinds)

    def ungrouped(self) -> "Summary":
        """Get the same numbers in one group."""
        if not self.by:
            return self
        groups = {system: array("l", [0]) * len(kinds) for system, kinds in self._groups.items()}
        return Summary(self.metrics, (), self.scores, {(): 0} if groups else {}, groups)

    def table(self) -> list[Entry]:
        """Sum up, once for all tables: one entry for each group, system, row and number."""
        if self._table is None:
            self._table = self._sum_up()
        return self._table

    def lines(self) -> list[tuple[str, str | None]]:
        """List the rows of each part of the table: row and system; None for the input, or for an unnamed system."""
        held = self.scores.systems
        lines: list[tuple[str, str | None]] = [
            (row, None) for row in _NOTHING if any(columns.has_row(row) for columns in held.values())
        ]
        for system, columns in held.items():
            rows = [row for row in ROWS if row not in _NOTHING and columns.has_row(row)]
            lines += [(row, system if self.systems else None) for row in rows]
        return lines

    def series(self, row: str, system: str | None, name: str, group: Group = ()) -> Series:
        """Get the number ``name`` of one of the `lines`, record by record, in a group (the values of its fields)."""
        if row in _NOTHING:
            new = self._new_records()
            keys = [key for each in new for key, wanted in zip(self._keys(each), new[each], strict=True) if wanted]
            parts = [self._values(each, row, name, group)[wanted] for each, wanted in new.items()]
            values = np.concatenate([np.zeros(0), *parts])
            return Series(keys, values, np.full(len(values), np.nan))
        values = self._values(system or "", row, name, group)
        nothing = self._values(system or "", row.replace("restored", "degraded"), name, group)
        return Series(self._keys(system or ""), values, self._sign(name) * (values - nothing))

    def count_different_inputs(self) -> int:
        """Count the records that several systems restored, but not from the same degraded audio."""
        found: set[Key] = set()
        first, *others = self.scores.systems.values() or [Columns()]
        for other in others:
            here, there = shared_places(first, other)
            for name in self.numbers:
                ours, theirs = first.column("degraded", name)[here], other.column("degraded", name)[there]
                differ = ~np.isclose(ours, theirs, rtol=1e-5, atol=0.0, equal_nan=True)
                found.update(first.keys[place] for place in here[differ])
        return len(found)

    def _sum_up(self) -> list[Entry]:
        places = [
            (group, row, system, name)
            for group in sorted(self._kinds, key=in_order)
            for row, system in self.lines()
            for name in self.numbers
        ]
        found = [self.series(row, system, name, group) for group, row, system, name in places]
        columns = [_defined(series.values) for series in found]
        compared = self._compare()
        entries = []
        for place, series, values, ends in zip(places, found, columns, mean_intervals(columns), strict=True):
            group, row, system, name = place
            median = float(np.median(values)) if len(values) else None
            averages = (_mean(values), median, _mean(_defined(series.gains)))
            low, high = ends or (None, None)
            fields = dict(zip(self.by, group, strict=True))
            difference, p = compared.get(place, (None, None))
            entries.append(Entry(row, name, len(values), *averages, low, high, fields, system, difference, p))
        return entries

    def _compare(self) -> dict[tuple[Group, str, str | None, str], tuple[float | None, float | None]]:
        """Compare each further system with the first, record by record: difference and p of each of its entries."""
        compared: dict[tuple[Group, str, str | None, str], tuple[float | None, float | None]] = {}
        first, *others = self.systems or [""]
        shared = {other: shared_places(self.scores.systems[first], self.scores.systems[other]) for other in others}
        rows = [row for row in ROWS if row not in _NOTHING] if others else []
        for group in self._kinds:
            for row in rows:
                for name in self.numbers:
                    better = []
                    for other, (here, there) in shared.items():
                        ours, theirs = (self._values(each, row, name, group) for each in (other, first))
                        better.append(self._sign(name) * _defined(ours[there] - theirs[here]))
                    adjusted = holm([wilcoxon(each) for each in better])
                    for other, differences, p in zip(others, better, adjusted, strict=True):
                        compared[group, row, other, name] = (_mean(differences), p)
        return compared

    def _keys(self, system: str) -> list[Key]:
        return self.scores.systems[system].keys

    def _values(self, system: str, row: str, number: str, group: Group) -> Values:
        """Get a column, with NaN for records of other groups."""
        inside = np.array(self._groups[system]) == self._kinds[group]
        return np.where(inside, self.scores.systems[system].column(row, number), np.nan)

    def _new_records(self) -> dict[str, Mask]:
        """Mark in each system the records that no earlier one has in the same group."""
        if self._new is None:
            seen: set[tuple[Key, int]] = set()
            self._new = {}
            for system in self.scores.systems:
                placed = list(zip(self._keys(system), self._groups[system], strict=True))
                self._new[system] = np.array([each not in seen for each in placed], bool)
                seen.update(placed)
        return self._new

    def _sign(self, number: str) -> int:
        return 1 if self.numbers[number].higher_is_better else -1


def _defined(values: Values) -> Values:
    return values[~np.isnan(values)]


def _mean(values: Values) -> float | None:
    return mean(values) if len(values) else None
