"""Listeners' ratings: read from their CSV files, un-blinded with the key of the test, and summarised in tables.

The table has the layout of Lattner and Nistal's Table 3, the mean and standard deviation of each system, with a 95 %
interval of the mean and Welch's t-test between every two systems; for all listeners, and by group of listeners as in
LadLe (professionals and amateurs). As in these papers, single ratings are averaged: the ratings of one listener count
as independent, and p-values are not corrected for the number of tests.

In a comparison (``cmp``) the sign of each rating is such that positive means better than the version after "over". Only
rows over the same version are tested against each other.

In a MUSHRA test, listeners who rate the hidden reference below 90, or the 7 kHz anchor above 90, in more than 15 % of
the trials are left out, and named.

Source: Lattner and Nistal, Electronics 10(11), 2021, Table 3 and Section 4.2.2; Welch, "The generalization of
'Student's' problem when several different population variances are involved", Biometrika 34, 1947; ITU-R,
Recommendation BS.1534-3, 2015, post-screening of assessors.
"""

import csv
import io
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from .ratings_files import GROUPS, Rating, Ratings, read_ratings

__all__ = ["Rating", "Ratings", "Row", "Welch", "ratings_as", "ratings_table", "read_ratings", "summarise", "welch"]

ALL = "all"
_COLUMNS = ("group", "system", "against", "listeners", "n", "mean", "standard_deviation", "low", "high")
_TEST_COLUMNS = ("t", "degrees_of_freedom", "p")
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Row:
    """The ratings of one system by one group of listeners.

    Attributes:
        group: ``all``, ``professional``, ``amateur`` or ``other``.
        system: As in the key; of a comparison "this over that".
        listeners: Number of listeners.
        n: Number of ratings.
        standard_deviation: Of the ratings, with n - 1; None for a single one.
        low, high: Ends of the 95 % interval of the mean (Student's t); None for a single rating.
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
    """Welch's t-test: whether two systems' ratings have the same mean, where their variances may differ.

    Attributes:
        difference: Mean of the first minus mean of the second.
        low, high: Ends of the 95 % interval of the difference.
        t: The difference divided by its standard error.
        degrees_of_freedom: After Welch and Satterthwaite.
        p: Two-sided p-value.

    All but the difference are None where one system has a single rating, or where neither system's ratings vary.
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
    from scipy.stats import ttest_ind

    difference = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2 or not (np.ptp(first) or np.ptp(second)):
        return Welch(difference)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that the ratings of one system are all the same
        test = ttest_ind(first, second, equal_var=False)
    low, high = test.confidence_interval(_CONFIDENCE)
    return Welch(difference, *map(float, (low, high, test.statistic, test.df, test.pvalue)))


def summarise(ratings: Ratings) -> list[Row]:
    """Summarise each system for all listeners, and for each group of listeners where there are several."""
    return [_row(group, system, found) for group in _groups(ratings) for system, found in _cells(ratings, group)]


def compared(ratings: Ratings) -> list[tuple[str, str, str, Welch]]:
    """Test every two systems that can be compared: group, first, second, test."""
    tests = []
    for group in _groups(ratings):
        for (first, ones), (second, others) in combinations(_cells(ratings, group), 2):
            if ratings.rows[first] == ratings.rows[second]:
                scores = [[rating.score for rating in each] for each in (ones, others)]
                tests.append((group, first, second, welch(*scores)))
    return tests


def ratings_table(ratings: Ratings) -> Table:
    """Make tables for a terminal: mean and deviation of each system, Welch's tests of all listeners, and notes."""
    several = len(_groups(ratings)) > 1
    names = ["listeners", "system"] if several else ["system"]
    table = _table(_title(ratings), names, ["people", "ratings", "mean", "std", "95 % interval"])
    for group, rows in groupby(summarise(ratings), key=lambda row: row.group):
        for place, row in enumerate(rows):
            first = [Text("" if place else group)] if several else []
            table.add_row(*first, Text(_printable(row.system)), *_numbers_of(row))
        table.add_section()
    parts: list[Any] = [table]
    if tests := [each for each in compared(ratings) if each[0] == ALL]:
        headings = ["difference", "95 % interval", "t", "df", "p"]
        table = _table("Welch's t-test, all listeners", ["system", "against"], headings)
        for _, system, against, test in tests:
            interval = "–" if test.low is None else f"{test.low:+.2f} … {test.high:+.2f}"
            difference, *others = _test_numbers(test)
            table.add_row(Text(_printable(system)), Text(_printable(against)), difference, interval, *others)
        parts.append(table)
    whole = Table.grid()
    whole.add_row(Group(*parts, *map(Text, notes(ratings))))
    return whole


def ratings_as(ratings: Ratings, format: str) -> str:
    """Write ratings as text for a file.

    Args:
        ratings: The ratings.
        format: ``records`` (one line of JSON for each rating, un-blinded), ``json`` (one object with all tables),
            ``csv`` (a line for each system, and one with ``against`` for every two systems, whose ``mean`` is their
            difference) or ``markdown``.
    """
    if format == "records":
        return "".join(json.dumps(rating.as_record()) + "\n" for rating in ratings.kept)
    if format == "markdown":
        return _markdown(ratings)
    systems = [_rounded(vars(row)) for row in summarise(ratings)]
    tests = []
    for group, system, against, test in compared(ratings):
        found = dict(vars(test))
        names = {"group": group, "system": system, "against": against, "mean": found.pop("difference")}
        tests.append(_rounded(names | found))
    if format == "json":
        head = {"kind": ratings.kind, "test": ratings.test, "left_out": ratings.left_out, "notes": list(ratings.notes)}
        return json.dumps(head | {"systems": systems, "tests": tests}) + "\n"
    text = io.StringIO()
    writer = csv.DictWriter(text, (*_COLUMNS, *_TEST_COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows([*systems, *tests])
    return text.getvalue()


def notes(ratings: Ratings) -> list[str]:
    """Say who was left out and why, and whose ratings are incomplete."""
    return [*(f"left out: {name}, who {why}" for name, why in ratings.left_out.items()), *ratings.notes]


def _groups(ratings: Ratings) -> list[str]:
    found = {rating.group for rating in ratings.kept}
    return [ALL, *(group for group in GROUPS if group in found)] if len(found) > 1 else [ALL]


def _cells(ratings: Ratings, group: str) -> list[tuple[str, list[Rating]]]:
    """List a group's ratings by row, in the order of the key."""
    found: dict[str, list[Rating]] = {}
    for rating in ratings.kept:
        if group in (ALL, rating.group):
            found.setdefault(rating.row, []).append(rating)
    return [(row, found[row]) for row in ratings.rows if row in found]


def _row(group: str, system: str, found: Sequence[Rating]) -> Row:
    from scipy.stats import t

    scores = [rating.score for rating in found]
    n, mean = len(scores), float(np.mean(scores))
    people = len({rating.listener for rating in found})
    if n < 2:
        return Row(group, system, people, n, mean, None, None, None)
    deviation = float(np.std(scores, ddof=1))
    reach = float(t.ppf((1.0 + _CONFIDENCE) / 2.0, n - 1)) * deviation / math.sqrt(n)
    return Row(group, system, people, n, mean, deviation, mean - reach, mean + reach)


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in values.items()}


def _table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in names:
        table.add_column(heading, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _numbers_of(row: Row) -> list[str]:
    """Write listeners, ratings, mean, deviation and interval."""
    interval = "–" if row.low is None else f"{row.low:.2f} … {row.high:.2f}"
    return [str(row.listeners), str(row.n), f"{row.mean:.2f}", _decimal(row.standard_deviation), interval]


def _test_numbers(test: Welch) -> list[str]:
    """Write difference, t, degrees of freedom and p."""
    p = "–" if test.p is None else "< 0.001" if test.p < 0.001 else f"{test.p:.3f}"
    return [f"{test.difference:+.2f}", _decimal(test.t), _decimal(test.degrees_of_freedom, ".1f"), p]


def _markdown(ratings: Ratings) -> str:
    lines = ["| group | system | listeners | n | mean | std | 95 % interval |", "|---|---|---:|---:|---:|---:|---:|"]
    for row in summarise(ratings):
        lines.append(f"| {' | '.join([row.group, _cell(row.system), *_numbers_of(row)])} |")
    lines += ["", "| group | system | against | difference | t | df | p |", "|---|---|---|---:|---:|---:|---:|"]
    for group, system, against, test in compared(ratings):
        lines.append(f"| {' | '.join([group, _cell(system), _cell(against), *_test_numbers(test)])} |")
    if found := notes(ratings):
        lines += ["", *(f"- {_cell(note)}" for note in found)]
    return "\n".join(lines) + "\n"


def _title(ratings: Ratings) -> str:
    people = len({rating.listener for rating in ratings.kept})
    scale = {"mushra": "0 to 100", "cmp": "-5 to +5"}.get(ratings.kind, "1 to 5")
    return f"{ratings.kind}, {scale}: {len(ratings.kept)} rating(s) by {people} listener(s)"


def _decimal(value: float | None, style: str = ".2f") -> str:
    return "–" if value is None else f"{value:{style}}"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _cell(text: str) -> str:
    """Escape a name for a cell of a Markdown table.

    >>> _cell("a|b<i>")
    'a\\\\|b&lt;i&gt;'
    """
    text = _printable(text).replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
