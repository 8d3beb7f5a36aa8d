"""The numbers of many records, summed up beside what doing nothing would have scored."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data.manifest import Record
from ..metrics import METRICS
from ..metrics._comparison import Number

ROWS = ("degraded", "degraded_leveled", "restored", "restored_leveled")


def numbers() -> dict[str, Number]:
    """List the numbers that all metrics together give."""
    return {name: number for metric in METRICS.names() for name, number in METRICS.load(metric).NUMBERS.items()}


@dataclass
class Summary:
    """The numbers of many records, gathered for a table.

    Attributes:
        values: Row to number to the values of all records that have one.
        records: How many records were measured.
        failed: How many could not be.
    """

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    records: int = 0
    failed: int = 0

    def add(self, record: Record) -> None:
        """Take in one record that was measured, or that failed; undefined numbers are left out, never averaged."""
        if "error" in record or "metrics" not in record:
            self.failed += 1
            return
        self.records += 1
        for row, measured in record["metrics"].items():
            for name, value in measured.items():
                if value is not None:
                    self.values.setdefault(row, {}).setdefault(name, []).append(value)

    def table(self) -> list[dict[str, Any]]:
        """Sum up: one entry for each row and number with ``count``, ``mean``, ``median`` and ``gain``.

        ``gain`` is the mean's distance from doing nothing in the better direction: from ``degraded`` for raw rows, and
        from ``degraded_leveled`` for levelled ones.
        """
        rows = [row for row in ROWS if row in self.values]
        return [self._entry(row, name, number) for row in rows for name, number in numbers().items()]

    def _entry(self, row: str, name: str, number: Number) -> dict[str, Any]:
        values = self.values[row].get(name, [])
        nothing = self.values.get("degraded_leveled" if row.endswith("leveled") else "degraded", {}).get(name, [])
        mean = _mean(values)
        base = _mean(nothing)
        gain = None
        if row.startswith("restored") and mean is not None and base is not None:
            gain = (mean - base) * (1 if number.higher_is_better else -1)
        return {
            "row": row,
            "number": name,
            "count": len(values),
            "mean": mean,
            "median": float(np.median(values)) if values else None,
            "gain": gain,
        }


def _mean(values: Iterable[float]) -> float | None:
    held = list(values)
    return float(np.mean(held)) if held else None
