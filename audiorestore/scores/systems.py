"""Restorers side by side: which records were made by which, told from the manifests that they came in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import PurePosixPath

from ..data.manifest import MANIFEST_SUFFIXES, Record, is_clean_id
from ..errors import UsageError
from .columns import system_of

FIELD = "system"


def side_by_side(parts: Sequence[tuple[str, Sequence[Record]]]) -> list[Record]:
    """Join the records of several manifests; where these restored the same items, each manifest is a system.

    Manifests that share no item are parts of one whole, and simply follow one another. Otherwise each record gets
    ``system``: the name of its manifest, with as many of its folders as it takes to tell it from the others. Records
    that name their system already, as `ar eval` writes them, keep it, as long as no other manifest has or is one of
    that name.

    Args:
        parts: Path of each manifest, and its records.

    Raises:
        UsageError: Some manifests share items and others do not.
    """
    items = [{_item(record) for record in records if record.get("restored")} for _, records in parts]
    shared = {item for item, count in Counter(item for each in items for item in each).items() if count > 1}
    if not shared:
        return [record for _, records in parts for record in records]
    for (path, _), mine in zip(parts, items, strict=True):
        if not mine & shared:
            raise UsageError(
                f"{path} shares no restored record with the other manifests, which are systems to be compared; "
                "measure it by itself"
            )
    names = distinct_names([path for path, _ in parts])
    owned = [(name, _own(each), each) for name, (_, held) in zip(names, parts, strict=True) for each in held]
    makers = list(dict.fromkeys((name, own) for name, own, _ in owned))
    claims = Counter(own or name for name, own in makers)
    wanted = [f"{name}/{own}" if own and claims[own] > 1 else own or name for name, own in makers]
    systems = dict(zip(makers, _numbered(wanted), strict=True))
    return [{**record, FIELD: systems[name, own]} for name, own, record in owned]


def by_system(records: Sequence[Record], otherwise: str) -> Mapping[str, list[Record]]:
    """Part records by the system that made them.

    Args:
        records: Of any number of systems.
        otherwise: The name of those that do not say.
    """
    parted: dict[str, list[Record]] = {}
    for record in records:
        parted.setdefault(system_of(record) or otherwise, []).append(record)
    return parted


def _item(record: Record) -> tuple[str, int | None]:
    return record["id"], record.get("sample")


def _own(record: Record) -> str:
    """Read a record's own system, if that is a name that could be a folder's."""
    system = record.get(FIELD)
    return system if is_clean_id(system) and isinstance(system, str) else ""


def distinct_names(paths: Sequence[str]) -> list[str]:
    """Name files as briefly as tells them apart: by stem, or with some of their folders; at worst by number.

    >>> distinct_names(["runs/cnn.jsonl", "mlp.jsonl"])
    ['cnn', 'mlp']
    >>> distinct_names(["runs/cnn/scores.jsonl", "runs/mlp/scores.jsonl.gz"])
    ['cnn/scores', 'mlp/scores']
    """
    plain = [path.replace("\\", "_") for path in paths]  # which no system's name may have, see `is_clean_id`
    parts = [[part for part in _stem(PurePosixPath(path)).parts if part not in ("/", ".", "..")] for path in plain]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(each[-depth:]) or "records" for each in parts]
        if len(set(names)) == len(names):
            return names
    return _numbered(["/".join(each[-1:]) or "records" for each in parts])


def _numbered(names: Sequence[str]) -> list[str]:
    """Tell equal names apart by their place, or a higher number that makes none the same as another one."""
    told: list[str] = []
    for place, name in enumerate(names, 1):
        numbered = (f"{name}-{number}" for number in count(place))
        told.append(name if name not in told else next(each for each in numbered if each not in {*names, *told}))
    return told


def _stem(path: PurePosixPath) -> PurePosixPath:
    while path.suffix.lower() in MANIFEST_SUFFIXES | {".gz"}:
        path = path.with_suffix("")
    return path
