"""Whether a run meets a condition: the result of a quality gate, or of a comparison with an earlier run."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .columns import Key

WORST = 5  # files that are named where a condition fails


@dataclass(frozen=True)
class Verdict:
    """Whether one condition was met.

    Attributes:
        kind: Which option asks for it: ``require`` or ``baseline``.
        name: The condition.
        reason: Why it is not met, for people; empty where it is.
        found: The measured number, where the condition compares a single one.
        wanted: What that number has to reach.
        worst: The files with the worst values, worst first, each with its numbers as text.
    """

    kind: str
    name: str
    reason: str = ""
    found: str = ""
    wanted: str = ""
    worst: tuple[tuple[str, str], ...] = ()

    @property
    def lines(self) -> list[str]:
        """The reason and the worst files, a line each; none where the condition is met."""
        return [self.reason, *(f"{name}: {words}" for name, words in self.worst)] if self.reason else []


def name_some(keys: Iterable[Key], chosen: NDArray[np.bool_]) -> str:
    """Count the chosen records, and name the first of them.

    >>> name_some([Key("a"), Key("b", 1), Key("c")], np.array([True, True, False]))
    '2 record(s): a, b.1'
    """
    names = [str(key) for key, wanted in zip(keys, chosen, strict=True) if wanted]
    more = f" and {len(names) - WORST} more" if len(names) > WORST else ""
    return f"{len(names)} record(s): {', '.join(names[:WORST])}{more}"
