"""Groups of records: by the value of a field, such as a parameter of the damage, the split or the model."""

import json
import math
from typing import Any

from ..data.manifest import Record
from ..errors import UsageError

MISSING = "–"  # for people; null in JSON

Value = str | int | float | None


def check_field(field: str) -> str:
    """Refuse a name that cannot be that of a field.

    Raises:
        UsageError: It is empty, or a part of it is.
    """
    if not all(field.split(".")):
        raise UsageError(f"--by {field!r} is not the name of a field; give one such as group, model or damage.mp3.kbps")
    return field


def group_value(record: Record, field: str) -> Value:
    """Get the value of a record's field; dots lead into objects.

    ``damage.mp3.kbps`` is the ``kbps`` of the damage named mp3, and ``damage`` the names of all damages. If a damage
    was applied twice, both values are joined by +. Lists and objects are returned as JSON.

    >>> group_value({"damage": [{"name": "mp3", "kbps": 32}, {"name": "hum"}]}, "damage.mp3.kbps")
    32
    >>> group_value({"alignment": {"level": "keep"}}, "alignment.level"), group_value({}, "split")
    ('keep', None)
    """
    first, *rest = field.split(".")
    if first == "damage" and isinstance(record.get(first), list):
        damages = [each for each in record[first] if isinstance(each, dict)]
        if not rest:
            return "+".join(str(each.get("name")) for each in damages)
        named = [each for each in damages if each.get("name") == rest[0]]
        values = [_plain(_inside(each, rest[1:] or ["name"])) for each in named]
        return values[0] if len(values) == 1 else "+".join(map(str, values)) or None
    return _plain(_inside(record, [first, *rest]))


def _inside(value: Any, path: list[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _plain(value: Any) -> Value:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # NaN is not equal to itself, and would be a group for each record
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def in_order(group: tuple[Value, ...]) -> list[tuple[int, int | float, str]]:
    """Make a sort key for groups: numbers by size, then text, then missing values.

    >>> sorted([("b",), (None,), (128,), (32,), ("a",)], key=in_order)
    [(32,), (128,), ('a',), ('b',), (None,)]
    """
    return [
        (2, 0, "") if value is None else (1, 0, value) if isinstance(value, str) else (0, value, "") for value in group
    ]
