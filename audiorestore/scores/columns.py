"""The scores of many records, held in columns: eight bytes for each number."""

import math
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.manifest import Record
from ..errors import RecordError

ROWS = ("degraded", "degraded_leveled", "restored", "restored_leveled")

Values = NDArray[np.float64]  # of one number, an entry for each record


class Key(NamedTuple):
    """Which record a score belongs to; the same in every system that restored it.

    Attributes:
        id: The record's.
        sample: Which of several versions, where it is one of several.
        copy: How many records of the same system, id and sample came before, including those that failed.
    """

    id: str
    sample: int | None = None
    copy: int = 0

    def __str__(self) -> str:
        sample = "" if self.sample is None else f".{self.sample}"
        return f"{self.id}{sample}" + (f" ({self.copy + 1})" if self.copy else "")


class Failure(NamedTuple):
    """A record without scores, and why.

    Attributes:
        id: The record's.
        system: The system that made it; "" where it names none.
        stage: The stage that failed.
        message: Why, for people.
        sample: Which of several versions, where it is one of several.
    """

    id: str
    system: str
    stage: str
    message: str
    sample: int | None = None

    @property
    def name(self) -> str:
        """The record's name, with its sample."""
        return str(Key(self.id, self.sample))

    def as_object(self) -> dict[str, Any]:
        """Convert it for JSON; the sample is left out where there is only one."""
        return {key: value for key, value in self._asdict().items() if value is not None}


@dataclass
class Columns:
    """The scores of one system: a column for each row and number, an entry for each record.

    Attributes:
        keys: The records that were measured, in order.
    """

    keys: list[Key] = field(default_factory=list)
    _held: dict[tuple[str, str], "array[float]"] = field(default_factory=dict, repr=False)

    def add(self, record: Record, copy: int = 0) -> None:
        """Add a record with ``metrics``; ``copy`` records of the same id and sample came before.

        Raises:
            RecordError: Its metrics are not what `ar eval` writes.
        """
        scores = _checked(record["metrics"])
        for where, value in scores.items():
            column = self._held.setdefault(where, array("d"))
            column.extend([math.nan] * (len(self.keys) - len(column)))
            column.append(value)
        self.keys.append(Key(str(record["id"]), record.get("sample"), copy))

    def __contains__(self, where: tuple[str, str]) -> bool:
        return where in self._held

    def column(self, row: str, number: str) -> Values:
        """Get a number of all records, in order; NaN where it is undefined or was not measured."""
        values = np.full(len(self.keys), np.nan)
        held = self._held.get((row, number), array("d"))
        values[: len(held)] = held
        return values

    def has_row(self, row: str) -> bool:
        """Check whether any record has this row."""
        return any(held == row for held, _ in self._held)


def shared_places(first: Columns, other: Columns) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the records that two systems share: their places in the first, and in the other."""
    places = {key: place for place, key in enumerate(other.keys)}
    pairs = [(place, places[key]) for place, key in enumerate(first.keys) if key in places]
    here, there = np.array(pairs, np.intp).reshape(-1, 2).T
    return here, there


def _checked(metrics: Any) -> dict[tuple[str, str], float]:
    if not isinstance(metrics, dict) or not all(isinstance(row, dict) for row in metrics.values()):
        raise RecordError("metrics is not an object of rows with numbers")
    scores = {}
    for row, numbers in metrics.items():
        for name, value in numbers.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise RecordError(f"{row}.{name} is {value!r}, not a number")
            if value is not None and not abs(value) <= sys.float_info.max:  # integers may be larger than any float
                raise RecordError(f"{row}.{name} is {value!r}; an undefined number has to be null")
            scores[row, name] = math.nan if value is None else float(value)
    return scores


@dataclass
class Scores:
    """The scores of all systems, and the records without scores.

    Attributes:
        systems: Columns by name, in order of appearance; records that name no system belong to the system "".
        failures: The records that failed.
    """

    systems: dict[str, Columns] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    _seen: Counter[tuple[str, str, int | None]] = field(default_factory=Counter, repr=False)

    @property
    def records(self) -> int:
        """The number of records with scores."""
        return sum(len(columns.keys) for columns in self.systems.values())

    def add(self, record: Record) -> bool:
        """Add one record that was measured, or that failed.

        Returns:
            Whether it has scores.

        Raises:
            RecordError: Its metrics are not what `ar eval` writes.
        """
        system = system_of(record)
        name = (system, str(record.get("id", "")), record.get("sample"))
        self._seen[name] += 1
        if not is_measured(record):
            error = record.get("error", {})
            stage, message = error.get("stage") or "eval", error.get("message") or "it was not measured"
            self.failures.append(Failure(name[1], system, str(stage), str(message), record.get("sample")))
            return False
        self.systems.setdefault(system, Columns()).add(record, self._seen[name] - 1)
        return True


def is_measured(record: Record) -> bool:
    """Check whether a record has scores: one that has none failed, or was never measured."""
    return "error" not in record and "metrics" in record


def keyed(records: Iterable[Record]) -> Iterator[tuple[Key, Record]]:
    """Give each record of one system its key."""
    seen: Counter[tuple[str, int | None]] = Counter()
    for record in records:
        name = (str(record.get("id", "")), record.get("sample"))
        yield Key(*name, seen[name]), record
        seen[name] += 1


def system_of(record: Record) -> str:
    """Get the name of the system that made a record; "" where it names none.

    >>> system_of({"system": "cnn"}), system_of({"system": 3})
    ('cnn', '')
    """
    system = record.get("system")
    return system if isinstance(system, str) else ""
