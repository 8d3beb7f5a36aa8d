"""What listeners said: ratings read from their CSV files, un-blinded with the key of the test, and summed up in tables.

The table has the layout of Lattner and Nistal's Table 3, mean and standard deviation of each system, with a 95 %
interval of the mean and Welch's t-test between every two systems; all together, and by group of listeners as in LadLe
(professionals and amateurs). What is averaged are single ratings, as there: one listener's ratings count as
independent, and p-values are not corrected for how many tests there are.

Of a comparison (``cmp``) each rating is turned so that positive means better than what stands after "over"; only rows
over the same version are tested against each other.

Of a MUSHRA test, whole listeners are left out, and named, who rate the hidden reference below 90, or the 7 kHz anchor
above 90, in more than 15 % of the trials.

Source: Lattner and Nistal, Electronics 10(11), 2021, Table 3 and Section 4.2.2; Welch, "The generalization of
'Student's' problem when several different population variances are involved", Biometrika 34, 1947; ITU-R,
Recommendation BS.1534-3, 2015, post-screening of assessors.
"""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from .ratings_files import GROUPS, Rating, Ratings, read_ratings

__all__ = ["Rating", "Ratings", "Summed", "Welch", "ratings_as", "ratings_table", "read_ratings", "welch"]

ALL = "all"
_COLUMNS = ("group", "system", "against", "listeners", "n", "mean", "standard_deviation", "low", "high")
_TEST_COLUMNS = ("t", "degrees_of_freedom", "p")
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summed:
    """The ratings of one system by one group of listeners.

    Attributes:
        group: ``all``, ``professional``, ``amateur`` or ``other``.
        system: As in the key; of a comparison "this over that".
        listeners: How many gave a rating.
        n: How many ratings.
        mean: Of the ratings.
        standard_deviation: Of the ratings, over n - 1; None for a single one.
        low: Where the 95 % interval of the mean begins (Student's t); None for a single rating.
        high: Where it ends.
    """

    group: str
    system: str
    listeners: int
    n: int
    mean: float
    standard_deviation: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Welch:
    """Welch's t-test: whether two systems' ratings have the same mean, when their spread may differ.

    Attributes:
        difference: Mean of the first less mean of the second.
        low: Where the 95 % interval of the difference begins.
        high: Where it ends.
        t: The difference in units of its standard error.
        degrees_of_freedom: After Welch and Satterthwaite.
        p: How likely so large a difference is if there is none, two-sided.

    All but the difference are None where one system has a single rating, or neither has any spread.
    """

    difference: float
    low: float | None = None
    high: float | None = None
    t: float | None = None
    degrees_of_freedom: float | None = None
    p: float | None = None


def welch(first: Sequence[float], second: Sequence[float]) -> Welch:
    """Test whether two lists of ratings have different means.

    >>> round(welch([1, 2, 3], [2, 4, 6]).t, 4)  # -2 over the root of 1/3 + 4/3
    -1.5492
    """
    from scipy.special import stdtr, stdtrit

    difference = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2:
        return Welch(difference)
    shares = [float(np.var(each, ddof=1)) / len(each) for each in (first, second)]
    squared_error = sum(shares)
    if squared_error <= 0.0:
        return Welch(difference)
    weight = sum(share**2 / (len(each) - 1) for share, each in zip(shares, (first, second), strict=True))
    degrees = squared_error**2 / weight
    error = math.sqrt(squared_error)
    reach = float(stdtrit(degrees, (1.0 + _CONFIDENCE) / 2.0)) * error
    p = 2.0 * float(stdtr(degrees, -abs(difference / error)))
    return Welch(difference, difference - reach, difference + reach, difference / error, degrees, p)


def summed(ratings: Ratings) -> list[Summed]:
    """Sum up each system for all listeners, and for each group where there are several."""
    return [_sum_up(group, system, found) for group in _groups(ratings) for system, found in _cells(ratings, group)]


def compared(ratings: Ratings) -> list[tuple[str, str, str, Welch]]:
    """Test every two systems that can be compared: group, first, second, and how they differ."""
    tests = []
    for group in _groups(ratings):
        for (first, ones), (second, others) in combinations(_cells(ratings, group), 2):
            if _base(ratings, first) == _base(ratings, second):
                scores = [[rating.score for rating in each] for each in (ones, others)]
                tests.append((group, first, second, welch(*scores)))
    return tests


def ratings_table(ratings: Ratings) -> Table:
    """Lay out for a terminal: each system's mean and spread, Welch's tests over all listeners, and who was left out."""
    table = Table(title=_title(ratings), title_justify="left")
    several = len(_groups(ratings)) > 1
    for heading in (*(["listeners"] if several else []), "system"):
        table.add_column(heading, overflow="fold")
    for heading in ("people", "ratings", "mean", "std", "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = summed(ratings)
    for index, row in enumerate(rows):
        ends = index + 1 == len(rows) or rows[index + 1].group != row.group
        new = index == 0 or rows[index - 1].group != row.group
        names = [*([Text(row.group if new else "")] if several else []), Text(_printable(row.system))]
        interval = "–" if row.low is None else f"{row.low:.2f} … {row.high:.2f}"
        numbers = [str(row.listeners), str(row.n), f"{row.mean:.2f}", _decimal(row.standard_deviation), interval]
        table.add_row(*names, *numbers, end_section=ends)
    parts: list[Any] = [table]
    tests = [(first, second, test) for group, first, second, test in compared(ratings) if group == ALL]
    if tests:
        parts.append(_welch_table(tests))
    parts += [Text(note) for note in notes(ratings)]
    whole = Table.grid()
    whole.add_row(Group(*parts))
    return whole


def ratings_as(ratings: Ratings, format: str) -> str:
    """Write for a file.

    Args:
        ratings: What was read.
        format: ``records`` (a JSON line a rating, un-blinded), ``json`` (one object with all tables), ``csv`` (a line
            for each system, and for each two systems one with ``against``, whose ``mean`` is their difference) or
            ``markdown``.
    """
    if format == "records":
        return "".join(json.dumps(rating.as_record()) + "\n" for rating in ratings.kept)
    rows = list(_rows(ratings))
    if format == "json":
        told = {"kind": ratings.kind, "test": ratings.test, "left_out": ratings.left_out, "notes": list(ratings.notes)}
        systems = [_without(row, "against", *_TEST_COLUMNS) for row in rows if not row["against"]]
        tests = [_without(row, "listeners", "n", "standard_deviation") for row in rows if row["against"]]
        return json.dumps(told | {"systems": systems, "tests": tests}) + "\n"
    if format == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, (*_COLUMNS, *_TEST_COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
        return text.getvalue()
    return _markdown(ratings, rows)


def notes(ratings: Ratings) -> list[str]:
    """Say what a reader of the tables has to know: who was left out and why, and whose ratings are incomplete."""
    return [*(f"left out: {name}, who {why}" for name, why in ratings.left_out.items()), *ratings.notes]


def _groups(ratings: Ratings) -> list[str]:
    found = {rating.group for rating in ratings.kept}
    return [ALL, *(group for group in GROUPS if group in found)] if len(found) > 1 else [ALL]


def _cells(ratings: Ratings, group: str) -> list[tuple[str, list[Rating]]]:
    """Sort a group's ratings by system, in the order of the key; of a comparison, by what a system is compared with."""
    found: dict[str, list[Rating]] = {}
    for rating in ratings.kept:
        if group in (ALL, rating.group):
            found.setdefault(rating.row, []).append(rating)
    return [(row, found[row]) for row in ratings.rows if row in found]


def _base(ratings: Ratings, row: str) -> str | None:
    return ratings.rows[row]


def _sum_up(group: str, system: str, found: Sequence[Rating]) -> Summed:
    from scipy.special import stdtrit

    scores = [rating.score for rating in found]
    n, mean = len(scores), float(np.mean(scores))
    people = len({rating.listener for rating in found})
    if n < 2:
        return Summed(group, system, people, n, mean, None, None, None)
    deviation = float(np.std(scores, ddof=1))
    reach = float(stdtrit(n - 1, (1.0 + _CONFIDENCE) / 2.0)) * deviation / math.sqrt(n)
    return Summed(group, system, people, n, mean, deviation, mean - reach, mean + reach)


def _rows(ratings: Ratings) -> Iterator[dict[str, Any]]:
    for row in summed(ratings):
        numbers = (row.listeners, row.n, row.mean, row.standard_deviation, row.low, row.high)
        yield _rounded((row.group, row.system, "", *numbers, None, None, None))
    for group, first, second, test in compared(ratings):
        difference = (test.difference, None, test.low, test.high)
        yield _rounded((group, first, second, None, None, *difference, test.t, test.degrees_of_freedom, test.p))


def _rounded(values: Sequence[Any]) -> dict[str, Any]:
    told = [float(f"{value:.6g}") if isinstance(value, float) else value for value in values]
    return dict(zip((*_COLUMNS, *_TEST_COLUMNS), told, strict=True))


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}


def _welch_table(tests: Sequence[tuple[str, str, Welch]]) -> Table:
    table = Table(title="Welch's t-test, all listeners", title_justify="left")
    for heading in ("system", "against"):
        table.add_column(heading, overflow="fold")
    for heading in ("difference", "95 % interval", "t", "df", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    for first, second, test in tests:
        interval = "–" if test.low is None else f"{test.low:+.2f} … {test.high:+.2f}"
        numbers = [f"{test.difference:+.2f}", interval, _decimal(test.t), _decimal(test.degrees_of_freedom, ".1f")]
        table.add_row(Text(_printable(first)), Text(_printable(second)), *numbers, _p(test.p))
    return table


def _markdown(ratings: Ratings, rows: Sequence[dict[str, Any]]) -> str:
    lines = ["| group | system | listeners | n | mean | std | 95 % interval |", "|---|---|---:|---:|---:|---:|---:|"]
    for row in (row for row in rows if not row["against"]):
        interval = "–" if row["low"] is None else f"{row['low']:.2f} … {row['high']:.2f}"
        cells = [row["group"], _cell(row["system"]), row["listeners"], row["n"], f"{row['mean']:.2f}"]
        lines.append(f"| {' | '.join(map(str, cells))} | {_decimal(row['standard_deviation'])} | {interval} |")
    lines += ["", "| group | system | against | difference | t | df | p |", "|---|---|---|---:|---:|---:|---:|"]
    for row in (row for row in rows if row["against"]):
        cells = [row["group"], _cell(row["system"]), _cell(row["against"]), f"{row['mean']:+.2f}"]
        cells += [_decimal(row["t"]), _decimal(row["degrees_of_freedom"], ".1f"), _p(row["p"])]
        lines.append(f"| {' | '.join(cells)} |")
    told = notes(ratings)
    return "\n".join([*lines, *([""] if told else []), *(f"- {_cell(note)}" for note in told)]) + "\n"


def _title(ratings: Ratings) -> str:
    people = len({rating.listener for rating in ratings.kept})
    scale = {"mos": "1 to 5", "acr": "1 to 5", "mushra": "0 to 100", "cmp": "-5 to +5"}[ratings.kind]
    return f"{ratings.kind}, {scale}: {len(ratings.kept)} rating(s) by {people} listener(s)"


def _decimal(value: float | None, style: str = ".2f") -> str:
    return "–" if value is None else f"{value:{style}}"


def _p(value: float | None) -> str:
    """Write a probability.

    >>> _p(0.0412), _p(3e-7), _p(None)
    ('0.041', '< 0.001', '–')
    """
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _cell(text: str) -> str:
    """Keep a name inside its cell of a Markdown table.

    >>> _cell("a|b<i>")
    'a\\\\|b&lt;i&gt;'
    """
    text = _printable(text).replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
