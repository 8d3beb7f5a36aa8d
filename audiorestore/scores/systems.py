"""Restorers side by side: which records were made by which system, by the manifests that they are in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path, PurePosixPath

from ..data.manifest import MANIFEST_SUFFIXES, Record, is_clean_id
from ..errors import UsageError
from .columns import system_of

FIELD = "system"


def side_by_side(manifests: Sequence[tuple[str, Sequence[Record]]]) -> list[Record]:
    """Join the records of several manifests; if these contain the same restored items, each manifest is a system.

    Manifests that share no item are parts of one set, and are concatenated. Otherwise each record gets ``system``: the
    name of its manifest, with as many of its folders as make it unique. Records that already name their system, as
    those of `ar eval` do, keep it, unless another manifest contains, or is, a system of that name.

    Args:
        manifests: The path of each manifest, and its records.

    Raises:
        UsageError: Some manifests share items and others do not.
    """
    items = [
        {(record["id"], record.get("sample")) for record in records if record.get("restored")}
        for _, records in manifests
    ]
    shared = {item for item, count in Counter(item for each in items for item in each).items() if count > 1}
    if not shared:
        return [record for _, records in manifests for record in records]
    for (path, _), mine in zip(manifests, items, strict=True):
        if not mine & shared:
            raise UsageError(
                f"{path} shares no restored record with the other manifests, which are systems to be compared; "
                "measure it by itself"
            )
    names = distinct_names([path for path, _ in manifests])
    owned = [(name, _own(each), each) for name, (_, held) in zip(names, manifests, strict=True) for each in held]
    makers = list(dict.fromkeys((name, own) for name, own, _ in owned))
    claims = Counter(own or name for name, own in makers)
    wanted = [f"{name}/{own}" if own and claims[own] > 1 else own or name for name, own in makers]
    systems = dict(zip(makers, _numbered(wanted), strict=True))
    return [{**record, FIELD: systems[name, own]} for name, own, record in owned]


def by_system(records: Sequence[Record], otherwise: str) -> Mapping[str, list[Record]]:
    """Group records by the system that made them.

    Those that name none are under ``otherwise``, with a number behind it where a system has that name.
    """
    names = {system_of(record) for record in records} - {""}
    otherwise = _numbered([*names, otherwise])[-1]
    grouped: dict[str, list[Record]] = {}
    for record in records:
        grouped.setdefault(system_of(record) or otherwise, []).append(record)
    return grouped


def system_folder(record: Record, folder: Path) -> Path:
    """Name the folder for a record's pictures: one for each system, where that is a name for a folder.

    >>> system_folder({"id": "a", "system": "cnn"}, Path("plots")).as_posix()
    'plots/cnn'
    """
    return folder / _own(record)


def _own(record: Record) -> str:
    """Get the system that a record names, if it could be the name of a folder; otherwise ""."""
    system = record.get(FIELD)
    return system if is_clean_id(system) and isinstance(system, str) else ""


def distinct_names(paths: Sequence[str]) -> list[str]:
    """Give files short, distinct names: the stem, with some of their folders if necessary, or with a number.

    >>> distinct_names(["runs/cnn.jsonl", "mlp.jsonl"])
    ['cnn', 'mlp']
    >>> distinct_names(["runs/cnn/scores.jsonl", "runs/mlp/scores.jsonl.gz"])
    ['cnn/scores', 'mlp/scores']
    """
    plain = [path.replace("\\", "_") for path in paths]  # a backslash is not allowed in a name, see `is_clean_id`
    parts = [[part for part in _stem(PurePosixPath(path)).parts if part not in ("/", ".", "..")] for path in plain]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(each[-depth:]) or "records" for each in parts]
        if len(set(names)) == len(names):
            return names
    return _numbered(["/".join(each[-1:]) or "records" for each in parts])


def _numbered(names: Sequence[str]) -> list[str]:
    """Make equal names distinct by a number: that of their place, or a higher one if that name is taken."""
    distinct: list[str] = []
    for place, name in enumerate(names, 1):
        numbered = (f"{name}-{number}" for number in count(place))
        taken = {*names, *distinct}
        distinct.append(name if name not in distinct else next(each for each in numbered if each not in taken))
    return distinct


def _stem(path: PurePosixPath) -> PurePosixPath:
    while path.suffix.lower() in MANIFEST_SUFFIXES | {".gz"}:
        path = path.with_suffix("")
    return path
