"""What many recordings scored: numbers in columns, eight bytes each, however many recordings there are."""

import math
import sys
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.manifest import Record
from ..errors import RecordError

ROWS = ("degraded", "degraded_leveled", "restored", "restored_leveled")


class Key(NamedTuple):
    """Which recording a score belongs to.

    Attributes:
        id: The record's.
        sample: Which of several versions, where it is one of several.
        copy: How many records of the same id and sample came before, those that failed too.
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
        system: Which made it; "" where it does not say.
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
        """Name the record as its scores would be, so that samples of one id are told apart."""
        return str(Key(self.id, self.sample))

    def as_object(self) -> dict[str, Any]:
        """Write it as an object of JSON, with the sample only where it is one of several."""
        return {key: value for key, value in self._asdict().items() if value is not None}


@dataclass
class Columns:
    """The scores of one system: a column for each row and number, an entry for each record.

    Attributes:
        keys: Which recordings were measured, in order.
    """

    keys: list[Key] = field(default_factory=list)
    _held: dict[tuple[str, str], "array[float]"] = field(default_factory=dict, repr=False)

    def add(self, record: Record, copy: int = 0) -> None:
        """Take in a record with ``metrics``.

        Args:
            record: What was measured.
            copy: How many records of the same id and sample came before.

        Raises:
            RecordError: They are not what `ar eval` writes.
        """
        scores = _checked(record["metrics"])
        for where, value in scores.items():
            column = self._held.setdefault(where, array("d"))
            column.extend([math.nan] * (len(self.keys) - len(column)))
            column.append(value)
        self.keys.append(Key(str(record["id"]), record.get("sample"), copy))

    def __contains__(self, where: tuple[str, str]) -> bool:
        return where in self._held

    def column(self, row: str, number: str) -> NDArray[np.float64]:
        """Get a number of all records, in order; NaN where it is undefined or was not measured."""
        values = np.full(len(self.keys), np.nan)
        held = self._held.get((row, number), array("d"))
        values[: len(held)] = held
        return values

    def has_row(self, row: str) -> bool:
        """Tell whether any record has this row."""
        return any(held == row for held, _ in self._held)


def _checked(metrics: Any) -> dict[tuple[str, str], float]:
    if not isinstance(metrics, dict) or not all(isinstance(row, dict) for row in metrics.values()):
        raise RecordError("metrics is no object of rows with numbers")
    scores = {}
    for row, numbers in metrics.items():
        for name, value in numbers.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise RecordError(f"{row}.{name} is {value!r}, not a number")
            if value is not None and not abs(value) <= sys.float_info.max:  # which whole numbers may go beyond
                raise RecordError(f"{row}.{name} is {value!r}; what is undefined has to be null")
            scores[row, name] = math.nan if value is None else float(value)
    return scores


@dataclass
class Scores:
    """The scores of all systems, and what has none.

    Attributes:
        systems: Name to columns, in order of appearance; records that name no system belong to the one called "".
        failures: The records that failed.
    """

    systems: dict[str, Columns] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    _seen: Counter[tuple[str, str, int | None]] = field(default_factory=Counter, repr=False)

    @property
    def records(self) -> int:
        """How many records have scores."""
        return sum(len(columns.keys) for columns in self.systems.values())

    def add(self, record: Record) -> bool:
        """Take in one record that was measured, or that failed; tell whether it has scores."""
        system = system_of(record)
        name = (system, str(record.get("id", "")), record.get("sample"))
        self._seen[name] += 1
        if "error" in record or "metrics" not in record:
            error = record.get("error", {})
            stage, message = (str(error.get(key) or otherwise) for key, otherwise in _UNMEASURED.items())
            self.failures.append(Failure(name[1], system, stage, message, record.get("sample")))
            return False
        self.systems.setdefault(system, Columns()).add(record, self._seen[name] - 1)
        return True


_UNMEASURED = {"stage": "eval", "message": "it was not measured"}


def system_of(record: Record) -> str:
    """Say which system made a record; "" where it does not say.

    >>> system_of({"system": "cnn"}), system_of({"system": 3})
    ('cnn', '')
    """
    system = record.get("system")
    return system if isinstance(system, str) else ""
