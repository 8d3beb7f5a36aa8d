"""Gates: conditions that the numbers of a run have to meet, such as ``restored.snr_db>=degraded.snr_db+1.0``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..metrics import METRICS
from ..metrics._comparison import Number
from ..registry import suggestion
from .columns import ROWS, Columns, Scores, Values
from .statistics import mean
from .verdict import WORST, Verdict, name_some

_ROUNDING = 1e-9  # relative to the size of the terms: the error that adding floats may leave
_EXAMPLE = "restored.snr_db>=degraded.snr_db+1.0"

_OPERATORS = (">=", "<=", "==", ">", "<")
_PREFIX = re.compile(r"\s*(all|mean|median)\s*:")
_OPERAND = re.compile(
    r"\s*(?:(?P<row>[A-Za-z_]\w*)\s*\.\s*(?P<number>\w+)|(?P<constant>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))\s*",
    re.ASCII,
)


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a sum of the record's numbers and a constant.

    Attributes:
        terms: Sign, row and number of each term.
        constant: The constant.
    """

    terms: tuple[tuple[int, str, str], ...]
    constant: float

    def values(self, scores: Columns) -> Values:
        """Compute it for each record; NaN where a number is undefined."""
        total = np.full(len(scores.keys), self.constant)
        for sign, row, number in self.terms:
            total += sign * scores.column(row, number)
        return total

    def sizes(self, scores: Columns) -> Values:
        """Sum up the magnitudes of its terms for each record; rounding errors are proportional to it."""
        columns = [np.abs(scores.column(row, number)) for _, row, number in self.terms]
        return abs(self.constant) + sum(columns, np.zeros(len(scores.keys)))


@dataclass(frozen=True)
class Gate:
    """A comparison that has to hold.

    Attributes:
        text: As the user wrote it.
        statistic: ``mean`` or ``median`` of each side over the records, or ``all`` of the records.
        left: Left side.
        operator: ``>=``, ``<=``, ``==``, ``>`` or ``<``.
        right: Right side.
    """

    text: str
    statistic: str
    left: Side
    operator: str
    right: Side

    @property
    def terms(self) -> tuple[tuple[int, str, str], ...]:
        """The terms of both sides."""
        return self.left.terms + self.right.terms


def parse_gate(text: str) -> Gate:
    """Read a condition such as ``restored.snr_db>=degraded.snr_db+1.0``.

    Each side is a sum or difference of ``ROW.NUMBER`` and constants. The prefix ``all:``, ``median:`` or ``mean:`` says
    what is compared; the default is the mean.

    Raises:
        UsageError: It cannot be read; the sentence says where.
    """
    prefix = _PREFIX.match(text)
    body = text[prefix.end() :] if prefix else text
    parts = re.split("(" + "|".join(_OPERATORS) + ")", body)
    if len(parts) != 3:
        raise _unreadable(text, f"it needs one comparison: {' '.join(_OPERATORS)}")
    left, operator, right = parts
    gate = Gate(text.strip(), prefix[1] if prefix else "mean", _side(text, left), operator, _side(text, right))
    if not gate.terms:
        raise _unreadable(text, "it names no number")
    return gate


def _side(text: str, side: str) -> Side:
    terms: list[tuple[int, str, str]] = []
    constant, place, sign = 0.0, 0, 1
    lead = re.match(r"\s*([+-])", side)
    if lead:
        place, sign = lead.end(), -1 if lead[1] == "-" else 1
    while True:
        operand = _OPERAND.match(side, place)
        if operand is None:
            found = side[place:].strip()
            raise _unreadable(text, f"{found!r} is neither ROW.NUMBER nor a number" if found else "a side is missing")
        if operand["constant"]:
            constant += sign * float(operand["constant"])
        else:
            terms.append((sign, operand["row"], operand["number"]))
        place = operand.end()
        if place == len(side):
            break
        if side[place] not in "+-":
            raise _unreadable(text, f"{side[place:].strip()!r} where + or - is expected")
        sign, place = -1 if side[place] == "-" else 1, place + 1
    if not np.isfinite(constant):
        raise _unreadable(text, "its constant is too large")
    return Side(tuple(terms), constant)


def _unreadable(text: str, reason: str) -> UsageError:
    return UsageError(f"--require {text!r} cannot be read: {reason}; an example is '{_EXAMPLE}'")


def read_gates(texts: Sequence[str], measured: Mapping[str, Number]) -> list[Gate]:
    """Read conditions, see `parse_gate`, and refuse those on something that is not going to be measured.

    Raises:
        UsageError: One cannot be read, or its row or number does not exist or is not measured; the sentence lists those
            that are.
    """
    gates = [parse_gate(text) for text in texts]
    for gate in gates:
        for _, row, number in gate.terms:
            if row not in ROWS:
                raise UsageError(
                    f"--require {gate.text!r}: there is no row {row!r}{suggestion(row, list(ROWS))}; there are: "
                    f"{', '.join(ROWS)}"
                )
            check_number(number, measured, f"--require {gate.text!r}")
    return gates


def check_number(number: str, measured: Mapping[str, Number], asked: str) -> None:
    """Refuse a number that is not going to be measured; ``asked`` is the option that names it, for the message.

    Raises:
        UsageError: No metric gives it, or only one that is not measured.
    """
    if number in measured:
        return
    for metric in METRICS.names():
        if number in METRICS.load(metric).NUMBERS:
            raise UsageError(
                f"{asked}: {number!r} is not going to be measured; add --metric {metric} (and name all others that "
                "you want), or use --metric all"
            )
    meant = suggestion(number, list(measured))
    raise UsageError(f"{asked}: there is no number {number!r}{meant}; these are measured: {', '.join(measured)}")


def judge_gates(gates: Sequence[Gate], scores: Scores, numbers: Mapping[str, Number]) -> list[Verdict]:
    """Judge each gate for each system, also for those of which no record could be measured.

    A failed record that names no system, such as a line that is not a record, may belong to any of them, and counts
    against all.
    """
    systems = dict(scores.systems)
    for failure in scores.failures:
        if failure.system or not systems:
            systems.setdefault(failure.system, Columns())
    failed = {system: sum(each.system in (system, "") for each in scores.failures) for system in systems}
    return [
        judge(gate, columns, numbers, failed.get(system, 0), system)
        for gate in gates
        for system, columns in (systems or {"": Columns()}).items()
    ]


def judge(gate: Gate, scores: Columns, numbers: Mapping[str, Number], failed: int = 0, system: str = "") -> Verdict:
    """Judge whether one system's numbers meet a condition.

    A number that is undefined in any record fails it, whatever the others are.

    Args:
        gate: The condition.
        scores: The system's numbers.
        numbers: What the numbers mean.
        failed: How many records could not be measured; none of them can meet a condition on ``all``.
        system: The system's name, where there are several.
    """
    name = f"{system}: {gate.text}" if system else gate.text
    if not scores.keys:
        return Verdict("require", name, "no record was measured")
    left, right = gate.left.values(scores), gate.right.values(scores)
    slack = _ROUNDING * (gate.left.sizes(scores) + gate.right.sizes(scores))
    known = ~np.isnan(left - right)
    missed = known & ~_holds(gate.operator, left - right, slack)
    reasons, found, wanted = [], "", ""
    if gate.statistic == "all":
        if missed.any():
            reasons.append(f"{np.count_nonzero(missed)} of {len(scores.keys)} records do not meet it")
    elif known.any():
        reduce = mean if gate.statistic == "mean" else np.median
        ours, theirs = (float(reduce(side[known])) for side in (left, right))
        found, wanted = f"{ours:.6g}", f"{gate.operator} {theirs:.6g}"
        if not _holds(gate.operator, np.array([ours - theirs]), slack[known].max(keepdims=True))[0]:
            reasons.append(f"the {gate.statistic} is {found}, not {wanted}")
    if not known.all():
        reasons.append(f"undefined in {name_some(scores.keys, ~known)}")
    if failed and gate.statistic == "all":
        reasons.append(f"{failed} record(s) failed")
    worst: tuple[tuple[str, str], ...] = ()
    if reasons:
        style = numbers[gate.terms[0][2]].style
        furthest = np.argsort(np.where(missed, -np.abs(left - right), np.inf), kind="stable")
        for place in furthest[: min(WORST, int(missed.sum()))]:
            words = f"{left[place]:{style}}, wanted {gate.operator} {right[place]:{style}}"
            worst += ((str(scores.keys[place]), words),)
    return Verdict("require", name, "; ".join(reasons), found, wanted, worst)


def _holds(operator: str, difference: Values, slack: Values) -> NDArray[np.bool_]:
    if operator in ("<", "<="):
        difference = -difference
    if operator == "==":
        return np.abs(difference) <= slack
    return difference > slack if operator in (">", "<") else difference >= -slack
