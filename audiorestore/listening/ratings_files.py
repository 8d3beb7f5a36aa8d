"""The CSV files that a listening test's page saves: checked cell by cell, and un-blinded with the key."""

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RecordError, UsageError
from . import KEY_SUFFIX, REFERENCE

COLUMNS = ("test", "kind", "listener", "group", "position", "trial", "stimulus", "against", "score", "seconds")
SCALES = {"mos": (1, 5), "acr": (1, 5), "mushra": (0, 100), "cmp": (-5, 5)}
GROUPS = ("professional", "amateur", "other")

# BS.1534-3: listeners who miss a real difference, or report one that does not exist, in more than 15 % of the trials.
_SCREEN_SHARE = 0.15
_SCREENED: dict[str, tuple[Callable[[int], bool], str]] = {
    REFERENCE: (lambda score: score < 90, "rated the hidden reference below 90"),
    "anchor_7000_hz": (lambda score: score > 90, "rated the 7 kHz anchor above 90"),
}
# Patterns of cells, and what they mean in words; kind and score are checked separately.
_CELLS = {
    "listener": (r"[A-Za-z0-9_-]{1,32}", "a name of letters, digits, - and _"),
    "group": ("|".join(GROUPS), f"one of {', '.join(GROUPS)}"),
    "position": (r"\+?0{0,5}[1-9]\d{0,5}", "a positive whole number"),
    "seconds": (r"\d{1,9}(\.\d{1,9})?", "a number"),
}


@dataclass(frozen=True)
class Rating:
    """One listener's rating of one version of one item.

    Attributes:
        group: One of ``professional``, ``amateur`` and ``other``.
        id, sample: Of the item; the sample where it is one of several.
        row: The system, or in a comparison "this over that".
        score: On the test's scale; in a comparison, positive is better.
        position: Of the trial in the listener's order, from 1.
        seconds: Time that the listener took for the trial.
    """

    listener: str
    group: str
    id: str
    sample: int | None
    row: str
    score: int
    position: int
    seconds: float

    def as_record(self) -> dict[str, Any]:
        """Make an object for a line of JSON."""
        record = {"id": self.id} | ({} if self.sample is None else {"sample": self.sample})
        record |= {"system": self.row, "score": self.score, "listener": self.listener, "group": self.group}
        return record | {"position": self.position, "seconds": self.seconds}


@dataclass(frozen=True)
class Ratings:
    """All ratings of a test.

    Attributes:
        test: The code of the test.
        rows: What was rated, in the order of the tables, to what it was compared with (None if with nothing).
        kept: Ratings that count.
        left_out: Listeners left out by post-screening, and why.
        notes: What else a reader of the tables needs to know.
    """

    kind: str
    test: str
    rows: Mapping[str, str | None]
    kept: tuple[Rating, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class _Line(NamedTuple):
    """A valid line of a CSV file; ``place`` names its file and number."""

    place: str
    test: str
    kind: str
    listener: str
    group: str
    position: int
    trial: str
    stimulus: str
    against: str
    score: int
    seconds: float


def read_ratings(paths: Sequence[str | Path]) -> Ratings:
    """Read what listeners saved, and replace the codes by names.

    Args:
        paths: CSV files, one or more for each listener. The test's key may be among them, as a ``.json`` file;
            otherwise it is searched in the folders of the CSV files, in their parents, and in the working directory.

    Raises:
        UsageError: A file cannot be read, none is given, or the key is not found.
        RecordError: A file is malformed, belongs to another test, or repeats a rating; the message names the file and
            the line.
    """
    tables = [Path(path) for path in paths if Path(path).suffix.lower() != ".json"]
    keys = [Path(path) for path in paths if Path(path).suffix.lower() == ".json"]
    if not tables:
        raise UsageError("give the CSV files that the listeners saved")
    lines = [line for table in tables for line in _read_lines(table)]
    first = lines[0]
    for line in lines:
        if (line.test, line.kind) != (first.test, first.kind):
            raise RecordError(
                f"{line.place}: belongs to test {line.test} ({line.kind}), but {first.place.split(',')[0]} to test "
                f"{first.test} ({first.kind}); summarise one test at a time"
            )
    key = _find_key(first, keys, tables)
    ratings = _unblind(lines, key)
    left_out = _screen(ratings) if first.kind == "mushra" else {}
    kept = tuple(rating for rating in ratings if rating.listener not in left_out)
    if not kept:
        wrongly = "rated the hidden reference or the 7 kHz anchor wrongly"
        raise RecordError(f"post-screening leaves no listener: {', '.join(left_out)} {wrongly}")
    return Ratings(first.kind, first.test, _table_rows(key), kept, left_out, tuple(_incomplete(lines, key)))


def _read_lines(path: Path) -> list[_Line]:
    lines = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                place = f"{path}, line {reader.line_num}"
                if reader.line_num > 1 and cells:
                    lines.append(_checked(place, cells))
                elif reader.line_num == 1 and tuple(cells) != COLUMNS:
                    columns = ",".join(COLUMNS)
                    raise RecordError(f"{place}: the columns are not {columns}; give the file as the page saved it")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"the ratings {path} cannot be read ({reason})") from None
    except csv.Error as error:
        raise RecordError(f"{path}, line {reader.line_num}: not CSV ({error})") from None
    if not lines:
        raise RecordError(f"{path}, line 1: no ratings; give the file that the page saved at the end")
    return lines


def _checked(place: str, cells: Sequence[str]) -> _Line:
    if len(cells) != len(COLUMNS):
        raise RecordError(f"{place}: {len(cells)} cells instead of {len(COLUMNS)}")
    named = dict(zip(COLUMNS, cells, strict=True))
    if named["kind"] not in SCALES:
        raise RecordError(f"{place}: {named['kind']!r} is not a kind of test")
    for name, (pattern, words) in _CELLS.items():
        if not re.fullmatch(pattern, named[name]):
            are = "are" if name == "seconds" else "is"
            raise RecordError(f"{place}: the {name} {are} {named[name]!r}, not {words}")
    low, high = SCALES[named["kind"]]
    if not re.fullmatch(r"[+-]?\d{1,6}", named["score"]) or not low <= int(named["score"]) <= high:
        raise RecordError(f"{place}: the score is {named['score']!r}, not a whole number from {low} to {high}")
    numbers = {"position": int(named["position"]), "score": int(named["score"]), "seconds": float(named["seconds"])}
    return _Line(place, **(named | numbers))  # type: ignore[arg-type]  # the other cells stay strings


def _find_key(line: _Line, given: Sequence[Path], tables: Sequence[Path]) -> dict[str, Any]:
    """Choose the key that was given, or the one nearby that belongs to this test."""
    around = [Path(os.path.realpath(table)).parent for table in tables]
    folders = dict.fromkeys([*around, *(folder.parent for folder in around), Path.cwd()])
    nearby = (path for folder in folders for path in sorted(folder.glob(f"*{KEY_SUFFIX}")))
    for path in given or nearby:
        key = _read_key(path)
        if key is None and given:
            wanted = f"give the file whose name ends in {KEY_SUFFIX}"
            raise RecordError(f"{path} is not the key of a listening test; {wanted}")
        if key is not None and key["test"] == line.test:
            return key
    if given:
        raise RecordError(f"{given[0]} is not the key of test {line.test}; give the one written with the page")
    raise UsageError(
        f"the key of test {line.test} is not near the CSV files; give it too: it is beside the folder of the page, and "
        f"its name ends in {KEY_SUFFIX}"
    )


def _read_key(path: Path) -> dict[str, Any] | None:
    """Read a key file; None if it is not one."""
    try:
        key = json.loads(path.read_text("utf-8"))
        for trial in key["trials"].values():
            names = [key["stimuli"][code]["condition"] for code in trial["stimuli"]]
            if not isinstance(trial["id"], str) or not names or not set(names) <= set(key["conditions"]):
                return None
        if key["kind"] not in SCALES or not isinstance(key["test"], str):
            return None
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(key)


def _unblind(lines: Iterable[_Line], key: Mapping[str, Any]) -> list[Rating]:
    names = {code: stimulus["condition"] for code, stimulus in key["stimuli"].items()}
    groups: dict[str, str] = {}
    seen: dict[tuple[str, ...], str] = {}
    ratings = []
    for line in lines:
        group = groups.setdefault(line.listener, line.group)
        if group != line.group:
            raise RecordError(f"{line.place}: {line.listener} is {group} elsewhere, but {line.group} here")
        trial = key["trials"].get(line.trial)
        versions = [line.stimulus, line.against] if line.kind == "cmp" else [line.stimulus]
        if trial is None or line.kind != key["kind"]:
            raise RecordError(f"{line.place}: the test has no trial {line.trial!r}")
        if not set(versions) <= set(trial["stimuli"]) or len(set(versions)) < len(versions):
            raise RecordError(f"{line.place}: {' and '.join(map(repr, versions))} is not rated in trial {line.trial}")
        rated = (line.listener, line.trial) if line.kind == "cmp" else (line.listener, line.trial, line.stimulus)
        if rated in seen:
            raise RecordError(f"{line.place}: {line.listener} already rated this in {seen[rated]}; give each file once")
        seen[rated] = line.place
        row, score = names[line.stimulus], line.score
        if line.kind == "cmp":
            over, base = trial["stimuli"]
            row, score = f"{names[over]} over {names[base]}", score if line.stimulus == over else -score
        item = (trial["id"], trial.get("sample"))
        ratings.append(Rating(line.listener, line.group, *item, row, score, line.position, line.seconds))
    return ratings


def _table_rows(key: Mapping[str, Any]) -> dict[str, str | None]:
    """List the rows of the tables, in the key's order; pairs over the same version are together."""
    conditions = key["conditions"]
    if key["kind"] != "cmp":
        return dict.fromkeys(conditions)
    pairs = {tuple(key["stimuli"][code]["condition"] for code in trial["stimuli"]) for trial in key["trials"].values()}
    first = {"degraded": -2, REFERENCE: -1}
    ranked = sorted(pairs, key=lambda pair: (first.get(pair[1], conditions.index(pair[1])), conditions.index(pair[0])))
    return {f"{over} over {base}": base for over, base in ranked}


def _screen(ratings: Iterable[Rating]) -> dict[str, str]:
    """Name the listeners who fail the post-screening of MUSHRA, with the reason."""
    scores: dict[str, dict[str, list[int]]] = {}
    for rating in ratings:
        scores.setdefault(rating.listener, {}).setdefault(rating.row, []).append(rating.score)
    failed: dict[str, str] = {}
    for listener, found in sorted(scores.items()):
        faults = []
        for row, (is_wrong, words) in _SCREENED.items():
            wrong = [is_wrong(score) for score in found.get(row, [])]
            if sum(wrong) > _SCREEN_SHARE * len(wrong):
                faults.append(f"{words} in {sum(wrong)} of {len(wrong)} trials")
        if faults:
            failed[listener] = " and ".join(faults)
    return failed


def _incomplete(lines: Iterable[_Line], key: Mapping[str, Any]) -> Iterator[str]:
    expected = sum(len(trial["stimuli"]) if key["kind"] == "mushra" else 1 for trial in key["trials"].values())
    for listener, count in sorted(Counter(line.listener for line in lines).items()):
        if count < expected:
            yield f"{listener} gave {count} of {expected} ratings"
