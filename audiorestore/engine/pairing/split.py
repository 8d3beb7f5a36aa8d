"""Which records are for training, validation and testing: by a hash of their group, so that none ever moves."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...data.manifest import SPLITS, Record, failed
from ...errors import RecordError, UsageError
from ...randomness import uniform
from ..provenance import digest_in

DEFAULT_RATIOS = (0.8, 0.1, 0.1)

GroupBy = Callable[[Record], str]  # names a record's group, or raises RecordError where it has none


def parse_ratios(text: str) -> tuple[float, ...]:
    """Read ``80:10:10`` (train, val, test) or ``80:20`` (train, test) as shares that sum to 1.

    Raises:
        UsageError: The text is malformed.

    >>> parse_ratios("80:20")
    (0.8, 0.0, 0.2)
    """
    try:
        shares = [float(part) for part in text.split(":")]
    except ValueError:
        shares = []
    if len(shares) == 2:
        shares.insert(1, 0.0)
    if len(shares) != 3 or min(shares) < 0 or not 0 < sum(shares) < float("inf"):
        raise UsageError(f"--split {text} is not possible; it is train:val:test, as 80:10:10, or train:test, as 80:20")
    return tuple(share / sum(shares) for share in shares)


def assign_splits(groups: Iterable[str], ratios: tuple[float, ...], seed: int) -> dict[str, str]:
    """Give each group a split.

    Each group has a place on the unit interval, by a hash of its name and the seed; the ratios cut the interval in
    three. So a group's split depends on no other group, and adding files moves no old one; but where a split would
    stay empty, the nearest group joins it until there are enough files.

    Raises:
        UsageError: There are fewer groups than splits.
    """
    places = {group: uniform(seed, "split", group) for group in groups}
    bounds, start = {}, 0.0
    for name, share in zip(SPLITS, ratios, strict=True):
        if share > 0:
            bounds[name] = (start, start + share)
        start += share
    if len(places) < len(bounds):
        raise UsageError(
            f"{len(places)} group(s) cannot fill {len(bounds)} splits ({', '.join(bounds)}); give more files, or "
            "fewer splits, such as --split 100:0:0"
        )
    last = list(bounds)[-1]
    splits = {
        group: next((name for name, (_, stop) in bounds.items() if place < stop), last)
        for group, place in places.items()
    }
    for name, (low, high) in bounds.items():
        if name not in splits.values():
            taken = list(splits.values())
            free = [group for group in splits if taken.count(splits[group]) > 1]
            nearest = min(free, key=lambda group: (max(low - places[group], places[group] - high, 0.0), group))
            splits[nearest] = name
    return splits


def parse_group_by(text: str) -> GroupBy:
    """Read how records are grouped: ``folder``, ``path:REGEX`` or ``field:NAME``.

    ``folder`` is the reference's folder, or the id's where the reference is in none. ``path:`` searches a regular
    expression in the reference's path; its first group counts, or without any the whole match. ``field:`` takes a
    field of the record; dots go into objects.

    Raises:
        UsageError: The text is malformed.

    >>> parse_group_by(r"path:(song\\d+)")({"id": "7", "reference": "thirds/song12.0.wav"})
    'song12'
    >>> parse_group_by("field:speaker.name")({"id": "7", "speaker": {"name": "Ann"}})
    'Ann'
    """
    kind, _, rest = text.partition(":")
    problem = ""
    if text == "folder":
        return _folder
    if kind == "path" and rest:
        try:
            return partial(_found_in_path, re.compile(rest))
        except (re.error, OverflowError, RecursionError) as error:
            problem = f" ({error})"
    if kind == "field" and all(rest.split(".")):
        return partial(_value_of, rest)
    raise UsageError(
        f"--group-by {text} is not possible{problem}; it is folder, path:REGEX (searched in the reference's path, as "
        r"'path:(.*)\.\d\.wav$') or field:NAME (as field:speaker.name)"
    )


def _folder(record: Record) -> str:
    folder = os.path.normpath(Path(record.get("reference") or "").parent)
    return folder if folder != "." else str(PurePosixPath(record["id"]).parent)


def _found_in_path(pattern: re.Pattern[str], record: Record) -> str:
    path = record.get("reference")
    if not path:
        raise RecordError("the record has no reference, in whose path --group-by could search")
    match = pattern.search(path)
    name = match and match[1 if pattern.groups else 0]
    if not name:
        raise RecordError(f"--group-by path:{pattern.pattern} finds nothing in {path}, so its group is not known")
    return name


def _value_of(name: str, record: Record) -> str:
    value: object = record
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or value == "":
        raise RecordError(f"the record has no field {name}, which --group-by asks for")
    if isinstance(value, dict | list):
        raise RecordError(f"the field {name} is {json.dumps(value)}, neither text nor a number to group by")
    return value if isinstance(value, str) else json.dumps(value)


class _Link(NamedTuple):
    """Something that records share: all records that share it belong together."""

    kind: str
    name: str


def _roots(bundles: Iterable[list[_Link]]) -> dict[_Link, _Link]:
    """Find connected links: those that share a bundle, or a chain of bundles, get one root (union-find).

    >>> roots = _roots([[_Link("source", "a"), _Link("group", "x")], [_Link("source", "b"), _Link("group", "x")]])
    >>> len(set(roots.values()))
    1
    """
    parents: dict[_Link, _Link] = {}

    def root(link: _Link) -> _Link:
        while parents.setdefault(link, link) != link:
            parents[link] = link = parents[parents[link]]  # path halving
        return link

    for first, *others in bundles:
        root(first)
        for other in others:
            parents[root(other)] = root(first)
    return {link: root(link) for link in list(parents)}


class _Origin(NamedTuple):
    """What is known of a record before it is aligned, when its reference is still the source file."""

    source: str
    group: str | None


@dataclass
class Splitter:
    """Gives records their group and split, once all of them are known.

    A record belongs to the group that ``group_by`` finds or, without it, to the one that it brings. Records made from
    one source file, or whose references hold the same bytes (``digests``), are never separated: their groups become
    one, named by the first of the names, or by the first of the ids where there is none. A record keeps the split that
    it has unless ``ratios`` were asked for.

    Attributes:
        ratios: Shares of train, val and test; None for 80:10:10 where there is no split yet.
        seed: Seed of the assignment.
        group_by: Finds a record's group, before it is aligned; a record without one fails.
        replaced: How many records had another split before.
    """

    ratios: tuple[float, ...] | None
    seed: int
    group_by: GroupBy | None = None
    replaced: int = 0
    _origins: dict[tuple[str, int], _Origin] = field(default_factory=dict)

    def note(self, records: Iterable[Record]) -> Iterator[Record]:
        """Pass records through, and remember from which source file and group each comes before it is aligned."""
        return map(self._noted, records)

    def _noted(self, record: Record) -> Record:
        group = None if record.get("group") in (None, "") else str(record["group"])
        if self.group_by and "error" not in record:
            try:
                group = self.group_by(record)
            except RecordError as error:
                record = failed(record, "pair", str(error))
        source = os.path.realpath(record.get("reference") or record["id"])
        self._origins.setdefault(_key(record), _Origin(source, group))
        return record

    def share(self, records: Iterable[Record]) -> Iterator[Record]:
        """Give each good record its ``group`` and ``split``.

        Raises:
            UsageError: There are fewer groups than splits, or a group that was asked for has records in two splits
                that they are to keep.
        """
        held = [record if _key(record) in self._origins else self._noted(record) for record in records]
        grouped = list(zip(held, self._groups(held), strict=True))
        good = [(record, group) for record, group in grouped if "error" not in record]
        kept = self._kept(good) if self.ratios is None else {}
        free = {group for _, group in good} - set(kept)
        splits = kept | (assign_splits(free, self.ratios or DEFAULT_RATIOS, self.seed) if free else {})
        for record, group in grouped:
            if "error" not in record:
                split = record.get("split", splits[group]) if self.ratios is None else splits[group]
                self.replaced += record.get("split", split) != split
                record = {**record, "group": group, "split": split}
            yield record

    def _kept(self, good: list[tuple[Record, str]]) -> dict[str, str]:
        kept: dict[str, str] = {}
        for record, group in good:
            if "split" in record:
                if self.group_by and kept.get(group, record["split"]) != record["split"]:
                    raise UsageError(
                        f"the group '{group}' has records in {kept[group]} and in {record['split']} already; "
                        "use --split to reassign the groups"
                    )
                kept[group] = record["split"]
        return kept

    def _groups(self, records: list[Record]) -> list[str]:
        """Name the group of each record; failed ones count too, so that fixing one moves no other."""
        bundles = [self._links(record) for record in records]
        roots = _roots(bundles)
        names: dict[_Link, tuple[bool, str]] = {}  # a name that was given goes before an id
        for record, (source, *_) in zip(records, bundles, strict=True):
            group = self._origins[_key(record)].group
            name = (group is None, group or record["id"])
            names[roots[source]] = min(name, names.get(roots[source], name))
        return [names[roots[source]][1] for source, *_ in bundles]

    def _links(self, record: Record) -> list[_Link]:
        source, group = self._origins[_key(record)]
        shared = {"source": source, "group": group, "digest": digest_in(record, "reference")}
        return [_Link(kind, name) for kind, name in shared.items() if name]


def _key(record: Record) -> tuple[str, int]:
    return record["id"], record.get("sample", 0)
