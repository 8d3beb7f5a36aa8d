"""Who is for training, who for validation, who for the test: by a hash of the group, so that nobody ever moves."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..data.manifest import SPLITS, Record
from ..errors import UsageError
from ..randomness import uniform

DEFAULT_RATIOS = (0.8, 0.1, 0.1)


def parse_ratios(text: str) -> tuple[float, ...]:
    """Read ``80:10:10`` (train, val, test) or ``80:20`` (train, test) as shares that sum to 1.

    Raises:
        UsageError: It is not written so.

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
    stay empty, the group nearest to it joins it, until there are files enough.

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


@dataclass
class Splitter:
    """Gives records their group and split, once all of them are known.

    A record keeps the group that it has; records made from one source file are a group by default, named by the first
    of their ids. A record keeps the split that it has unless ``ratios`` were asked for.

    Attributes:
        ratios: Shares of train, val and test; None for 80:10:10 where there is no split yet.
        seed: What the draws hang on.
        replaced: How many records had another split before.
    """

    ratios: tuple[float, ...] | None
    seed: int
    replaced: int = 0
    _sources: dict[str, str] = field(default_factory=dict)

    def note(self, records: Iterable[Record]) -> Iterator[Record]:
        """Pass records through, and remember from which source file each comes before it is aligned."""
        for record in records:
            self._sources[record["id"]] = os.path.realpath(record.get("reference") or record["id"])
            yield record

    def share(self, records: Iterable[Record]) -> Iterator[Record]:
        """Give each good record its ``group`` and ``split``."""
        held = list(records)
        first: dict[str, str] = {}
        for name in sorted({record["id"] for record in held}):
            first.setdefault(self._sources.get(name, name), name)
        groups: dict[int, str] = {}
        kept: dict[str, str] = {}
        for place, record in enumerate(held):
            if "error" not in record:
                source = self._sources.get(record["id"]) or str(record["id"])
                groups[place] = str(record.get("group") or first[source])
                if "split" in record and self.ratios is None:
                    kept[groups[place]] = record["split"]
        free = set(groups.values()) - set(kept)
        splits = kept | (assign_splits(free, self.ratios or DEFAULT_RATIOS, self.seed) if free else {})
        for place, record in enumerate(held):
            if place in groups:
                group = groups[place]
                split = record.get("split", splits[group]) if self.ratios is None else splits[group]
                self.replaced += record.get("split", split) != split
                record = {**record, "group": group, "split": split}
            yield record
