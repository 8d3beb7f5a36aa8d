"""Checking that a manifest of pairs still holds: files, digests, lengths, lag, and no leak between splits."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from ...data.manifest import Record, failed, need
from ...data.spool import open_sound
from ...errors import AlignmentError, AudioFileError, RecordError
from ...signal.align import LAG_TOLERANCE, measure
from ...signal.sound import Sound
from ..provenance import digest_in, file_digest

ROLES = ("reference", "degraded")

_STAGE = "check"


def check_record(record: Record) -> Record:
    """Verify one pair against its files: there, readable, unchanged, of one size, and without a lag.

    Returns:
        The record as it is where all is right or where it had failed before; otherwise failed, with a message that
        lists all problems.
    """
    if "error" in record:
        return record
    try:
        need(record, *ROLES)
    except RecordError as error:
        return failed(record, _STAGE, str(error))
    problems = list(_problems(record))
    return failed(record, _STAGE, "; ".join(problems)) if problems else record


def _problems(record: Record) -> Iterator[str]:
    sounds: dict[str, Sound] = {}
    with ExitStack() as files:
        for role in ROLES:
            path = record[role]
            try:
                sounds[role] = files.enter_context(open_sound(path, any_order=True))
                if digest_in(record, role) not in (None, file_digest(path)):
                    yield f"{path} has changed since it was paired (its digest differs)"
            except AudioFileError as error:
                yield str(error)
        comparable = len(sounds) == len(ROLES)
        for name in ("sample_rate", "channels", "frames"):
            sizes = {role: getattr(sound, name) for role, sound in sounds.items()}
            comparable = comparable and len(set(sizes.values())) == 1
            if sizes and name in record:
                sizes["record"] = record[name]
            if len(set(sizes.values())) > 1:
                yield f"{name} differs: " + ", ".join(f"{size} in the {where}" for where, size in sizes.items())
        if comparable:
            yield from _lags(record, *(sounds[role] for role in ROLES))


def _lags(record: Record, reference: Sound, degraded: Sound) -> Iterator[str]:
    """Measure the lag of each channel again; where the reference is silent, none can be measured."""
    alignment = record.get("alignment")
    accepted = alignment.get("found") if isinstance(alignment, dict) else None  # findings, when the pair was made
    try:
        found = measure(
            reference, degraded, frozenset(map(str, accepted)) if isinstance(accepted, list) else frozenset()
        )
    except (AlignmentError, AudioFileError) as error:
        yield str(error)
        return
    for number, channel in enumerate(found, 1):
        if channel and not {"drift", "content"} & set(channel.found) and abs(channel.lag) >= LAG_TOLERANCE:
            yield f"channel {number} of {record['degraded']} has a lag of {channel.lag:.2f} samples"


class _Seen(NamedTuple):
    """The first record in which something was seen, and its split."""

    name: str
    split: str


@dataclass
class Leaks:
    """Finds, as records pass, what is in two splits at once: the later record is the one that fails, naming the first.

    It holds a few strings for each record, and no record.

    Attributes:
        undigested: How many pairs have no digests, so that changed or copied files could not be recognised.
    """

    undigested: int = 0
    _seen: dict[tuple[str, str], _Seen] = field(default_factory=dict)
    _names: set[tuple[str, int]] = field(default_factory=set)
    _first: _Seen | None = None

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """Pass records through, those that leak as failed; what was wrong with them before stays in the message."""
        for record in records:
            problems = list(self._problems(record))
            if problems and "error" in record:
                problems.insert(0, str(record["error"].get("message")))
            yield failed(record, _STAGE, "; ".join(problems)) if problems else record

    def _problems(self, record: Record) -> Iterator[str]:
        name = (record["id"], record.get("sample", 0))
        if name in self._names:
            yield f"{_name(record)} stands for two records of this manifest"
        self._names.add(name)
        if record.get("error", {}).get("stage", _STAGE) == _STAGE:  # what failed before is not a pair
            self.undigested += not all(digest_in(record, role) for role in ROLES)
            # Either all records have a split, or none.
            self._first = self._first or _Seen(_name(record), record.get("split", ""))
            if self._first.split and "split" not in record:
                yield f"it has no split, but {self._first.name} has one"
            if "split" in record and not self._first.split:
                yield f"it has a split, but {self._first.name} has none"
        if "split" in record:
            yield from self._leaks(record)

    def _leaks(self, record: Record) -> Iterator[str]:
        reference, group = record.get("reference"), record.get("group")
        yield from self._elsewhere(record, "group", group, f"of the same group ({group})")
        path = os.path.realpath(reference) if reference else None
        same_file = self._elsewhere(record, "source", path, "with the same reference file")
        same_bytes = self._elsewhere(
            record, "digest", digest_in(record, "reference"), "with the same reference under another name"
        )
        yield from same_file or same_bytes

    def _elsewhere(self, record: Record, kind: str, value: object, shared: str) -> list[str]:
        """Note a property of a record, and report where a record of another split has it, too."""
        if value in (None, ""):
            return []
        first = self._seen.setdefault((kind, str(value)), _Seen(_name(record), record["split"]))
        if first.split == record["split"]:
            return []
        return [f"it is in {record['split']}, but {first.name} {shared} is in {first.split}"]


def _name(record: Record) -> str:
    sample = f" (sample {record['sample']})" if "sample" in record else ""
    return f"'{record['id']}'{sample}"
