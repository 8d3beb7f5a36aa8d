"""All conditions of one run: what is required of its numbers, and the earlier run that it must not fall below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from ..metrics._comparison import Number
from .baseline import Tolerances, compare, parse_tolerances, read_baseline
from .columns import Columns, Scores
from .gates import Gate, Verdict, check_gate, judge, parse_gate

Judged = tuple[str, Verdict]  # what kind of condition, ``require`` or ``baseline``, and whether it was met


@dataclass(frozen=True)
class Conditions:
    """What a run has to meet.

    Attributes:
        gates: What is required of its numbers.
        baseline: The scores of an earlier run.
        tolerances: By how much it may be worse than that.
        numbers: What is measured.
    """

    gates: Sequence[Gate] = ()
    baseline: Scores | None = None
    tolerances: Tolerances = field(default_factory=Tolerances)
    numbers: Mapping[str, Number] = field(default_factory=dict)

    @classmethod
    def parse(
        cls, require: Sequence[str], baseline: Path | None, tolerance: Sequence[str], numbers: Mapping[str, Number]
    ) -> "Conditions":
        """Read what the user asked for, before anything is measured.

        Args:
            require: Texts of gates.
            baseline: The records that an earlier run wrote.
            tolerance: Texts of tolerances.
            numbers: What is going to be measured.

        Raises:
            UsageError: Something cannot be read, is about what is not measured, or has nothing to go with.
        """
        if tolerance and baseline is None:
            raise UsageError(
                "--tolerance says by how much numbers may be worse than those of a --baseline; give that too"
            )
        gates = [parse_gate(text) for text in require]
        for gate in gates:
            check_gate(gate, numbers)
        tolerances = parse_tolerances(tolerance, numbers)
        return cls(gates, read_baseline(baseline) if baseline else None, tolerances, numbers)

    def judge(self, scores: Scores) -> list[Judged]:
        """Say of each condition, and of each number of the earlier run, whether it is met."""
        systems = dict(scores.systems)
        for failure in scores.failures:
            if failure.system or not systems:
                systems.setdefault(failure.system, Columns())
        judged: list[Judged] = []
        for gate in self.gates:
            for system, columns in (systems or {"": Columns()}).items():
                # What does not say whose it is, such as a line that is no record, may be anybody's.
                failed = sum(failure.system in (system, "") for failure in scores.failures)
                judged.append(("require", judge(gate, columns, self.numbers, failed, system)))
        if self.baseline is not None:
            compared = compare(self.baseline, scores, self.numbers, self.tolerances)
            judged += [("baseline", verdict) for verdict in compared]
        return judged
