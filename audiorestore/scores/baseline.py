"""Comparing a run with an earlier one, file by file: what has become worse, by how much, and where."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.manifest import MANIFEST_SUFFIXES, read_records
from ..errors import RecordError, UsageError
from ..metrics._comparison import Number
from .columns import ROWS, Columns, Scores
from .gates import WORST, Verdict, check_number, named

# Records hold six digits. A number that moved by less than one unit of the sixth has not moved.
_ROUNDING = 1e-5
_MALFORMED = "baseline"  # the stage of lines that are no records

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Tolerances:
    """By how much numbers may become worse, in their own unit.

    Attributes:
        mean: Of the mean over all files; 0 for what is not named.
        each: Of any single file, for those that are named.
    """

    mean: Mapping[str, float] = field(default_factory=dict)
    each: Mapping[str, float] = field(default_factory=dict)


def parse_tolerances(texts: Iterable[str], measured: Mapping[str, Number]) -> Tolerances:
    """Read tolerances such as ``lsd_db=0.05``, or ``all:lsd_db=0.5`` for every single file.

    Raises:
        UsageError: One cannot be read, is negative, or is about what is not measured.
    """
    mean: dict[str, float] = {}
    each: dict[str, float] = {}
    for text in texts:
        parts = re.fullmatch(r"\s*(all\s*:)?\s*(\w+)\s*=\s*(\S+)\s*", text)
        value = _number(parts[3]) if parts else None
        if parts is None or value is None:
            raise UsageError(f"--tolerance {text!r} cannot be read; an example is 'lsd_db=0.05', or 'all:lsd_db=0.5'")
        check_number(parts[2], measured, f"--tolerance {text!r}")
        (each if parts[1] else mean)[parts[2]] = value
    return Tolerances(mean, each)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0.0 else None


def read_baseline(path: Path) -> Scores:
    """Read the scores that an earlier ``ar eval`` wrote.

    Raises:
        UsageError: It cannot be read, or holds no scores.
    """
    scores = Scores()
    if not path.is_file():
        raise UsageError(f"--baseline {path} is no file; give the records that an earlier 'ar eval' wrote")
    if (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower() not in MANIFEST_SUFFIXES:
        endings = ", ".join(sorted(MANIFEST_SUFFIXES))
        raise UsageError(f"--baseline {path} has no name of a manifest's; give it one that ends in {endings}")
    for record in read_records([str(path)], "degraded", _MALFORMED, unique=False):
        if record.get("error", {}).get("stage") == _MALFORMED:
            raise UsageError(f"--baseline: {record['error']['message']}")
        try:
            scores.add(record)
        except RecordError as error:
            raise UsageError(f"--baseline {path}, {record['id']}: {error}") from None
    if not scores.records:
        raise UsageError(f"--baseline {path} holds no scores; give the records that an earlier 'ar eval' wrote")
    return scores


def compare(
    baseline: Scores, scores: Scores, numbers: Mapping[str, Number], tolerances: Tolerances | None = None
) -> list[Verdict]:
    """Compare the scores of a run with those of an earlier one.

    Records are matched by id, sample and system; where the baseline names no system, each is compared with it. Numbers
    are compared in the mean over the files in which both runs have them. A record that has gone missing fails, and so
    does a number that is undefined now; what is new, or whose metric is not measured now, is not compared. Nor is one
    that is part of another, whose ingredients may well move while it gets better, unless a tolerance is given for it.

    Args:
        baseline: The earlier scores.
        scores: Those of today.
        numbers: What is compared, and which way is better.
        tolerances: By how much it may become worse.

    Returns:
        A verdict on the records of each system, and one on each row and number.
    """
    verdicts = []
    compared = False
    plain = baseline.systems.get("") if len(baseline.systems) == 1 else None
    for system in dict.fromkeys([*scores.systems, *baseline.systems]):
        earlier = baseline.systems.get(system, plain)
        if earlier is None or (earlier is plain and system not in scores.systems and scores.systems):
            continue  # nothing was asked of it, or it was asked of each system of today
        prefix = f"{system}: " if system else ""
        columns = scores.systems.get(system, Columns())
        shared = _Shared.of(earlier, columns)
        verdicts.append(shared.records(prefix))
        found = shared.numbers(prefix, numbers, tolerances or Tolerances())
        verdicts += found
        compared = compared or bool(found)
    if not compared:
        verdicts.append(Verdict("numbers", "nothing that was measured now has a number in the baseline"))
    return verdicts


@dataclass(frozen=True)
class _Shared:
    """Two runs of one system, and where in each are the records that both have."""

    earlier: Columns
    columns: Columns
    here: NDArray[np.intp]
    there: NDArray[np.intp]

    @classmethod
    def of(cls, earlier: Columns, columns: Columns) -> "_Shared":
        places = {key: place for place, key in enumerate(columns.keys)}
        pairs = [(place, places[key]) for place, key in enumerate(earlier.keys) if key in places]
        here, there = np.array(pairs, np.intp).reshape(-1, 2).T
        return cls(earlier, columns, here, there)

    def records(self, prefix: str) -> Verdict:
        """Tell of records that were measured earlier and are not now."""
        gone = np.ones(len(self.earlier.keys), bool)
        gone[self.here] = False
        reason = f"not measured now: {named(self.earlier.keys, gone)}" if gone.any() else ""
        return Verdict(f"{prefix}records", reason)

    def numbers(self, prefix: str, numbers: Mapping[str, Number], tolerances: Tolerances) -> list[Verdict]:
        """Compare each row and number that both runs have."""
        verdicts = []
        for row in ROWS:
            for name, number in numbers.items():
                before = self.earlier.column(row, name)[self.here]
                after = self.columns.column(row, name)[self.there]
                allowed = (tolerances.mean.get(name, 0.0), tolerances.each.get(name))
                wanted = not number.part_of or name in tolerances.mean or name in tolerances.each
                if wanted and not np.isnan(before).all():
                    verdicts.append(self._verdict(f"{prefix}{row}.{name}", number, before, after, allowed))
        return verdicts

    def _verdict(
        self, name: str, number: Number, before: Values, after: Values, allowed: tuple[float, float | None]
    ) -> Verdict:
        style, way = number.style, 1 if number.higher_is_better else -1
        keys = [self.earlier.keys[place] for place in self.here]
        lost = ~np.isnan(before) & np.isnan(after)
        known = ~np.isnan(before - after)
        worse = np.where(known, way * (before - after), -np.inf)
        slack = _ROUNDING * np.fmax(np.abs(before), np.abs(after))
        reasons, found, wanted = [], "", ""
        if known.any():
            was, now = (math.fsum(values[known]) / int(known.sum()) for values in (before, after))
            found, wanted = f"{now:.6g}", f"{'>=' if way > 0 else '<='} {was - way * allowed[0]:.6g}"
            if way * (was - now) > allowed[0] + _ROUNDING * max(abs(was), abs(now)):
                reasons.append(f"the mean was {was:.6g} and is worse by {way * (was - now):.3g}")
        if allowed[1] is not None and (beyond := worse > allowed[1] + slack).any():
            reasons.append(f"worse by more than {allowed[1]:g}: {named(keys, beyond)}")
        if lost.any():
            reasons.append(f"undefined now: {named(keys, lost)}")
        worst: tuple[tuple[str, str], ...] = ()
        if reasons:
            places = [place for place in np.argsort(-worse, kind="stable")[:WORST] if worse[place] > slack[place]]
            worst = tuple((str(keys[each]), f"{before[each]:{style}} → {after[each]:{style}}") for each in places)
        return Verdict(name, "; ".join(reasons), found, wanted, worst)
