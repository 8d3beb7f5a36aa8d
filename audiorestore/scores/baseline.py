"""Comparing a run with an earlier one, file by file: what became worse, by how much, and where."""

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..data.manifest import MANIFEST_SUFFIXES, read_records
from ..errors import RecordError, UsageError
from ..metrics._comparison import Number
from .columns import ROWS, Columns, Key, Scores, Values, shared_places
from .gates import check_number
from .statistics import mean
from .verdict import WORST, Verdict, name_some

# Records hold six digits. A change of less than one unit of the sixth is not a change.
_ROUNDING = 1e-5
_MALFORMED = "baseline"  # the stage of lines that are not records
_TOLERANCE = re.compile(r"\s*(all\s*:)?\s*(\w+)\s*=\s*\+?((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*", re.ASCII)


@dataclass(frozen=True)
class Tolerances:
    """How much worse numbers may become, in their own unit.

    Attributes:
        mean: The mean over all files, by number; 0 for numbers that are not in it.
        each: Any single file, by number; unlimited for numbers that are not in it.
    """

    mean: Mapping[str, float] = field(default_factory=dict)
    each: Mapping[str, float] = field(default_factory=dict)


def parse_tolerances(texts: Iterable[str], measured: Mapping[str, Number]) -> Tolerances:
    """Read tolerances such as ``lsd_db=0.05``, or ``all:lsd_db=0.5`` for every single file.

    Raises:
        UsageError: One cannot be read or is negative, or its number is not measured.
    """
    mean: dict[str, float] = {}
    each: dict[str, float] = {}
    for text in texts:
        parts = _TOLERANCE.fullmatch(text)
        if parts is None or math.isinf(float(parts[3])):
            raise UsageError(f"--tolerance {text!r} cannot be read; an example is 'lsd_db=0.05', or 'all:lsd_db=0.5'")
        check_number(parts[2], measured, f"--tolerance {text!r}")
        (each if parts[1] else mean)[parts[2]] = float(parts[3])
    return Tolerances(mean, each)


def read_baseline(path: Path) -> Scores:
    """Read the scores that an earlier ``ar eval`` wrote.

    Raises:
        UsageError: It cannot be read, or contains no scores.
    """
    scores = Scores()
    if not path.is_file():
        raise UsageError(f"--baseline {path} is not a file; give the records that an earlier 'ar eval' wrote")
    if (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower() not in MANIFEST_SUFFIXES:
        raise UsageError(
            f"--baseline {path} does not have a manifest extension ({', '.join(sorted(MANIFEST_SUFFIXES))})"
        )
    for record in read_records([str(path)], "degraded", _MALFORMED, unique=False):
        if record.get("error", {}).get("stage") == _MALFORMED:
            raise UsageError(f"--baseline: {record['error']['message']}")
        try:
            scores.add(record)
        except RecordError as error:
            raise UsageError(f"--baseline {path}, {record['id']}: {error}") from None
    if not scores.records:
        raise UsageError(f"--baseline {path} contains no scores; give the records that an earlier 'ar eval' wrote")
    return scores


def compare(
    baseline: Scores, scores: Scores, numbers: Mapping[str, Number], tolerances: Tolerances | None = None
) -> list[Verdict]:
    """Compare the scores of a run with those of an earlier one.

    Records are matched by id, sample and system; a baseline that names no system is that of each system. Means are
    compared over the files in which both runs have the number. A record that is missing now fails, and so does a number
    that is undefined now; new records are not compared, and neither are numbers that are not measured now. A number
    that is an ingredient of another may well move while that one gets better, and is compared only where a tolerance
    is given for it.

    Returns:
        A verdict on the records of each system, and one on each row and number.
    """
    tolerances = tolerances or Tolerances()
    verdicts = []
    compared = False
    plain = baseline.systems.get("") if len(baseline.systems) == 1 else None
    for system in dict.fromkeys([*scores.systems, *baseline.systems]):
        earlier = baseline.systems.get(system, plain)
        if earlier is None or (earlier is plain and system not in scores.systems and scores.systems):
            continue  # there is nothing to compare it with, or it is compared with each of the new systems
        prefix = f"{system}: " if system else ""
        columns = scores.systems.get(system, Columns())
        here, there = shared_places(earlier, columns)
        missing = np.ones(len(earlier.keys), bool)
        missing[here] = False
        reason = f"not measured now: {name_some(earlier.keys, missing)}" if missing.any() else ""
        verdicts.append(Verdict("baseline", f"{prefix}records", reason))
        for row, (name, number) in itertools.product(ROWS, numbers.items()):
            before, after = earlier.column(row, name)[here], columns.column(row, name)[there]
            wanted = not number.part_of or name in tolerances.mean or name in tolerances.each
            if wanted and not np.isnan(before).all():
                compared = True
                allowed = tolerances.mean.get(name, 0.0), tolerances.each.get(name, math.inf)
                keys = [earlier.keys[place] for place in here]
                verdicts.append(_judge_number(f"{prefix}{row}.{name}", number, keys, before, after, allowed))
    if not compared:
        verdicts.append(Verdict("baseline", "numbers", "no number that was measured now is in the baseline"))
    return verdicts


def _judge_number(
    name: str, number: Number, keys: Sequence[Key], before: Values, after: Values, allowed: tuple[float, float]
) -> Verdict:
    """Judge one number of the records that both runs have.

    The first of ``allowed`` is how much worse the mean may be, the second how much worse any single file.
    """
    style, sign = number.style, 1 if number.higher_is_better else -1
    lost = ~np.isnan(before) & np.isnan(after)
    known = ~np.isnan(before - after)
    worse = np.where(known, sign * (before - after), -np.inf)
    slack = _ROUNDING * np.fmax(np.abs(before), np.abs(after))
    beyond = worse > allowed[1] + slack
    reasons, found, wanted = [], "", ""
    if known.any():
        was, now = mean(before[known]), mean(after[known])
        found, wanted = f"{now:.6g}", f"{'>=' if sign > 0 else '<='} {was - sign * allowed[0]:.6g}"
        if sign * (was - now) > allowed[0] + _ROUNDING * max(abs(was), abs(now)):
            reasons.append(f"the mean was {was:.6g} and is worse by {sign * (was - now):.3g}")
    if beyond.any():
        reasons.append(f"worse by more than {allowed[1]:g}: {name_some(keys, beyond)}")
    if lost.any():
        reasons.append(f"undefined now: {name_some(keys, lost)}")
    worst: tuple[tuple[str, str], ...] = ()
    if reasons:
        places = [place for place in np.argsort(-worse, kind="stable")[:WORST] if worse[place] > slack[place]]
        worst = tuple((str(keys[each]), f"{before[each]:{style}} → {after[each]:{style}}") for each in places)
    return Verdict("baseline", name, "; ".join(reasons), found, wanted, worst)
