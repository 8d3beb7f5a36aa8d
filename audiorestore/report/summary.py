"""The numbers of many records, summed up beside what doing nothing would have scored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data.manifest import Record
from ..metrics import METRICS, chosen
from ..metrics._comparison import Number

ROWS = ("degraded", "degraded_leveled", "restored", "restored_leveled")


def numbers(metrics: Sequence[str] | None = None) -> dict[str, Number]:
    """List the numbers that these metrics give, or all that nobody has to ask for."""
    names = chosen(metrics)
    return {name: number for metric in names for name, number in METRICS.load(metric).NUMBERS.items()}


@dataclass
class Summary:
    """The numbers of many records, gathered for a table.

    Attributes:
        rows: What each record measured: row to number to value, None where it is undefined.
        failed: How many records could not be measured.
        metrics: Names of the metrics that were measured, in the order of the table; all, by default.
    """

    rows: list[dict[str, dict[str, float | None]]] = field(default_factory=list)
    failed: int = 0
    metrics: Sequence[str] | None = None

    @property
    def numbers(self) -> dict[str, Number]:
        """The numbers that the table is about."""
        return numbers(self.metrics)

    @property
    def records(self) -> int:
        """How many records were measured."""
        return len(self.rows)

    def add(self, record: Record) -> None:
        """Take in one record that was measured, or that failed."""
        if "error" in record or "metrics" not in record:
            self.failed += 1
        else:
            self.rows.append(record["metrics"])

    def table(self) -> list[dict[str, Any]]:
        """Sum up: one entry for each row and number with ``count``, ``mean``, ``median`` and ``gain``.

        Undefined numbers are left out, never averaged. ``gain`` is the mean distance from doing nothing in the better
        direction, from ``degraded`` for raw rows and from ``degraded_leveled`` for levelled ones, over the records
        where both are defined.
        """
        present = [row for row in ROWS if any(row in measured for measured in self.rows)]
        return [self._entry(row, name, number) for row in present for name, number in self.numbers.items()]

    def _entry(self, row: str, name: str, number: Number) -> dict[str, Any]:
        nothing = "degraded_leveled" if row.endswith("leveled") else "degraded"
        values, gains = [], []
        for measured in self.rows:
            value, base = (measured.get(each, {}).get(name) for each in (row, nothing))
            if value is not None:
                values.append(value)
                if base is not None and row.startswith("restored"):
                    gains.append((value - base) * (1 if number.higher_is_better else -1))
        return {
            "row": row,
            "number": name,
            "count": len(values),
            "mean": float(np.mean(values)) if values else None,
            "median": float(np.median(values)) if values else None,
            "gain": float(np.mean(gains)) if gains else None,
        }
